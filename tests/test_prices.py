"""Prices: the table that ships, how a model is found in it, and what a call costs."""

from datetime import UTC, date, datetime
from math import inf, isclose, nan

import pytest
from pydantic import ValidationError

from mcu.config import load_config
from mcu.errors import ConfigError
from mcu.prices import HALF, Price, dated, price_of, table

MINI = Price(input=0.15, output=0.60, cached=0.075)
OWN = Price(input=1, output=2)


@pytest.mark.parametrize(
    "name",
    [
        "gpt-4o-mini",
        "gpt-4o-mini-2024-07-18",
        "gpt-4o-mini-latest",
        "gpt-4o-mini@20240718",
        "openai/gpt-4o-mini",
        "openai/gpt-4o-mini-2024-07-18",
        "a/gateway/gpt-4o-mini",
    ],
)
def test_a_known_model_is_found_by_all_its_names(name: str) -> None:
    assert price_of(name, {}) == MINI


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "my-model",
        "gpt-4o-mini-2024",
        "gpt-4o-mini:free",
        "gpt-4o-mini/other",
        "ft:gpt-4o-mini-2024-07-18:me::id",
        "gpt-4o-mini-audio-preview",
    ],
)
def test_a_price_that_nobody_knows(name: str) -> None:
    assert price_of(name, {}) is None


@pytest.mark.parametrize(
    "key", ["gpt-4o-mini", "openai/gpt-4o-mini", "openai/gpt-4o-mini-2024-07-18"]
)
def test_an_own_price_wins(key: str) -> None:
    assert price_of("openai/gpt-4o-mini-2024-07-18", {key: OWN}) == OWN
    assert price_of("gpt-4o", {key: OWN}) == table()["gpt-4o"]


def test_the_nearer_of_two_own_prices_wins() -> None:
    own = {"gpt-4o": OWN, "gpt-4o-2024-05-13": Price(input=5, output=15)}
    assert price_of("gpt-4o-2024-05-13", own) == own["gpt-4o-2024-05-13"]
    assert price_of("gpt-4o-2024-08-06", own) == OWN


def test_an_own_price_comes_from_the_configuration() -> None:
    values = {"prices": {"org/my.model": {"input": 0.5, "output": 1.5}}}
    own = load_config(environment={}, values=values).prices
    found = price_of("org/my.model", own)
    assert found is not None
    assert found.usd(1_000_000, 0, 1_000_000) == 2.0


@pytest.mark.parametrize(
    ("tokens", "tier", "usd"),
    [
        # 1000 * 0.15 = 150 and 500 * 0.60 = 300, in millionths of a dollar.
        ((1000, 0, 500), "", 0.00045),
        # 200 * 0.15 = 30, 800 * 0.075 = 60, 300.
        ((1000, 800, 500), "", 0.00039),
        ((1000, 800, 500), "default", 0.00039),
        ((1000, 800, 500), "batch", 0.000195),
        ((1000, 800, 500), "flex", 0.000195),
        ((1000, 0, 500), "priority", 0.001125),
        ((1000, 0, 500), "fast", 0.001125),
        ((0, 0, 0), "", 0.0),
        # A server that counts more cached tokens than there are: 1000 * 0.075 = 75.
        ((1000, 5000, 0), "", 0.000075),
        ((2_000_000, 0, 1_000_000), "", 0.90),
    ],
)
def test_what_a_call_costs(tokens: tuple[int, int, int], tier: str, usd: float) -> None:
    assert isclose(MINI.usd(*tokens, tier), usd, rel_tol=1e-12, abs_tol=0)


def test_what_is_not_told_of_a_price() -> None:
    """Cached input costs as much as other input, and a batch half."""
    assert Price(input=3, output=0).usd(1_000_000, 1_000_000, 0) == 3.0
    assert Price(input=3, output=0, cached=0).usd(1_000_000, 1_000_000, 0) == 0.0
    assert Price(input=3, output=0).usd(1_000_000, 0, 0, "batch") == 1.5
    assert Price(input=3, output=0, batch=1).usd(1_000_000, 0, 0, "flex") == 3.0
    assert Price(input=3, output=0, batch=0.25).usd(1_000_000, 0, 0, "batch") == 0.75


@pytest.mark.parametrize("value", [-0.01, inf, -inf, nan])
@pytest.mark.parametrize("name", ["input", "output", "cached", "batch"])
def test_no_price_is_negative_or_without_end(name: str, value: float) -> None:
    fields = {"input": 1.0, "output": 1.0, "cached": 1.0, "batch": 1.0, name: value}
    with pytest.raises(ValidationError):
        Price(**fields)


@pytest.mark.parametrize("batch", [0, 1.01])
def test_a_batch_costs_something_and_never_more(batch: float) -> None:
    with pytest.raises(ValidationError):
        Price(input=1, output=1, batch=batch)


def test_a_wrong_price_is_named() -> None:
    with pytest.raises(ConfigError, match=r"prices\.m\.input"):
        load_config(environment={}, values={"prices": {"m": {"input": -1, "output": 1}}})
    with pytest.raises(ConfigError, match=r"prices\.m\.inputs"):
        load_config(
            environment={}, values={"prices": {"m": {"input": 1, "output": 1, "inputs": 1}}}
        )


@pytest.mark.parametrize("name", sorted(table()))
def test_every_row_is_sane(name: str) -> None:
    price = table()[name]
    assert price.cached is not None
    assert 0 <= price.cached <= price.input <= price.output < 1000
    assert 0 < price.batch <= 1
    assert price_of(f"provider/{name}-2030-01-31", {}) == price
    assert price_of(name, {}) == price
    if name != "scripted-1":
        assert price.cached > 0


def test_the_scripted_author_costs_nothing() -> None:
    free = price_of("scripted-1", {})
    assert free is not None
    assert [free.usd(10**9, 0, 10**9, tier) for tier in ("", *HALF, "priority")] == [0.0] * 4


def test_the_table_is_dated() -> None:
    assert date(2025, 1, 1) < date.fromisoformat(dated()) <= datetime.now(UTC).date()
