"""Names of things that one word may mean: synonyms, kinds, wholes and their parts."""

from functools import cache
from importlib.resources import files

from mcu.stages.text import words

# Words of a detail that every caption allows: where a thing is, and what stands for another.
FREE = frozenset({
    "part", "parts", "thing", "things", "one", "ones", "next", "along", "top", "inside", "around",
    "under", "above", "below", "behind", "front", "beside", "whatever", "holding",
    "near", "bit", "stuff",
})  # fmt: skip


def alike(one: str, other: str) -> bool:
    """Whether two names share a word, or are told by one word, or are a thing and its part."""
    mine, others = _bases(one), _bases(other)
    if mine & others:
        return True
    head, tail = _bases(one.split()[-1]), _bases(other.split()[-1])
    if any(head & group and tail & group for group in _groups("alike.txt")):
        return True
    for whole, *parts in map(tuple, _lines("parts.txt")):
        if (whole in head and tail & {*parts}) or (whole in tail and head & {*parts}):
            return True
    return False


def _bases(text: str) -> set[str]:
    """The words of a name, each with its singulars as they may be."""
    found = set()
    for word in words(text):
        found |= {word, word.removesuffix("s"), word.removesuffix("es")}
    return found


@cache
def _lines(name: str) -> list[list[str]]:
    text = (files("mcu.stages") / "data" / name).read_text("utf-8")
    return [line.split() for line in text.splitlines() if line.strip()]


@cache
def _groups(name: str) -> list[frozenset[str]]:
    return [frozenset(line) for line in _lines(name)]
