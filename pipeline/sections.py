"""The sections of the configuration: every setting, its default and its bounds."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, model_validator

from mcu.languages import ENGLISH, language_name
from mcu.section import TRANSPORT, Section

TRANSLATED = ("narrative", "dialogue")  # stages whose text may be in another language

Written = Literal[
    "persona",
    "commonsense",
    "narrative",
    "events",
    "album",
    "dialogue",
    "align",
    "summary",
    "objects",
    "coref",
    "refine",
]
DERIVED = ("summary", "objects", "coref", "refine")  # stages after the eight

Effort = Literal["", "none", "minimal", "low", "medium", "high", "xhigh", "max"]


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
    max_usd: Annotated[float, TRANSPORT] = Field(
        0, ge=0, description="Dollars that the run may spend in all; 0 sets no cap."
    )
    max_reject_share: Annotated[float, TRANSPORT] = Field(
        0.5, ge=0, le=1, description="A stage that rejects more stops the run."
    )

    @model_validator(mode="after")
    def _ordered(self) -> "RunSection":
        if not 10 <= self.ages[0] <= self.ages[1] <= 100:
            raise ValueError("run.ages must be two ages between 10 and 100, youngest first")
        if not 1 <= self.sessions[0] <= self.sessions[1] <= 6:
            raise ValueError("run.sessions must be two numbers between 1 and 6, fewest first")
        return self


class EndpointSection(Section):
    """One server that speaks chat completions; several share the calls by free capacity."""

    base_url: str = ""
    api_key: SecretStr = Field(SecretStr(""), exclude=True)
    api_key_env: str = Field("", description="The environment variable that holds the key.")
    max_in_flight: int = Field(0, ge=0, le=4096, description="0 takes chat.max_in_flight.")
    requests_per_minute: float = Field(0, ge=0, description="0 sets no limit.")
    tokens_per_minute: float = Field(0, ge=0, description="0 sets no limit.")


class StageChatSection(Section):
    """What one stage asks of the model; what is None is taken from `chat`, or from the prompt."""

    model: str | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    max_tokens: int | None = Field(None, ge=0)
    reasoning_effort: Effort | None = None
    language: str | None = Field(None, description="Narrative and dialogue alone.")
    extra: dict[str, Any] | None = None
    endpoints: Annotated[tuple[str, ...] | None, TRANSPORT] = None


class ChatSection(Section):
    """The language model."""

    backend: Literal["scripted", "openai"] = "scripted"
    model: str = "scripted-1"
    base_url: Annotated[str, TRANSPORT] = ""
    api_key: Annotated[SecretStr, TRANSPORT] = Field(SecretStr(""), exclude=True)
    endpoints: Annotated[dict[str, EndpointSection], TRANSPORT] = Field(
        {}, description="Servers by name, in place of base_url and api_key."
    )
    mode: Annotated[Literal["live", "batch"], TRANSPORT] = Field(
        "live", description="`batch` is half the price, and takes hours."
    )
    service_tier: Annotated[
        Literal["", "auto", "default", "flex", "priority", "fast"], TRANSPORT
    ] = ""
    timeout: Annotated[float, TRANSPORT] = Field(120.0, gt=0, description="Seconds a call.")
    retries: Annotated[int, TRANSPORT] = Field(6, ge=0, description="Tries after a passing error.")
    max_in_flight: Annotated[int, TRANSPORT] = Field(
        64, ge=1, le=4096, description="Most calls at once; fewer where the server wants fewer."
    )
    requests_per_minute: Annotated[float, TRANSPORT] = Field(0, ge=0)
    tokens_per_minute: Annotated[float, TRANSPORT] = Field(0, ge=0)
    repairs: int = Field(2, ge=0, le=5, description="Calls that quote a fault before a reject.")
    max_tokens: int = Field(0, ge=0, description="Reply budget a call; 0 takes the prompt's own.")
    temperature: float | None = Field(None, ge=0, le=2, description="Overrides every prompt's.")
    reasoning_effort: Effort = ""
    language: str = Field(
        "en", min_length=2, description="Of narratives and dialogues: a code such as ko, or a name."
    )
    extra: dict[str, Any] = Field({}, description="Put into every request's body as it is.")
    structured: Annotated[Literal["auto", "json_schema", "json_object", "text"], TRANSPORT] = "auto"
    keep_replies: Annotated[bool, TRANSPORT] = True
    stages: dict[Written, StageChatSection] = Field(
        {}, description="Other settings for one stage, by its name."
    )

    @model_validator(mode="after")
    def _known(self) -> "ChatSection":
        for name, stage in self.stages.items():
            if stage.language and name not in TRANSLATED:
                raise ValueError(f"stage {name} is written in English; no language can be set")
            for endpoint in set(stage.endpoints or ()) - self.endpoints.keys():
                raise ValueError(f"stage {name} names an endpoint that is not there: {endpoint!r}")
        languages = {language_name(str(self.of(name).language)) for name in TRANSLATED}
        if self.backend == "scripted" and languages != {ENGLISH}:
            raise ValueError("the scripted author writes English alone; a language needs a model")
        if self.mode == "batch" and self.backend == "scripted":
            raise ValueError("the scripted author takes no batches; mode = 'batch' needs a model")
        if self.mode == "batch" and self.service_tier:
            raise ValueError("mode = 'batch' is a tier of its own; leave service_tier out")
        return self

    def of(self, stage: str) -> StageChatSection:
        """The settings of one stage, with what it leaves open taken from the whole."""
        own = self.stages.get(stage, StageChatSection())  # type: ignore[call-overload]
        given = own.model_dump(exclude_none=True)
        common = {
            "model": self.model,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "reasoning_effort": self.reasoning_effort,
            "language": self.language if stage in TRANSLATED else "en",
            "extra": self.extra,
            "endpoints": tuple(self.endpoints),
        }
        return StageChatSection(**{**common, **given})


class EncoderSection(Section):
    """What turns texts, and pictures or their captions, into vectors."""

    backend: Literal["caption", "open_clip"] = "caption"
    model: str = Field("ViT-L-14-336-quickgelu", description="Any of open_clip's models.")
    pretrained: str = Field("openai", description="A tag of that model, or a weight file.")
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    device: Annotated[str, TRANSPORT] = Field("", description="Such as cuda:0; empty chooses.")
    batch: Annotated[int, TRANSPORT] = Field(0, ge=0, le=4096, description="0 chooses.")


class IndexSection(Section):
    """The picture indexes for retrieval."""

    names: tuple[str, ...] = Field(
        ("starter",), min_length=1, description="`starter`, names under indexes/, or folders."
    )
    hits: int = Field(5, ge=1, le=50, description="Candidates kept a slot.")


class WebSection(Section):
    """Web image search."""

    backend: Literal["gallery", "openverse", "commons", "bing", "google", "flickr"] = "gallery"
    base_url: Annotated[str, TRANSPORT] = Field("", description="In place of the service's own.")
    api_key: Annotated[SecretStr, TRANSPORT] = Field(SecretStr(""), exclude=True)
    contact: Annotated[str, TRANSPORT] = Field("", description="Your address, told to servers.")
    licences: Literal["open", "commercial", "any"] = Field(
        "open", description="`open` may be copied, `commercial` sold too, `any` is kept as a link."
    )
    hits: int = Field(5, ge=1, le=50, description="Candidates a query.")
    rate: Annotated[float, TRANSPORT] = Field(1.0, gt=0, description="Requests a second a host.")
    timeout: Annotated[float, TRANSPORT] = Field(30.0, gt=0, description="Seconds a picture.")
    allow_private: Annotated[bool, TRANSPORT] = Field(
        False, description="Fetch from this machine and its network, too; for trials."
    )


class ChecksSection(Section):
    """Checks on faces, texts and pictures."""

    faces: Literal["perceptual", "dlib", "off"] = "perceptual"
    safety: Literal["words", "off"] = "words"
    pictures: Literal["nudenet", "off"] = Field("off", description="Check of drawn pictures.")
    identity_bar: float = Field(
        0.44, ge=0, le=2, description="Most distance from a picture's face to the persona's."
    )
    relevance_bar: float = Field(
        0.0,
        ge=-1,
        le=1,
        description="Least score of a picture against its description; 0 takes the encoder's.",
    )
    face_tries: int = Field(4, ge=1, le=20, description="Seeds tried for a picture that passes.")
    best_of: int = Field(1, ge=1, le=20, description="Seeds drawn at once; the likest is taken.")


class ReleaseSection(Section):
    """What is published."""

    validation: float = Field(0.05, ge=0, lt=1, description="Share of the personas, about.")
    test: float = Field(0.05, ge=0, lt=1, description="Share of the personas, about.")
    complete_only: bool = Field(False, description="Leave out episodes with an empty image key.")
    ranked: int = Field(1, ge=1, le=5, description="Pictures published a slot, best first.")
    images_per_tar: int = Field(50_000, ge=1)
    licence: str = "cc-by-4.0"
    certificate: Annotated[str, TRANSPORT] = Field(
        "", description="PEM chain that signs drawn pictures (C2PA); empty signs none."
    )
    key: Annotated[str, TRANSPORT] = Field("", description="PEM file of its private key.")

    @model_validator(mode="after")
    def _both(self) -> "ReleaseSection":
        if bool(self.certificate) != bool(self.key):
            raise ValueError("release.certificate and release.key need each other")
        if self.validation + self.test >= 1:
            raise ValueError("release.validation and release.test leave nothing to train on")
        return self


class DeriveSection(Section):
    """What is made from a finished run."""

    languages: tuple[Literal["en", "ko"], ...] = Field(
        ("en",), min_length=1, description="Of coreference items: en, ko or both."
    )
    pairs: int = Field(4, ge=1, le=20, description="Pairs of pictures an episode, at most.")
    items: int = Field(0, ge=0, description="Items of a task, at most; 0 sets no limit.")
    solvers: tuple[str, ...] = Field(
        ("", "", ""), description="Models that must agree on an item; an empty name is chat.model."
    )
