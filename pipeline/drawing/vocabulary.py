"""The words that the drawing knows: phrases of the shape files, found in a text."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from mcu.drawing.canvas import kinds, places, plurals, shapes
from mcu.drawing.things import sprites

WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
Words = tuple[str, ...]
Vocabulary = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Found:
    """A phrase of a vocabulary in a text: its name, and the words from `at` to `end`."""

    name: str
    phrase: str
    at: int
    end: int


def found(words: Words, vocabulary: Vocabulary) -> Iterator[Found]:
    """Each longest phrase of the vocabulary, from left to right."""
    longest = _longest(tuple(sorted({phrase.count(" ") for phrase in vocabulary})))
    at = 0
    while at < len(words):
        for length in longest:
            phrase = " ".join(words[at : at + length])
            if phrase in vocabulary and at + length <= len(words):
                yield from (Found(name, phrase, at, at + length) for name in vocabulary[phrase])
                at += length - 1
                break
        at += 1


@lru_cache
def _longest(spaces: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(count + 1 for count in reversed(spaces))


def one(words: Words, name: str) -> str:
    """The first name of a table of scenes.toml that stands in the text, or an empty string."""
    return next((hit.name for hit in found(words, table(name))), "")


@lru_cache
def table(name: str) -> Vocabulary:
    """A table of scenes.toml: its keys by their words."""
    exact: dict[str, tuple[str, ...]] = {}
    for key, words in shapes("scenes")[name].items():
        for word in words:
            exact.setdefault(word, (key,))
    return exact


@lru_cache
def names(table_name: str) -> Vocabulary:
    """A table of scenes.toml whose keys are the words themselves."""
    rows = shapes("scenes")[table_name]
    return {phrase: (key,) for key in rows for phrase in plurals(key)}


@lru_cache
def thing_words() -> Vocabulary:
    """What things are called; a word whose drawing would show something else is left out."""
    drawn = {phrase: (phrase,) for phrase in sprites()}
    plain = _vocabulary((name, row.get("only", row["words"])) for name, row in kinds().items())
    rest = _vocabulary((name, row["words"]) for name, row in kinds().items())
    clipped = {word: hits for word, hits in rest.items() if word in drawn}
    return {word: hits[:1] for word, hits in {**drawn, **clipped, **plain}.items()}


@lru_cache
def place_words(slot: str = "words") -> Vocabulary:
    """The names of places, or with "hints" what is mostly found in one."""
    said = _vocabulary((name, row.get(slot, [])) for name, row in places().items())
    return {**{phrase: ("",) for phrase in shapes("scenes")["notplace"]["words"]}, **said}


def _vocabulary(rows: Iterable[tuple[str, list[str]]]) -> Vocabulary:
    made: dict[str, tuple[str, ...]] = {}
    exact: set[str] = set()
    for name, words in rows:
        for word in words:
            single, many = plurals(word)
            if single not in exact:
                made[single] = (name,)
            exact.add(single)
            if many not in exact:
                made.setdefault(many, (name,))
    return made
