"""The offline checks: faces by their eyes, and lists of words that must not be published."""

import itertools
import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL.Image import Image, Resampling

Pixels = npt.NDArray[np.int16]
SIDE = 640
ROWS = 2
# more than this many are letters or leaves, and pairs of them would take long
MOST = 64
_SPACES = re.compile(r"[\s-]+")
# Of Latin letters alone: other languages write their endings right after a foreign name.
_LETTER = "[0-9_a-z\u00df-\u024f]"
_WORD = re.compile(f"{_LETTER}+")
# Combining accents, soft hyphens, joiners and marks of direction, which hide a word from a list.
_INVISIBLE = re.compile(r"[\u0300-\u036f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


@dataclass(frozen=True)
class Eye:
    """Where an eye is, in pixels, and how wide its white is."""

    x: float
    y: float
    wide: float


class PerceptualFaces:
    """Finds drawn faces without a model.

    A face is two eyes of one width, level and as far apart as eyes are, with one skin colour under
    both and between them. An eye is a dark pupil between two whites over a few rows. Made for
    illustrated people with a face of some 100 pixels; photographs need the dlib check.
    """

    identifies = False

    def count(self, image: Image) -> int:
        """How many faces are in the picture, whatever its size and mode."""
        picture = image.convert("RGB")
        if max(picture.size) > SIDE:
            picture.thumbnail((SIDE, SIDE), Resampling.LANCZOS)
        pixels = np.asarray(picture, dtype=np.int16)
        eyes = _eyes(pixels)
        faces: list[tuple[Eye, Eye]] = []
        for left, right in itertools.permutations(eyes, 2):
            apart = right.x - left.x
            near = any(
                abs(left.x + right.x - one.x - two.x) < 2 * max(apart, two.x - one.x)
                and abs(left.y + right.y - one.y - two.y) < 3 * max(apart, two.x - one.x)
                for one, two in faces
            )
            if not near and _are_pair(left, right) and _on_skin(pixels, left, right):
                faces.append((left, right))
        return len(faces)

    def distance(self, image: Image, portrait: Image) -> float | None:
        """None: two eyes tell that there is a face, and nothing of whose it is."""
        return None


def _eyes(pixels: Pixels) -> list[Eye]:
    """Eyes, the widest first: rows of white, pupil, white that lie upon each other."""
    groups: list[list[Eye]] = []
    for found in _rows(pixels):
        for group in groups:
            last = group[-1]
            if 0 < found.y - last.y <= 2 and abs(found.x - last.x) < 0.25 * last.wide + 1:
                group.append(found)
                break
        else:
            groups.append([found])
    eyes = [
        Eye(
            float(np.median([row.x for row in group])),
            float(np.median([row.y for row in group])),
            max(row.wide for row in group),
        )
        for group in groups
        if len(group) >= ROWS
    ]
    return sorted(eyes, key=lambda eye: (-eye.wide, eye.x, eye.y))[:MOST]


def _rows(pixels: Pixels) -> list[Eye]:
    """Every place on a row where two short runs of white stand around something dark."""
    low, high = pixels.min(axis=2), pixels.max(axis=2)
    white = (low > 200) & (high - low < 26)
    edges = np.diff(np.pad(white, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    y, start = np.nonzero(edges == 1)
    _, end = np.nonzero(edges == -1)
    run = end - start
    if len(run) < 2:
        return []
    gap = start[1:] - end[:-1]
    first, second = run[:-1], run[1:]
    good = (y[1:] == y[:-1]) & (gap >= 2) & (np.maximum(first, second) <= SIDE // 12)
    good &= np.maximum(first, second) <= 3.2 * np.minimum(first, second) + 1
    good &= (gap >= 0.4 * (first + second) / 2) & (gap <= 5 * (first + second) / 2)
    rows = []
    for n in np.nonzero(good)[0]:
        pupil = high[y[n], end[n] : start[n + 1]]
        if pupil.min() < 92:
            wide = float(end[n + 1] - start[n])
            rows.append(Eye(float(start[n] + end[n + 1]) / 2, float(y[n]), wide))
    return rows


def _are_pair(left: Eye, right: Eye) -> bool:
    apart = right.x - left.x
    wide = max(left.wide, right.wide)
    return (
        1.3 * wide <= apart <= 2.9 * wide
        and abs(left.y - right.y) <= 0.14 * apart
        and wide <= 1.6 * min(left.wide, right.wide)
    )


def _on_skin(pixels: Pixels, left: Eye, right: Eye) -> bool:
    """Whether cheeks, nose and brow have about the same colour, and it is one of skin."""
    apart, y = right.x - left.x, (left.y + right.y) / 2
    middle = (left.x + right.x) / 2
    spots = [(left.x, 0.6), (right.x, 0.6), (middle, 0.36), (middle, -0.3)]
    colours = [_colour(pixels, x, y + down * apart, apart) for x, down in spots]
    if any(colour is None or not _is_skin(colour) for colour in colours):
        return False
    seen = np.array(colours)
    return bool((seen.max(axis=0) - seen.min(axis=0)).max() < 64)


def _colour(pixels: Pixels, x: float, y: float, apart: float) -> Any:
    """The median colour of a small square, or None outside the picture."""
    half = max(1, round(apart * 0.07))
    row, column = round(y), round(x)
    if not (half <= row < pixels.shape[0] - half and half <= column < pixels.shape[1] - half):
        return None
    square = pixels[row - half : row + half + 1, column - half : column + half + 1]
    return np.median(square.reshape(-1, 3), axis=0)


def _is_skin(colour: Any) -> bool:
    red, green, blue = (float(part) for part in colour)
    return red > 60 and red > green > blue - 4 and 24 <= red - blue <= 0.68 * red


class WordLists:
    """Refuses text that holds a phrase of data/safety.toml, and knows the names of the famous.

    The lists are English: of another language's text they judge what is in Latin letters.
    """

    def text(self, text: str) -> str:
        """The reason, with the phrase that was found, or an empty string."""
        plain = _plain(text)
        words = set(_WORD.findall(plain))
        for rule in _lists().rules:
            # A search is slow, and most texts lack the longest word of every phrase.
            if rule.signs.isdisjoint(words):
                continue
            cleared = rule.innocent.sub(" ", plain) if rule.innocent else plain
            if found := rule.refused.search(cleared):
                return f"{rule.reason}: {found[0]!r}"
        return ""

    def signs(self, text: str) -> frozenset[str]:
        """Words of the text for which the lists would be searched: without any, nothing is found.

        For long texts in parts: only the parts with one of these words, or with letters other than
        ASCII's, need `text` and `famous`.
        """
        return _lists().every.intersection(_WORD.findall(_plain(text)))

    def famous(self, text: str) -> str:
        """The first real, well-known person whom the text names in full, or an empty string."""
        plain = _plain(text)
        if _lists().signs.isdisjoint(_WORD.findall(plain)):
            return ""
        found = _lists().famous.search(plain)
        return _lists().names[_SPACES.sub(" ", found[0])] if found else ""


@dataclass(frozen=True)
class Rule:
    """What is refused and why, what is innocent in it, and the longest word of each phrase."""

    reason: str
    refused: re.Pattern[str]
    innocent: re.Pattern[str] | None
    signs: frozenset[str]


@dataclass(frozen=True)
class Lists:
    """The word lists, compiled; `signs` are the longest words of the names of the famous.

    `every` has the signs of the rules, too.
    """

    rules: list[Rule]
    famous: re.Pattern[str]
    signs: frozenset[str]
    every: frozenset[str]
    names: dict[str, str]


@lru_cache
def _lists() -> Lists:
    lists = tomllib.loads((files(__package__) / "data" / "safety.toml").read_text("utf-8"))
    rules = [
        Rule(
            row["reason"],
            _pattern(row["phrases"]),
            _pattern(row["unless"]) if "unless" in row else None,
            frozenset(max(_WORD.findall(_plain(phrase)), key=len) for phrase in row["phrases"]),
        )
        for row in lists["rule"]
    ]
    names = {_SPACES.sub(" ", _plain(name)): name for name in lists["famous"]}
    signs = frozenset(max(_WORD.findall(name), key=len) for name in names)
    every = signs.union(*(rule.signs for rule in rules))
    return Lists(rules, _pattern(lists["famous"]), signs, every, names)


def _pattern(phrases: list[str]) -> re.Pattern[str]:
    plain = {_SPACES.sub(" ", _plain(phrase)) for phrase in phrases}
    longest = sorted(plain, key=lambda phrase: (-len(phrase), phrase))
    words = "|".join(re.escape(phrase).replace(r"\ ", _SPACES.pattern) for phrase in longest)
    return re.compile(f"(?<!{_LETTER})(?:{words})(?!{_LETTER})")


def _plain(text: str) -> str:
    """The text without case, accents and invisible characters."""
    if text.isascii():
        return text.casefold()
    letters = unicodedata.normalize("NFKD", text.replace("\u2019", "'").replace("ğ", "g"))
    return _INVISIBLE.sub("", letters).casefold()
