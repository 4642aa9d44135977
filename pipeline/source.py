"""Stage 1 over the whole run: personas asked for, repeated ones dropped, the rest cut to shards."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from typing import Any

from mcu import room
from mcu.context import Context
from mcu.contract import Stage
from mcu.family import Family
from mcu.journal import UnitJournal, Writer
from mcu.records import Persona, PersonaSeed
from mcu.services import Services
from mcu.stages.persona import Duplicates, seeds
from mcu.store import Unit
from mcu.unit import Outcome, Output, attempt

_ROUNDS = 8  # of asking again for what duplicates and rejects took


class Source:
    """Makes shards of personas, one after the other, in an order that nothing can change."""

    def __init__(
        self,
        stage: Stage,
        services: Services,
        writer: Writer,
        origin: dict[str, Any],
        done: Callable[[Unit], None],
    ) -> None:
        self._stage = stage
        self._services = services
        self._config = services.config
        self._origin = origin
        self._done = done
        self._journal = UnitJournal(services.store.journal_path(Unit(stage, 0)), writer)
        self._family = Family((), {})
        self._duplicates = Duplicates()
        self._shard = 0
        self._kept = 0
        self._inputs = 0
        self._counted: dict[str, Any] = {}

    async def run(self) -> None:
        """Fill every shard; each is committed, and reported, as soon as it is full.

        The last shards stay short when so many personas were lost that asking again for eight
        rounds did not make up for it.
        """
        self._output = self._open()
        try:
            async with aclosing(self._outcomes()) as outcomes:
                async for rows, losses in outcomes:
                    self._inputs += 1
                    self._take(rows, losses)
                    if self._kept == self._config.personas:
                        break
            while self._shard < self._config.shards:
                self._commit()
        except BaseException:
            self._output.abandon()
            raise
        await self._journal.settle()
        self._journal.close(self._config.chat.keep_replies)

    async def abandon(self) -> None:
        """Close after a failure, here or elsewhere; whatever is paid for stays."""
        await self._journal.settle()
        self._journal.close()

    def _take(self, rows: list[bytes], losses: list[dict[str, str]]) -> None:
        """Add what one seed gave, up to as many personas as are asked for."""
        self._output.add([], losses)
        for line in rows:
            persona = Persona.model_validate_json(line)
            if not self._duplicates.add(persona):
                self._output.add([], [_repeated(persona)])
                continue
            self._output.add([line], [])
            self._kept += 1
            whole = self._kept == self._config.personas
            if whole or self._output.records == self._config.shard_size:
                self._commit()
            if whole:
                return

    async def _outcomes(self) -> AsyncGenerator[Outcome, None]:
        """What each seed gave, in order, for as many rounds as it takes."""
        start = 0
        for round_ in range(_ROUNDS):
            missing = self._config.personas - self._kept
            calls = -(-missing // self._config.personas_per_call)
            if round_:
                calls += calls // 4
            before = self._kept
            batch = seeds(self._config, start, calls)
            start += calls
            async with aclosing(self._in_order(batch)) as outcomes:
                async for found in outcomes:
                    yield found
            if self._kept == before:
                return  # a whole round without one usable persona: asking again is waste

    async def _in_order(self, batch: list[PersonaSeed]) -> AsyncGenerator[Outcome, None]:
        window: deque[asyncio.Task[Outcome]] = deque()
        failed: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        try:
            for seed in batch:
                context = Context(self._services, self._stage, 0, seed, self._family, self._journal)
                window.append(asyncio.create_task(attempt(self._stage, seed, context)))
                window[-1].add_done_callback(partial(_note, failed))
                if len(window) > room.inputs(self._config):
                    yield await _first(window, failed)
            while window:
                yield await _first(window, failed)
        finally:
            for task in window:
                task.cancel()
            # They use the journal, which is closed next.
            await asyncio.gather(*window, return_exceptions=True)

    def _open(self) -> Output:
        return Output(Unit(self._stage, self._shard), self._services.store)

    def _commit(self) -> None:
        totals = {**self._journal.totals(), "replayed": self._journal.replayed}
        counts = {key: totals[key] - self._counted.get(key, 0) for key in totals}
        self._counted = totals
        self._output.finish(self._origin, self._inputs, counts)
        done = self._output.unit
        self._inputs = 0
        self._shard += 1
        if self._shard < self._config.shards:
            self._output = self._open()
        self._done(done)


async def _first(window: deque[asyncio.Task[Outcome]], failed: asyncio.Future[Outcome]) -> Outcome:
    """The first task's outcome; what any of them raises is raised at once."""
    if not window[0].done():
        await asyncio.wait([window[0], failed], return_when=asyncio.FIRST_COMPLETED)
    if failed.done():
        failed.result()
    return window.popleft().result()


def _note(failed: asyncio.Future[Outcome], task: asyncio.Task[Outcome]) -> None:
    """Tell of a task that has failed, whichever it is: waiting for each would take long."""
    error = None if task.cancelled() else task.exception()
    if error is not None and not failed.done():
        failed.set_exception(error)
        failed.exception()  # nobody may be left to ask for it


def _repeated(persona: Persona) -> dict[str, Any]:
    reason = f"this attribute was given before: {persona.sentence}"
    return {"id": persona.id, "code": "duplicate", "reason": reason, "raw": ""}
