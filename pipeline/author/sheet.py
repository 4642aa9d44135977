"""What the scripted author knows (its vocabulary) and whom it writes about (a prompt's fields)."""

import re
import tomllib
from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from random import Random
from typing import Any, TypeVar

from mcu.author.grammar import Voice, parse
from mcu.ids import rng_of

_PERSONA = ("Name", "Age", "Gender", "Birthplace", "Residence", "Category", "Entity value")
RELATIONS = ("characteristic", "routine", "goal", "experience", "relationship")
T = TypeVar("T")
_PRONOUNS = {"male": "he", "female": "she"}
_LIMITS = {"Narrative": 2_000, "Description": 1_000}  # characters; 240 for every other field
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


@dataclass(frozen=True)
class Value:
    """An entity value: its picture, a thing one remembers of it, the ages that it suits."""

    text: str
    pictures: tuple[str, ...] = ()
    touch: str = ""
    ages: tuple[int, int] = (0, 200)


@dataclass(frozen=True)
class Scene:
    """Something that happens in one group of categories, and what is said and shown of it.

    A quick one can follow another scene within hours.
    """

    group: str
    event: str
    since: Sequence[str]
    tell: Sequence[str]
    qa: Sequence[str]
    help: Sequence[str]
    mob: Sequence[str]
    web: Sequence[str]
    step: int = 2
    ages: Sequence[int] = (0, 200)
    only: Sequence[str] = ()
    quick: bool = False

    def suits(self, age: int, value: str) -> bool:
        """Whether it can happen to a person of that age with that entity value."""
        fits = not self.only or any(word in value.casefold() for word in self.only)
        return fits and self.ages[0] <= age <= self.ages[1]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Finds this scene's event again in the first-person form of an event text."""
        parts = [re.escape(p) if isinstance(p, str) else ".+?" for p in parse(self.event)]
        return re.compile("".join(parts) + "$")


@dataclass(frozen=True)
class Library:
    """All vocabulary, read once."""

    categories: dict[str, dict[str, Any]]
    groups: dict[str, dict[str, Any]]
    scenes: dict[str, list[Scene]]
    talk: dict[str, Any]
    values: dict[str, list[Value]] = field(default_factory=dict)

    def category(self, name: str, key: str) -> dict[str, Any]:
        """A category's entry; one that nobody foresaw is treated as a plain interest."""
        found = self.categories.get(f"{name}/{key}") or self.categories.get(name)
        return found or self.categories["any"]

    def pool(self, row: Mapping[str, Any]) -> list[Value]:
        """A category's values."""
        name = row.get("bank") or row["name"]
        return self.values[name]


@cache
def library() -> Library:
    """Read the data files."""
    folder = files("mcu.author") / "data"
    tables: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.name.endswith(".toml"):
            tables[path.name[:-5]] = tomllib.loads(path.read_text(encoding="utf-8"))
    found = Library(tables["categories"], tables["groups"], {}, tables["talk"])
    for name, row in found.categories.items():
        row["name"] = name
    for file, table in tables.items():
        if file.startswith("scenes"):
            for row in table["scene"]:
                found.scenes.setdefault(row["group"], []).append(Scene(**row))
    for bank, text in tables["values"].items():
        found.values[bank] = [_value(line) for line in text.splitlines() if line.strip()]
    found.talk["rules"]["cities"] = {c: t.split(", ") for c, t in tables["cities"].items()}
    return found


def _value(line: str) -> Value:
    """Read `value | pictures; pictures | touch | ages`, the last three optional."""
    parts = [part.strip() for part in re.split(r"\s\|(?=\s|$)", line)]
    text, pictures, touch, ages = [*parts, "", "", ""][:4]
    low, _, high = ages.partition("-")
    shown = tuple(p.strip() for p in pictures.split(";") if p.strip())
    return Value(text, shown, touch, (int(low or 0), int(high or 200)))


class Sheet:
    """The labelled fields of a prompt; a label that stands twice keeps its first value."""

    def __init__(self, text: str) -> None:
        self.fields: dict[str, str] = {}
        self.rows: list[tuple[str, str]] = []
        for line in text.split("\n"):
            label, colon, rest = line.partition(":")
            if colon and len(label) < 200:
                self.rows.append((label, clean(rest, _LIMITS.get(label, 240))))
                self.fields.setdefault(*self.rows[-1])

    def get(self, label: str, default: str = "") -> str:
        """A field's text."""
        return self.fields.get(label) or default

    def number(self, label: str, default: int, low: int, high: int) -> int:
        """A field's whole number, kept between two bounds."""
        text = self.get(label)
        plain = text.isascii() and text.isdigit() and len(text) < 10
        return max(low, min(high, int(text) if plain else default))

    @property
    def name(self) -> str:
        """The person's name."""
        return self.get("Name", "Someone")

    @property
    def age(self) -> int:
        """The person's age."""
        return self.number("Age", 40, 1, 120)

    @property
    def pronoun(self) -> str:
        """The pronoun of the person's gender."""
        return _PRONOUNS.get(self.get("Gender").casefold(), "they")

    @property
    def person(self) -> str:
        """What the five episodes of one persona share and no other has."""
        return "\n".join(self.get(label) for label in _PERSONA)

    @property
    def hand(self) -> int:
        """Which of a persona's five episodes this is, by its relation."""
        relation = self.get("Relation")
        return RELATIONS.index(relation) if relation in RELATIONS else 0

    @property
    def shelves(self) -> list[str]:
        """The groups of scenes that are about the persona's category."""
        also = self.group.get("also")
        return [self.row["group"], *([also] if also else [])]

    @property
    def row(self) -> dict[str, Any]:
        """The vocabulary's entry for the category."""
        return library().category(self.get("Category"), self.get("Entity key"))

    @property
    def group(self) -> dict[str, Any]:
        """The group of categories that this one shares its scenes with."""
        return library().groups[self.row["group"]]

    @property
    def entry(self) -> Value:
        """The vocabulary's entry for the entity value, or a bare one."""
        value = self.get("Entity value", "something new")
        known = (v for v in library().pool(self.row) if v.text.casefold() == value.casefold())
        return next(known, Value(value))


def clean(text: str, limit: int) -> str:
    """Field text on one line without control characters, cut to a length."""
    return " ".join(_UNSEEN.sub(" ", text[: limit * 2]).split())[:limit]


def voice(sheet: Sheet, rng: Random, value: Value | None = None) -> Voice:
    """A voice that knows the sheet's person; persona calls give the value, others hold it."""
    drawn, value = value, value or sheet.entry
    row, group, talk = sheet.row, sheet.group, library().talk
    own: dict[str, Any] = {
        "touch": [value.touch] if value.touch else row.get("touch") or group["touch"],
        "pic": list(value.pictures) or group["pics"],
        "theme": group.get("theme", ["<topic>"]),
        "detail": group.get("detail", ["<touch>"]),
        "city": talk["rules"]["cities"].get(sheet.get("Residence"), ["the city"]),
        **_people(sheet.age),
    }
    home, born = sheet.get("Residence", "the city"), sheet.get("Birthplace", "the country")
    slots = {
        "value": value.text,
        "name": sheet.name,
        "age": str(sheet.age),
        "home": place(home),
        "born": place(born),
        "country": home,
    }
    rules = ChainMap(own, row, group.get("rules", {}), talk["rules"])
    made = Voice(rng, slots, rules)
    if drawn:
        slots["value"] = made.fill(drawn.text)
    slots["value_the"] = (
        f"the {slots['value']}"
        if "United " in slots["value"] and not slots["value"].startswith(("the ", "a ", "an "))
        else slots["value"]
    )
    for name in ("topic", "do", "item"):
        slots[name] = made.fill(row[name])
    where = "place_moved" if home.casefold() != born.casefold() else "place_stayed"
    slots["place_note"] = made.pick(where)
    return made


def episode(sheet: Sheet, rng: Random) -> Voice:
    """A voice for a call of an episode: what the narrative fixes stays fixed in all of them."""
    made = voice(sheet, rng_of("episode", sheet.name, sheet.get("Narrative")))
    for slot in ("theme", "friend", "friend2", "kin", "spot", "weekday", "keepsake_thing", "own"):
        made.slots[slot] = _said(made.rules[slot], sheet) or made.pick(slot)
    made.slots |= made.rng.choice(library().talk["strangers"])
    made.rng = rng
    return made


def _said(options: Sequence[str], sheet: Sheet) -> str:
    """The one of several people, days or places of whom the inference or the narrative speaks."""
    for text in (sheet.get("Inference").casefold(), sheet.get("Narrative").casefold()):
        for option in options:
            word = option.casefold()
            if word in text and re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text):
                return option
    return ""


def deal(sheet: Sheet, name: str, cards: Sequence[T]) -> tuple[list[T], list[T]]:
    """A deck of the persona's: the cards of this episode and those of its other four."""
    deck = rng_of("deal", sheet.person, name).sample(cards, len(cards))
    mine = deck[sheet.hand :: len(RELATIONS)]
    return mine, [card for card in deck if card not in mine]


def place(name: str) -> str:
    """A country as prose needs it: some take the article."""
    return f"the {name}" if name.startswith("United ") else name


def _people(age: int) -> dict[str, list[str]]:
    """Who is around a person of that age."""
    for row in library().talk["people"]:
        if age <= row["until"]:
            break
    return {name: people for name, people in row.items() if name != "until"}
