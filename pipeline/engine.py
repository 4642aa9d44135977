"""The local engine: every unit that is ready runs, later stages first, in one event loop."""

import asyncio
import heapq
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from mcu import prompts, room
from mcu.config import Config
from mcu.contract import Stage
from mcu.errors import Incomplete
from mcu.ids import digest
from mcu.journal import Writer
from mcu.log import logger
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
            "settings": config.rows("run", *stage.uses, stage=stage.name),
            "upstream": [fingerprint(s, stages, config) for s in stages if s.makes in needed],
        }
    )


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
        self._chosen = chosen
        self._shards = shards
        self._prints = {s.name: fingerprint(s, stages, config) for s in stages}
        self._done: set[Unit] = set()
        self._sums: dict[Unit, str] = {}
        self._todo: set[Unit] = set()
        self._ready: dict[Stage, list[int]] = {stage: [] for stage in stages}
        self._offered: set[Unit] = set()
        self._open: list[UnitRun] = []
        self._closing: list[UnitRun] = []
        self._source: Source | None = None
        # Inputs under way, apart for stages that draw.
        self._running = {False: 0, True: 0}
        self._slots = {False: room.inputs(config), True: room.drawn(config)}
        self._most_open = room.units(config, len(stages))
        self.tally = {stage.name: Tally() for stage in stages}
        for stage in stages:
            for shard in shards:
                unit = Unit(stage, shard)
                if (mark := self._store.mark(unit)) and self._is_present(unit, mark):
                    self._note(unit, mark)
                elif stage in chosen:
                    self._todo.add(unit)
        for shard in shards:
            self._offer(shard)

    def _is_present(self, unit: Unit, mark: dict[str, Any]) -> bool:
        """Whether a unit's mark was made under the present fingerprint, from the present rows."""
        origin = self._origin(unit)
        return all(mark.get(key) == origin[key] for key in ("fingerprint", "upstream"))

    def _origin(self, unit: Unit) -> dict[str, Any]:
        """What a unit's rows come from, as its mark tells."""
        stage, config = unit.stage, self._config
        chosen = {name: getattr(getattr(config, name), "backend", "") for name in stage.uses}
        upstream = [Unit(s, unit.shard) for s in self._upstream(stage)]
        return {
            "fingerprint": self._prints[stage.name],
            "prompts": {name: prompts.load(name).hash for name in stage.prompts},
            "backends": {name: backend for name, backend in chosen.items() if backend},
            "model": config.chat.of(stage.name).model if "chat" in stage.uses else "",
            "upstream": {u.stage.name: self._sums.get(u, "") for u in upstream},
        }

    @property
    def makes_personas(self) -> bool:
        """Whether stage 1 is among the units to do."""
        return any(unit.stage.number == 1 for unit in self._todo)

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
                if self.makes_personas:
                    self._group.create_task(self._make_personas())
                self._fill()
        except BaseExceptionGroup as group:
            services.stop(_first(group))
            raise _first(group) from None
        except BaseException as error:
            services.stop(error)
            raise
        finally:
            for run in self._open:
                await run.journal.settle()
                run.abandon()
            if self._source:
                await self._source.abandon()
            self._writer.close()

    async def _make_personas(self) -> None:
        stage = self._stages[0]
        self._source = source = Source(
            stage, self._services, self._writer, self._origin(Unit(stage, 0)), self._persona_shard
        )
        await source.run()
        self._source = None

    def _persona_shard(self, unit: Unit) -> None:
        # One that was done before an interruption was counted when the engine was made.
        if unit in self._todo:
            self._finish(unit)
            self._fill()

    def _fill(self) -> None:
        """Start inputs while there are slots, opening units by priority as needed."""
        for draws in (True, False):
            while self._running[draws] < self._slots[draws] and (run := self._next(draws)):
                if (taken := run.take()) is not None:
                    self._running[draws] += 1
                    self._group.create_task(self._work(run, *taken))
                elif run.complete:
                    self._group.create_task(self._close(run))

    def _next(self, draws: bool) -> UnitRun | None:
        """The open unit with inputs left, or the ready one, that is first in priority."""
        given = [r for r in self._open if not r.exhausted and r.unit.stage.draws is draws]
        best = min(given, key=lambda run: run.unit.priority, default=None)
        unit = self._next_ready(draws)
        if unit and (best is None or unit.priority < best.unit.priority):
            heapq.heappop(self._ready[unit.stage])
            best = UnitRun(unit, self._stages, self._services, self._writer)
            self._open.append(best)
        return best

    def _next_ready(self, draws: bool) -> Unit | None:
        """The ready unit that is first in priority, of a stage with few open."""
        opened = Counter(run.unit.stage for run in (*self._open, *self._closing))
        for stage in reversed(self._stages):
            if stage.draws is draws and self._ready[stage] and opened[stage] < self._most_open:
                return Unit(stage, self._ready[stage][0])
        return None

    def _offer(self, shard: int) -> None:
        """Queue the shard's units whose upstream is done."""
        for stage in self._stages[1:]:
            unit = Unit(stage, shard)
            ready = all(Unit(s, shard) in self._done for s in self._upstream(stage))
            if ready and unit in self._todo and unit not in self._offered:
                self._offered.add(unit)
                heapq.heappush(self._ready[stage], shard)

    def _upstream(self, stage: Stage) -> list[Stage]:
        needed = {stage.takes, *stage.needs}
        return [s for s in self._stages if s.makes in needed]

    def progress(self) -> dict[str, tuple[int, int, int]]:
        """For each chosen stage: inputs done, inputs expected, rows lost; a thread may call it."""
        found = {}
        for stage in self._chosen:
            tally = self.tally[stage.name]
            runs = [run for run in (*self._open, *self._closing) if run.unit.stage is stage]
            done = tally.inputs + sum(run.written for run in runs)
            lost = tally.lost + sum(run.output.lost.total() for run in runs)
            if stage.number == 1:
                done = tally.records
            found[stage.name] = (done, max(self._expected(stage), done), lost)
        return found

    def _expected(self, stage: Stage) -> int:
        """Inputs of a stage: what its upstream has made, once that is done, else a guess."""
        for upstream in self._stages:
            tally = self.tally[upstream.name]
            if upstream.makes is stage.takes and tally.units_done == len(self._shards):
                return tally.records
        personas = round(len(self._shards) / self._config.shards * self._config.personas)
        return personas * (1 if stage.number <= 3 else len(RELATIONS))

    def missing(self) -> tuple[Stage, Stage] | None:
        """A chosen stage and an unfinished one that it needs and that was not chosen."""
        for unit in sorted(self._todo, key=lambda u: (u.stage.number, u.shard)):
            for stage in self._upstream(unit.stage):
                other = Unit(stage, unit.shard)
                if other not in self._done and other not in self._todo:
                    return unit.stage, stage
        return None

    async def _work(self, run: UnitRun, number: int, record: Record) -> None:
        await run.work(number, record, self._services)
        self._running[run.unit.stage.draws] -= 1
        self._fill()
        if run.complete:
            await self._close(run)

    async def _close(self, run: UnitRun) -> None:
        if run not in self._open:
            return  # its last input and the engine both saw that it is complete
        self._open.remove(run)
        self._closing.append(run)
        await run.journal.settle()
        # Syncing files takes long enough to hold up every other call.
        ending = asyncio.ensure_future(asyncio.to_thread(run.finish, self._origin(run.unit)))
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await asyncio.wait([ending])  # it needs the writer, which is about to be closed
            raise
        self._closing.remove(run)
        self._finish(run.unit)
        self._fill()

    def _finish(self, unit: Unit) -> None:
        self._todo.discard(unit)
        mark = self._store.mark(unit) or {}
        self._note(unit, mark)
        lost = sum(mark.get("rejects", {}).values())
        logger.info("%s: %d records, %d rejects", unit.name, mark.get("records", 0), lost)
        self._offer(unit.shard)
        self.judge()

    def judge(self) -> None:
        """Raise Incomplete for the first stage that rejects more than `run.max_reject_share`."""
        share = self._config.run.max_reject_share
        for name, tally in self.tally.items():
            rows = tally.lost + tally.records
            if rows >= _JUDGED_FROM and tally.lost > share * rows:
                losses = {code: n for code, n in tally.rejects.items() if code != "duplicate"}
                worst = max(losses, key=losses.__getitem__)
                raise Incomplete(
                    f"stage {name} rejected {tally.lost} of {rows} rows, mostly {worst!r}; "
                    f"look at its .rejects.jsonl, or raise run.max_reject_share to go on"
                )

    def _note(self, unit: Unit, mark: dict[str, Any]) -> None:
        tally = self.tally[unit.stage.name]
        self._done.add(unit)
        self._sums[unit] = mark.get("sha256", "")
        tally.units_done += 1
        tally.inputs += mark.get("inputs", 0)
        tally.records += mark.get("records", 0)
        tally.rejects.update(mark.get("rejects", {}))


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
