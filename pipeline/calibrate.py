"""Bars of checks, found from pairs of pictures whose answer is known."""

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from mcu import pictures
from mcu.backends.dlib import DlibFaces, Encodings
from mcu.errors import ConfigError, Reject
from mcu.records import Commonsense, Events, Face, Narrative, Picture
from mcu.run import Run
from mcu.sections import ChecksSection

Floats = npt.NDArray[np.float64]
Seen = Callable[[int, int], None]

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
_QUANTILES = (0.01, 0.05, 0.5, 0.95, 0.99)


@dataclass(frozen=True)
class Pairs:
    """Distances of pairs of faces, and what they come from.

    Attributes:
        genuine: distances of pairs of one person.
        impostor: distances of pairs of two people.
        faceless: names of pictures that gave no pair, as they show no face or cannot be opened.
    """

    genuine: Floats
    impostor: Floats
    people: int
    pictures: int
    faceless: tuple[str, ...]


@dataclass(frozen=True)
class Drawn:
    """A personalised picture and the portrait it was drawn from, each by SHA-256."""

    image: str
    portrait: str
    persona: str


def equal_error(genuine: Sequence[float], impostor: Sequence[float]) -> tuple[float, float]:
    """The bar at which both errors are equally frequent, and how frequent they are there.

    A pair passes at or below the bar. Both shares are steps, so that they may never be equal: taken
    is the bar where they differ least (the lower of two), in the middle of the stretch on which
    neither changes, and the mean of the two shares.

    Raises:
        ValueError: one of the two is empty, or a distance is not a finite number.
    """
    same, other = np.sort(np.asarray(genuine, float)), np.sort(np.asarray(impostor, float))
    if not (len(same) and len(other) and np.isfinite(same).all() and np.isfinite(other).all()):
        raise ValueError("an equal-error rate needs finite distances of both kinds")
    bars = np.unique(np.concatenate([same, other]))
    refused = len(same) - np.searchsorted(same, bars, "right")
    passing = np.searchsorted(other, bars, "right")
    # Over a common denominator, as whole numbers, for equal steps must compare as equal.
    excess = passing * len(same) - refused * len(other)
    least = int(excess[np.argmin(np.abs(excess))])
    stretch = np.flatnonzero(excess == least)
    first, last = int(stretch[0]), int(stretch[-1])
    rate = (refused[first] / len(same) + passing[first] / len(other)) / 2
    if last + 1 == len(bars):
        return float(bars[first]), float(rate)
    middle = float(bars[first] / 2 + bars[last + 1] / 2)
    return (middle if bars[first] <= middle < bars[last + 1] else float(bars[first])), float(rate)


def bar_passing(impostor: Sequence[float], share: float) -> float:
    """The highest of the distances that as a bar lets at most a share of the pairs pass, or 0."""
    other = np.sort(np.asarray(impostor, float))
    passing = np.searchsorted(other, other, "right")
    allowed = other[passing <= share * len(other)]
    return float(allowed[-1]) if len(allowed) else 0.0


def of_folder(folder: Path, faces: DlibFaces, seen: Seen) -> Pairs:
    """All pairs of pictures in a folder that has a folder for each person, however deep.

    Of a picture with several faces the largest counts. `seen` is told how many of how many
    pictures were looked at.

    Raises:
        ConfigError: there is no such folder, or it gives no pairs of one of the two kinds.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder; it must hold a folder for each person")
    people = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    files = [
        (person, path)
        for person, own in enumerate(people)
        for path in sorted(own.rglob("*"))
        if path.suffix.lower() in _SUFFIXES
    ]
    found, persons, faceless = [], [], []
    for number, (person, path) in enumerate(files):
        seen(number, len(files))
        if len(encodings := _encodings(path.read_bytes(), faces)):
            found.append(encodings[0])
            persons.append(person)
        else:
            faceless.append(str(path.relative_to(folder)))
    genuine, impostor = _all_pairs(np.array(found).reshape(-1, 128), np.array(persons, int))
    return _checked(Pairs(genuine, impostor, len(people), len(files), tuple(faceless)))


def of_run(run: Run, faces: DlibFaces, limit: int, seen: Seen) -> Pairs:
    """Each personalised picture of a run with its portrait, and with those of other personas.

    Pictures that were drawn and not taken count as well: without them the bar that the run had
    would find itself.

    Args:
        run: stage 8 is done, at least for some shards.
        faces: the check whose bar is looked for.
        limit: most pictures, evenly from all.
        seen: told how many of how many pictures and portraits were looked at.

    Raises:
        ConfigError: there are no such pictures, or they give no pairs of one of the two kinds.
    """
    drawn = _drawn(run)
    if len(drawn) > limit:
        drawn = [drawn[n * len(drawn) // limit] for n in range(limit)]
    names = list(dict.fromkeys([one.portrait for one in drawn] + [one.image for one in drawn]))
    found: dict[str, Encodings] = {}
    for number, name in enumerate(names):
        seen(number, len(names))
        found[name] = _encodings(run.store.image(name), faces)
    shown = {one.portrait: one.persona for one in drawn if len(found[one.portrait])}
    table = np.array([found[portrait][0] for portrait in shown]).reshape(-1, 128)
    portraits, personas = np.array(list(shown), str), np.array(list(shown.values()), str)
    genuine, impostor = [], []
    for one in drawn:
        if len(found[one.image]) and len(table):
            distances = _least(found[one.image], table)
            genuine.append(distances[portraits == one.portrait])
            impostor.append(distances[personas != one.persona])
    faceless = tuple(name for name in names if not len(found[name]))
    people = len({one.persona for one in drawn})
    return _checked(Pairs(_joined(genuine), _joined(impostor), people, len(names), faceless))


def report(pairs: Pairs, passing: float | None = None) -> dict[str, Any]:
    """What the pairs tell, as plain data; shares and quantiles are rounded.

    `bar` is the equal-error point, or the highest that a share `passing` of wrong pairs passes,
    rounded down to three digits. `bars` has both errors there, at the equal-error point and at the
    default of `checks.identity_bar`.
    """
    equal, rate = equal_error(pairs.genuine.tolist(), pairs.impostor.tolist())
    bar = equal if passing is None else bar_passing(pairs.impostor.tolist(), passing)
    bars = [math.floor(1000 * one) / 1000 for one in (bar, equal)]
    bars.append(ChecksSection().identity_bar)
    return {
        "people": pairs.people,
        "pictures": pairs.pictures,
        "faceless": list(pairs.faceless),
        "equal_error_rate": round(rate, 5),
        "bar": bars[0],
        "bars": [_errors(pairs, one) for one in dict.fromkeys(bars)],
        "genuine": spread(pairs.genuine),
        "impostor": spread(pairs.impostor),
    }


def _encodings(data: bytes, faces: DlibFaces) -> Encodings:
    """The faces of a picture; none when it cannot be opened."""
    try:
        image = Image.open(io.BytesIO(pictures.clean(data)))
    except Reject:
        return np.empty((0, 128))
    return faces.encodings(image)


def _all_pairs(encodings: Encodings, persons: npt.NDArray[np.int_]) -> tuple[Floats, Floats]:
    genuine, impostor = [], []
    for n in range(len(encodings)):
        distances = np.linalg.norm(encodings[n + 1 :] - encodings[n], axis=1)
        same = persons[n + 1 :] == persons[n]
        genuine.append(distances[same])
        impostor.append(distances[~same])
    return _joined(genuine), _joined(impostor)


def _least(found: Encodings, portraits: Encodings) -> Floats:
    """For each portrait the distance of the likest face found, as the check measures it."""
    return np.linalg.norm(found[:, None] - portraits[None], axis=2).min(axis=0)  # type: ignore[no-any-return]


def _joined(parts: list[Floats]) -> Floats:
    return np.concatenate([np.empty(0), *parts])


def _drawn(run: Run) -> list[Drawn]:
    """Personalised pictures with the portrait that each was drawn from, those not taken too."""
    faces = {(face.parent, face.relation): face.image for face in run.records(Face)}
    inferred = {one.id: (one.parent, one.relation) for one in run.records(Commonsense)}
    told = {one.id: one.parent for one in run.records(Narrative)}
    episodes = {one.id: one.parent for one in run.records(Events)}
    found: dict[Drawn, None] = {}
    for picture in run.records(Picture):
        persona, relation = inferred[told[episodes[picture.parent]]]
        for one in picture.candidates:
            if one.source == "p-t2i" and one.image:
                portrait = faces.get((persona, "")) or faces[persona, relation]
                found[Drawn(one.image, portrait, persona)] = None
    return list(found)


def _checked(pairs: Pairs) -> Pairs:
    if not (len(pairs.genuine) and len(pairs.impostor)):
        raise ConfigError(
            f"{pairs.pictures} pictures, {len(pairs.faceless)} of them without a face, gave "
            f"{len(pairs.genuine)} pairs of one person and {len(pairs.impostor)} of two; a bar "
            f"needs both"
        )
    return pairs


def _errors(pairs: Pairs, bar: float) -> dict[str, float]:
    return {
        "bar": bar,
        "wrong_passing": round(float((pairs.impostor <= bar).mean()), 5),
        "right_refused": round(float((pairs.genuine > bar).mean()), 5),
    }


def spread(measured: Floats) -> dict[str, Any]:
    """How many there are and their quantiles, rounded, as a report has them."""
    values = np.quantile(measured, _QUANTILES)
    quantiles = {f"{q:g}": round(float(v), 4) for q, v in zip(_QUANTILES, values, strict=True)}
    return {"pairs": len(measured), "quantiles": quantiles}
