"""The local engine: every unit that is ready runs, later stages first, in one event loop."""

import asyncio
import heapq
from collections import Counter
from dataclasses import dataclass, field

from mcu import prompts
from mcu.config import Config
from mcu.contract import Stage
from mcu.errors import Incomplete, McuError
from mcu.ids import digest
from mcu.journal import Writer
from mcu.records import RELATIONS, Record
from mcu.services import Services
from mcu.source import Source
from mcu.store import Store, Unit
from mcu.unit import UnitRun

_JUDGED_FROM = 20  # rows of a stage before its share of rejects can stop the run


@dataclass
class Tally:
    """Counts of one stage, for status and progress."""

    units_done: int = 0
    inputs: int = 0
    records: int = 0
    rejects: Counter[str] = field(default_factory=Counter)

    @property
    def lost(self) -> int:
        """Rejects but for repeated personas, which are dropped by design."""
        return self.rejects.total() - self.rejects["duplicate"]


def fingerprint(stage: Stage, stages: tuple[Stage, ...], config: Config) -> str:
    """A hash of all that changes a unit's rows, and of nothing else."""
    needed = {stage.takes, *stage.needs}
    return digest(
        {
            "stage": [stage.name, stage.version],
            "prompts": {name: prompts.load(name).hash for name in ("repair", *stage.prompts)},
            "settings": config.rows("run", *stage.uses),
            "upstream": [fingerprint(s, stages, config) for s in stages if s.makes in needed],
        }
    )


def finished(unit: Unit, store: Store, print_: str) -> bool:
    """Whether a unit's mark exists and was made under the present fingerprint."""
    mark = store.mark(unit)
    return mark is not None and mark.get("fingerprint") == print_


class Engine:
    """Runs chosen stages on chosen shards until all units are done or one fails."""

    def __init__(
        self,
        config: Config,
        store: Store,
        stages: tuple[Stage, ...],
        chosen: tuple[Stage, ...],
        shards: list[int],
    ) -> None:
        self._config = config
        self._store = store
        self._stages = stages
        self._shards = shards
        self._prints = {s.name: fingerprint(s, stages, config) for s in stages}
        self._done: set[Unit] = set()
        self._todo: set[Unit] = set()
        self._ready: list[tuple[tuple[int, int], Unit]] = []
        self._offered: set[Unit] = set()
        self._open: list[UnitRun] = []
        self._running = 0
        self._slots = 2 * config.chat.max_in_flight
        self.tally = {stage.name: Tally() for stage in stages}
        for stage in stages:
            for shard in shards:
                unit = Unit(stage, shard)
                if finished(unit, store, self._prints[stage.name]):
                    self._note(unit)
                elif stage in chosen:
                    self._todo.add(unit)
        for shard in shards:
            self._offer(shard)

    @property
    def pending(self) -> int:
        """Units still to do."""
        return len(self._todo)

    async def run(self, services: Services) -> None:
        """Do all pending units.

        Raises:
            Incomplete: a stage rejects more than `run.max_reject_share`.
            McuError: a backend or the store cannot go on.
        """
        self._services, self._writer = services, Writer()
        try:
            async with asyncio.TaskGroup() as self._group:
                if any(unit.stage.number == 1 for unit in self._todo):
                    self._group.create_task(self._make_personas())
                self._fill()
        except BaseExceptionGroup as group:
            raise _first(group) from None
        finally:
            for run in self._open:
                run.abandon()
            self._writer.close()

    async def _make_personas(self) -> None:
        stage = self._stages[0]
        source = Source(
            stage, self._services, self._writer, self._prints[stage.name], self._persona_shard
        )
        await source.run()

    def _persona_shard(self, unit: Unit) -> None:
        if unit.shard in self._shards:
            self._finish(unit)
            self._fill()

    def _fill(self) -> None:
        """Start inputs while there are slots, opening units by priority as needed."""
        while self._running < self._slots:
            run = self._next()
            if run is None:
                return
            if (taken := run.take()) is not None:
                self._running += 1
                self._group.create_task(self._work(run, *taken))
            elif run.complete:
                self._group.create_task(self._close(run))

    def _next(self) -> UnitRun | None:
        """The open unit with inputs left, or the ready one, that is first in priority."""
        given = [run for run in self._open if not run.exhausted]
        best = min(given, key=lambda run: run.unit.priority, default=None)
        if self._ready and (best is None or self._ready[0][0] < best.unit.priority):
            unit = heapq.heappop(self._ready)[1]
            best = UnitRun(unit, self._stages, self._services, self._writer)
            self._open.append(best)
        return best

    def _offer(self, shard: int) -> None:
        """Queue the shard's units whose upstream is done."""
        for stage in self._stages[1:]:
            unit = Unit(stage, shard)
            ready = all(Unit(s, shard) in self._done for s in self._upstream(stage))
            if ready and unit in self._todo and unit not in self._offered:
                self._offered.add(unit)
                heapq.heappush(self._ready, (unit.priority, unit))

    def _upstream(self, stage: Stage) -> list[Stage]:
        needed = {stage.takes, *stage.needs}
        return [s for s in self._stages if s.makes in needed]

    def progress(self) -> dict[str, tuple[int, int, int]]:
        """For each stage: inputs done, inputs expected, rows lost; safe to call from a thread."""
        personas = len(self._shards) / self._config.shards * self._config.personas
        found = {}
        for stage in self._stages:
            tally = self.tally[stage.name]
            running = [run for run in tuple(self._open) if run.unit.stage is stage]
            done = tally.inputs + sum(run.written for run in running)
            lost = tally.lost + sum(run.output.lost.total() for run in running)
            expected = round(personas) * (1 if stage.number <= 3 else len(RELATIONS))
            if stage.number == 1:
                done = tally.records
            found[stage.name] = (done, max(expected, done), lost)
        return found

    def missing(self) -> tuple[Stage, Stage] | None:
        """A chosen stage and an unfinished one that it needs and that was not chosen."""
        for unit in sorted(self._todo, key=lambda u: (u.stage.number, u.shard)):
            for stage in self._upstream(unit.stage):
                other = Unit(stage, unit.shard)
                if other not in self._done and other not in self._todo:
                    return unit.stage, stage
        return None

    async def _work(self, run: UnitRun, number: int, record: Record) -> None:
        try:
            await run.work(number, record, self._services)
        except McuError:
            raise
        except Exception as error:
            stage = run.unit.stage.name
            raise McuError(f"stage {stage} failed on record {record.id}: {error!r}") from error
        self._running -= 1
        self._fill()
        if run.complete:
            await self._close(run)

    async def _close(self, run: UnitRun) -> None:
        if run not in self._open:
            return  # its last input and the engine both saw that it is complete
        self._open.remove(run)
        # Syncing files takes long enough to hold up every other call.
        await asyncio.to_thread(run.finish, self._prints[run.unit.stage.name])
        self._finish(run.unit)
        self._fill()

    def _finish(self, unit: Unit) -> None:
        self._todo.discard(unit)
        self._note(unit)
        self._offer(unit.shard)
        tally, share = self.tally[unit.stage.name], self._config.run.max_reject_share
        rows = tally.lost + tally.records
        if rows >= _JUDGED_FROM and tally.lost > share * rows:
            worst = tally.rejects.most_common(1)[0][0]
            raise Incomplete(
                f"stage {unit.stage.name} rejected {tally.lost} of {rows} rows, mostly {worst!r}; "
                f"look at its .rejects.jsonl, or raise run.max_reject_share to go on"
            )

    def _note(self, unit: Unit) -> None:
        mark = self._store.mark(unit) or {}
        tally = self.tally[unit.stage.name]
        self._done.add(unit)
        tally.units_done += 1
        tally.inputs += mark.get("inputs", 0)
        tally.records += mark.get("records", 0)
        tally.rejects.update(mark.get("rejects", {}))


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
