"""Derived tasks: their stages run on a finished run, their items written as sets of its release."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcu import __version__, prompts
from mcu.contract import Stage
from mcu.errors import ConfigError, Incomplete, StoreError
from mcu.items import Item, Provenance, Question
from mcu.release.episodes import Episode, episodes

if TYPE_CHECKING:
    from mcu.run import Run, Watch

Message = dict[str, Any]
Tell = Callable[[int, int], None]  # is told the number of items so far, and 0: nobody knows


@dataclass(frozen=True)
class Task:
    """One derived task.

    Attributes:
        name: as in `mcu derive NAME`.
        folder: the set in the release folder, such as `stark-coref`.
        about: one sentence for the card.
        makes: the item type; its fields are the columns.
        stages: further stages whose records it reads, in order; each is journalled and resumed.
        items: makes the items, in an order that nothing can change, one after the other.
        question: a multiple-choice item as probes and scores see it; None where it is none.
        chat: the item as messages for fine-tuning, the answer last.
        forms: further JSON forms by file name without ending, such as the seed's.
    """

    name: str
    folder: str
    version: int
    about: str
    makes: type[Item]
    items: "Callable[[Material], Iterator[Item]]"
    stages: tuple[Stage, ...] = ()
    question: Callable[[Any], Question] | None = None
    chat: Callable[[Any], list[Message]] | None = None
    forms: Mapping[str, Callable[[Any], dict[str, Any]]] = field(default_factory=dict)


_AUDITED = 20_000  # items whose questions are kept for an audit


class Material:
    """What a task makes its items of: the episodes of a finished run and its derived records."""

    def __init__(self, run: "Run", task: Task) -> None:
        self.run = run
        self.config = run.config
        self.lost: Counter[str] = Counter()
        self._task = task

    def episodes(self) -> Iterator[Episode]:
        """Every published episode in order, once more at each call; `.of(kind)` gives records."""
        settings, unseen = self.config.release, Counter[str]()
        for episode in episodes(self.run, unseen, self._task.stages):
            if episode.complete or not settings.complete_only:
                yield episode

    def provenance(self, stage: Stage | None = None) -> Provenance:
        """Who wrote what a stage made; without one, that everything was computed."""
        if stage is None:
            return Provenance(seed=self.config.run.seed, mcu=__version__)
        own = self.config.chat.of(stage.name)
        return Provenance(
            backend=self.config.chat.backend,
            model=str(own.model),
            prompts=[f"{name}:{prompts.load(name).hash[:16]}" for name in stage.prompts],
            seed=self.config.run.seed,
            mcu=__version__,
        )

    def drop(self, reason: str) -> None:
        """Count something that gave no item, for the card."""
        self.lost[reason] += 1


def tasks_named(name: str) -> tuple[Task, ...]:
    """The task of a name, or every one for `all`.

    Raises:
        ConfigError: there is none of that name; the message lists them.
    """
    from mcu.stages.derive import TASKS

    if name == "all":
        return TASKS
    if found := tuple(task for task in TASKS if task.name == name):
        return found
    raise ConfigError(f"there is no task {name!r}; there are {', '.join(t.name for t in TASKS)}")


@dataclass(frozen=True)
class Derived:
    """What `derive` made: where, how many items a split, what gave none and why, and questions."""

    task: Task
    folder: Path
    counts: Counter[str]
    lost: Counter[str]
    questions: list[Question]


def derive(
    run: "Run", task: Task, watch: "Watch | None" = None, tell: Tell | None = None
) -> Derived:
    """Make a task's set in the release of a finished run, in place of the one that was there.

    Model replies are journalled as those of the eight stages are, so that nothing is paid for
    twice. A new release drops the sets that were derived from the old one.

    Raises:
        ConfigError: the run is not complete.
        Incomplete: there is not one item.
        StoreError: the disk is full.
    """
    run.derive(task.stages, watch)
    final, folder = run.root / "release" / task.folder, run.root / f".{task.folder}.tmp"
    try:
        shutil.rmtree(folder, ignore_errors=True)
        made = _write(run, task, folder, tell)
        if not made.counts:
            shutil.rmtree(folder, ignore_errors=True)
            raise Incomplete(f"{task.name}: no items; {_reasons(made.lost)}")
        shutil.rmtree(final, ignore_errors=True)
        folder.rename(final)
    except OSError as error:
        reason = error.strerror or error
        raise StoreError(f"{task.folder} cannot be written: {reason}") from error
    return made


def _write(run: "Run", task: Task, folder: Path, tell: Tell | None) -> Derived:
    from mcu.release import sync
    from mcu.release.cards import write_item_card
    from mcu.release.items import ItemSet

    material = Material(run, task)
    questions: list[Question] = []
    with ItemSet(folder, task) as files:
        items = islice(task.items(material), run.config.derive.items or None)
        for number, item in enumerate(items, 1):
            files.add(item)
            if task.question and number <= _AUDITED:
                questions.append(task.question(item))
            if tell:
                tell(number, 0)
        counts = files.close()
    if counts:
        write_item_card(run, folder, task, counts, material.lost)
        sync(folder)
    final = run.root / "release" / task.folder
    return Derived(task, final, counts, material.lost, questions)


def _reasons(lost: Counter[str]) -> str:
    told = ", ".join(f"{number} {reason}" for reason, number in lost.most_common(3))
    return f"of what there was: {told}" if told else "the run has nothing that they are made of"
