"""The words for how people look: the vocabulary of data/looks.toml and drawing from it."""

import random
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Any

Look = dict[str, str]
Row = Mapping[str, Any]

GARMENTS = ("top", "one_piece", "coat", "special_clothing", "bottoms", "shoes", "hat", "headscarf")
COLOURED = (*GARMENTS, "headband", "scarf", "tie", "belt", "bag", "veil", "socks")
# their colours may be those of other clothes
LEATHER = ("belt", "bag", "shoes")


@lru_cache(maxsize=1)
def lexicon() -> dict[str, Any]:
    """The vocabulary: a table a slot, a row a value, with whom it suits and how it is said."""
    text = (files(__package__) / "data" / "looks.toml").read_text("utf-8")
    return tomllib.loads(text)


@dataclass
class Person:
    """One person and what is drawn of their look so far."""

    age: int
    gender: str
    country: str
    rng: random.Random
    look: Look = field(default_factory=dict)

    def wear(self, slot: str, suits: Callable[[Row], bool] = lambda _: True) -> bool:
        """Give the slot a value that suits this person and the rest of their look, or none."""
        names, barred = company(self.look)
        rows = {
            name: row
            for name, row in lexicon()[slot].items()
            if fits(row, self.age, self.gender, self.country)
            and agrees(slot, name, names, barred)
            and suits(row)
        }
        if not rows or self.rng.random() >= self._chance(slot):
            return False
        name = weighted({name: row.get("weight", 1) for name, row in rows.items()}, self.rng)
        colour = self._colour(slot, rows[name])
        self.look[slot] = f"{colour} {name}" if colour else name
        return True

    def _colour(self, slot: str, row: Row) -> str:
        """A colour that no other garment has; leather comes in few and may be alike."""
        known: list[str] = lexicon()["colours"].get(row.get("colours"), [])
        used = {self.look[other].partition(" ")[0] for other in COLOURED if other in self.look}
        fresh = [colour for colour in known if colour not in used or slot in LEATHER]
        return self.rng.choice(fresh or known) if known else ""

    def _chance(self, slot: str) -> float:
        curve = lexicon()["chance"].get(slot, [[0, 1.0]])
        return along(curve[self.gender] if isinstance(curve, dict) else curve, self.age)

    def hair_colour(self, natural: Mapping[str, float]) -> str:
        """The colour they were born with, or the grey of their age."""
        colour = weighted(natural, self.rng)
        chance = lexicon()["chance"]
        dyed = self.rng.random() < chance["grey_dyed"][self.gender]
        near = {
            name: 1 / (4 + abs(self.age - row["peak"]))
            for name, row in lexicon()["grey"].items()
            if fits(row, self.age, self.gender)
        }
        if dyed or not near or self.rng.random() >= along(chance["grey"], self.age):
            return colour
        return weighted(near, self.rng)


def fits(row: Row, age: int, gender: str, country: str = "") -> bool:
    """Whether a row suits this age, gender and country (any, if empty).

    Children under ten count as ten years old.
    """
    low, high = row.get("ages", (0, 120))
    of_age = low <= min(max(age, 10), 120) <= high
    return (
        of_age
        and gender[:1] in row.get("genders", "mfn")
        and (not country or country in row.get("countries", [country]))
    )


def kind(slot: str, value: str) -> str:
    """The name of a value's row: the garment without its colour, or the value itself."""
    return value.partition(" ")[2] if slot in COLOURED else value


def row_of(slot: str, value: str) -> Row | None:
    """What the lexicon says of a value, None where it does not know it."""
    found: Row | None = lexicon().get(slot, {}).get(kind(slot, value))
    return found


def company(look: Mapping[str, str]) -> tuple[set[str], set[str]]:
    """All names of what is worn, and of what is not worn with it."""
    names: set[str] = set()
    barred: set[str] = set()
    for slot, value in look.items():
        row = row_of(slot, value)
        if row is not None:
            names |= {slot, kind(slot, value), *row.get("is", [])}
            barred |= set(row.get("without", []))
    return names, barred


def agrees(slot: str, name: str, names: set[str], barred: set[str]) -> bool:
    """Whether a value goes with the company that is worn already."""
    row = lexicon()[slot][name]
    own = {slot, name, *row.get("is", [])}
    needed = row.get("with")
    return not (
        own & barred
        or names & set(row.get("without", []))
        or (needed is not None and not names & set(needed))
    )


def along(curve: list[list[float]], age: int) -> float:
    """The chance at this age, on straight lines between the curve's points."""
    before = curve[0]
    for point in curve:
        if age <= point[0]:
            span = (point[0] - before[0]) or 1
            return before[1] + (point[1] - before[1]) * max(age - before[0], 0) / span
        before = point
    return before[1]


def weighted(rows: Mapping[str, float], rng: random.Random) -> str:
    """One of the names, drawn by weight."""
    return rng.choices(list(rows), list(rows.values()))[0]


def article(phrase: str) -> str:
    """The phrase with "a" or "an" before it, as it sounds."""
    sound = lexicon()["prose"]
    vowel = phrase[0].casefold() in "aeiou" and not phrase.startswith(tuple(sound["said_with_a"]))
    return f"{'an' if vowel or phrase.startswith(tuple(sound['said_with_an'])) else 'a'} {phrase}"


def join(parts: list[str]) -> str:
    """The parts with commas between and "and" before the last."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
