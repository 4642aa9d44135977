"""Reading a picture prompt: the place, the hour, the weather, the things and the people in it."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from mcu.drawing.canvas import kinds, places, plurals, shapes
from mcu.drawing.things import Thing
from mcu.drawing.vocabulary import (
    WORD,
    Found,
    Words,
    found,
    names,
    one,
    place_words,
    table,
    thing_words,
)

LONGEST = 2000
GAP = "\x00"
MANY = 5
LITTLE = {"a", "an", "the", "and", "with", "of", "in", "on"}


@dataclass(frozen=True)
class Brief:
    """What a prompt asks for; empty strings and tuples where it does not say."""

    place: str
    things: tuple[Thing, ...]
    people: tuple[str, ...]
    pose: str
    seat: str
    when: str
    season: str
    weather: str
    form: str
    surface: str
    wear: tuple[tuple[str, str], ...]
    spoken: Words
    words: Words


def read(prompt: str) -> Brief:
    """The brief in a prompt. Any text is accepted; only its first 2000 characters count."""
    return _read(unicodedata.normalize("NFC", prompt[:LONGEST]))


@lru_cache(maxsize=1024)
def _read(text: str) -> Brief:
    spoken = tuple(_tokens(text))
    words = _without(tuple(_subject(spoken)), "nothing")
    return Brief(
        place=_place(words),
        things=tuple(_things(words)),
        people=tuple(hit.name for hit in found(_unnamed(words), table("people")))[:4],
        pose=one(words, "pose"),
        seat=one(words, "seat"),
        when=_last(words, "when"),
        season=one(words, "season"),
        weather=one(words, "weather"),
        form=one(words, "form"),
        surface=_last(words, "surface"),
        wear=tuple(_wear(words)),
        spoken=spoken,
        words=tuple(_printable(text)),
    )


def _tokens(text: str) -> Iterator[str]:
    """The words in lower case; a comma or full stop parts phrases, unless words run on."""
    for clause in text.replace("\u2019", "'").replace(";", ",").split(","):
        yield from (word.casefold() for word in WORD.findall(clause))
        yield GAP


def _subject(words: Words) -> Iterator[str]:
    """The words without the clauses that only tell how the picture was taken."""
    phrases = {phrase: (phrase,) for phrase in shapes("scenes")["framing"]["words"]}
    clause: list[str] = []
    first = True
    for word in words:
        clause.append(word)
        if word != GAP:
            continue
        light = {hit.name for hit in found(tuple(clause), table("when"))}
        if first or light or next(found(tuple(clause), phrases), None) is None:
            yield from clause
        clause, first = [], False


def _without(words: Words, name: str) -> Words:
    """The words with every phrase of a table of scenes.toml taken out."""
    phrases = {phrase: (phrase,) for phrase in shapes("scenes")[name]["words"]}
    left = list(words)
    for hit in found(words, phrases):
        left[hit.at : hit.end] = [GAP] * (hit.end - hit.at)
    return tuple(left)


def _unnamed(words: Words) -> Words:
    """The words without the things of several words: a student card is no student."""
    left = list(words)
    for hit in found(words, thing_words()):
        if hit.end - hit.at > 1:
            left[hit.at : hit.end] = [GAP] * (hit.end - hit.at)
    said = [GAP if before == "word" else word for before, word in pairwise(["", *left])]
    return tuple(said)


def _printable(text: str) -> Iterator[str]:
    """The prompt's own words that may be written into a picture: letters and digits only."""
    stop = set(shapes("scenes")["paper"]["stop"])
    for word in WORD.findall(text):
        plain = "".join(letter for letter in word if letter.isascii() or letter in "éèáàíóúüöäñçß")
        if plain and word.casefold() not in stop:
            yield plain[:16]


def _last(words: Words, name: str) -> str:
    hits = [hit.name for hit in found(words, table(name))]
    return hits[-1] if hits else ""


def _place(words: Words) -> str:
    """The last place after "in", "at" or the like; else one that is named, else one hinted at."""
    hits = [hit for hit in found(words, place_words()) if hit.name]
    hits = [hit for hit in hits if "near" not in places()[hit.name] or _is_told(words, hit)]
    told = [hit for hit in hits if _is_told(words, hit)]
    if not told:
        named = hits or list(found(words, place_words("hints")))
        return named[0].name if named else ""
    yields = shapes("scenes")["yields"]
    chosen = told[-1].name
    for hit in reversed(told[:-1]):
        if hit.name in yields.get(chosen, ()):
            chosen = hit.name
    return chosen


def _is_told(words: Words, hit: Found) -> bool:
    """Whether a preposition of place stands before a place: "in the old park", "out of a house"."""
    near = shapes("scenes")["near"]
    said = places()[hit.name].get("near", near["words"])
    before = _before(words, hit, 4)
    out_of = [(word, "of") for word in near["of"]]
    of = any(pair in out_of for pair in pairwise(before))
    return of or bool(set(said) & set(before))


def _before(words: Words, hit: Found, most: int) -> Words:
    """The words before a phrase, up to where another phrase begins."""
    before = words[max(0, hit.at - most) : hit.at]
    for at in range(len(before) - 1, -1, -1):
        if before[at] == GAP:
            return before[at + 1 :]
    return before


def _things(words: Words) -> Iterator[Thing]:
    """What is to be seen, in the prompt's order; what lies in or on another comes with it."""
    hits = [hit for hit in found(words, thing_words()) if not _is_worn(words, hit)]
    aside = [hit.at for hit in found(words, {w: (w,) for w in shapes("scenes")["aside"]["words"]})]
    made = [_thing(words, hit, any(0 <= at - hit.end <= 3 for at in aside)) for hit in hits]
    seen: set[tuple[str, str]] = set()
    n = 0
    while n < len(made):
        thing, after = made[n], made[n + 1] if n + 1 < len(made) else None
        between = words[hits[n].end : hits[n + 1].at] if after else ()
        on_it = bool(after) and words[hits[n + 1].end :][:2] == ("on", "it")
        if after and (joined := _joined(thing, after, between, on_it)):
            made[n + 1] = joined
        elif thing.key not in seen:
            seen.add(thing.key)
            yield thing
        n += 1


def _joined(thing: Thing, after: Thing, between: Words, on_it: bool) -> Thing | None:
    """The one thing that is two: a cat on a car, a phone in a bowl, a box of books."""
    if GAP in between or "sky" in (thing.at, after.at) or thing.load or len(between) > 7:
        return None
    first, second = kinds().get(thing.name, {}), kinds().get(after.name, {})
    if ("on" in between or "above" in between) and "on" in second and thing.size < 190:
        return replace(after, load=thing, how="on")
    if "in" in between and "into" in second and thing.size < 190:
        return replace(after, load=thing, how="into")
    if on_it and "on" in first:
        return replace(thing, load=after, how="on")
    holds = between[:1] in (("of",), ("with",)) or between[:2] == ("full", "of")
    if holds and after.size < 190 and ("into" in first or "on" in first) and not after.flat:
        return replace(thing, load=after, how="into" if "into" in first else "on")
    return None


def _thing(words: Words, hit: Found, aside: bool) -> Thing:
    row, numbers = kinds().get(hit.name, {}), shapes("palette")["number"]
    tints = shapes("palette")["tint"]
    before = list(_before(words, hit, 4))
    cut = max((n + 1 for n, word in enumerate(before) if word in LITTLE), default=0)
    before = before[cut:]
    near = before[-2:] + hit.phrase.split(" ")
    count = next((numbers[word] for word in reversed(before) if word in numbers), 0)
    listed = hit.phrase in row.get("words", ()) or hit.phrase not in {
        plurals(word)[1] for word in row.get("words", ())
    }
    name = hit.name
    if "asleep" in words[hit.end : hit.end + 3] and f"sleeping {name}" in kinds():
        name = f"sleeping {name}"
    return Thing(
        name,
        hit.phrase,
        count=1 if row.get("group") else min(count or (1 if listed else 3), MANY),
        colour=next((word for word in reversed(near) if word in tints), ""),
        aside=aside,
    )


def _is_worn(words: Words, hit: Found) -> bool:
    """Whether a garment is on somebody: "in a red jacket", "with headphones"."""
    return any(at <= hit.at < end for at, end, _, _ in _worn(words))


def _wear(words: Words) -> Iterator[tuple[str, str]]:
    yield from ((slot, value) for _, _, slot, value in _worn(words))


def _worn(words: Words) -> Iterator[tuple[int, int, str, str]]:
    """Where clothes are named that the person wears, with the slot and the value of the look."""
    table_of = shapes("scenes")["wear"]
    cloth = shapes("palette")["cloth"]
    for hit in found(words, names("wear")):
        slot, garment, *colour = table_of[hit.name]
        before = _before(words, hit, 4)
        worn = "in" in before if hit.name not in ("headphones", "apron") else "with" in before
        if worn or ("with" in before and hit.name == "scarf"):
            tint = next((word for word in reversed(before) if word in cloth), "")
            yield hit.at, hit.end, slot, f"{tint or (colour or ['navy'])[0]} {garment}"
