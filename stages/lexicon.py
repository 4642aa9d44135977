"""The words for how people look: the vocabulary of data/looks.toml and drawing from it."""

import random
import tomllib
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

Look = dict[str, str]
Row = Mapping[str, Any]


@lru_cache(maxsize=1)
def lexicon() -> dict[str, Any]:
    """The vocabulary: a table a slot, a row a value, with whom it suits and how it is said."""
    text = (files(__package__) / "data" / "looks.toml").read_text("utf-8")
    return tomllib.loads(text)


class Person:
    """One person's draws from the lexicon."""

    def __init__(self, age: int, gender: str, rng: random.Random) -> None:
        self.age = age
        self.gender = gender
        self.rng = rng

    def draw(self, slot: str, suits: Callable[[Row], bool] = lambda _: True) -> Look:
        """The slot with a value that suits this person, or nothing."""
        rows = {
            name: row
            for name, row in lexicon()[slot].items()
            if fits(row, self.age, self.gender) and suits(row)
        }
        if not rows or self.rng.random() >= self._chance(slot):
            return {}
        name = weighted({name: row.get("weight", 1) for name, row in rows.items()}, self.rng)
        if "colours" in rows[name]:
            colour = self.rng.choice(lexicon()["colours"][rows[name]["colours"]])
            return {slot: f"{colour} {name}"}
        return {slot: name}

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


def fits(row: Row, age: int, gender: str) -> bool:
    """Whether a row suits this age and gender (any, if empty); children count as ten years old."""
    low, high = row.get("ages", (0, 120))
    return low <= min(max(age, 10), 120) <= high and gender[:1] in row.get("genders", "mfn")


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
