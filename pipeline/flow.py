"""Which call goes next, and to which server: the later a stage, the sooner its turn."""

import asyncio
import heapq
import math
import time
from collections.abc import Iterable
from itertools import count

from mcu.errors import McuError
from mcu.limits import Lane, Ticket

Priority = tuple[int, int]
_Waiting = tuple[Priority, int, int, asyncio.Future[Ticket]]


class Flow:
    """Lets calls onto lanes by priority, then arrival; each goes where most places are free."""

    def __init__(self) -> None:
        self._queues: dict[tuple[Lane, ...], list[_Waiting]] = {}
        self._arrivals = count()
        self._refused: McuError | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._resting: dict[asyncio.Future[None], tuple[Lane, int] | None] = {}

    async def enter(self, lanes: tuple[Lane, ...], priority: Priority, tokens: int = 0) -> Ticket:
        """Wait for a place on one of the lanes; lower priorities are let in first.

        Raises:
            McuError: what `stop` was given: nothing begins any more.
        """
        if self._refused is not None:
            raise self._refused
        queue = self._queues.setdefault(lanes, [])
        if not queue and (lane := _free(lanes, now := time.monotonic(), 0)):
            return lane.start(now, tokens)
        turn: asyncio.Future[Ticket] = asyncio.get_running_loop().create_future()
        heapq.heappush(queue, (priority, next(self._arrivals), tokens, turn))
        self.pump()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                ticket = turn.result()
                ticket.lane.answered(ticket, time.monotonic(), 0)
                self.pump()
            raise

    def stop(self, error: McuError) -> None:
        """Let nothing in any more: those waiting, and those to come, get the error."""
        if self._refused is not None:
            return
        self._refused = error
        for rested in self._resting:
            _wake(rested)
        if self._timer:
            self._timer.cancel()
        for queue in self._queues.values():
            for *_, turn in queue:
                if not turn.done():
                    turn.set_exception(error)
            queue.clear()

    async def rest(self, seconds: float, lane: Lane | None = None) -> None:
        """Wait before another try, but not after `stop`.

        With the lane that refused the call, a round of answers from it is enough: its places are
        being given up faster than it said.
        """
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._resting[turn] = (lane, lane.good + lane.limit) if lane else None
        if self._refused is not None:
            _wake(turn)
        try:
            async with asyncio.timeout(seconds):
                await turn
        except TimeoutError:
            return
        finally:
            del self._resting[turn]

    def pump(self) -> None:
        """Let in whoever can be; called whenever a call has ended."""
        for rested, until in self._resting.items():
            if until and until[0].good >= until[1]:
                _wake(rested)
        now = time.monotonic()
        while best := min(self._startable(now), default=None):
            (_, _, tokens, turn), lanes, lane = best
            heapq.heappop(self._queues[lanes])
            turn.set_result(lane.start(now, tokens))
        self._wake_at(now)

    def _startable(self, now: float) -> Iterable[tuple[_Waiting, tuple[Lane, ...], Lane]]:
        """The first of every queue that a lane is free for, and that lane."""
        for lanes, queue in self._queues.items():
            while queue and queue[0][3].done():
                heapq.heappop(queue)
            if queue and (lane := _free(lanes, now, len(queue))):
                yield queue[0], lanes, lane

    def _wake_at(self, now: float) -> None:
        """Come back when a lane opens by itself: after a pause, or as its limit grows."""
        queues = self._queues.items()
        waits = [lane.wait(now, len(queue)) for lanes, queue in queues if queue for lane in lanes]
        delay = min(waits, default=math.inf)
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if math.isfinite(delay):
            self._timer = asyncio.get_running_loop().call_later(max(delay, 0.001), self.pump)


def _wake(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)


def _free(lanes: Iterable[Lane], now: float, backlog: int) -> Lane | None:
    """The lane that a call may start on now, with the most free places."""
    ready = [lane for lane in lanes if lane.wait(now, backlog) <= 0]
    return max(ready, key=lambda lane: lane.free, default=None)
