"""What texts alone give away of an order in time, learned from a run, to be balanced out."""

import math
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise

from mcu.ids import digest
from mcu.stages.text import words


class Prior:
    """Tells from two texts which of them a reader of many episodes would put first.

    Some things tend to come early ("plans", "buys") and others late. It is a logistic model of
    pairs, a weight a word and a pair of words, learned in one pass. There are several, and a text
    is judged by the one that has not seen its group. Memory is bounded: beyond so many words no new
    ones are learned.
    """

    _FOLDS = 5
    _MOST = 50_000
    _RATE = 0.3

    def __init__(self) -> None:
        self._weights: list[dict[str, float]] = [{} for _ in range(self._FOLDS)]

    def learn(self, texts: Sequence[str], group: str) -> None:
        """Take in the texts of one episode, in order of time."""
        told = [_features(text) for text in texts]
        for fold, weights in enumerate(self._weights):
            if fold != self._fold(group):
                for early, late in combinations(told, 2):
                    self._step(weights, early, late, self._RATE / len(told))

    def _step(
        self, weights: dict[str, float], early: list[str], late: list[str], rate: float
    ) -> None:
        lead = _sum(weights, late) - _sum(weights, early)
        step = rate / (1 + math.exp(min(lead, 50)))
        for found, change in ((late, step), (early, -step)):
            for feature in found:
                if feature in weights or len(weights) < self._MOST:
                    weights[feature] = weights.get(feature, 0.0) + change

    def scores(self, texts: Sequence[str], group: str) -> list[float]:
        """How late each text seems, to one who has seen most of the other groups."""
        weights = self._weights[self._fold(group)]
        return [_sum(weights, _features(text)) for text in texts]

    def _fold(self, group: str) -> int:
        return int(digest(["prior", group])[:8], 16) % self._FOLDS


def _sum(weights: dict[str, float], features: list[str]) -> float:
    return math.fsum(weights.get(feature, 0.0) for feature in features)


def _features(text: str) -> list[str]:
    """The words of a text and its neighbouring words, each once."""
    return list(dict.fromkeys(_said(words(text))))


def _said(found: list[str]) -> Iterator[str]:
    yield from found
    yield from (f"{one} {two}" for one, two in pairwise(found))
