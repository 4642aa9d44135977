"""The shape of a release beside the paper's figures: means and shares, with 95 % intervals."""

import tomllib
from array import array
from collections import Counter
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcu.check.findings import Finding
from mcu.check.rows import Row, Talk, is_assistant
from mcu.check.times import day_of
from mcu.scores.intervals import Interval, bootstrap, ks, total_variation

_DRAWS = 200
_SPANS = ((0, "same day"), (7, "a week"), (31, "a month"), (366, "a year"))


class Shape:
    """Counts of what episodes are like; demographics count personas, the rest what there is."""

    def __init__(self) -> None:
        names = ("sessions an episode", "pictures an episode", "turns a session")
        self._values = {name: array("i") for name in (*names, "pictures a session")}
        self._groups = {name: array("i") for name in self._values}
        self._ages = array("i")
        self._personas = 0
        self.counts: dict[str, Counter[str]] = {
            name: Counter() for name in (*paper()["shares"], *_OWN, *_HISTOGRAMS)
        }

    def add(self, row: Row) -> None:
        """Count an episode."""
        if row.first:
            self._persona(row)
        self._count("sessions an episode", len(row.talks))
        self._count("pictures an episode", sum(talk.images for talk in row.talks))
        before = None
        for talk in row.talks:
            self._talk(talk)
            day = day_of(talk.scalars["date"])
            if day is not None:
                self.counts["years"][str(day.year)] += 1
                if before is not None:
                    self.counts["time since the session before"][_span((day - before).days)] += 1
            before = day or before

    def _persona(self, row: Row) -> None:
        self._personas += 1
        counts = self.counts
        if row.age is not None:
            self._ages.append(row.age)
            low = min(row.age // 10 * 10, 80 if row.age <= 90 else 90)
            counts["age groups"][f"{low}-{low + 10}"] += 1
        counts["gender"][row.text("gender")] += 1
        born = row.text("birthplace")
        counts["birthplace"][_known("birthplace", born)] += 1
        counts["lives where born"]["yes" if born == row.text("residence") else "no"] += 1
        counts["entity keys"][_known("entity keys", row.text("persona_entity_key"))] += 1

    def _talk(self, talk: Talk) -> None:
        lists, counts = talk.lists, self.counts
        self._count("turns a session", len(lists["utterances"]))
        self._count("pictures a session", talk.images)
        for place, text in enumerate(lists["image_descriptions"]):
            if not text:
                continue
            source = _text(lists["image_sources"], place)
            counts["where shared pictures come from"][source or "nowhere"] += 1
            counts["ways to a picture"][_text(lists["images_module_name"], place) or "none"] += 1
            speaker = _text(lists["speakers"], place)
            counts["who shares"]["assistant" if is_assistant(speaker) else "persona"] += 1
            if source == "mobile":
                known = _text(lists["image_id_from_mobile"], place).isdecimal()
                counts["device pictures"]["from the album" if known else "new"] += 1
        if op := talk.scalars["experience_op"]:
            counts["experience operations"][op] += 1

    def _count(self, name: str, value: int) -> None:
        self._values[name].append(value)
        self._groups[name].append(self._personas)
        if name in _HISTOGRAMS:
            self.counts[name][str(value)] += 1

    def findings(self) -> list[Finding]:
        """None: what a run is asked for is its user's choice."""
        return []

    def figures(self) -> dict[str, Any]:
        """Means, shares and histograms; where the paper has a figure it stands beside."""
        means = {
            name: {**_interval(self._mean(name)), "paper": told}
            for name, told in paper()["means"].items()
        }
        shares = {
            name: {
                "run": _ordered(self.counts[name], told),
                "paper": told,
                "distance": _interval(total_variation(self.counts[name], told, draws=_DRAWS)),
                "by chance": _by_chance(self.counts[name].total(), told),
            }
            for name, told in paper()["shares"].items()
        }
        ages = np.array(self._ages, dtype=np.float64) + 0.5
        return {
            "means": means,
            "shares": shares,
            "ages": _interval(ks(ages, _age_distribution)) if len(ages) else {},
            "counts": {n: dict(sorted(self.counts[n].items(), key=_natural)) for n in _SHOWN},
        }

    def _mean(self, name: str) -> Interval:
        values = np.array(self._values[name], dtype=np.float64)
        return bootstrap(values, self._groups[name], draws=_DRAWS)


_OWN = ("ways to a picture", "who shares", "device pictures")
_HISTOGRAMS = (
    "sessions an episode",
    "turns a session",
    "pictures a session",
    "time since the session before",
    "years",
)
_SHOWN = (*_HISTOGRAMS, *_OWN)


@cache
def paper() -> dict[str, Any]:
    """The paper's figures, from data/stark.toml."""
    return tomllib.loads((files("mcu.check") / "data/stark.toml").read_text(encoding="utf-8"))


def _known(share: str, value: str) -> str:
    return value if value in paper()["shares"][share] else "other"


def _interval(found: Interval) -> dict[str, float]:
    return {"value": found.value, "low": found.low, "high": found.high}


def _by_chance(total: int, told: dict[str, float]) -> float:
    """The distance that a sample of this size from the paper's own shares stays below, 95 in 100.

    Few personas lie far from any distribution, whichever they are drawn from.
    """
    shares = np.array(list(told.values()))
    shares /= shares.sum()
    drawn = np.random.default_rng(0).multinomial(max(total, 1), shares, size=1000)
    return float(np.quantile(np.abs(drawn / max(total, 1) - shares).sum(axis=1) / 2, 0.95))


def _age_distribution(ages: NDArray[np.float64]) -> NDArray[np.float64]:
    """The paper's: a group first, then an age inside of it."""
    shares = list(paper()["shares"]["age groups"].values())
    edges = np.arange(10, 10 * len(shares) + 11, 10)
    return np.interp(ages, edges, np.concatenate([[0], np.cumsum(shares) / sum(shares)]))


def _ordered(counts: Counter[str], told: dict[str, float]) -> dict[str, int]:
    names = [*told, *sorted(set(counts) - set(told))]
    return {name: counts[name] for name in names}


def _natural(pair: tuple[str, int]) -> tuple[int, str]:
    name = pair[0]
    if name.isdecimal():
        return int(name), ""
    spans = [text for _, text in _SPANS]
    return (spans.index(name) if name in spans else len(spans)), name


def _span(days: int) -> str:
    return next((name for most, name in _SPANS if days <= most), "longer")


def _text(values: list[Any], place: int) -> str:
    value = values[place] if place < len(values) else ""
    return value if isinstance(value, str) else ""
