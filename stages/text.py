"""Small questions about text that several stages ask when they check a reply."""

import re
import unicodedata
from importlib.resources import files

from mcu.errors import Fault

_ABBREVIATION = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|Jr|Sr|Prof|vs|etc|No|[A-Z])\.")
# Full stops: those that count before a space or a quotation mark, and those that are nothing else,
# of Chinese and Japanese, Arabic, Urdu, Hindi, Armenian, Amharic, Burmese and Khmer.
_STOP = re.compile(
    "[.!?\u2026]+(?=[\\s\"'\u201d\u2019)\u00bb\u300d\u300f]|$)"
    "|[\u3002\uff61\uff01\uff1f\u061f\u06d4\u0964\u0965\u0589\u1362\u104b\u17d4]+"
)
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
    return len([s for s in _STOP.split(plain) if words(s)])


def bare(text: str) -> str:
    """A text without case and accents."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


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
