"""What planning and verifying do for relevance, on the labelled sets of tests/data.

`python benchmarks/relevance.py [--smoke]` prints how the scripted planner routes the labelled
slots, then the share of labelled descriptions that get the right picture of the starter set: by
the first hit of the plan's query, and verified. Gains are points of that share, each with its 95 %
interval over resamplings of the descriptions.
"""

import argparse
import random
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from common import say

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from labelled import (
    BANDS,
    BAR,
    HELD_OUT,
    Finder,
    accuracy,
    confusion,
    in_band,
    planned,
    share,
    slots,
    wanted,
)

RESAMPLINGS = 2000


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="few resamplings")
    times = 50 if parser.parse_args().smoke else RESAMPLINGS
    routes()
    say("")
    relevance(times)


def routes() -> None:
    """How the planner routes the labelled slots."""
    rows = slots()
    found = [planned(row)["route"] for row in rows]
    say("\n".join(confusion(rows, found)))
    say(
        f"right route: {accuracy(rows, found):.3f} of all {len(rows)}, "
        f"{accuracy(rows[:HELD_OUT], found[:HELD_OUT]):.3f} of {HELD_OUT} held out"
    )


def relevance(times: int) -> None:
    """Shares of right pictures, by how they are chosen and by how long descriptions are."""
    finder, right = Finder(), wanted()
    ways: dict[str, Callable[[str], str]] = {
        "first hit of the query": finder.first,
        "verified, by the query": partial(finder.verified, whole=False),
        "verified, 10 hits a query": partial(finder.verified, whole=False, k=10),
        "verified, by both": finder.verified,
        "verified, 10 hits each": partial(finder.verified, k=10),
        "the same, with no bar": partial(finder.verified, bar=-1.0),
    }
    chosen = {name: {text: way(text) for text in right} for name, way in ways.items()}
    some = [text for text in right if right[text]]
    groups = {f"{low}-{high} words": [t for t in some if in_band(t, (low, high))]
              for low, high in BANDS}  # fmt: skip
    none = [text for text in right if not right[text]]
    groups |= {"all of these": some, "none fits": none, "all": list(right)}
    say(f"bar {BAR}; by both is by the query and by the whole description, 5 hits each")
    say(f"{'':<27}" + "".join(f"{name:>15}" for name in [*groups, "mean of bands"]))
    say(f"{'descriptions':<27}" + "".join(f"{len(texts):>15}" for texts in groups.values()))
    for name, found in chosen.items():
        shares = [share(found, right, texts) for texts in groups.values()]
        shares.append(sum(shares[: len(BANDS)]) / len(BANDS))
        say(f"{name:<27}" + "".join(f"{one:>15.3f}" for one in shares))
    before, after = chosen["first hit of the query"], chosen["verified, by both"]
    for name, texts in groups.items():
        gains = [
            (after[t] in (right[t] or {""})) - (before[t] in (right[t] or {""})) for t in texts
        ]
        low, high = interval(gains, times)
        gain = 100 * sum(gains) / len(gains)
        say(f"gain, {name:<14}{gain:+6.1f} points ({low:+.1f} to {high:+.1f})")


def interval(gains: list[int], times: int) -> tuple[float, float]:
    """Where the mean gain lies in 95 % of resamplings, in points."""
    rng = random.Random(0)
    means = sorted(100 * sum(rng.choices(gains, k=len(gains))) / len(gains) for _ in range(times))
    return means[int(0.025 * times)], means[int(0.975 * times)]


if __name__ == "__main__":
    main()
