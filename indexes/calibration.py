"""Calibration: what a score is worth in each index, so that the hits of several can be ranked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

_LEAST = 1e-4  # of a spread; a smaller one would make mountains of rounding
_THINGS = (
    "a dog",
    "two friends laughing",
    "a bowl of noodle soup",
    "an old stone bridge",
    "a birthday cake",
    "a parked bicycle",
    "a mountain lake",
    "a city street",
    "a book on a table",
    "a football match",
    "a flower in a pot",
    "a painting in a museum",
    "a bar chart of sales by month",
    "a diagram of the water cycle",
    "a triangle with labelled angles",
    "a screenshot of a message",
)
_MANNERS = ("", " at night", " seen from close by", " in bright colours")

QUERIES = tuple(thing + manner for thing, manner in product(_THINGS, _MANNERS))


@dataclass(frozen=True)
class Calibration:
    """Mean and standard deviation of an index's scores for queries and rows taken at random.

    One index gives everything higher cosines than another: its pictures crowd in a narrower cone,
    or lie nearer to texts. What tells a hit from noise is how far its score stands above that of
    pictures which have nothing to do with the query. (The best score of each query is no measure
    of this: it is high where an index has what is asked for, and that would be held against it. A
    tiny index would win queries that a large one answers.)
    """

    mean: float
    std: float

    def onto(self, other: "Calibration", scores: Any) -> Any:
        """Scores that stand as far above the mean of another as these do here."""
        return other.mean + (scores - self.mean) / self.std * other.std


def measured(scores: Any) -> Calibration:
    """The calibration of an index whose scores for `QUERIES` and random rows are these."""
    if not len(scores):
        return Calibration(0.0, 1.0)  # it will find nothing, either
    return Calibration(float(np.mean(scores)), max(float(np.std(scores)), _LEAST))


def stored(meta: Mapping[str, Any]) -> Calibration | None:
    """The calibration that an index's meta.json has as `background`, None where it has none."""
    found = meta.get("background")
    if not isinstance(found, dict):
        return None
    mean, std = found.get("mean"), found.get("std")
    if not isinstance(mean, int | float) or not isinstance(std, int | float):
        return None
    return Calibration(float(mean), float(std)) if std >= _LEAST else None


def common(calibrations: Sequence[Calibration]) -> Calibration:
    """The scale on which several indexes are compared: the mean of theirs."""
    return Calibration(
        float(np.mean([one.mean for one in calibrations])),
        float(np.mean([one.std for one in calibrations])),
    )
