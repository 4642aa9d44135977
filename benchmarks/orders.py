"""How well texts alone give the order of timeline-order's items, as they are chosen and at random.

`python benchmarks/orders.py [--smoke] [--run FOLDER]` makes an offline run, or takes a complete
one, and trains a probe on the orders of other personas' items: a logistic model of pairs over words
and neighbouring words. It prints the share of items of which it finds the right one of the four
orders, where chance is 0.25, with 95 % intervals.
"""

import argparse
import tempfile
from itertools import combinations, pairwise
from math import exp
from pathlib import Path

from common import say
from mcu.config import parse_config
from mcu.derive import Material
from mcu.ids import rng_of
from mcu.run import Run
from mcu.scores.intervals import wilson
from mcu.scores.probe import folds_of
from mcu.stages.derive import timeline_order
from mcu.stages.text import words

Example = tuple[str, list[list[str]], list[tuple[int, ...]]]  # group, features in order, orders
_ROUNDS, _RATE = 20, 0.1


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="20 episodes")
    parser.add_argument("--run", type=Path, help="a complete run's folder")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = _run(Path(folder), 20 if chosen.smoke else 400) if not chosen.run else None
        material = Material(run or Run.open(chosen.run), timeline_order.TASK)
        say(f"{'':22}{'items':>7}{'right':>8}   95 % interval")
        for kind in ("events", "pictures"):
            for name, found in (
                ("at random", _random(material, kind)),
                ("as chosen", _chosen(material, kind)),
            ):
                share = wilson(_right(found), len(found))
                told = f"{share.value:>8.3f}   {share.low:.3f}-{share.high:.3f}"
                say(f"{f'{kind}, {name}':22}{len(found):>7}{told}")


def _run(folder: Path, episodes: int) -> Run:
    run = Run.create(folder / "run", parse_config({"run": {"episodes": episodes}}))
    run.execute()
    return run


def _chosen(material: Material, kind: str) -> list[Example]:
    """The task's own items; each order as places in time."""
    found = []
    for item in timeline_order.items(material):
        if item.kind == kind:
            moments = sorted(item.moments, key=lambda moment: moment.date)
            places = {str(moment.number): n for n, moment in enumerate(moments)}
            orders = [tuple(places[n] for n in text.split(" - ")) for text in item.texts]
            found.append((item.split_group, [_features(m.text) for m in moments], orders))
    return found


def _random(material: Material, kind: str) -> list[Example]:
    """Four dates, a text of each and a group of orders, all by chance."""
    found: list[Example] = []
    for episode in material.episodes():
        rng = rng_of("orders", kind, episode.events.id)
        days = timeline_order.steps_of(episode, kind)
        if len(days) >= 4:
            four = sorted(rng.sample(range(len(days)), 4))
            texts = [_features(rng.choice(days[n]).text) for n in four]
            found.append((episode.persona.id, texts, list(rng.choice(timeline_order.GROUPS))))
    return found


def _features(text: str) -> list[str]:
    said = words(text)
    return [*said, *(f"{one} {two}" for one, two in pairwise(said))]


def _right(found: list[Example]) -> int:
    """How many orders the probe finds, trained on the other folds of personas."""
    if not found:
        return 0
    folds, right = folds_of([group for group, _, _ in found]), 0
    for fold in sorted(set(folds)):
        weights = _trained([e for e, own in zip(found, folds, strict=True) if own != fold])
        for (_, texts, orders), own in zip(found, folds, strict=True):
            if own == fold:
                late = [sum(weights.get(f, 0.0) for f in text) for text in texts]
                fits = [sum(n * late[place] for n, place in enumerate(order)) for order in orders]
                right += orders[fits.index(max(fits))] == (0, 1, 2, 3)
    return right


def _trained(found: list[Example]) -> dict[str, float]:
    weights: dict[str, float] = {}
    for _ in range(_ROUNDS):
        for _, texts, _ in found:
            for early, late in combinations(texts, 2):
                lead = sum(weights.get(f, 0.0) for f in late)
                lead -= sum(weights.get(f, 0.0) for f in early)
                step = _RATE / (1 + exp(min(lead, 50)))
                for features, change in ((late, step), (early, -step)):
                    for feature in features:
                        weights[feature] = weights.get(feature, 0.0) + change
    return weights


if __name__ == "__main__":
    main()
