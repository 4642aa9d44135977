"""Small questions about text that several stages ask when they check a reply."""

import re
from importlib.resources import files

from mcu.errors import Fault

_ABBREVIATION = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|Jr|Sr|Prof|vs|etc|No|[A-Z])\.")
_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
# Words that carry no meaning of their own.
_SMALL = frozenset((files("mcu.stages") / "data/small_words.txt").read_text("utf-8").split())


def words(text: str) -> list[str]:
    """The words of a text, case folded."""
    return [w.casefold() for w in _WORD.findall(text)]


def content_words(text: str) -> set[str]:
    """The words that carry meaning, cut to six letters so that inflections meet."""
    return {w[:6] for w in words(text) if w not in _SMALL}


def sentences(text: str) -> int:
    """How many sentences a text has."""
    plain = _ABBREVIATION.sub("x", text)
    return len([s for s in re.split(r"[.!?\u2026]+(?=[\s\"'\u201d\u2019)]|$)", plain) if words(s)])


def mentions(text: str, phrase: str) -> bool:
    """Whether a phrase stands in a text, at word boundaries and whatever the case."""
    pattern = r"(?<!\w)" + re.escape(phrase.casefold()) + r"(?!\w)"
    return re.search(pattern, text.casefold()) is not None


def one_line(what: str, text: str, fewest: int, most: int) -> None:
    """Raise Fault unless a text is one line of that many words."""
    if "\n" in text:
        raise Fault(f"{what} must be one line")
    if not fewest <= len(words(text)) <= most:
        raise Fault(f"{what} must have {fewest} to {most} words, not {len(words(text))}")
