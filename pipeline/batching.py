"""What many records ask for at once, done in batches: one batch a lane at a time."""

import asyncio
import heapq
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from typing import Generic, TypeVar

from mcu.errors import McuError, Reject

Asked = TypeVar("Asked")
Given = TypeVar("Given")


@dataclass(order=True)
class _Waiting(Generic[Asked, Given]):
    priority: tuple[int, int]
    number: int
    asked: Asked = field(compare=False)
    future: "asyncio.Future[Given | Reject]" = field(compare=False)


class Batcher(Generic[Asked, Given]):
    """Gathers requests and hands them to a function in worker threads.

    A batch holds requests of one kind, those of later stages first. It goes to a lane, a thread
    of its own, as soon as one is free and the batch is full or has lingered.
    """

    def __init__(
        self,
        work: Callable[[str, Sequence[Asked]], Sequence[Given | Reject]],
        most: Callable[[str], int],
        lanes: int,
        linger: float,
    ) -> None:
        """Take what does the work.

        Args:
            work: gets a kind and requests, gives results in their order; a Reject is one of them.
            most: requests of a kind that a batch takes; asked before every batch.
            lanes: batches at once.
            linger: seconds that a batch which is not full waits for more.
        """
        self._work, self._most, self._linger = work, most, linger
        self._free = lanes
        self._pool = ThreadPoolExecutor(lanes, thread_name_prefix="batches")
        self._queues: dict[str, list[_Waiting[Asked, Given]]] = {}
        self._numbers = count()
        self._lingering: asyncio.TimerHandle | None = None
        self._stopped: McuError | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, kind: str, asked: Asked, priority: tuple[int, int]) -> Given:
        """The result for one request.

        Raises:
            Reject: there is none for this one.
            McuError: there is none for any.
        """
        if self._stopped is not None:
            raise self._stopped
        future: asyncio.Future[Given | Reject] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(priority, next(self._numbers), asked, future)
        heapq.heappush(self._queues.setdefault(kind, []), waiting)
        self._begin(patient=True)
        result = await future
        if isinstance(result, Reject):
            raise result
        return result

    def _begin(self, patient: bool) -> None:
        """Start batches while lanes are free; a patient one that is not full waits for more."""
        while self._free and (kind := self._first()):
            queue, most = self._queues[kind], max(1, self._most(kind))
            if patient and len(queue) < most:
                if self._lingering is None:
                    loop = asyncio.get_running_loop()
                    self._lingering = loop.call_later(self._linger, self._end_of_lingering)
                return
            batch = [heapq.heappop(queue) for _ in range(min(most, len(queue)))]
            batch = [one for one in batch if not one.future.done()]
            if batch:
                self._free -= 1
                task = asyncio.ensure_future(self._do(kind, batch))
                self._tasks.add(task)  # the loop itself does not hold it
                task.add_done_callback(self._tasks.discard)

    def _first(self) -> str:
        """The kind whose first request is first of all; empty when none waits."""
        heads = [(queue[0], kind) for kind, queue in self._queues.items() if queue]
        return min(heads)[1] if heads else ""

    def _end_of_lingering(self) -> None:
        self._lingering = None
        self._begin(patient=False)

    async def _do(self, kind: str, batch: list[_Waiting[Asked, Given]]) -> None:
        loop = asyncio.get_running_loop()
        asked = [one.asked for one in batch]
        try:
            found = await loop.run_in_executor(self._pool, self._work, kind, asked)
            for one, result in zip(batch, found, strict=True):
                if not one.future.done():
                    one.future.set_result(result)
        except Exception as error:  # told to whoever asked
            for one in batch:
                if not one.future.done():
                    one.future.set_exception(error)
        finally:
            self._free += 1
            self._begin(patient=True)

    def stop(self, error: McuError) -> None:
        """Begin no batch any more; those under way are finished, those waiting get the error."""
        self._stopped = error
        for queue in self._queues.values():
            for one in queue:
                if not one.future.done():
                    one.future.set_exception(error)
            queue.clear()

    def close(self) -> None:
        """Give the threads back once the batches under way are done."""
        if self._lingering is not None:
            self._lingering.cancel()
        self._pool.shutdown()
