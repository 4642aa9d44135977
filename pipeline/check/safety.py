"""Safety of the texts: words that must not be published, real people, minors, private data."""

import ipaddress
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.resources import files

from mcu.backends.checks import WordLists
from mcu.check.findings import Finding, Tally
from mcu.check.rows import Row

_MINOR = 18
_EMAIL = re.compile(r"[\w.+-]+@([\w-]+(?:\.[\w-]+)+)")
# Domains kept free for examples (RFC 2606).
_EXAMPLES = re.compile(r"(?:^|\.)(?:example(?:\.(?:com|net|org))?|test|invalid|localhost)$")
_SSN = re.compile(r"(?<![\d.-])(?!000|666|9\d\d)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\d-])")
_RRN = re.compile(r"(?<![\d-])\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])-[1-8]\d{6}(?![\d-])")
_CARD = re.compile(r"(?<![\d.-])\d(?:[ -]?\d){12,18}(?![\d-])")
_IP = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\d)")
_PHONE = re.compile(
    r"(?<![\w.+-])(?:\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){1,4}"
    r"|\(\d{2,4}\) ?\d{3,4}[ .-]\d{3,4}"
    r"|0\d{1,3}[ .-]\d{3,4}[ .-]\d{3,4}|[2-9]\d{2}[ .-]\d{3}[ .-]\d{4})(?!\w|[.-]\d)"
)
_FICTION = re.compile(r"555[ .-]?01\d\d$")  # numbers that the North American plan keeps for films


class Safety:
    """The word lists of `checks.safety` on every text, and stricter rules for some."""

    def __init__(self) -> None:
        self._lists = WordLists()
        self._words, self._famous, self._persons, self._minors = (Tally() for _ in range(4))
        self.named = Tally()  # real people that dialogues speak of, which they may

    def add(self, row: Row) -> None:
        """Judge an episode's texts."""
        for tally in (self._words, self._famous, self._persons, self._minors, self.named):
            tally.of += 1
        if signs := self._lists.signs("\n".join(row.texts)):
            texts = [text for text in row.texts if _has(text, signs)]
            for text in texts:
                if reason := self._lists.text(text):
                    self._words.note(f"{row.index}: {reason} in {text}")
            self._people(row, texts)
        if row.age is not None and row.age < _MINOR:
            for text in row.images:
                if word := _unfit().search(text.casefold()):
                    self._minors.note(f"{row.index}: aged {row.age}, {word[0]!r} in {text}")

    def _people(self, row: Row, texts: Sequence[str]) -> None:
        """Real people: never as a persona nor in a picture; in talk they are only counted."""
        found = {text: person for text in texts if (person := self._lists.famous(text))}
        if not found:
            return
        self.named.note(f"{row.index}: {next(iter(found.values()))}")
        if row.text("name") in found:
            self._persons.note(f"{row.index}: {found[row.text('name')]}")
        for text in (*row.images, row.text("human_face_description")):
            if text in found:
                self._famous.note(f"{row.index}: {found[text]} in {text}")

    def findings(self) -> list[Finding]:
        """What must not be published."""
        return [
            self._words.finding("safety", "texts that the word lists refuse"),
            self._minors.finding("safety", "pictures unfit for a persona under 18"),
            self._persons.finding("people", "personas named as a real, well-known person"),
            self._famous.finding("people", "pictures of real, well-known people"),
        ]


class Private:
    """Data that could be a real person's: addresses, numbers of phones, cards and identities."""

    def __init__(self) -> None:
        self._found = {kind: Tally() for kind in _KINDS}

    def add(self, row: Row) -> None:
        """Look through an episode's texts."""
        for tally in self._found.values():
            tally.of += 1
        for text in row.texts:
            for kind, found in private(text):
                self._found[kind].note(f"{row.index}: {found}")

    def findings(self) -> list[Finding]:
        """What was found, by kind."""
        return [self._found[kind].finding("pii", kind) for kind in _KINDS]


_KINDS = (
    "e-mail addresses",
    "phone numbers",
    "card numbers",
    "identity numbers",
    "internet addresses",
)


def private(text: str) -> Iterator[tuple[str, str]]:
    """What looks like private data, with its kind; what is kept free for examples is none.

    Cards must have a right check digit (Luhn), internet addresses be public ones. Phone numbers
    need a country's code, brackets, or one of the usual groups of digits.
    """
    if "@" in text:
        for found in _EMAIL.finditer(text):
            if not _EXAMPLES.search(found[1].casefold()):
                yield "e-mail addresses", found[0]
    digits = sum(map(str.isdecimal, text))
    if digits > 3 and text.count(".") > 2:
        for found in _IP.finditer(text):
            if _public(found[0]):
                yield "internet addresses", found[0]
    if digits < 9:
        return
    for pattern in (_SSN, _RRN):
        for found in pattern.finditer(text):
            yield "identity numbers", found[0]
    cards = [found[0] for found in _CARD.finditer(text) if luhn(found[0])]
    for card in cards:
        yield "card numbers", card
    for found in _PHONE.finditer(text):
        digits = sum(map(str.isdecimal, found[0]))
        inside = any(found[0] in card for card in cards)
        if 9 <= digits <= 15 and not inside and not _FICTION.search(found[0]):
            yield "phone numbers", found[0]


def _has(text: str, signs: Iterable[str]) -> bool:
    """Whether a text may hold one of the words; accents may hide it."""
    plain = text.casefold()
    return not text.isascii() or any(sign in plain for sign in signs)


def luhn(text: str) -> bool:
    """Whether the digits of a text end in the right check digit (ISO/IEC 7812-1, annex B)."""
    digits = [int(letter) for letter in reversed(text) if letter.isdecimal()]
    doubled = [d if n % 2 == 0 else sum(divmod(2 * d, 10)) for n, d in enumerate(digits)]
    return sum(doubled) % 10 == 0 and any(digits)


def _public(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False


@cache
def _unfit() -> re.Pattern[str]:
    """Words that a picture of somebody under 18 must not be described with."""
    table = tomllib.loads((files("mcu.check") / "data/words.toml").read_text(encoding="utf-8"))
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, table['minors']))})\b")
