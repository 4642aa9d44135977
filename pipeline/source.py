"""Stage 1 over the whole run: personas asked for, repeated ones dropped, the rest cut to shards."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

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
        fingerprint: str,
        done: Callable[[Unit], None],
    ) -> None:
        self._stage = stage
        self._services = services
        self._config = services.config
        self._fingerprint = fingerprint
        self._done = done
        self._journal = UnitJournal(services.store.journal_path(Unit(stage, 0)), writer)
        self._family = Family((), {})
        self._duplicates = Duplicates()
        self._shard = 0
        self._inputs = 0
        self._paid: dict[str, int] = {}

    async def run(self) -> None:
        """Fill every shard; each is committed, and reported, as soon as it is full.

        The last shards stay short when so many personas were lost that asking again for eight
        rounds did not make up for it.
        """
        store, size = self._services.store, self._config.shard_size
        output = Output(Unit(self._stage, 0), store)
        try:
            async for rows, losses in self._outcomes():
                self._inputs += 1
                output.add([], losses)
                for line in rows:
                    persona = Persona.model_validate_json(line)
                    if not self._duplicates.add(persona):
                        output.add([], [_repeated(persona)])
                        continue
                    output.add([line], [])
                    self._kept += 1
                    if output.records == size or self._kept == self._config.personas:
                        self._commit(output)
                        if self._kept == self._config.personas:
                            return
                        output = Output(Unit(self._stage, self._shard), store)
            while self._shard < self._config.shards:
                self._commit(output)
                if self._shard < self._config.shards:
                    output = Output(Unit(self._stage, self._shard), store)
        except BaseException:
            output.abandon()
            raise
        finally:
            self._journal.close(self._config.chat.keep_replies)

    _kept = 0

    async def _outcomes(self) -> AsyncIterator[Outcome]:
        """What each seed gave, in order, for as many rounds as it takes."""
        start = 0
        for round_ in range(_ROUNDS):
            missing = self._config.personas - self._kept
            calls = -(-missing // self._config.personas_per_call)
            if round_:
                calls += calls // 4
            batch = seeds(self._config, start, calls)
            start += calls
            async for found in self._in_order(batch):
                yield found

    async def _in_order(self, batch: list[PersonaSeed]) -> AsyncIterator[Outcome]:
        window: deque[asyncio.Task[Outcome]] = deque()
        try:
            for seed in batch:
                context = Context(self._services, self._stage, 0, seed, self._family, self._journal)
                window.append(asyncio.create_task(attempt(self._stage, seed, context)))
                if len(window) > 2 * self._config.chat.max_in_flight:
                    yield await window.popleft()
            while window:
                yield await window.popleft()
        finally:
            for task in window:
                task.cancel()

    def _commit(self, output: Output) -> None:
        totals = self._journal.totals()
        counts = {key: totals[key] - self._paid.get(key, 0) for key in totals}
        self._paid = totals
        output.finish(self._fingerprint, self._inputs, {**counts, "replayed": 0})
        self._inputs = 0
        self._shard += 1
        self._done(output.unit)


def _repeated(persona: Persona) -> dict[str, Any]:
    reason = f"this attribute was given before: {persona.sentence}"
    return {"id": persona.id, "code": "duplicate", "reason": reason, "raw": ""}
