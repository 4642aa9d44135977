"""A limit on calls in flight, shared by all stages: the later a stage, the sooner its turn."""

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from mcu.errors import BackendError

Priority = tuple[int, int]


class Limiter:
    """Lets at most `limit` holders in at once, in order of priority, then of arrival."""

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._waiting: list[tuple[Priority, int, asyncio.Future[None]]] = []
        self._arrivals = count()
        self._refused: BackendError | None = None

    @asynccontextmanager
    async def hold(self, priority: Priority) -> AsyncIterator[None]:
        """Wait for a place and give it back; lower priorities are let in first.

        Raises:
            BackendError: one holder got it, after which no other is let in: asking is waste.
        """
        if self._refused is not None:
            raise self._refused
        if self._free:
            self._free -= 1
        else:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (priority, next(self._arrivals), turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled() and turn.exception() is None:
                    self._release()
                raise
        try:
            yield
        except BackendError as error:
            self._refuse(error)
            raise
        finally:
            self._release()

    def _refuse(self, error: BackendError) -> None:
        self._refused = error
        for _, _, turn in self._waiting:
            if not turn.done():
                turn.set_exception(error)

    def _release(self) -> None:
        while self._waiting:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
