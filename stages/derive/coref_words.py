"""The languages of coreference items: their forms, and small questions about their text."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from mcu.stages.derive.alike import FREE
from mcu.stages.text import content_words, mentions

_ENDINGS = (
    "[이가은는을를와과의도만에로랑야]|에서|에게|이랑|으로|하고|처럼|보다|부터|까지|마다|밖에"
    "|이?라니|이?라고|이?라는|이?네|이?지|이야|이?다|이?고|들"
)
_TOKEN = re.compile(r"[가-힣]+")
_CHOICE = re.compile(r"(\S)([\u2019'\"\u201d]*)\[(\w+)/(\w+)\]")
# Roots of words that say where a thing is, or hold a caption together.
_KOREAN_SMALL = frozenset({
    "있는", "위에", "아래", "안에", "바깥", "옆에", "앞에", "뒤에", "위쪽", "곁에", "담긴", "보이",
    "사진", "함께", "감싼", "것", "거", "된", "다", "갓", "위",
    "안", "옆", "앞", "뒤", "곁",
})  # fmt: skip
_SMALL = {word[:6] for word in FREE}
_AFTER_TOPIC = re.compile(
    r"^(?:이라고|라고|이라면|라면|이랑|랑|이야|야|이|가|은|는|을|를|과|와|으로|로)"
)
_OPEN_FIRST = frozenset("와")  # pairs that name the form after an open syllable first


@dataclass(frozen=True)
class Words:
    """What items of one language are made of; see `data/coref.toml`.

    `near` and `far` are the demonstratives that are said to mean one's own thing and the other's.
    """

    code: str
    language: str
    demonstratives: tuple[str, ...]
    near: str
    far: str
    option: str
    photo: str
    hidden: str
    answer: tuple[str, ...]
    wrong: tuple[str, ...]
    system: str
    ask: str
    whose: re.Pattern[str]
    topics: tuple[str, ...]

    def option_of(self, name: str, owner: str) -> str:
        """The text of an option."""
        return self.option.format(name=name, owner=owner)

    def fill(self, pattern: str, **values: str | int) -> str:
        """A pattern with its values, and with the particles that they ask for."""
        text = pattern.format(**values, Option=_capital(str(values.get("option", ""))))
        return particles(text) if self.code == "ko" else _capital(text)

    def signs(self, text: str) -> set[str]:
        """What two texts share where they speak of one thing: content words, or roots of them."""
        if self.code != "ko":
            return content_words(text) - _SMALL
        return {token[:2] for token in _TOKEN.findall(text)} - _KOREAN_SMALL

    def listed(self, text: str, names: Sequence[str]) -> bool:
        """Whether a text names all of several things."""
        return bool(names) and all(self.names(text, name) for name in names)

    def places(self, text: str, word: str) -> list[int]:
        """Where a demonstrative stands in a text."""
        edge = r"(?<![가-힣])" if self.code == "ko" else r"(?<!\w)"
        after = "" if self.code == "ko" else r"(?!\w)"
        found = re.finditer(edge + re.escape(word) + after, text, re.IGNORECASE)
        return [match.start() for match in found]

    def names(self, text: str, name: str) -> bool:
        """Whether a text names a thing, whatever particle or ending follows."""
        if self.code != "ko":
            return any(mentions(text, form) for form in (name, *_numbers(name)))
        pattern = rf"(?<![가-힣]){re.escape(name)}(?:{_ENDINGS})?(?![가-힣])"
        return re.search(pattern, text) is not None


def _numbers(name: str) -> list[str]:
    """An English name in the other number, roughly."""
    return [name[:-1], name[:-2]] if name.endswith("es") else [f"{name}s", name.removesuffix("s")]


@cache
def words_of(code: str) -> Words:
    """The forms of a language, by its code."""
    path = files("mcu.stages") / "data" / "coref.toml"
    row: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))[code]
    topics = [t.strip() for line in row["topics"].splitlines() for t in line.split("|")]
    row["topics"] = [topic for topic in topics if topic]
    row["whose"] = re.compile(row["whose"], re.IGNORECASE)
    lists = {key: tuple(value) for key, value in row.items() if isinstance(value, list)}
    return Words(**{**row, **lists, "code": code})


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def closed(word: str) -> bool:
    """Whether a Korean word ends in a consonant."""
    code = ord(word[-1]) - 0xAC00 if word else -1
    return 0 <= code < 11_172 and code % 28 > 0


def particles(text: str) -> str:
    """A Korean text with each `[이/가]` as the sound before it asks for.

    The form after a consonant stands first, but for `[와/과]`.
    """

    def chosen(found: re.Match[str]) -> str:
        forms = (found[3], found[4])
        first = closed(found[1]) != (found[3] in _OPEN_FIRST)
        return found[1] + found[2] + forms[0 if first else 1]

    return _CHOICE.sub(chosen, text)


def same_but(one: str, other: str, topics: Sequence[str], code: str) -> bool:
    """Whether two texts differ in nothing but the topic that each has, and its particle."""
    bare = [_without(text, topic, code) for text, topic in zip((one, other), topics, strict=True)]
    return bare[0] is not None and bare[0] == bare[1]


def _without(text: str, topic: str, code: str) -> str | None:
    found = re.search(re.escape(topic), text, re.IGNORECASE)
    if found is None:
        return None
    rest = text[found.end() :]
    if code == "ko":
        rest = re.sub(
            r"^(?:이라고|라고|이라면|라면|이랑|랑|이야|야|이|가|은|는|을|를|과|와|으로|로)?",
            "",
            rest,
        )
    return f"{text[: found.start()]}\x00{rest}".casefold()
