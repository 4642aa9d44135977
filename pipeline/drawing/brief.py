"""Reading a picture prompt: the place, the hour, the weather, the things and the people in it."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from mcu.drawing.canvas import plurals, shapes
from mcu.drawing.things import Thing, sprites

LONGEST = 2000
WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
Vocabulary = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Brief:
    """What a prompt asks for; empty strings and tuples where it does not say."""

    place: str
    things: tuple[Thing, ...]
    people: tuple[str, ...]
    pose: str
    when: str
    season: str
    weather: str
    form: str
    screen: str
    words: tuple[str, ...]


def read(prompt: str) -> Brief:
    """The brief in a prompt. Any text is accepted; only its first 2000 characters count."""
    return _read(unicodedata.normalize("NFC", prompt[:LONGEST]))


@lru_cache(maxsize=1024)
def _read(text: str) -> Brief:
    words = tuple(word.casefold().replace("\u2019", "'") for word in WORD.findall(text))
    scenes = shapes("scenes")
    things: dict[str, Thing] = {}
    for name, phrase, _ in _found(words, _things()):
        thing = Thing(name, phrase)
        things.setdefault(phrase if thing.clip else name, thing)
    screen = _one(words, _rows("screen")) or scenes["screen"][-1]["kind"]
    return Brief(
        place=_place(words),
        things=tuple(things.values()),
        people=tuple(name for name, _, _ in _found(words, _table("people")))[:4],
        pose=_one(words, _table("pose")),
        when=_one(words, _table("when")),
        season=_one(words, _table("season")),
        weather=_one(words, _table("weather")),
        form=_one(words, _table("form")),
        screen=screen,
        words=tuple(_spoken(text)),
    )


def _spoken(text: str) -> Iterator[str]:
    """The prompt's own words that may be written into a picture: letters and digits only."""
    stop = set(shapes("scenes")["paper"]["stop"])
    for word in WORD.findall(text):
        plain = "".join(letter for letter in word if letter.isascii() or letter in "éèáàíóúüöäñçß")
        if plain and word.casefold() not in stop:
            yield plain[:16]


def _place(words: tuple[str, ...]) -> str:
    """The place with most words; a word after "in", "at" or the like counts for more."""
    near = set(shapes("scenes")["near"]["words"])
    votes: dict[str, float] = {}
    for name, phrase, at in _found(words, _places()):
        weight = 1 + phrase.count(" ") + 2 * bool(near & set(words[max(0, at - 3) : at]))
        votes[name] = votes.get(name, 0) + weight
    return max(votes, key=lambda name: votes[name], default="")


def _one(words: tuple[str, ...], vocabulary: Vocabulary) -> str:
    return next((name for name, _, _ in _found(words, vocabulary)), "")


def _found(words: tuple[str, ...], vocabulary: Vocabulary) -> Iterator[tuple[str, str, int]]:
    """Name, phrase and position of each longest phrase of the vocabulary, from left to right."""
    at = 0
    while at < len(words):
        for length in (3, 2, 1):
            phrase = " ".join(words[at : at + length])
            if phrase in vocabulary and at + length <= len(words):
                for name in vocabulary[phrase]:
                    yield name, phrase, at
                at += length - 1
                break
        at += 1


def _vocabulary(rows: Iterable[tuple[str, list[str]]]) -> Vocabulary:
    found: dict[str, tuple[str, ...]] = {}
    for name, words in rows:
        for word in words:
            for form in plurals(word):
                found[form] = found.get(form, ()) + (
                    (name,) if name not in found.get(form, ()) else ()
                )
    return found


@lru_cache
def _things() -> Vocabulary:
    own = [(name, row["words"]) for name, row in shapes("objects")["object"].items()]
    drawn = {phrase: (phrase,) for phrase in sprites()}
    return drawn | {word: names[:1] for word, names in _vocabulary(own).items()}


@lru_cache
def _places() -> Vocabulary:
    return _vocabulary((name, row["words"]) for name, row in shapes("places")["place"].items())


@lru_cache
def _table(name: str) -> Vocabulary:
    exact: dict[str, tuple[str, ...]] = {}
    for key, words in shapes("scenes")[name].items():
        for word in words:
            exact.setdefault(word, (key,))
    return exact


@lru_cache
def _rows(name: str) -> Vocabulary:
    return _vocabulary((row["kind"], row["words"]) for row in shapes("scenes")[name])
