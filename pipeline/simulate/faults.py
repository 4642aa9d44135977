"""Faults on purpose: how often each kind happens, and what it makes of an answer."""

import random
import re
from bisect import bisect
from collections.abc import Iterable, Mapping
from itertools import accumulate

from mcu.errors import ConfigError
from mcu.ids import digest
from mcu.simulate.ask import Ask

MIXTURE = ("error", "busy", "empty", "cut", "prose", "fence", "keys", "refuse")
CONTENT = ("empty", "cut", "prose", "fence", "keys", "refuse", "filter", "overlong")
LIVE = (*CONTENT, "error", "busy", "unavailable", "hang", "drop", "torn")
BATCH = ("batch_expired", "batch_failed", "batch_drop")
LINE = ("batch_line",)


class Odds:
    """One draw among kinds, each with its share; nothing is drawn where there are none."""

    def __init__(self, shares: Mapping[str, float]) -> None:
        self._kinds = list(shares)
        self._bounds = list(accumulate(shares.values()))
        self._random = random.Random(0)
        if not all(0 <= share <= 1 for share in shares.values()) or sum(shares.values()) > 1.001:
            raise ConfigError("shares of faults must be between 0 and 1, and their sum too")

    def draw(self) -> str:
        """A kind, or empty text."""
        if not self._kinds:
            return ""
        place = bisect(self._bounds, self._random.random())
        return self._kinds[place] if place < len(self._kinds) else ""


class Faults:
    """Which request gets which fault; at most one each.

    Args:
        mixture: share of live answers that are bad in one of eight ways.
        shares: share by kind, besides.
    """

    def __init__(self, mixture: float, shares: Mapping[str, float]) -> None:
        if unknown := sorted(set(shares) - {*LIVE, *BATCH, *LINE}):
            kinds = ", ".join((*LIVE, *BATCH, *LINE))
            raise ConfigError(f"--fault {unknown[0]!r} is not one of {kinds}")
        live = dict.fromkeys(MIXTURE, mixture / len(MIXTURE)) if mixture else {}
        for kind in LIVE:
            if shares.get(kind):
                live[kind] = live.get(kind, 0.0) + shares[kind]
        self._live = Odds(live)
        self._batch = Odds({kind: shares[kind] for kind in BATCH if kind in shares})
        self._line = Odds({kind: shares[kind] for kind in LINE if kind in shares})
        # The budgets of those that were cut short; None where that never happens.
        self._budgets: dict[str, int] | None = {} if "overlong" in live else None

    def of_call(self, ask: Ask) -> str:
        """The fault of a live call."""
        kind = self._live.draw()
        if self._budgets is None:
            return kind
        # Cut as often as it comes with no larger budget, then never again.
        key = digest([ask.messages, ask.body.get("seed")])
        before = self._budgets.get(key)
        if before is None:
            if kind == "overlong":
                self._budgets[key] = ask.budget
            return kind
        if ask.budget <= before:
            return "overlong"
        return "" if kind == "overlong" else kind

    def of_batch(self) -> str:
        """The fault of a whole batch."""
        return self._batch.draw()

    def of_line(self, ask: Ask) -> str:
        """The fault of a line of a batch: its own kind, or bad content as a live call has."""
        kind = self._line.draw() or self.of_call(ask)
        return kind if kind in (*LINE, *CONTENT) else ""


def spoilt(kind: str, good: str) -> tuple[str, str]:
    """What a fault makes of a good answer: its text and how it finished."""
    match kind:
        case "empty":
            return "", "stop"
        case "cut" | "overlong":
            return good[: len(good) // 2], "length"
        case "prose":
            return "Sure, I will think about it.", "stop"
        case "fence":
            return f"Here you are:\n```json\n{good}\n```", "stop"
        case "keys":
            return '{"unexpected": true}', "stop"
        case "refuse":
            return "I cannot help with that.", "stop"
        case "filter":
            return good[: len(good) // 3], "content_filter"
    return good, "stop"


def shares_of(texts: Iterable[str]) -> dict[str, float]:
    """`KIND=SHARE` texts as shares by kind."""
    found = {}
    for text in texts:
        match = re.fullmatch(r"\s*(\w+)\s*=\s*(\d{1,3}(?:\.\d{1,9})?)\s*", text)
        if not match:
            raise ConfigError(f"--fault {text!r} must be like torn=0.05")
        found[match[1]] = float(match[2])
    return found
