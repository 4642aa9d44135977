"""A coreference item: a chat about two photos whose last turn points at one of four objects."""

from mcu.items import LABELS, Item
from mcu.records import Row
from mcu.stages.derive.coref_scene import Line, Mention
from mcu.stages.derive.coref_words import Words, words_of
from mcu.stages.derive.objects import Thing


class Shown(Row):
    """A photo: who posted it with which turn, what it shows."""

    key: str
    owner: str
    turn: int
    caption: str
    objects: list[Thing]


class Target(Row):
    """What is asked for: a demonstrative of the last turn, between two places of its text."""

    turn: int
    speaker: str
    text: str
    demonstrative: str
    start: int
    end: int
    topic: str


class Choice(Row):
    """One of the four options."""

    label: str
    text: str
    object: str
    image_key: str
    owner: str


class Rationale(Row):
    """Why the answer is right, and by label why each other option is wrong."""

    answer: str
    wrong: dict[str, str]


class Difficulty(Row):
    """What makes an item hard.

    `turns_since` counts from the turn with the evidence to the last. `rivals` are options of the
    answer's kind. `named` says that the talk lists all four objects by name. `by_place` says that
    the answer is told by where it is from another object. `sessions` says whether the pictures come
    from one session of the episode or different ones, or from the album alone. `agreement` is the
    share of solvers that found the answer, `guessed` that one found it without the captions.
    """

    turns_since: int
    rivals: int
    named: bool
    by_place: bool
    sessions: str
    agreement: float
    guessed: bool


class CorefItem(Item):
    """A chat about two photos whose last turn points at one of four objects."""

    turns: list[Line]
    images: list[Shown]
    mentions: list[Mention]
    target: Target
    options: list[Choice]
    answer: str
    answer_text: str
    rationale: Rationale
    difficulty: Difficulty
    twin_id: str

    @property
    def gold(self) -> int:
        """Index of the right option."""
        return LABELS.index(self.answer)

    @property
    def words(self) -> Words:
        """The forms of the item's language."""
        return words_of(self.language)
