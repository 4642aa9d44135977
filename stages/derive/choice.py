"""What the multiple-choice tasks share: talks, options, decks that deal seats, the envelope."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, TypeVar

from pydantic import Field

from mcu.derive import Material, Message
from mcu.ids import rng_of, uuid4_of
from mcu.items import LABELS, Item, ItemSource, Question
from mcu.records import Place, Row
from mcu.release.episodes import Episode
from mcu.release.rows import key_of
from mcu.stages.text import content_words

PHOTO = "[photo]"
T = TypeVar("T")


class Said(Row):
    """A turn of a talk; `caption` says what its picture shows, in place of the picture."""

    utter_id: str
    speaker: str
    text: str
    image_key: str = ""
    caption: str = ""


class Talk(Row):
    """One session with its date, YYYY.MM.DD."""

    session: int
    date: str
    turns: list[Said]


class Option(Row):
    """One of four; `image_key` where it is a picture, else empty."""

    label: str
    text: str
    image_key: str = ""


class Evidence(Row):
    """Where the answer stands: a session and a turn of it, empty where only the date tells."""

    session: int
    utter_id: str = ""


class Choice(Item):
    """An item with four options, of which one is right: `answer` is its label.

    `sessions` is what was said before the question is asked; `kind` tells the forms of one task
    apart.
    """

    kind: str
    sessions: list[Talk] = Field(default_factory=list)
    question: str
    options: list[Option]
    answer: str
    answer_text: str
    evidence: list[Evidence] = Field(default_factory=list)

    @property
    def gold(self) -> int:
        """Index of the right option."""
        return LABELS.index(self.answer)

    @property
    def texts(self) -> tuple[str, ...]:
        """The options without labels."""
        return tuple(option.text for option in self.options)


class Deck:
    """Deals whole numbers from 0 so that each comes equally often for a key, in no fixed order.

    A number that nothing can be made of now stays in its pile until something can.
    """

    def __init__(self, size: int, *salt: Any) -> None:
        self._size, self._salt = size, salt
        self._piles: dict[tuple[str, ...], list[int]] = {}
        self._rounds: dict[tuple[str, ...], int] = {}

    def left(self, *key: str) -> tuple[int, ...]:
        """The numbers that may be dealt for a key now, the next one first."""
        pile = self._piles.setdefault(key, [])
        if not pile:
            self._rounds[key] = self._rounds.get(key, 0) + 1
            rng = rng_of("deck", *self._salt, *key, self._rounds[key])
            pile.extend(rng.sample(range(self._size), self._size))
        return tuple(pile)

    def take(self, *key: str, number: int | None = None) -> int:
        """Deal a number for a key, the next one or one of those left."""
        chosen = self.left(*key)[0] if number is None else number
        self._piles[key].remove(chosen)
        return chosen


def seat(gold: T, others: Sequence[T], place: int) -> list[T]:
    """The options in order, the right one at its place."""
    return [*others[:place], gold, *others[place:]]


def labelled(texts: Sequence[str], keys: Sequence[str] = ()) -> list[Option]:
    """Options in their order, with labels."""
    found = keys or [""] * len(texts)
    return [
        Option(label=label, text=text, image_key=key)
        for label, text, key in zip(LABELS, texts, found, strict=True)
    ]


def utter_id(place: Place) -> str:
    """A turn's name, such as `2.7`."""
    return f"{place.session}.{place.turn}"


def talks(episode: Episode) -> list[Talk]:
    """The sessions as items tell them."""
    shown = episode.shown
    found = []
    for session in episode.sessions:
        turns = []
        for number, turn in enumerate(session.turns, 1):
            picture = shown.get((session.number, number))
            turns.append(
                Said(
                    utter_id=f"{session.number}.{number}",
                    speaker=turn.speaker,
                    text=turn.utterance,
                    image_key=key_of(picture) if picture else "",
                    caption=turn.image.description if turn.image else "",
                )
            )
        found.append(Talk(session=session.number, date=session.date, turns=turns))
    return found


def told(found: Iterable[Talk], captions: bool = True) -> str:
    """Talks as text: a dated heading, then lines, a picture by its caption or a bare mark."""
    return "\n\n".join(
        "\n".join([f"Talk {talk.session} on {talk.date}", *lines_of(talk.turns, captions)])
        for talk in found
    )


def lines_of(turns: Iterable[Said], captions: bool = True) -> list[str]:
    """One line a turn."""
    found = []
    for turn in turns:
        mark = f"[photo: {turn.caption}]" if captions else PHOTO
        words = " ".join(part for part in (turn.text, turn.caption and mark) if part)
        found.append(f"{turn.speaker}: {words}")
    return found


def best_turn(talk: Talk, text: str, name: str, share: float = 0.5) -> str:
    """The turn of a talk that tells most of a sentence's words, or none where less is told."""
    wanted = content_words(text) - content_words(name)
    best, found = 0.0, ""
    for turn in talk.turns:
        kept = len(wanted & content_words(turn.text)) / max(1, len(wanted))
        if kept > best:
            best, found = kept, turn.utter_id
    return found if best >= share else ""


def without(text: str, words: set[str]) -> str:
    """A text without the sentences that have one of the content words."""
    return " ".join(part for part in sentences_of(text) if not content_words(part) & words)


def sentences_of(text: str) -> list[str]:
    """The sentences of a text."""
    return [part for part in re.split(r"(?<=[.!?])\s+", text) if part]


def days_between(first: str, last: str) -> int:
    """Days from one date, YYYY.MM.DD, to another."""
    return (day_of(last) - day_of(first)).days


def day_of(text: str) -> date:
    """A date of the form YYYY.MM.DD."""
    return date.fromisoformat(text.replace(".", "-"))


def envelope(
    task: str,
    version: int,
    material: Material,
    episode: Episode,
    *content: Any,
    places: Iterable[str] = (),
    pictures: Iterable[str] = (),
) -> dict[str, Any]:
    """The fields that all items have, for an item of one episode.

    Args:
        task: its name.
        version: its version.
        material: tells the seed.
        episode: the source.
        *content: what tells this item from others of the episode.
        places: turns that the answer needs, such as `2.7`.
        pictures: keys of the pictures that it has to do with.
    """
    seed, turns = material.config.run.seed, sorted(set(places))
    index = episode.index(seed)
    return {
        "item_id": uuid4_of(task, version, seed, index, *content),
        "task": task,
        "task_version": version,
        "split": episode.split,
        "split_group": episode.persona.id,
        "source": ItemSource(
            unique_id=index,
            sessions=sorted({int(turn.split(".")[0]) for turn in turns}),
            utter_ids=turns,
            image_keys=list(dict.fromkeys(key for key in pictures if key)),
        ),
    }


def question_of(item: Choice, views: Mapping[str, str], **more: Any) -> Question:
    """An item as probes see it: the views and what else is its task's own; the rest is the same."""
    return Question(
        id=item.item_id,
        group=item.split_group,
        split=item.split,
        options=item.texts,
        answer=item.gold,
        views=views,
        language=item.language,
        **more,
    )


def chat(item: Choice, *parts: str) -> list[Message]:
    """An item as two messages: what is given and asked, and the right option."""
    options = "\n".join(f"{option.label}) {option.text}" for option in item.options)
    given = [part for part in (*parts, item.question, options) if part]
    return [
        {"role": "user", "content": "\n\n".join(given)},
        {"role": "assistant", "content": f"{item.answer}) {item.answer_text}"},
    ]
