"""Persona contradictions: age, places, name and gender as texts state them, against the facts."""

import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from mcu.check.findings import Finding, Tally
from mcu.check.rows import Row, is_assistant
from mcu.check.times import day_of

GATE = "contradictions"
LIMIT = 0.01  # share of the episodes


@dataclass(frozen=True)
class Facts:
    """What is true of a persona; `years` is how long an episode lasts, by which an age may move."""

    name: str
    age: int | None
    gender: str
    birthplace: str
    residence: str
    years: int

    def places(self, kind: str) -> tuple[str, ...]:
        """The countries that a statement of a kind may name."""
        born, home = (self.birthplace,), (self.residence,)
        return {"birthplace": born, "residence": home}.get(kind, born + home)


@dataclass(frozen=True)
class Statement:
    """What a text says of the persona: the kind of fact, the words, whether they agree."""

    kind: str
    words: str
    agrees: bool


# Whether a text, said by or of the persona, agrees with the facts: the seam for a model (NLI).
Judge = Callable[[str, Facts, bool], Iterator[Statement]]

_ONES = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_TEENS = ["ten", "eleven", "twelve"]
_TEENS += [f"{stem}teen" for stem in ("thir", "four", "fif", "six", "seven", "eigh", "nine")]
_NUMBER = rf"\d{{1,3}}|(?:{'|'.join(_TENS)})(?:[ -](?:{'|'.join(_ONES)}))?|{'|'.join(_TEENS)}"
_AM = r"I(?:['\u2019]m| am)"
_AGE = re.compile(
    # "I'm 34", "I'm Inge, 34 years old", "as a 34-year-old"; never "I'm 34 minutes late".
    rf"\b{_AM}(?: (?:only|just|now|already|currently)| [\w'-]+,)? (?P<a>{_NUMBER})"
    r"(?=\s*(?:years? old|years? of age|now\b|today\b|and\b|[.,;!?]\B|$))"
    rf"|\b(?:as|{_AM}) an? (?P<b>{_NUMBER})[ -]years?[ -]old\b"
    rf"|\b(?:at my age of|my age is) (?P<c>{_NUMBER})\b",
    re.IGNORECASE,
)
_YOUR_AGE = re.compile(
    rf"\byou(?:['\u2019]re| are)(?: only| just| now| already)? ({_NUMBER}) years? old",
    re.IGNORECASE,
)
_NAME = re.compile(r"\b(?i:my name(?: is|['\u2019]s)) ([A-Z][\w'\u2019-]+)")
_GENDER = re.compile(
    rf"\b{_AM} an? (?:[\w-]+ ){{0,2}}?(man|woman|boy|girl)"
    r"(?=[.,;!?]|$| (?:from|who|in|of|with)\b)",
    re.IGNORECASE,
)
_SIGNS = ("i'm", "i am", "i\u2019m", " age ", "old")  # without which a text says neither
_GENDERS = {"man": "male", "boy": "male", "woman": "female", "girl": "female"}
# Kind of statement, a word without which a text makes none, how it begins before a country.
_PLACES = (
    ("residence", "liv", r"\bI(?:['\u2019]m| am)?(?: still| now| also)? liv(?:e|ing) in"),
    ("birthplace", "born", r"\bI (?:was|am) born(?: and (?:raised|bred))? in"),
    ("origin", "from", rf"\b{_AM}(?: originally)? from|\bI (?:originally )?come from"),
)


def rules(text: str, facts: Facts, own: bool) -> Iterator[Statement]:
    """English sentences of fixed forms; what is said in another way goes unnoticed.

    Args:
        text: the persona's own, or the assistant's about the persona.
        facts: to compare with.
        own: whether "I" is the persona.
    """
    plain = text.casefold()
    if not own:
        for found in _YOUR_AGE.finditer(text) if "old" in plain else ():
            yield _age(found[0], found[1], facts)
        return
    if any(sign in plain for sign in _SIGNS):
        for found in _AGE.finditer(text):
            yield _age(found[0], found[found.lastgroup or 0], facts)
        for found in _GENDER.finditer(text):
            yield Statement("gender", found[0], _GENDERS[found[1].casefold()] == facts.gender)
    for kind, sign, head in _PLACES:
        for found in _in_country(head).finditer(text) if sign in plain else ():
            said, true = _country(found["country"]), facts.places(kind)
            yield Statement(kind, found[0], said in map(_country, true))
    for found in _NAME.finditer(text) if "my name" in plain else ():
        first = facts.name.partition(" ")[0].casefold()
        yield Statement("name", found[0], found[1].casefold() in (first, facts.name.casefold()))


def _age(words: str, number: str, facts: Facts) -> Statement:
    said = _value(number)
    agrees = facts.age is None or facts.age - facts.years <= said <= facts.age + facts.years
    return Statement("age", words, agrees)


def _value(number: str) -> int:
    if number.isdecimal():
        return int(number)
    parts = number.casefold().replace("-", " ").split()
    if parts[0] in _TEENS:
        return 10 + _TEENS.index(parts[0])
    ones = _ONES.index(parts[1]) + 1 if len(parts) > 1 else 0
    return 10 * (_TENS.index(parts[0]) + 2) + ones


class Contradictions:
    """What narratives and dialogues state of the persona, judged."""

    def __init__(self, judge: Judge = rules) -> None:
        self._judge = judge
        self._rows = Tally()
        self.kinds: dict[str, Tally] = {}

    def add(self, row: Row) -> None:
        """Judge an episode."""
        self._rows.of += 1
        facts, wrong = _facts(row), ""
        for text, own in _texts(row):
            for said in self._judge(text, facts, own):
                tally = self.kinds.setdefault(said.kind, Tally())
                tally.of += 1
                if not said.agrees:
                    wrong = wrong or f"{row.index}: {said.words!r}, but {_true(said.kind, facts)}"
                    tally.note(f"{row.index}: {said.words}")
        if wrong:
            self._rows.note(wrong)

    def findings(self) -> list[Finding]:
        """The share of episodes with a contradiction."""
        return [self._rows.finding(GATE, "episodes that contradict the persona", LIMIT, share=True)]

    def figures(self) -> dict[str, dict[str, int]]:
        """Statements judged and wrong ones, by kind: a rate of few statements says little."""
        return {k: {"stated": t.of, "wrong": t.count} for k, t in sorted(self.kinds.items())}


def _facts(row: Row) -> Facts:
    days = [day for talk in row.talks if (day := day_of(talk.scalars["date"]))]
    years = (max(days) - min(days)).days // 365 + 1 if days else 1
    places = row.text("birthplace"), row.text("residence")
    return Facts(row.text("name"), row.age, row.text("gender"), *places, years)


def _texts(row: Row) -> Iterator[tuple[str, bool]]:
    """The narrative, and what is said with whose it is; the narrative is the persona's own."""
    yield row.text("narrative"), True
    for talk in row.talks:
        for speaker, said in talk.turns():
            if said:
                yield said, not is_assistant(speaker)


def _true(kind: str, facts: Facts) -> str:
    true = " or ".join(facts.places(kind)) if kind == "origin" else getattr(facts, kind)
    return f"{kind} is {true}"


@cache
def _in_country(head: str) -> re.Pattern[str]:
    names = sorted(_aliases(), key=len, reverse=True)
    countries = "|".join(map(re.escape, names))
    return re.compile(rf"(?:{head}) (?:the )?(?P<country>{countries})\b", re.IGNORECASE)


def _country(name: str) -> str:
    """The name that stands for a country under all its names."""
    plain = name.casefold().removeprefix("the ")
    return _aliases().get(plain, plain)


@cache
def _aliases() -> dict[str, str]:
    table = tomllib.loads((files("mcu.check") / "data/words.toml").read_text(encoding="utf-8"))
    return {
        other.casefold().removeprefix("the "): name
        for name, others in table["countries"].items()
        for other in (name, *others)
    }
