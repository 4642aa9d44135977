"""Intervals: known values, coverage, and what groups and repeated looks change."""

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu.scores.intervals import (
    bootstrap,
    design_effect,
    ks,
    luck,
    total_variation,
    wilson,
)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (8, 10, 0.4902, 0.9433),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (277, 346, 0.755, 0.839),
    ],
)
def test_wilson_of_known_values(successes: int, n: int, low: float, high: float) -> None:
    found = wilson(successes, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-4)
    assert found.holds(successes / n)


def test_nothing_seen_says_nothing() -> None:
    assert wilson(0, 0) == (0, 0, 1)
    assert bootstrap([], []) == (0, 0, 1)
    assert total_variation({}, {"a": 1}) == (1, 0, 1)
    assert ks([], [1.0]) == (1, 0, 1)
    assert luck(0, 0, 0.25) == 1


@given(st.integers(1, 3000), st.floats(0, 1))
def test_wilson_holds_its_share_and_stays_within_bounds(n: int, share: float) -> None:
    found = wilson(share * n, n)
    assert 0 <= found.low <= found.value <= found.high <= 1


@given(st.integers(1001, 20_000), st.floats(0.01, 0.99), st.floats(0.05, 0.95))
def test_luck_agrees_with_the_interval(n: int, share: float, chance: float) -> None:
    above = wilson(share * n, n).low > chance
    assert above == (luck(share * n, n, chance) < 0.025) or math.isclose(
        luck(share * n, n, chance), 0.025, rel_tol=1e-6
    )


def test_luck_of_few_trials_is_exact() -> None:
    exact = sum(math.comb(12, k) * 0.25**k * 0.75 ** (12 - k) for k in range(8, 13))
    assert luck(8, 12, 0.25) == pytest.approx(exact)
    assert luck(3, 12, 0.25) == 1
    assert (luck(1, 5, 0), luck(5, 5, 1)) == (0, 1)


def test_groups_that_are_alike_count_for_less() -> None:
    values = [1.0] * 50 + [0.0] * 50
    groups = [f"g{at // 10}" for at in range(100)]
    assert design_effect(values, groups) == pytest.approx(10, rel=0.15)
    assert design_effect(values, range(100)) == pytest.approx(1, abs=0.02)
    twins = [at // 2 for at in range(100)]
    assert design_effect([0.0, 1.0] * 50, twins) == 1  # never below: no narrower for being unalike
    wide, narrow = bootstrap(values, groups), bootstrap(values, range(100))
    assert wide.value == narrow.value == 0.5
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    assert narrow.high - narrow.low == pytest.approx(0.196, abs=0.03)
    assert bootstrap(values, groups) == wide
    assert bootstrap(np.linspace(0, 1, 100), groups, seed=1) != bootstrap(
        np.linspace(0, 1, 100), groups
    )


def test_bootstrap_weighs_groups_by_their_size() -> None:
    assert bootstrap([1.0, 0.0, 0.0, 0.0], ["a", "b", "b", "b"]).value == 0.25


def test_total_variation_by_hand() -> None:
    found = total_variation({"a": 60, "b": 40}, {"a": 1, "b": 1})
    assert found.value == pytest.approx(0.1)
    assert found.low < 0.03
    assert 0.1 < found.high < 0.25
    assert total_variation({"a": 10}, {"b": 3}).value == 1
    assert total_variation({"a": 3, "b": 1}, {"a": 75, "b": 25}).value == 0
    assert total_variation({"a": 60, "b": 40}, {"a": 1, "b": 1}) == found


def test_ks_by_hand() -> None:
    assert ks([1, 2, 3, 4], [1, 2, 3, 4]).value == 0
    assert ks([1, 2], [3, 4]).value == 1
    assert ks([1, 1, 2, 2], [1, 2, 2, 2]).value == 0.25
    assert ks([0.5], lambda at: at).value == 0.5
    uniform = np.random.default_rng(0).random(2000)
    assert ks(uniform, lambda at: at).value < 0.03
    far = ks(uniform / 2, lambda at: at)
    assert far.value == pytest.approx(0.5, abs=0.01)
    assert 0.45 < far.low < far.high < 0.55


def test_an_interval_of_95_per_cent_holds_the_truth_that_often() -> None:
    random_ = random.Random(0)
    held = sum(
        wilson(sum(random_.random() < 0.25 for _ in range(200)), 200).holds(0.25)
        for _ in range(1000)
    )
    assert 930 <= held <= 975
