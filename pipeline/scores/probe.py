"""Learned probes: softmax regression over options, tried on groups that come after."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from mcu.items import Question
from mcu.scores.features import Features, Ints, features

Floats = NDArray[np.float32]

_FOLDS = 5
_KEPT = 300  # word features that a fold learns from, those most at odds with chance
_RIDGE = 10.0
_STEPS = 80
_RATE = 0.1


@dataclass(frozen=True)
class Guesses:
    """What a probe believes.

    Attributes:
        items: those that it was tried on, as indices.
        shares: of each option of those: float32 [items, most options], rows sum to 1.
    """

    items: Ints
    shares: Floats

    def right(self, answers: Ints) -> NDArray[np.float64]:
        """1 for each item tried whose answer alone is likeliest; several likeliest share it."""
        answers = answers[self.items]
        best = self.shares >= self.shares.max(axis=1, keepdims=True) - 1e-6
        hit = best[np.arange(len(answers)), answers]
        return np.where(hit, 1 / best.sum(axis=1), 0.0)


def folds_of(groups: Sequence[str], folds: int = _FOLDS) -> Ints:
    """A fold for each item: a group is in one of them, and they are about as large."""
    sizes = dict.fromkeys(groups, 0)
    for group in groups:
        sizes[group] += 1
    load, chosen = [0] * folds, {}
    order = sorted(sizes, key=lambda g: (-sizes[g], sha256(g.encode(errors="replace")).digest()))
    for group in order:
        chosen[group] = load.index(min(load))
        load[chosen[group]] += sizes[group]
    return np.array([chosen[group] for group in groups], dtype=np.int64)


def learn(questions: Sequence[Question], view: str) -> dict[str, Guesses]:
    """What probes that saw one view of other groups guess of each item.

    Two of them: `shape` goes by place, length and order of mention, `words` also by which words of
    an option go with which words of the view. An empty view shows the options alone.

    Each fold of groups but the first is guessed by what was learned from those before it. Guesses
    are then no more alike than the items are, so that chance has the spread that the interval
    says; in cross-validation, where each fold also teaches those that it is guessed by, it is a
    fifth wider.
    """
    most = max(len(question.options) for question in questions)
    seen = features(questions, view, most)
    answers = np.array([question.answer for question in questions], dtype=np.int64)
    sizes = np.array([len(question.options) for question in questions], dtype=np.int64)
    folds = folds_of([question.group for question in questions])
    tried = np.flatnonzero(folds > 0)
    guesses: dict[str, Guesses] = {}
    for name in ("shape", "words"):
        shares = np.zeros((len(answers), most), np.float32)
        for fold in range(1, int(folds.max()) + 1):
            columns = _columns(seen, answers, sizes, folds < fold, most, name == "words")
            matrix = _matrix(seen, columns, len(answers), most)
            fitted = _fit(matrix, answers, sizes, folds < fold, folds == fold)
            shares[folds == fold] = fitted
        guesses[name] = Guesses(tried, shares[tried])
    return guesses


def _columns(
    seen: Features, answers: Ints, sizes: Ints, train: NDArray[np.bool_], most: int, also: bool
) -> Ints:
    """The features to learn from: all of shape, and of words those most at odds with chance."""
    shapes = np.arange(seen.shapes)
    if not also:
        return shapes
    kept = train[seen.rows // most]
    items, columns = seen.rows[kept] // most, seen.columns[kept]
    gold = seen.rows[kept] == items * most + answers[items]
    expected = np.bincount(columns, 1 / sizes[items], seen.count)
    right = np.bincount(columns[gold], minlength=seen.count)
    score = np.abs(right - expected) / np.sqrt(expected + 1)
    score[: seen.shapes] = 0
    best = np.argsort(-score, kind="stable")[:_KEPT]
    return np.concatenate([shapes, np.sort(best[score[best] > 1])])


def _matrix(seen: Features, columns: Ints, items: int, most: int) -> Floats:
    """The chosen features as a dense array [items, most, columns]."""
    places = np.full(seen.count, -1, dtype=np.int64)
    places[columns] = np.arange(len(columns))
    at = places[seen.columns]
    matrix = np.zeros((items * most, len(columns)), np.float32)
    matrix[seen.rows[at >= 0], at[at >= 0]] = 1
    return matrix.reshape(items, most, len(columns))


def _fit(
    matrix: Floats, answers: Ints, sizes: Ints, train: NDArray[np.bool_], test: NDArray[np.bool_]
) -> Floats:
    """Shares of the options of some items, learned from others (ridge, Adam)."""
    none = np.arange(matrix.shape[1]) >= sizes[:, None]
    own, off = matrix[train], none[train]
    flat = own.reshape(-1, own.shape[2])
    goal = np.zeros(own.shape[:2], np.float32)
    goal[np.arange(len(goal)), answers[train]] = 1
    weights, mean, square = (np.zeros(matrix.shape[2], np.float32) for _ in range(3))
    for step in range(1, _STEPS + 1):
        wrong = _softmax(own @ weights, off) - goal
        slope = flat.T @ wrong.ravel() + _RIDGE * weights
        mean += 0.1 * (slope - mean)
        square += 0.05 * (slope * slope - square)
        rate = _RATE * (1 - step / (_STEPS + 1))
        scale = np.sqrt(square / (1 - 0.95**step)) + 1e-8
        weights -= rate * mean / (1 - 0.9**step) / scale
    return _softmax(matrix[test] @ weights, none[test])


def _softmax(scores: Floats, none: NDArray[np.bool_]) -> Floats:
    scores = np.where(none, -np.inf, scores)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Floats = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares
