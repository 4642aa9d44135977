"""What a model said to a multiple-choice item: the one way to read it, and what it is worth."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

How = Literal["exact", "labels", "letter", "text", "none"]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

# Full-width forms of ASCII as ASCII, and the brackets of CJK writing.
_NARROW = {0xFF01 + at: 0x21 + at for at in range(94)} | {
    ord(own): ord(plain)
    for own, plain in zip("\u3000\u3010\u3011\u3014\u3015", " ()()", strict=True)
}
_ENDS = (
    r"<\|(?:begin_of_text|end_of_text|eot_id|eom_id|endoftext|im_end|im_start|end|eos|pad)\|>"
    r"|</?s>|<(?:bos|eos|pad|end_of_turn|unk)>|\[(?:EOS|PAD|SEP)\]"
)
_EDGES = re.compile(rf"^(?:\s|{_ENDS})+|(?:\s|{_ENDS})+$")
# "정답은 D입니다": what may follow a letter there; any other word belongs to a noun ("A가 올린").
_COPULA = r"입니다|이다|이에요|예요|이야|야|임|번|이라|라|로"
_ENGLISH = r"\s+(?!because\b|since\b|as\b)[a-z]"  # "answer: A laptop" is no label
_HIDDEN = "\x00"


@dataclass(frozen=True)
class Parse:
    """What an output says, in the order of saying.

    Attributes:
        labels: the labels said; one, where an option was only named.
        how: `exact` the whole output is a label and its option; `labels` said in option position;
            `letter` the whole output is a bare one; `text` one option's text alone occurs.
    """

    labels: tuple[str, ...]
    how: How

    @property
    def choice(self) -> str:
        """The label that counts, the first; empty where nothing was said."""
        return self.labels[0] if self.labels else ""

    @property
    def several(self) -> bool:
        """Whether different labels were said."""
        return len(set(self.labels)) > 1


@dataclass(frozen=True)
class Score:
    """What an output is worth: each of `exact`, `strict`, `object`, `photo` implies the next.

    Attributes:
        parse: what was read out of it; kept with each score.
        object: the first label is the answer's.
        strict: the answer's label is the only one said.
        photo: the chosen option belongs to the same photo as the answer; None without photos.
        exact: the whole output is the answer's label and text.
    """

    parse: Parse
    object: bool
    strict: bool
    photo: bool | None
    exact: bool


def normal(text: str) -> str:
    """A text as answers are compared: Unicode NFC, full-width letters and brackets as ASCII,
    white space as single spaces, no end-of-text tokens at its ends.
    """
    plain = " ".join(unicodedata.normalize("NFC", text.translate(_NARROW)).split())
    while (cut := _EDGES.sub("", plain)) != plain:
        plain = cut
    return plain


def stated(label: str, option: str) -> str:
    """An option as it is listed, and as an exact answer repeats it: `B) the cup in A's photo`."""
    return f"{label}) {option}"


def parse(output: str, options: Sequence[str]) -> Parse:
    """The labels that an output says; the options are those shown, in order from A.

    In this order, each only if nothing was found before:

    1. The whole output is one option as it is listed.
    2. Labels in option position: a letter with `)`, `.` or `:` behind it, or the letter of
       `정답은 X`, `answer is X`. A word around the letter makes it none, and so does an option's
       own text: "B: the cup" as an option says no label B.
    3. The whole output is a bare letter.
    4. The text of exactly one option occurs, whatever its case; within a longer option's it does
       not count.
    """
    said, texts = normal(output), [normal(option) for option in options]
    letters = LETTERS[: len(texts)]
    for label, text in zip(letters, texts, strict=True):
        if said == normal(stated(label, text)):
            return Parse((label,), "exact")
    hidden = _hide(said, texts)
    found = tuple(hit[1] or hit[2] or hit[3] for hit in _labels(letters).finditer(hidden))
    if found:
        return Parse(found, "labels")
    if len(said) == 1 and said in letters:
        return Parse((said,), "letter")
    named = _named(said, texts)
    return Parse((letters[named[0]],), "text") if len(named) == 1 else Parse((), "none")


def score(output: str, options: Sequence[str], answer: int, photos: Sequence[int] = ()) -> Score:
    """Read an output and compare it with the answer, an index into the options."""
    found, right = parse(output, options), LETTERS[answer]
    hit = found.choice == right
    return Score(
        parse=found,
        object=hit,
        strict=hit and not found.several,
        photo=_same_photo(found, answer, photos) if photos else None,
        exact=hit and found.how == "exact",
    )


def _same_photo(found: Parse, answer: int, photos: Sequence[int]) -> bool:
    return bool(found.labels) and photos[LETTERS.index(found.choice)] == photos[answer]


@lru_cache
def _labels(letters: str) -> re.Pattern[str]:
    one = f"([{letters}])"
    return re.compile(
        rf"정답\s*(?:은|:)?\s*[\"'\u201c\u2018(\[*]*{one}(?:(?={_COPULA})|(?!\w))"
        rf"|(?i:\banswer)\s*(?:(?i:is)|:)?\s*(?i:option\s+)?[\"'\u201c\u2018(\[*]*{one}(?!\w|{_ENGLISH})"
        rf"|(?<!\w){one}\s?[).:]"
    )


def _hide(said: str, texts: Sequence[str]) -> str:
    """An output with every option's own text blanked, so that no label is read out of it."""
    for text in sorted({text for text in texts if len(text) > 2}, key=len, reverse=True):
        said = said.replace(text, _HIDDEN)
    return said


def _named(said: str, texts: Sequence[str]) -> list[int]:
    """The options whose text occurs, leaving out what stands only within a longer one."""
    rest, named = said.casefold(), []
    for at in sorted(range(len(texts)), key=lambda at: -len(texts[at])):
        own = texts[at].casefold()
        if not own:
            continue
        pattern = re.compile(rf"(?<![a-z0-9]){re.escape(own)}(?![a-z0-9])")
        if pattern.search(rest):
            named.append(at)
            if texts.count(texts[at]) == 1:
                rest = pattern.sub(_HIDDEN, rest)
    return named
