"""What a model's tokens cost: a dated table, and what the configuration says instead."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

# Model names carry a provider before a slash and a date at the end; the table has neither.
_DATE = re.compile(r"[-@:](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{6}|latest)$")
HALF = ("batch", "flex")  # tiers at the price of `batch`, half of the usual unless told
FAST = ("priority", "fast")  # one tier by two names
FASTEST = 2.5  # the most that OpenAI charges for it, times the usual; 1.7 to 2 for most models


class Price(BaseModel):
    """Dollars per million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(None, ge=0, description="Input from a cache; None: as input.")
    write: float | None = Field(None, ge=0, description="Input put into it; None: as input.")
    batch: float = Field(0.5, gt=0, le=1, description="What batch and flex cost of it.")

    def usd(
        self, prompt: int, cached: int, completion: int, tier: str = "", written: int = 0
    ) -> float:
        """Dollars for one call.

        The tier `priority` has its own price for each model, which no table here holds. It counts
        as 2.5 times the usual, which is the most of any: a cap on spending is rather met early
        than passed.

        Args:
            prompt: tokens of the prompt, those from a cache among them.
            cached: those of the prompt that a cache held; more than all count as all.
            completion: tokens of the reply, thoughts among them.
            tier: `batch`, or the service tier; one that is unknown costs the usual.
            written: those of the prompt that were put into the cache.
        """
        share = self.batch if tier in HALF else FASTEST if tier in FAST else 1.0
        cached = min(cached, prompt)
        written = min(written, prompt - cached)
        of_cached = self.input if self.cached is None else self.cached
        of_written = self.input if self.write is None else self.write
        plain = prompt - cached - written
        whole = plain * self.input + cached * of_cached + written * of_written
        return share * (whole + completion * self.output) / 1e6

    def most(self, prompt: int, completion: int, tier: str = "") -> float:
        """The most that a call of so many tokens can cost: all of its prompt put into a cache."""
        return self.usd(prompt, 0, completion, tier, prompt)


def price_of(model: str, own: Mapping[str, Price]) -> Price | None:
    """The price of a model: the user's own entry, else the table's; None when nobody knows.

    A provider's prefix (`openai/gpt-4o`) and a date at the end are looked past. Other endings are
    other prices: `model:free` of a gateway, `ft:...` of a model that was trained on.
    """
    plain = model.rpartition("/")[2]
    names = (model, plain, _DATE.sub("", model), _DATE.sub("", plain))
    return next((prices[n] for prices in (own, table()) for n in names if n in prices), None)


@cache
def table() -> dict[str, Price]:
    """The prices that ship, by model."""
    return {name: Price(**row) for name, row in _read()["models"].items()}


def dated() -> str:
    """The day the table was last checked."""
    return str(_read()["dated"])


@cache
def _read() -> dict[str, Any]:
    text = (files("mcu") / "data" / "prices.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
