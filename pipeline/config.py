"""Configuration: defaults, profile, mcu.toml, environment and flags become one checked object."""

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from copy import deepcopy
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from mcu.errors import ConfigError

PROFILES = ("offline", "openai")

# Settings that never change a row: they are left out of fingerprints and may differ on resume.
_TRANSPORT = Field(json_schema_extra={"transport": True})


class Section(BaseModel):
    """A part of the configuration; keys that nobody reads are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RunSection(Section):
    """What to make."""

    seed: int = Field(0, description="Everything random starts from it.")
    episodes: int = Field(20, ge=1, description="Episodes asked for: five a persona.")
    shard_size: int = Field(0, ge=0, le=1000, description="Personas a shard; 0 chooses.")
    personas_per_call: int = Field(0, ge=0, le=30, description="Personas a call; 0 chooses.")
    identity: Literal["persona", "episode"] = Field(
        "persona", description="One face per persona, or the paper's one per episode."
    )
    ages: tuple[int, int] = Field((18, 90), description="Youngest and oldest persona.")
    sessions: tuple[int, int] = Field((4, 6), description="Fewest and most sessions an episode.")
    turns: int = Field(10, ge=4, le=40, description="Utterances a session, about.")
    moments: int = Field(2, ge=0, le=6, description="Fewest image moments a session.")
    last_date: date = Field(date(2024, 4, 30), description="No session is dated later.")
    max_reject_share: Annotated[float, _TRANSPORT] = Field(
        0.5, ge=0, le=1, description="A stage that rejects more stops the run."
    )

    @model_validator(mode="after")
    def _ordered(self) -> "RunSection":
        if not 10 <= self.ages[0] <= self.ages[1] <= 100:
            raise ValueError("run.ages must be two ages between 10 and 100, youngest first")
        if not 1 <= self.sessions[0] <= self.sessions[1] <= 6:
            raise ValueError("run.sessions must be two numbers between 1 and 6, fewest first")
        return self


class ChatSection(Section):
    """The language model."""

    backend: Literal["scripted", "openai"] = "scripted"
    model: str = "scripted-1"
    base_url: Annotated[str, _TRANSPORT] = ""
    api_key: Annotated[SecretStr, _TRANSPORT] = Field(SecretStr(""), exclude=True)
    timeout: Annotated[float, _TRANSPORT] = Field(120.0, gt=0, description="Seconds a call.")
    retries: Annotated[int, _TRANSPORT] = Field(6, ge=0, description="Tries after a passing error.")
    max_in_flight: Annotated[int, _TRANSPORT] = Field(64, ge=1, le=4096)
    repairs: int = Field(2, ge=0, le=5, description="Calls that quote a fault before a reject.")
    max_tokens: int = Field(0, ge=0, description="Reply budget a call; 0 takes the prompt's own.")
    temperature: float | None = Field(None, ge=0, le=2, description="Overrides every prompt's.")
    structured: Annotated[Literal["auto", "json_schema", "json_object", "text"], _TRANSPORT] = (
        "auto"
    )
    keep_replies: Annotated[bool, _TRANSPORT] = True


class ImageSection(Section):
    """The image generator."""

    backend: Literal["avatar"] = "avatar"
    workers: Annotated[int, _TRANSPORT] = Field(2, ge=1, description="Threads that draw.")


class EncoderSection(Section):
    """What turns texts into vectors for retrieval."""

    backend: Literal["caption"] = "caption"


class IndexSection(Section):
    """The picture index for retrieval."""

    name: str = Field("starter", description="`starter`, or the path of an index folder.")
    hits: int = Field(5, ge=1, le=50, description="Candidates kept a slot.")


class WebSection(Section):
    """Web image search."""

    backend: Literal["gallery"] = "gallery"


class ChecksSection(Section):
    """Checks on faces, texts and pictures."""

    faces: Literal["perceptual", "off"] = "perceptual"
    safety: Literal["words", "off"] = "words"
    face_tries: int = Field(4, ge=1, le=20, description="Seeds tried for exactly one face.")


class ReleaseSection(Section):
    """What is published."""

    complete_only: bool = Field(False, description="Leave out episodes with an empty image key.")
    images_per_tar: int = Field(50_000, ge=1)
    licence: str = "cc-by-4.0"


class Config(Section):
    """One run's whole configuration."""

    run: RunSection = RunSection()
    chat: ChatSection = ChatSection()
    image: ImageSection = ImageSection()
    encoder: EncoderSection = EncoderSection()
    index: IndexSection = IndexSection()
    web: WebSection = WebSection()
    checks: ChecksSection = ChecksSection()
    release: ReleaseSection = ReleaseSection()

    @property
    def personas(self) -> int:
        """Personas needed: every one gives five episodes, one per relation."""
        return -(-self.run.episodes // 5)

    @property
    def shard_size(self) -> int:
        """Personas a shard: 100, fewer in small runs so that stages overlap."""
        return self.run.shard_size or min(100, max(1, -(-self.personas // 8)))

    @property
    def shards(self) -> int:
        """Shards in the run."""
        return -(-self.personas // self.shard_size)

    @property
    def personas_per_call(self) -> int:
        """Few while the run is small, so that every category is used; 30 at full scale."""
        return self.run.personas_per_call or min(30, max(1, self.personas // 100))

    def rows(self, *sections: str) -> dict[str, Any]:
        """The settings that change rows, by dotted key: all sections, or those named."""
        found: dict[str, Any] = {}
        for name in sections or Config.model_fields:
            section: Section = getattr(self, name)
            values = section.model_dump(mode="json")
            for key, info in type(section).model_fields.items():
                extra = info.json_schema_extra
                if not (isinstance(extra, dict) and extra.get("transport")):
                    found[f"{name}.{key}"] = values[key]
        return found

    def to_toml(self) -> str:
        """The resolved configuration without secrets, as `run.toml` keeps it."""
        return tomli_w.dumps(_without_none(self.model_dump(mode="json")))


def load_config(
    profile: str = "offline",
    path: Path | None = None,
    flags: Iterable[str] = (),
    environment: Mapping[str, str] | None = None,
    values: Mapping[str, Any] | None = None,
) -> Config:
    """Resolve a configuration; later sources win: profile, environment, file, values, flags.

    Args:
        profile: `offline` or `openai`.
        path: a `mcu.toml`, or None for none.
        flags: `section.key=value` texts; a value is read as TOML, else taken as it stands.
        environment: os.environ by default; OPENAI_API_KEY and OPENAI_BASE_URL are honoured.
        values: nested settings of the caller, as in `mcu.toml`.

    Raises:
        ConfigError: with one sentence that names the key at fault.
    """
    merged = _profile(profile)
    _merge(merged, _environment(os.environ if environment is None else environment))
    if path is not None:
        _merge(merged, _read_toml(path))
    _merge(merged, deepcopy(dict(values or {})))
    for flag in flags:
        _merge(merged, _flag(flag))
    return parse_config(merged)


def parse_config(values: Mapping[str, Any]) -> Config:
    """Check nested settings.

    Raises:
        ConfigError: names the first setting at fault.
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "configuration"
        if first["type"] == "extra_forbidden":
            raise ConfigError(f"unknown setting {key!r}; `mcu doctor` lists them all") from None
        reason = re.sub(r"^Value error, ", "", first["msg"])
        raise ConfigError(f"setting {key!r}: {reason}") from None


def read_config(path: Path) -> Config:
    """The configuration that a `run.toml` holds."""
    return parse_config(_read_toml(path))


def _profile(name: str) -> dict[str, Any]:
    if name not in PROFILES:
        raise ConfigError(f"unknown profile {name!r}; choose one of {', '.join(PROFILES)}")
    return tomllib.loads((files("mcu") / "profiles" / f"{name}.toml").read_text(encoding="utf-8"))


def _environment(environment: Mapping[str, str]) -> dict[str, Any]:
    names = {"api_key": "OPENAI_API_KEY", "base_url": "OPENAI_BASE_URL"}
    return {
        "chat": {key: environment[name] for key, name in names.items() if environment.get(name)}
    }


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def _flag(flag: str) -> dict[str, Any]:
    key, equals, text = flag.partition("=")
    section, dot, name = key.strip().partition(".")
    if not (equals and dot and section and name):
        # Not the whole flag: the value may be a key.
        raise ConfigError(f"--set {key.strip()[:80]!r} is not of the form section.key=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        value = text
    return {section: {name: value}}


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    return value
