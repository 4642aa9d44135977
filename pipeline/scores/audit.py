"""The audit of multiple-choice items: does a part of an item give its answer away?"""

import heapq
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mcu.errors import ConfigError
from mcu.items import Question
from mcu.scores.intervals import design_effect, luck, wilson
from mcu.scores.probe import learn
from mcu.scores.rules import decided, photo_worth, worth

Kind = Literal["probe", "rule", "control"]
Tell = Callable[[int, int], None]
FULL = "full"
OPTIONS = "options"
LIMIT = 10_000
RISK = 0.05  # of a clean set that fails by luck, all looks taken together


@dataclass(frozen=True)
class Look:
    """What one probe or rule makes of the items.

    Attributes:
        kind: `control` sees the whole item and is not held against it.
        photo: whether the photo, rather than the option, is what must be right.
        low, high: Wilson's interval, wider where items of one group are alike, so wide that with
            95 % no look of the family is above its own by luck; it has chance in it where an exact
            test of few items does not rule that out.
        alone: the 95 % interval of this look alone.
        chance: what a guess gets.
        independent: how many independent items they are worth (`design_effect`).
        luck: how likely chance gives as much or more, by this look alone.
        bar: about the share from which on it would have failed.
    """

    name: str
    kind: Kind
    language: str
    photo: bool
    items: int
    share: float
    low: float
    high: float
    alone: tuple[float, float]
    chance: float
    independent: float
    luck: float
    bar: float = 1.0

    @property
    def passed(self) -> bool:
        """Whether its interval touches chance; a control always passes."""
        return self.kind == "control" or self.low <= self.chance


@dataclass(frozen=True)
class Audit:
    """All looks at a set of items.

    Attributes:
        items: those looked at.
        of: those that there are.
        groups: persons that they come from.
    """

    looks: tuple[Look, ...]
    items: int
    of: int
    groups: int

    @property
    def passed(self) -> bool:
        """Whether no probe and no rule is above chance."""
        return not self.failed

    @property
    def failed(self) -> tuple[Look, ...]:
        """What is above chance, worst first."""
        above = (look for look in self.looks if not look.passed)
        return tuple(sorted(above, key=lambda look: look.chance - look.share))

    def facts(self) -> dict[str, Any]:
        """The audit as plain data."""
        return {
            "passed": self.passed,
            "items": self.items,
            "of": self.of,
            "groups": self.groups,
            "risk": RISK,
            "looks": [{**_rounded(asdict(look)), "passed": look.passed} for look in self.looks],
        }

    def lines(self) -> list[str]:
        """The audit as a table for people."""
        from mcu.scores.tables import audit_lines

        return audit_lines(self)


def audit(
    questions: Iterable[Question], *, seed: int = 0, limit: int = LIMIT, tell: Tell | None = None
) -> Audit:
    """Try to answer items from less than all of them, and see whether chance explains the outcome.

    For every view but `full`, and for the options alone, two probes are learned on other groups
    (`mcu.scores.probe`), and all rules are tried (`mcu.scores.rules`); where the options belong to
    photos, each is also judged by the photo. A look fails when its interval lies above chance; the
    intervals hold together, so that a clean set does not fail for having been looked at often
    (family-wise risk of 5 %, Bonferroni). Items of several languages are looked at apart, in one
    family. `full` is shown beside, without a verdict: these probes hardly solve items, and need
    not.

    Args:
        questions: items of one task, in any order.
        seed: chooses the groups where there are more items than `limit`.
        limit: most items looked at; whole groups are left out.
        tell: told how many of how many probes are done.

    Raises:
        ConfigError: there are no items, or an item has no view or no answer among its options.
    """
    kept, total = sample(questions, limit, seed)
    languages = sorted({question.language for question in kept})
    sets = [[q for q in kept if q.language == language] for language in languages]
    steps = sum(len(_views(own)) for own in sets)
    looks: list[Look] = []
    done = 0
    for own in sets:
        for view in _views(own):
            if tell:
                tell(done, steps)
            looks += _learned(own, view)
            done += 1
        looks += _ruled(own)
    return Audit(_judged(looks), len(kept), total, len({question.group for question in kept}))


def sample(questions: Iterable[Question], limit: int, seed: int) -> tuple[list[Question], int]:
    """Whole groups that make at most `limit` items (one group at least), and how many there are.

    Which groups depends on the seed and their names alone; no more than those, and one, are held.
    """
    held: dict[str, list[Question]] = {}
    heap: list[tuple[bytes, str]] = []  # the largest digest first
    total = size = 0
    bar: bytes | None = None
    for question in questions:
        _check(question)
        total += 1
        digest = sha256(f"{seed}:{question.group}".encode(errors="replace")).digest()
        if bar is not None and digest >= bar:
            continue
        if question.group not in held:
            held[question.group] = []
            heapq.heappush(heap, (bytes(255 - byte for byte in digest), question.group))
        held[question.group].append(question)
        size += 1
        while size > limit and len(held) > 1:
            turned, group = heapq.heappop(heap)
            size -= len(held.pop(group))
            bar = bytes(255 - byte for byte in turned)
    if not total:
        raise ConfigError("there are no items to audit")
    kept = [question for own in held.values() for question in own]
    return sorted(kept, key=lambda question: question.id), total


def look_at(
    name: str,
    kind: Kind,
    questions: Sequence[Question],
    values: Sequence[float] | NDArray[np.float64],
    chances: Sequence[float],
    photo: bool = False,
) -> Look:
    """A look by what it got of each item, and what chance gives; `luck` is of this one alone."""
    n, total, chance = len(questions), float(np.sum(values)), float(np.mean(chances))
    effect = design_effect(values, [question.group for question in questions])
    interval = wilson(total / effect, n / effect)
    return Look(
        name=name,
        kind=kind,
        language=questions[0].language,
        photo=photo,
        items=n,
        share=interval.value,
        low=interval.low,
        high=interval.high,
        alone=(interval.low, interval.high),
        chance=chance,
        independent=n / effect,
        luck=luck(total / effect, n / effect, chance),
    )


def _check(question: Question) -> None:
    if not question.views or not 0 <= question.answer < len(question.options):
        raise ConfigError(f"item {question.id} has no views, or no answer among its options")


def _views(questions: Sequence[Question]) -> list[str]:
    """The options alone first, then every view, the whole item last."""
    names = dict.fromkeys(view for question in questions for view in question.views)
    return [OPTIONS, *(n for n in names if n not in (FULL, OPTIONS)), *([FULL] * (FULL in names))]


def _learned(questions: Sequence[Question], view: str) -> Iterator[Look]:
    answers = np.array([question.answer for question in questions], dtype=np.int64)
    kind: Kind = "control" if view == FULL else "probe"
    for name, guesses in learn(questions, "" if view == OPTIONS else view).items():
        tried = [questions[at] for at in guesses.items]
        if not tried:
            continue  # one group alone: there are no others to learn from
        label = f"{view}: {name}"
        chances = [q.chance.get(view, 1 / len(q.options)) for q in tried]
        yield look_at(label, kind, tried, guesses.right(answers), chances)
        if own := _with_photos(tried):
            parts = [_photo_guess(guesses.shares[at], tried[at]) for at in own]
            some = [tried[at] for at in own]
            yield look_at(label, kind, some, parts, [photo_worth(q, ()) for q in some], True)


def _photo_guess(beliefs: NDArray[np.float32], question: Question) -> float:
    """1 where the photo whose options are likeliest together is the answer's; a tie is shared."""
    shares: dict[int, float] = {}
    for option, photo in enumerate(question.photos):
        shares[photo] = shares.get(photo, 0.0) + float(beliefs[option])
    best = [photo for photo, share in shares.items() if share >= max(shares.values()) - 1e-6]
    return (question.photos[question.answer] in best) / len(best)


def _ruled(questions: Sequence[Question]) -> Iterator[Look]:
    own = _with_photos(questions)
    for name, picks in decided(questions):
        chances = [q.chance.get(name, 1 / len(q.options)) for q in questions]
        values = [worth(q, pick) for q, pick in zip(questions, picks, strict=True)]
        yield look_at(name, "rule", questions, values, chances)
        if own:
            some = [questions[at] for at in own]
            parts = [photo_worth(questions[at], picks[at]) for at in own]
            yield look_at(name, "rule", some, parts, [photo_worth(q, ()) for q in some], True)


def _with_photos(questions: Sequence[Question]) -> list[int]:
    """The items whose options are of different photos, but not each of its own."""
    return [
        at for at, q in enumerate(questions) if 1 < len(set(q.photos)) < len(q.options)
    ]  # fmt: skip


def _judged(looks: Sequence[Look]) -> tuple[Look, ...]:
    """The looks with intervals that hold together, and what each would have needed to fail."""
    risk = RISK / max(1, sum(look.kind != "control" for look in looks))
    z = NormalDist().inv_cdf(1 - risk)
    judged = []
    for look in looks:
        n, error = look.independent, math.sqrt(look.chance * (1 - look.chance) / look.independent)
        _, low, high = wilson(look.share * n, n, 1 - 2 * risk)
        if look.luck >= risk:
            low = min(low, look.chance)
        bar = min(1.0, look.chance + z * error)
        judged.append(replace(look, low=low, high=high, bar=bar))
    return tuple(judged)


def _rounded(fields: dict[str, Any]) -> dict[str, Any]:
    short = {k: round(v, 6) if isinstance(v, float) else v for k, v in fields.items()}
    return short | {"alone": [round(bound, 6) for bound in fields["alone"]]}
