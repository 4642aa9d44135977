"""Every record that a stage takes or makes: frozen, typed, with an id derived from its content."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mcu.ids import uuid4_of

Relation = Literal["characteristic", "routine", "goal", "experience", "relationship"]
RELATIONS: tuple[Relation, ...] = (
    "characteristic",
    "routine",
    "goal",
    "experience",
    "relationship",
)
Unit = Literal["hour", "day", "week", "month", "year"]
Route = Literal["p-t2i", "t2i", "web", "retrieval"]
Source = Literal["internet", "mobile"]
ASSISTANT = "AI Assistant"


class Row(BaseModel):
    """A frozen row with no keys but its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Record(Row):
    """A row with an identity. `parent` is the id of the record it was made from."""

    id: str = ""
    parent: str = ""

    @model_validator(mode="after")
    def _derive_id(self) -> Self:
        if self.id:
            return self  # read back from a file whose hash is kept
        content = self.model_dump_json(exclude={"id"})
        object.__setattr__(self, "id", uuid4_of(type(self).__name__, content))
        return self


class PersonaSeed(Record):
    """What one persona call is asked for: a category of attributes and a kind of person."""

    number: int
    category: str
    entity_key: str
    age: int
    gender: str
    birthplace: str
    residence: str
    count: int


class Persona(Record):
    """One person and one attribute of theirs: an entity value inside a sentence (paper step 1)."""

    category: str
    entity_key: str
    entity_value: str
    sentence: str
    name: str
    age: int
    gender: str
    birthplace: str
    residence: str


class Candidate(Row):
    """A picture considered; `image` is the SHA-256 of its file once fetched or drawn.

    `reason` says why it was not taken, `checks` what was found in it: the number of faces, the
    distance of the likest to the persona's.
    """

    source: str
    score: float = 0.0
    file: str = ""
    image: str = ""
    seed: int = 0
    checks: dict[str, float] = {}
    reason: str = ""


class Face(Record):
    """A persona's appearance and portrait (paper step 2). `relation` is empty for one identity
    per persona, else the episode's relation.
    """

    relation: str = ""
    name: str
    description: str
    look: dict[str, str]
    key: str
    image: str = Field(description="SHA-256 of the JPEG in the run's image folder.")
    seed: int = 0
    candidates: list[Candidate] = []


class Commonsense(Record):
    """A PeaCoK inference about the persona: the clause that completes the relation's sentence."""

    relation: Relation
    inference: str


class Narrative(Record):
    """The persona, the attribute and the inference as a short story (paper step 4)."""

    text: str


class Interval(Row):
    """Time since the session before."""

    value: int
    unit: Unit

    def __str__(self) -> str:
        return f"{self.value} {self.unit}{'s' if self.value != 1 else ''}"


class Event(Row):
    """One node of the event graph; the first has no interval, experience or cause."""

    number: int
    date: str = Field(description="YYYY.MM.DD")
    event: str
    caused_by: list[int] = []
    interval: Interval | None = None
    experience: str = ""
    op: Literal["add", "update", ""] = ""


class Events(Record):
    """The event sequence of one episode, 4-6 sessions in order (paper step 5)."""

    events: list[Event]


class DeviceImage(Record):
    """A picture on the persona's phone before the first session (paper step 6)."""

    number: int
    description: str
    category: str


class SharedImage(Row):
    """An image-sharing moment inside a turn.

    `album` is the number of the device picture that is shared, 0 for one from the internet;
    `new` says that this moment adds it to the album.
    """

    description: str
    rationale: str
    source: Source
    keywords: list[str]
    album: int = 0
    new: bool = False


class Turn(Row):
    """One utterance, with or without a picture."""

    speaker: str
    utterance: str
    image: SharedImage | None = None


class AlbumEntry(Row):
    """A device picture as the dialogue knows it."""

    number: int
    description: str
    category: str = ""


class Session(Record):
    """One session of an episode; `album` is the device album after it (paper step 7)."""

    number: int
    date: str
    event: str
    interval: Interval | None = None
    experience: str = ""
    op: str = ""
    turns: list[Turn]
    album: list[AlbumEntry]


class Plan(Row):
    """The route chosen for a slot, with what that route needs."""

    route: Route
    prompt: str
    class_word: str = ""


class Place(Row):
    """Where a picture is shown: a turn of a session (both from 1)."""

    session: int
    turn: int

    @property
    def at(self) -> tuple[int, int]:
        """To sort by, and to look up."""
        return self.session, self.turn


class Further(Row):
    """A found picture that would do for a slot, too: ranked behind the one that was taken."""

    key: str
    image: str
    phash: str = ""
    source: str
    caption: str = ""
    url: str = ""
    page: str = ""
    licence: str = ""
    author: str = ""
    time: str = ""
    copy_allowed: bool = True
    verification: dict[str, float] = {}


class Picture(Record):
    """The picture of one slot, with its provenance (paper step 8).

    A device picture shared in several sessions is one slot: `places` lists the turns. `album` is
    its number in the album, 0 for a picture from the internet. `verification` is filled by checks
    of image against description, empty where none ran. `further` are those behind it, best first.
    """

    slot: str
    description: str
    album: int
    places: list[Place]
    plan: Plan
    key: str
    image: str
    phash: str = Field("", description="Perceptual hash in hex; empty without any contrast.")
    route: Route = Field(description="The one that it came by; the plan's, or a later one.")
    source: str
    caption: str = ""
    url: str = ""
    page: str = ""
    licence: str = ""
    author: str = ""
    time: str = Field("", description="When a web search found it, ISO 8601 in UTC.")
    copy_allowed: bool = True
    seed: int = 0
    candidates: list[Candidate] = []
    verification: dict[str, float] = {}
    further: list[Further] = []

    @property
    def ranked(self) -> "list[Picture | Further]":
        """The picture of the slot, then those behind it."""
        return [self, *self.further]

    @property
    def first(self) -> Place:
        """Where it is shown first; only for one that is shown."""
        return min(self.places, key=lambda place: place.at)
