"""Scores of answers to multiple-choice items, and the figures that a table of results needs."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import pstdev
from typing import TYPE_CHECKING, Any

from mcu.errors import ConfigError
from mcu.items import Item, Question
from mcu.scores.answers import LETTERS, Parse, Score, score, stated
from mcu.scores.intervals import Interval, bootstrap, wilson
from mcu.scores.reading import rows_of, text_of

if TYPE_CHECKING:
    from mcu.derive import Task

Answers = Mapping[tuple[str, int], str]
MEASURES = ("object", "strict", "photo", "exact")


@dataclass(frozen=True)
class Scored:
    """An item with its score in each rotation; `asked` are the questions as they were shown."""

    question: Question
    asked: tuple[Question, ...]
    scores: tuple[Score, ...]
    missing: int

    def mean(self, measure: str) -> float:
        """The share of its rotations that are right."""
        return sum(bool(getattr(one, measure)) for one in self.scores) / len(self.scores)

    @property
    def all_right(self) -> bool:
        """Whether the object is right in every rotation."""
        return all(one.object for one in self.scores)


def rotated(question: Question, turns: int) -> Question:
    """The question with its options moved up, the first ones to the end; labels stay in place."""
    n = len(question.options)
    order = [(at + turns) % n for at in range(n)]
    return replace(
        question,
        options=tuple(question.options[at] for at in order),
        photos=tuple(question.photos[at] for at in order) if question.photos else (),
        answer=order.index(question.answer),
    )


def prompts(
    items: Iterable[Item], task: "Task", rotations: bool, view: str = ""
) -> Iterator[dict[str, Any]]:
    """What to ask of a model: the task's chat messages without the answer, by item and rotation.

    With a view, such as `last turn` or `options`, a model is shown no more than that and the
    options: how far it gets tells whether items can be solved without the rest.

    Raises:
        ConfigError: the task has no chat form, no options or no such view.
    """
    if task.chat is None or task.question is None or "options" not in task.makes.model_fields:
        raise ConfigError(f"{task.name} has no prompts with options")
    for item in items:
        options: list[Any] = item.options  # type: ignore[attr-defined]
        for turns in range(len(options) if rotations else 1):
            shown = [
                option.model_copy(update={"label": label})
                for option, label in zip(options[turns:] + options[:turns], LETTERS, strict=False)
            ]
            moved = item.model_copy(update={"options": shown})
            messages = task.chat(moved)[:-1]
            if view:
                messages = [m for m in messages if m["role"] == "system"]
                messages.append(_partial(rotated(task.question(item), turns), view))
            asked = {"item_id": item.item_id} | ({"rotation": turns} if rotations else {})
            yield asked | {"messages": messages}


def _partial(question: Question, view: str) -> dict[str, Any]:
    """One view and the options as a message."""
    if view not in question.views and view != "options":
        names = ", ".join(repr(name) for name in ("options", *question.views))
        raise ConfigError(f"there is no view {view!r}; there are {names}")
    listed = [stated(*pair) for pair in zip(LETTERS, question.options, strict=False)]
    parts = [question.views.get(view, ""), "\n".join(listed)]
    return {"role": "user", "content": "\n\n".join(part for part in parts if part)}


def read_answers(path: Path) -> tuple[dict[tuple[str, int], str], bool]:
    """Outputs by item and rotation from a file, and whether it has rotations.

    Raises:
        ConfigError: a field is missing or of another kind, or an item is answered twice.
    """
    answers: dict[tuple[str, int], str] = {}
    kinds: set[bool] = set()
    for where, row in rows_of(path):
        item, output = (text_of(row, name, where) for name in ("item_id", "output"))
        kinds.add("rotation" in row)
        turns = str(row.get("rotation", 0))
        if not turns.isdecimal():
            raise ConfigError(f"{where}: 'rotation' must be a number from 0 on, not {turns!r}")
        if (item, int(turns)) in answers:
            raise ConfigError(f"{where}: item {item!r} is answered a second time")
        answers[item, int(turns)] = output
    if not answers:
        raise ConfigError(f"{path} has no answers")
    if len(kinds) > 1:
        raise ConfigError(f"{path} must give a rotation in every row, or in none")
    return answers, kinds == {True}


def scored(questions: Iterable[Question], answers: Answers, rotations: bool) -> list[Scored]:
    """Every item with its scores; one that is not answered is wrong.

    Raises:
        ConfigError: an answer is of no item, or of a rotation that there is not.
    """
    found: list[Scored] = []
    known: set[tuple[str, int]] = set()
    for question in questions:
        turns = range(len(question.options) if rotations else 1)
        asked = tuple(rotated(question, turn) for turn in turns)
        keys = [(question.id, turn) for turn in turns]
        scores = tuple(_one(q, answers.get(key)) for q, key in zip(asked, keys, strict=True))
        missing = sum(key not in answers for key in keys)
        found.append(Scored(question, asked, scores, missing))
        known.update(keys)
    if odd := [key for key in answers if key not in known]:
        item, turn = odd[0]
        what = f"rotation {turn} of {item!r}" if turn else repr(item)
        raise ConfigError(f"{len(odd):,} answers are of no item of this split, such as {what}")
    return found


def report(items: Sequence[Scored], by_group: bool = False) -> dict[str, Any]:
    """All figures as plain data; a share is an object of value, low and high.

    Intervals are of items (Wilson), or with `by_group` of a bootstrap over split groups, for items
    of one person may be alike. An item that is asked in rotations counts by its mean.
    """
    share = _shares(by_group)
    answered = [s for item in items for s in item.scores if s.parse is not MISSING]
    photos = [item for item in items if item.question.photos]
    facts: dict[str, Any] = {
        "items": len(items),
        "rotations": max(len(item.scores) for item in items),
        "answered": len(answered),
        "missing": sum(item.missing for item in items),
        "intervals": "bootstrap over split groups" if by_group else "Wilson",
        **_measures(items, photos, share),
        "parse_none": _rate(answered, lambda s: not s.parse.labels),
        "multi_label": _rate(answered, lambda s: s.parse.several),
        "read": dict(sorted(Counter(s.parse.how for s in answered).items())),
        "recall": _recall(items),
    }
    facts["rstd"] = round(pstdev([own["value"] for own in facts["recall"].values()]), 5)
    if facts["rotations"] > 1:
        facts["circular"] = share(items, lambda item: float(item.all_right))
    if pairs := list(_pairs(items)):
        both = [_Pair(*own) for own in pairs]
        facts["pairs"] = share(both, lambda pair: float(pair.all_right)) | {"items": len(both)}
    facts["bins"] = _bins(items, share)
    return facts


def records(items: Iterable[Scored]) -> Iterator[dict[str, Any]]:
    """A line for each answer: what was read out of it, and what it is worth."""
    for item in items:
        for turn, (asked, own) in enumerate(zip(item.asked, item.scores, strict=True)):
            fields = {k: v for k, v in asdict(own).items() if k != "parse"}
            yield {
                "item_id": item.question.id,
                "rotation": turn,
                "answer": LETTERS[asked.answer],
                "said": list(own.parse.labels),
                "read": "missing" if own.parse is MISSING else own.parse.how,
                **fields,
            }


MISSING = Parse((), "none")


@dataclass(frozen=True)
class _Pair:
    """Twins: right when both are."""

    first: Scored
    second: Scored

    @property
    def question(self) -> Question:
        return self.first.question

    @property
    def all_right(self) -> bool:
        return self.first.all_right and self.second.all_right


Share = Callable[[Sequence[Any], Callable[[Any], float]], dict[str, float]]


def _one(question: Question, output: str | None) -> Score:
    if output is None:
        return Score(MISSING, False, False, False if question.photos else None, False)
    return score(output, question.options, question.answer, question.photos)


def _shares(by_group: bool) -> Share:
    def share(items: Sequence[Any], value: Callable[[Any], float]) -> dict[str, float]:
        values = [value(item) for item in items]
        if by_group:
            return _plain(bootstrap(values, [item.question.group for item in items]))
        return _plain(wilson(sum(values), len(values)))

    return share


def _measures(items: Sequence[Scored], photos: Sequence[Scored], share: Share) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for measure in MEASURES:
        own = photos if measure == "photo" else items
        if own:
            found[measure] = share(own, lambda item, name=measure: item.mean(name))  # type: ignore[misc]
    chances = {
        "object": [1 / len(item.question.options) for item in items],
        "photo": [_photo_chance(item.question) for item in photos],
    }
    found["chance"] = {k: round(sum(v) / len(v), 5) for k, v in chances.items() if v}
    return found


def _photo_chance(question: Question) -> float:
    return question.photos.count(question.photos[question.answer]) / len(question.photos)


def _rate(scores: Sequence[Score], is_so: Callable[[Score], bool]) -> dict[str, float]:
    return _plain(wilson(sum(map(is_so, scores)), len(scores)))


def _recall(items: Sequence[Scored]) -> dict[str, dict[str, float]]:
    """Of the answers under each label, the share that is right; items of each."""
    right: dict[str, list[bool]] = defaultdict(list)
    for item in items:
        for asked, own in zip(item.asked, item.scores, strict=True):
            right[LETTERS[asked.answer]].append(own.object)
    return {
        label: _plain(wilson(sum(own), len(own))) | {"items": len(own)}
        for label, own in sorted(right.items())
    }


def _pairs(items: Sequence[Scored]) -> Iterator[tuple[Scored, Scored]]:
    """Twins that are both there, each pair once."""
    by_id = {item.question.id: item for item in items}
    for item in items:
        twin = by_id.get(item.question.pair)
        if twin and item.question.id < twin.question.id:
            yield item, twin


def _bins(items: Sequence[Scored], share: Share) -> dict[str, dict[str, Any]]:
    """Object and photo accuracy by what tells how hard an item is, by language where several."""
    sorts: dict[str, dict[str, list[Scored]]] = defaultdict(lambda: defaultdict(list))
    several = len({item.question.language for item in items}) > 1
    for item in items:
        for name, value in item.question.bins.items():
            sorts[name][value].append(item)
        if several:
            sorts["language"][item.question.language].append(item)
    return {
        name: {value: _bin(values[value], share) for value in sorted(values, key=_in_order)}
        for name, values in sorted(sorts.items())
    }


def _bin(own: Sequence[Scored], share: Share) -> dict[str, Any]:
    found: dict[str, Any] = {"items": len(own), "object": share(own, lambda i: i.mean("object"))}
    if all(item.question.photos for item in own):
        found["photo"] = share(own, lambda item: item.mean("photo"))
    return found


def _in_order(value: str) -> tuple[int, int, str]:
    """Numbers by size before words by letter."""
    return (0, int(value), "") if value.isdecimal() else (1, 0, value)


def _plain(interval: Interval) -> dict[str, float]:
    return {name: round(value, 5) for name, value in interval._asdict().items()}
