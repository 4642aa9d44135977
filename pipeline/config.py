"""Configuration: defaults, profile, mcu.toml, environment and flags become one checked object."""

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from importlib.resources import files
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import BaseModel, Field, ValidationError

from mcu.errors import ConfigError
from mcu.image_section import ImageSection
from mcu.prices import Price
from mcu.section import Section
from mcu.sections import (
    DERIVED,
    ChatSection,
    ChecksSection,
    DeriveSection,
    EncoderSection,
    IndexSection,
    ReleaseSection,
    RunSection,
    WebSection,
)

PROFILES = ("offline", "openai", "gpu")
_AFTER = ("prices", "release", "derive")  # sections that change no row of a stage


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
    derive: DeriveSection = DeriveSection()
    prices: dict[str, Price] = Field({}, description="In place of the table's, by model.")

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

    def with_run(self, **values: Any) -> "Config":
        """The same with other values in the section `run`."""
        return self.model_copy(update={"run": self.run.model_copy(update=values)})

    def rows(self, *sections: str, stage: str = "") -> dict[str, Any]:
        """The settings that change rows, by dotted key: all sections, or those named.

        All are those of the eight stages: how a finished run is published, and what is derived
        from it, may be changed afterwards.

        With a stage, those of `chat` are what that stage makes of them.
        """
        found: dict[str, Any] = {}
        for name in sections or (n for n in Config.model_fields if n not in _AFTER):
            if stage and name == "chat":
                found["chat.backend"], found["chat.repairs"] = self.chat.backend, self.chat.repairs
                found |= _rows("chat", self.chat.of(stage))
            else:
                found |= _rows(name, getattr(self, name))
        if not sections:
            derived = tuple(f"chat.stages.{name}." for name in DERIVED)
            found = {key: value for key, value in found.items() if not key.startswith(derived)}
        return found

    def to_toml(self) -> str:
        """The resolved configuration without secrets, as `run.toml` keeps it."""
        return tomli_w.dumps(_without_none(self.model_dump(mode="json")))


def _rows(name: str, section: BaseModel) -> dict[str, Any]:
    """A section's settings by dotted key, without those of transport at any depth."""
    found: dict[str, Any] = {}
    values = section.model_dump(mode="json")
    for key, info in type(section).model_fields.items():
        extra, value = info.json_schema_extra, getattr(section, key)
        if isinstance(extra, dict) and extra.get("transport"):
            continue
        if isinstance(value, dict) and any(isinstance(v, BaseModel) for v in value.values()):
            for part, inner in sorted(value.items()):
                given = _rows(f"{name}.{key}.{part}", inner)
                found |= {path: v for path, v in given.items() if v is not None}
        elif not isinstance(value, dict) or value:
            found[f"{name}.{key}"] = values[key]
    return found


def load_config(
    profile: str = "offline",
    path: Path | None = None,
    flags: Iterable[str] = (),
    environment: Mapping[str, str] | None = None,
    values: Mapping[str, Any] | None = None,
) -> Config:
    """Resolve a configuration; later sources win: profile, environment, file, values, flags.

    Args:
        profile: `offline`, `openai` or `gpu`.
        path: a `mcu.toml`, or None for none.
        flags: `section.key=value` texts; a value is read as TOML, else taken as it stands.
        environment: os.environ by default; OPENAI_API_KEY, OPENAI_BASE_URL and MCU_WEB_API_KEY are
            honoured.
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
    _take_keys(merged, os.environ if environment is None else environment)
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
    names = {
        "chat": {"api_key": "OPENAI_API_KEY", "base_url": "OPENAI_BASE_URL"},
        "web": {"api_key": "MCU_WEB_API_KEY"},
    }
    return {
        section: {key: environment[name] for key, name in keys.items() if environment.get(name)}
        for section, keys in names.items()
    }


def _take_keys(merged: dict[str, Any], environment: Mapping[str, str]) -> None:
    """Give each endpoint the key that it names a variable for."""
    chat = merged.get("chat")
    endpoints = chat.get("endpoints") if isinstance(chat, dict) else None
    for endpoint in endpoints.values() if isinstance(endpoints, dict) else ():
        if isinstance(endpoint, dict) and (name := endpoint.get("api_key_env")):
            endpoint.setdefault("api_key", environment.get(str(name), ""))


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def _flag(flag: str) -> dict[str, Any]:
    key, equals, text = flag.partition("=")
    # Not the whole flag in the message: the value may be a key.
    odd = ConfigError(f"--set {key.strip()[:80]!r} is not of the form section.key=value")
    try:
        path = [*_path(tomllib.loads(f"{key.strip()} = 0"))]
    except (tomllib.TOMLDecodeError, RecursionError):
        raise odd from None
    if not equals or len(path) < 2:
        raise odd
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        value = text
    for name in reversed(path):
        value = {name: value}
    return dict(value)


def _path(nested: Any) -> Iterator[str]:
    """The names down to the only leaf, such as `chat`, `stages`, `dialogue`, `model`."""
    while isinstance(nested, dict):
        ((name, nested),) = nested.items()
        yield name


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
