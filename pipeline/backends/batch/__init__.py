"""Chat over the Batch API: requests gathered, sent as files, and answered later for half."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

from mcu.backends import ChatReply, ChatRequest, Dispatch
from mcu.backends.batch.api import BatchApi
from mcu.backends.batch.carrier import Carrier
from mcu.backends.batch.files import MOST_REQUESTS, Spool, line_of
from mcu.backends.batch.ledger import Entry, Ledger, Place
from mcu.backends.openai import OpenAIChat
from mcu.backends.openai_wire import arguments_of
from mcu.budget import Budget
from mcu.config import Config
from mcu.errors import BackendError, Incomplete, McuError
from mcu.log import logger

_QUIET = 1.0  # seconds in which nobody asks anything new, after which a batch goes
_GATHERING = 60.0  # seconds after which it goes anyhow
_FEWEST = 100  # requests of a batch where the account may have only so many tokens waiting
_ROOM = 60.0  # seconds to wait for another batch to end when it has too many


@dataclass(eq=False)
class _Batch:
    """A batch as this process sees it; `settled` once its requests may be looked up again."""

    id: str
    requests: int = 0
    sent: bool = False
    settled: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(eq=False)
class _Route:
    """The way of requests for one model on one server; OpenAI wants one model a file.

    Attributes:
        gathering: the batch that takes requests, and its file.
        most: requests of a batch.
        narrow: the account may not have more waiting: one batch at a time.
        out: batches that the server has.
        ended: set whenever one of them has ended.
    """

    endpoint: str
    model: str
    gathering: tuple[_Batch, Spool] | None = None
    most: int = MOST_REQUESTS
    narrow: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    out: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class BatchChat(OpenAIChat):
    """Answers requests in batches, and those that a batch left unanswered by a live call each.

    Requests are spooled to disk until nobody asks anything new. A ledger keeps which request is
    in which batch: after an interruption it waits there instead of being sent again. With
    `chat.mode = "live"` nothing is gathered, but what is in a batch already is waited for.

    Args:
        config: of the run.
        budget: what may be spent; the most that a request can cost is set aside before it is
            gathered.
        folder: of the run's journal.
    """

    def __init__(self, config: Config, budget: Budget, folder: Path) -> None:
        super().__init__(config, budget)
        self._folder = folder
        self._gathers = config.chat.mode == "batch"
        apis = {n: BatchApi(e, config.chat.retries) for n, e in self._endpoints.items()}
        self._ledger = Ledger(folder)
        self._carrier = Carrier(self._ledger, folder, apis, self.priced)
        self._routes: dict[tuple[str, str], _Route] = {}
        self._batches: dict[str, _Batch] = {}
        self._counted: set[str] = set()  # batches whose answers the budget counts by itself
        self._tasks: set[asyncio.Task[None]] = set()
        self._refused: McuError | None = None
        self._asked = 0.0

    async def complete(self, request: ChatRequest, dispatch: Dispatch) -> ChatReply:
        """Answer one request, in a batch if one answers it.

        Raises:
            Reject: no answer within the allowed tries.
            BackendError: the server has no batches, or refuses for good: key, model, quota.
            Incomplete: the call could pass `run.max_usd`, or the user cancelled the batches.
        """
        try:
            reply = await self._batched(request, dispatch)
        except (BackendError, Incomplete) as error:
            self.stop(error)
            raise
        return reply or await super().complete(request, dispatch)

    async def _batched(self, request: ChatRequest, dispatch: Dispatch) -> ChatReply | None:
        """The answer that a batch gives; None when it gives none."""
        while True:
            place = self._find(dispatch.key)
            if place is None and not self._gathers:
                return None
            if place is None:
                await self._in_new_batch(request, dispatch)
            elif not place.over:
                await self._known(place.batch).settled.wait()
            else:
                if place.reply and place.batch not in self._counted:
                    self._budget.spent += place.reply.usd or 0.0
                return place.reply

    def _find(self, key: str) -> Place | None:
        """Where a request is; raises what `stop` was given."""
        if self._refused is not None:
            raise self._refused.with_traceback(None)  # it would else grow with each that is told
        return self._ledger.find(key)

    async def _in_new_batch(self, request: ChatRequest, dispatch: Dispatch) -> None:
        """Put a request into the next batch, and return when that is settled."""
        price = self._prices.get(request.model)
        most = price.most(*self.tokens(request), "batch") if price else 0.0
        async with self._budget.hold(most) as hold:
            if self._find(dispatch.key) is None:
                await self._gather(request, dispatch, most).settled.wait()
                place = self._find(dispatch.key)
                if place and place.reply:
                    hold.paid = place.reply.usd or 0.0

    def _gather(self, request: ChatRequest, dispatch: Dispatch, most: float) -> _Batch:
        names = dispatch.endpoints or tuple(self._endpoints)
        name = names[crc32(dispatch.key.encode()) % len(names)]
        known = self._endpoints[name].abilities(request)
        line = line_of(dispatch.key, arguments_of(request, known.mode, known.dropped))
        route = self._route(name, request.model)
        if route.gathering is None or not route.gathering[1].fits(line, route.most):
            spool = Spool(self._folder)
            batch = self._batches[spool.id] = _Batch(spool.id)
            route.gathering = batch, spool
            self._counted.add(spool.id)
            self._start(self._carry, route, batch, spool)
        batch, spool = route.gathering
        if dispatch.key not in spool.keys:
            spool.add(dispatch.key, line, most)
            batch.requests += 1
        self._asked = time.monotonic()
        return batch

    def _route(self, name: str, model: str) -> _Route:
        return self._routes.setdefault((name, model), _Route(name, model))

    def _known(self, id_: str) -> _Batch:
        """A batch of the ledger, which is seen through from now on."""
        if id_ not in self._batches:
            batch = self._batches[id_] = _Batch(id_)
            self._start(self._pick_up, batch)
        return self._batches[id_]

    def _start(self, work: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        task = asyncio.create_task(self._guarded(work, *arguments))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        """Do work that nobody awaits: if it fails, everything stops."""
        try:
            await work(*arguments)
        except McuError as error:
            self.stop(error)
        except Exception as error:
            failure = McuError(f"a batch failed in a way that nobody foresaw: {error!r}")
            failure.__cause__ = error
            self.stop(failure)

    async def _carry(self, route: _Route, batch: _Batch, spool: Spool) -> None:
        """Take a batch of this process from its first request to its answers."""
        try:
            await self._quiet(route, batch)
            async with route.turn if route.narrow else nullcontext():
                if route.gathering and route.gathering[0] is batch:
                    route.gathering = None
                if batch.requests > route.most:
                    self._settle(batch)  # its requests are gathered anew, fewer a batch
                    return
                entry = await self._carrier.send(spool, route.endpoint, route.model)
                await self._see_through(batch, entry)
        finally:
            spool.close()

    async def _quiet(self, route: _Route, batch: _Batch) -> None:
        """Return when a batch is full, or nobody has asked anything for a while."""
        last = time.monotonic() + _GATHERING
        while route.gathering and route.gathering[0] is batch:
            pause = min(self._asked + _QUIET, last) - time.monotonic()
            if pause <= 0:
                return
            await asyncio.sleep(min(pause, _QUIET / 4))

    async def _pick_up(self, batch: _Batch) -> None:
        """See a batch through that an earlier process sent, or was about to send."""
        entry = await self._carrier.find(batch.id)
        if entry is None:
            self._settle(batch)
            return
        batch.requests = entry.requests
        async with self._budget.hold(entry.most) as hold:
            self._counted.add(batch.id)
            hold.paid = await self._see_through(batch, entry)

    async def _see_through(self, batch: _Batch, entry: Entry) -> float:
        """Wait for the end of a batch and take in its answers; gives what they cost."""
        route = self._route(entry.endpoint, entry.model)
        batch.sent = True
        route.out += 1
        facts = await self._carrier.wait(entry)
        route.out -= 1
        usd = 0.0
        if facts.limited:
            await self._make_room(route, entry)
        else:
            usd = await self._carrier.take_in(entry, facts)
        route.ended.set()
        self._settle(batch)
        return usd

    async def _make_room(self, route: _Route, entry: Entry) -> None:
        """The account may not have so much waiting: fewer a batch, one batch after the other."""
        logger.warning("batch %s was refused: too many tokens are waiting already", entry.batch)
        await asyncio.to_thread(self._ledger.forget, entry.id)
        route.narrow = True
        if not route.out:
            route.most = min(route.most, max(_FEWEST, entry.requests // 2))
        route.ended.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(route.ended.wait(), _ROOM)

    def _settle(self, batch: _Batch) -> None:
        del self._batches[batch.id]
        batch.settled.set()

    def stop(self, error: McuError) -> None:
        """Send nothing any more; those waiting get the error, and their batches live on."""
        if self._refused is None:
            self._refused = error
            for batch in self._batches.values():
                batch.settled.set()
            for task in self._tasks - {asyncio.current_task()}:
                task.cancel()
        super().stop(error)

    def load(self) -> str:
        """Batches and requests that are out or to come, and live calls if there are any."""
        batches = list(self._batches.values())
        out = [batch.requests for batch in batches if batch.sent]
        waiting = sum(batch.requests for batch in batches if not batch.sent)
        words = [f"{len(out)} batch{'' if len(out) == 1 else 'es'}, {sum(out):,} requests out"]
        words += [f"{waiting:,} to send"] if waiting else []
        words += [super().load()] if self._lanes else []
        return ", ".join(words)

    async def close(self) -> None:
        """Give connections and files back."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._ledger.close()
        await super().close()
