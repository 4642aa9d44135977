"""Intervals of shares, means and distances of distributions, and how unlikely a share is."""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LEVEL = 0.95
_DRAWS = 1000
_EXACT = 1000  # trials


class Interval(NamedTuple):
    """An estimate and the bounds between which the truth lies in 95 of 100 cases."""

    value: float
    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether a value lies within the bounds."""
        return self.low <= value <= self.high


def wilson(successes: float, n: float, level: float = LEVEL) -> Interval:
    """A share with Wilson's score interval, which stays within 0 and 1 and holds for small n.

    Nothing seen (`n` of 0) is 0 with bounds 0 and 1. `n` may be an effective number: the number
    of items divided by their `design_effect`.
    """
    if n <= 0:
        return Interval(0.0, 0.0, 1.0)
    z, share = NormalDist().inv_cdf(0.5 + level / 2), successes / n
    scale = 1 + z * z / n
    middle = (share + z * z / (2 * n)) / scale
    half = z / scale * math.sqrt(max(share * (1 - share), 0.0) / n + z * z / (4 * n * n))
    return Interval(share, max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half)))


def luck(successes: float, n: float, chance: float) -> float:
    """How likely chance alone gives that many successes or more (one-sided).

    From Wilson's score, so that it is below 0.025 where the lower bound of `wilson` lies above
    chance; up to 1,000 trials the exact binomial tail is taken where that is larger, as the
    score is too sure of the tail of few trials.
    """
    if n <= 0 or chance >= 1 or successes <= n * chance:
        return 1.0
    if chance <= 0:
        return 0.0
    z = (successes - n * chance) / math.sqrt(n * chance * (1 - chance))
    score: float = 0.5 * math.erfc(z / math.sqrt(2))
    if n > _EXACT:
        return score
    return max(score, _tail(math.floor(successes + 1e-9), round(n), chance))


def design_effect(values: Sequence[float] | Floats, groups: Sequence[Hashable]) -> float:
    """How many times the variance of a mean grows as items of one group are alike.

    The variance over groups (with the correction for few of them) by that of independent items;
    at least 1: items that are less alike than by chance, as twins are, give no narrower interval.
    """
    sums, counts = _totals(values, groups)
    n = float(counts.sum())
    mean = float(sums.sum()) / max(n, 1.0)
    plain = float(np.var(np.asarray(values, float))) * n
    if len(counts) < 2 or plain <= 0:
        return 1.0
    spread = float(((sums - mean * counts) ** 2).sum()) * len(counts) / (len(counts) - 1)
    return max(1.0, spread / plain)


def bootstrap(
    values: Sequence[float] | Floats,
    groups: Sequence[Hashable],
    *,
    seed: int = 0,
    draws: int = _DRAWS,
    level: float = LEVEL,
) -> Interval:
    """The mean of the values with percentiles of its bootstrap over whole groups.

    Args:
        values: one an item.
        groups: which items belong together, such as those of a persona; one an item.
        seed: the same gives the same bounds.
        draws: resamples.
        level: of the interval.
    """
    sums, counts = _totals(values, groups)
    if not len(counts):
        return Interval(0.0, 0.0, 1.0)
    random = np.random.default_rng(seed)
    means = np.empty(draws)
    for at in range(draws):
        chosen = random.integers(0, len(counts), len(counts))
        means[at] = sums[chosen].sum() / counts[chosen].sum()
    return _percentiles(float(sums.sum() / counts.sum()), means, level)


def total_variation(
    seen: Mapping[str, float], expected: Mapping[str, float], *, seed: int = 0, draws: int = _DRAWS
) -> Interval:
    """Half of the summed differences of shares: 0 alike, 1 nothing in common.

    Both are counts or shares by name and are brought to a sum of 1; the interval is of the
    counts `seen`, resampled. A distance is never below 0, so its bootstrap lies too high by what
    chance adds; the bounds are those of the basic bootstrap (2 x value - percentile), cut at 0.
    """
    names = sorted({*seen, *expected})
    counts = np.array([seen.get(name, 0) for name in names], float)
    shares = np.array([expected.get(name, 0) for name in names], float)
    total = round(counts.sum())
    if total <= 0 or shares.sum() <= 0:
        return Interval(1.0, 0.0, 1.0)
    shares /= shares.sum()
    drawn = np.random.default_rng(seed).multinomial(total, counts / counts.sum(), size=draws)
    value = float(np.abs(counts / counts.sum() - shares).sum() / 2)
    return _reflected(value, np.abs(drawn / total - shares).sum(axis=1) / 2)


def ks(
    sample: Sequence[float] | Floats,
    other: Sequence[float] | Floats | Callable[[Floats], Floats],
    *,
    seed: int = 0,
    draws: int = 200,
) -> Interval:
    """Kolmogorov and Smirnov's largest distance of two distribution functions.

    `other` is a second sample or a distribution function; the interval is of `sample`, resampled,
    in the way of `total_variation`. Ties, as of counts, are no fault.
    """
    own = np.sort(np.asarray(sample, float))
    if not len(own) or (not callable(other) and not len(other)):
        return Interval(1.0, 0.0, 1.0)
    random, value = np.random.default_rng(seed), _distance(own, other)
    again = [_distance(np.sort(random.choice(own, len(own))), other) for _ in range(draws)]
    return _reflected(value, np.array(again))


def _distance(own: Floats, other: Sequence[float] | Floats | Callable[[Floats], Floats]) -> float:
    """The distance of a sorted sample, looked at on both sides of every step."""
    if callable(other):
        at, first = np.unique(own, return_index=True)
        expected = np.asarray(other(at), float)
        low, high = first / len(own), np.append(first[1:], len(own)) / len(own)
        return float(max(np.abs(expected - low).max(), np.abs(expected - high).max()))
    second = np.sort(np.asarray(other, float))
    at = np.unique(np.concatenate([own, second]))
    shares = [np.searchsorted(one, at, "right") / len(one) for one in (own, second)]
    return float(np.abs(shares[0] - shares[1]).max())


def _totals(values: Any, groups: Sequence[Hashable]) -> tuple[Floats, Floats]:
    """Sum and number of the values of each group."""
    numbers: dict[Hashable, int] = {}
    at = np.array([numbers.setdefault(group, len(numbers)) for group in groups], dtype=np.int64)
    sums = np.bincount(at, np.asarray(values, float), len(numbers)).astype(np.float64)
    return sums, np.bincount(at, minlength=len(numbers)).astype(np.float64)


def _percentiles(value: float, draws: Floats, level: float) -> Interval:
    low, high = np.quantile(draws, [0.5 - level / 2, 0.5 + level / 2])
    return Interval(value, min(value, float(low)), max(value, float(high)))


def _reflected(value: float, draws: Floats) -> Interval:
    low, high = np.quantile(draws, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    return Interval(
        value,
        min(value, max(0.0, 2 * value - float(high))),
        max(value, min(1.0, 2 * value - float(low))),
    )


def _tail(successes: int, n: int, chance: float) -> float:
    """The binomial probability of that many successes or more."""
    logs = [
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
        + k * math.log(chance) + (n - k) * math.log1p(-chance)
        for k in range(successes, n + 1)
    ]  # fmt: skip
    return min(1.0, math.fsum(map(math.exp, logs)))
