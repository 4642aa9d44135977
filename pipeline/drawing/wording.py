"""What is written in pictures: phrases of data/phrases.toml with at most a subject in them."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mcu.drawing.brief import Brief
from mcu.drawing.canvas import shapes
from mcu.drawing.vocabulary import Vocabulary, found


@dataclass(frozen=True)
class Wording:
    """The title and the lines of one screen or poster, and how it is drawn."""

    kind: str
    show: str
    title: str
    lines: tuple[str, ...]


def wording(brief: Brief, form: str, rng: random.Random) -> Wording:
    """What is written on a "screen" or a "poster" that the prompt asks for."""
    rows = shapes("phrases")[form]
    hits = [hit.name for hit in found(brief.spoken, _kinds(form))]
    kind = hits[0] if hits else list(rows)[-1]
    row = rows[kind]
    said = subject_of(brief)
    titles = row["titles"] if said or "plain" not in row else row["plain"]
    slots = {"subject": said or row.get("subject", ""), "n": str(number_of(brief))}
    lines = tuple(line.format(**slots) for line in rng.choice(row["lines"]))
    title = rng.choice(titles).format(**slots)
    return Wording(kind, row.get("show", ""), title[:1].upper() + title[1:], lines)


def meme_lines(brief: Brief, rng: random.Random) -> tuple[str, str]:
    """What stands above and below a meme."""
    row = shapes("phrases")["meme"]
    said = subject_of(brief) or row["subject"]
    above, below = (line.format(subject=said.upper()) for line in rng.choice(row["lines"]))
    return above, below


def subject_of(brief: Brief) -> str:
    """A word or two of the prompt that say what it is about, or an empty string."""
    subjects = shapes("phrases")["subject"]
    return next((str(subjects[word]) for word in brief.spoken if word in subjects), "")


def number_of(brief: Brief) -> int:
    """The first number that the prompt says, or 5."""
    numbers: Mapping[str, Any] = shapes("palette")["number"]
    said = [int(numbers[word]) for word in brief.spoken if word in numbers]
    return next((number for number in said if number > 1), 5)


@lru_cache
def _kinds(form: str) -> Vocabulary:
    rows = shapes("phrases")[form]
    return {word: (kind,) for kind, row in rows.items() for word in row["words"]}
