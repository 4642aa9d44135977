"""How the scripted author lists the things in a picture, each with what tells it apart."""

from dataclasses import dataclass
from random import Random
from typing import Any

from mcu.author.seen import Thing, korean, lexicon, plain, read, unlike
from mcu.author.sheet import Sheet

_HIDDEN = ("screenshot", "chart", "diagram", "map of", "plot", "flag")  # no things to point at
# Parts of what they are with.
_PARTS = frozenset(
    [
        "roof",
        "handle",
        "wheel",
        "lid",
        "leaf",
        "stem",
        "page",
        "tower",
        "shade",
        "window",
        "door",
        "frame",
    ]
)
# Looks that any thing may have, and places that are the same from either side: a detail of these
# gives nobody who has not seen the picture an idea of the thing.
_DYES = frozenset({
    "blue", "green", "red", "grey", "yellow", "black", "white", "brown", "orange", "pink", "purple",
    "striped", "checked",
})  # fmt: skip
_EVEN = ("next to", "beside", "and")
_APART = 0.6  # share of the pairs of which one is told by its place beside the other


@dataclass(frozen=True)
class Told:
    """A thing with its detail in both languages."""

    thing: Thing
    detail: tuple[str, str] = ("", "")

    def row(self, both: bool) -> dict[str, str]:
        """As the reply holds it."""
        row = {"name": self.thing.name, "detail": self.detail[0]}
        if both:
            row |= {"name_korean": self.thing.korean, "detail_korean": self.detail[1]}
        return row


def objects(sheet: Sheet, rng: Random) -> dict[str, Any]:
    """Answer the objects task."""
    caption = plain(sheet.get("Description"), sheet.get("Name"))
    both = sheet.get("Also in") == "Korean"
    hidden = any(word in caption.casefold() for word in _HIDDEN)
    things, relations = ([], []) if hidden else read(caption)
    chain = _chain(things, relations)
    told = _pair(*chain, rng) or [Told(thing) for thing in chain[0] if thing.shown]
    reply: dict[str, Any] = {"caption": caption, "objects": [one.row(both) for one in told]}
    if both:
        reply["caption_korean"] = korean(*chain) if chain[0] else "무언가 있는 사진"
    return reply


def _chain(things: list[Thing], relations: list[str]) -> tuple[list[Thing], list[str]]:
    """The longest run of things, four at most, whose relations are known."""
    best: tuple[list[Thing], list[str]] = (things[:1], [])
    for start in range(len(things)):
        end = start
        while end < len(relations) and relations[end] and end - start < 3:
            end += 1
        if end - start + 1 > len(best[0]):
            best = things[start : end + 1], relations[start:end]
    return unlike(best[0]), best[1]


def _pair(things: list[Thing], relations: list[str], rng: Random) -> list[Told]:
    """Two things side by side, each in a colour of its own; none where there are no such two."""
    found = [
        (one, other, relation)
        for one, other, relation in zip(things, things[1:], relations, strict=False)
        if relation in _EVEN and one.shown and other.shown and one.korean != other.korean
        if _dye(one) and _dye(other)
    ]
    return _told(*rng.choice(found), rng) if found else []


def _dye(thing: Thing) -> str:
    return next((look for look in thing.looks if look in _DYES), "")


def _told(one: Thing, other: Thing, relation: str, rng: Random) -> list[Told]:
    """Two things, both by their colours or one by its place beside the other."""
    details = [(dye, lexicon().looks[dye]) for dye in map(_dye, (one, other))]
    if rng.random() < _APART:
        kept = rng.randrange(2)
        details[1 - kept] = _beside(details[kept], relation)
    return [Told(one, details[0]), Told(other, details[1])]


def _beside(detail: tuple[str, str], relation: str) -> tuple[str, str]:
    """A thing told by where it is from another, whose detail is given."""
    english, _, there, _, _ = lexicon().relations[relation]
    return f"{english} the {detail[0]} part", f"{detail[1]} 것 {there}"
