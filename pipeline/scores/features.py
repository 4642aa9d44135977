"""What a learned probe sees of an item: yes-or-no features of each option, beside one view."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mcu.items import Question

Ints = NDArray[np.int64]

_WORD = re.compile(r"\w+")
_OPTION_WORDS = 400
_VIEW_WORDS = 500
_LAST_WORDS = 500
_FEWEST = 4  # items that a word must occur in, to say anything of other items


@dataclass(frozen=True)
class Features:
    """Features of n items with up to k options each; row `item * k + option`.

    Attributes:
        rows: of each feature that is there, sorted.
        columns: the feature that is there.
        shapes: the columns below it are of the form: place, length, order of mention.
        count: number of columns.
    """

    rows: Ints
    columns: Ints
    shapes: int
    count: int


def words(text: str) -> list[str]:
    """The words of a text in order: case is ignored but for single letters, which name speakers.

    Korean particles stick to their words, so a word that is not ASCII also gives what is left
    without its last one and two characters.
    """
    found = []
    for word in _WORD.findall(text):
        if word.isascii():
            found.append(word if len(word) == 1 else word.casefold())
        else:
            found += [word[: len(word) - cut] for cut in (0, 1, 2) if len(word) - cut >= 1]
    return found


def distinct(options: Sequence[str]) -> list[set[str]]:
    """The words of each option that not all options have."""
    found = [set(words(option)) for option in options]
    common = set.intersection(*found)
    return [own - common for own in found]


def _in_pairs(question: Question) -> list[set[str]]:
    """The neighbouring words of each option, for options that order the same words."""
    found = []
    for option in question.options:
        line = ["^", *words(option), "$"]
        found.append({f"{first} {second}" for first, second in pairwise(line)})
    return found


def features(questions: Sequence[Question], view: str, most: int) -> Features:
    """The features of all items beside one view; an empty name shows the options alone."""
    texts = [question.views.get(view, "") if view else "" for question in questions]
    marks = [distinct(question.options) for question in questions]
    names: dict[str, int] = {}
    forms = [
        np.array(sorted(names.setdefault(one, len(names)) for one in own), dtype=np.int64)
        for question, text, mark in zip(questions, texts, marks, strict=True)
        for own in shape(question, text, mark)
    ]
    told = [own if any(own) else _in_pairs(q) for q, own in zip(questions, marks, strict=True)]
    crossed, count = _crossed(questions, texts, told, most)
    each = [np.concatenate([a, b + len(names)]) for a, b in zip(forms, crossed, strict=True)]
    places = [n * most + at for n, q in enumerate(questions) for at in range(len(q.options))]
    rows = np.repeat(places, [len(own) for own in each])
    return Features(rows, np.concatenate(each), len(names), len(names) + count)


def _crossed(
    questions: Sequence[Question], texts: Sequence[str], told: Sequence[list[set[str]]], most: int
) -> tuple[list[Ints], int]:
    """Each word of an option, its place and its photo, by itself and with each word of the view.

    An array for each option of each item, and how many features there are.
    """
    shown = [_shown(text) for text in texts]
    known = _vocabulary((set().union(*own) for own in told), _OPTION_WORDS, len(questions))
    beside = _vocabulary((whole for whole, _ in shown), _VIEW_WORDS, len(questions))
    last = _vocabulary((end for _, end in shown), _LAST_WORDS, len(questions))
    photos = 1 + max(max(question.photos, default=-1) for question in questions)
    width = 1 + len(beside) + len(last)
    found: list[Ints] = []
    for question, own, (whole, end) in zip(questions, told, shown, strict=True):
        seen = [0, *(1 + beside[w] for w in whole if w in beside)]
        seen += [1 + len(beside) + last[w] for w in end if w in last]
        for at in range(len(question.options)):
            ids = [known[w] for w in own[at] if w in known] + [len(known) + at]
            if question.photos:
                ids.append(len(known) + most + question.photos[at])
            found.append(np.add.outer(np.array(sorted(ids)) * width, sorted(seen)).ravel())
    return found, (len(known) + most + photos) * width


def shape(question: Question, text: str, marks: Sequence[set[str]]) -> list[list[str]]:
    """Names of what each option's place, length and mentions in a view are like."""
    options = question.options
    found = [[f"place {at}"] for at in range(len(options))]
    _rank(found, "characters", [len(option) for option in options])
    _rank(found, "words", [len(option.split()) for option in options])
    alike = [sum(len(own & other) for other in marks) - len(own) for own in marks]
    _rank(found, "alike", alike)
    if question.photos:
        for at, photo in enumerate(question.photos):
            found[at].append(f"photo {photo}")
    if text:
        counts, first, last = mentions(text, marks)
        _rank(found, "mentions", counts)
        _rank(found, "first", first)
        _rank(found, "last", last)
        ends, _, _ = mentions(text.rstrip().rpartition("\n")[2], marks)
        _rank(found, "in the last line", ends)
        for at, number in enumerate(counts):
            found[at].append(f"mentioned {min(number, 4)}")
    return found


def mentions(text: str, marks: Sequence[set[str]]) -> tuple[list[int], list[int], list[int]]:
    """How often, where first and where last a view has the words of one option alone.

    Those that share their words with others, such as the owner of a photo, do not count.
    """
    places: dict[str, list[int]] = {}
    for at, word in enumerate(words(text)):
        places.setdefault(word, []).append(at)
    shared = Counter(word for own in marks for word in own)
    found = [[at for w in own if shared[w] == 1 for at in places.get(w, ())] for own in marks]
    counts = [len(own) for own in found]
    return counts, [min(o, default=-1) for o in found], [max(o, default=-1) for o in found]


def _rank(found: list[list[str]], name: str, values: Sequence[int]) -> None:
    """Adds to each option how many of the others have less and how many have as much."""
    if len(set(values)) == 1:
        return
    for own, value in zip(found, values, strict=True):
        less = sum(other < value for other in values)
        more = sum(other > value for other in values)
        own.append(f"{name} over {less}")
        own.append(f"{name} under {more}")


def _shown(text: str) -> tuple[set[str], set[str]]:
    """The words of a view, and those of its last line: alone, in pairs, each with the speaker."""
    line = words(text.rstrip().rpartition("\n")[2])
    pairs = {f"{first} {second}" for first, second in pairwise(line)}
    return set(words(text)), {*line, *pairs, *(f"{line[0]}: {word}" for word in line[1:])}


def _vocabulary(sets: Iterable[set[str]], most: int, items: int) -> dict[str, int]:
    """The words that split the items best: in some, not in nearly all; by number, then by name."""
    counts = Counter(word for own in sets for word in own)
    useful = [(min(n, items - n), w) for w, n in counts.items() if _FEWEST <= n <= items - _FEWEST]
    best = sorted(useful, key=lambda one: (-one[0], one[1]))[:most]
    return {word: at for at, (_, word) in enumerate(best)}
