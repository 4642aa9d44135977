"""Backends: what does the outside work. Requests, replies and protocols; one file a backend."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from PIL.Image import Image

from mcu.errors import McuError, Reject


@dataclass(frozen=True)
class ChatRequest:
    """One model call: everything that can change the answer, and nothing else."""

    messages: list[dict[str, str]]
    schema_name: str
    schema: dict[str, Any]
    model: str
    seed: int
    temperature: float = 0.9
    top_p: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    max_tokens: int = 2048
    reasoning_effort: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Dispatch:
    """How a request travels: nothing in it can change the answer.

    Attributes:
        key: the hash under which the journal keeps the answer.
        priority: lower goes first, see `Unit.priority`.
        endpoints: names of the servers that may answer; empty for all.
    """

    key: str = ""
    priority: tuple[int, int] = (0, 0)
    endpoints: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChatReply:
    """What the model wrote, and what it cost.

    Attributes:
        finish: the provider's finish reason; `refusal` and `context_length` are ours.
        cached_tokens: the part of `prompt_tokens` that the provider's prompt cache held.
        written_tokens: the part of them that was put into that cache.
        usd: dollars; None when nobody knows the model's price.
        tier: `batch`, or the service tier that the provider tells.
        endpoint: name of the server that answered.
        seconds: of the call that succeeded; nothing of waiting before it.
    """

    text: str
    finish: str = "stop"
    model: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    written_tokens: int = 0
    usd: float | None = None
    tier: str = ""
    endpoint: str = ""
    seconds: float = 0.0


class Chat(Protocol):
    """A language model."""

    async def complete(self, request: ChatRequest, dispatch: Dispatch) -> ChatReply:
        """Answer one request.

        Raises:
            Reject: this one cannot be answered.
            BackendError: none can: key, model, quota.
            Incomplete: the next call could pass `run.max_usd`.
        """
        ...

    def stop(self, error: McuError) -> None:
        """Begin no call any more; those in flight go on, those waiting get the error."""
        ...

    def load(self) -> str:
        """A few words on how busy it is, for the progress display; empty when there are none."""
        ...

    async def close(self) -> None:
        """Give connections back."""
        ...


@dataclass(frozen=True)
class ImageRequest:
    """One picture to make.

    Attributes:
        kind: `face` is a portrait, `p-t2i` shows the persona, `t2i` nobody in particular.
        look: face attributes (stage 2) of the person shown.
        faces: that person's ID pictures, JPEG bytes; one or several.
        others: portraits of other people who recur, for routes that take several.
    """

    kind: Literal["face", "p-t2i", "t2i"]
    prompt: str
    seed: int
    look: Mapping[str, str] = field(default_factory=dict)
    faces: tuple[bytes, ...] = ()
    others: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Origin:
    """Where a drawn picture comes from, as its own file tells.

    Attributes:
        source: a term of IPTC's digital source types.
    """

    model: str
    seed: int
    source: Literal["trainedAlgorithmicMedia", "algorithmicMedia"]


class ImageGenerator(Protocol):
    """Makes pictures from text; called in worker threads, with whole batches.

    Attributes:
        lanes: calls of `generate` that may run at once.
    """

    lanes: int

    def most(self, kind: str) -> int:
        """The most requests of a kind that a call takes; asked before every call."""
        ...

    def generate(self, requests: Sequence[ImageRequest]) -> list[Image | Reject]:
        """Pictures, or why one cannot be drawn, in the order of the requests, all of one kind.

        Each picture depends on its own request alone.

        Raises:
            BackendError: no picture can be drawn: weights, memory, device.
        """
        ...

    def origin(self, request: ImageRequest) -> Origin:
        """What a picture for this request is marked with."""
        ...


class FaceCheck(Protocol):
    """Looks for faces; called in a worker thread.

    Attributes:
        identifies: whether it can tell one person from another.
    """

    identifies: bool

    def count(self, image: Image) -> int:
        """How many faces are in the picture."""
        ...

    def distance(self, image: Image, portrait: Image) -> float | None:
        """How unlike the portrait's face the likest face in the picture is.

        None where either shows none. 0 is the same picture, `checks.identity_bar` the most that
        passes.
        """
        ...


class PictureSafety(Protocol):
    """Says what picture must not be kept; called in a worker thread."""

    def unsafe(self, image: Image) -> str:
        """The reason why this picture must not be kept, or an empty string."""
        ...


class Safety(Protocol):
    """Says what must not be published."""

    def text(self, text: str) -> str:
        """The reason why this text must not be published, or an empty string."""
        ...

    def famous(self, text: str) -> str:
        """The real, well-known person whom a text names, or an empty string."""
        ...


class Encoder(Protocol):
    """Texts, and pictures or their captions, to unit vectors; called in worker threads.

    Attributes:
        name: tells encoders apart whose vectors cannot be compared.
        width: of a vector.
        sees: whether it reads pictures; one that does not knows them by their captions alone.
        bar: least cosine of a picture that shows what a description says, see `mcu calibrate`.
    """

    name: str
    width: int
    sees: bool
    bar: float

    def encode(self, texts: Sequence[str]) -> Any:
        """float32 array of shape [len(texts), width], rows of length 1."""
        ...

    def pictures(self, images: Sequence[Image]) -> Any:
        """float32 array of shape [len(images), width], rows of length 1; only where it `sees`."""
        ...


@dataclass(frozen=True)
class Hit:
    """One picture found, by an index or by a web search.

    Attributes:
        file: its name in an index, or its address on the web.
        score: how well its place liked it for the query; comparable within one search alone.
        about: what else is told of it, such as its subject and keywords.
        url: where the picture itself is; page: the page that shows it.
        time: when it was found, ISO 8601 in UTC; of web searches alone.
        copy: whether its bytes may be published, not only its address.
    """

    file: str
    caption: str
    source: str
    score: float = 0.0
    about: str = ""
    url: str = ""
    page: str = ""
    licence: str = ""
    author: str = ""
    time: str = ""
    copy: bool = True


class Search(Protocol):
    """Finds pictures for texts; called in a worker thread, with whole batches."""

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """At most k hits a query, best first.

        Raises:
            Reject: it cannot be asked now, though that may pass; an empty list is an answer.
        """
        ...

    def fetch(self, hit: Hit) -> bytes:
        """The picture's bytes as they were found.

        Raises:
            Reject: they cannot be had, or may not be.
        """
        ...
