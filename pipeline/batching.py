"""Requests for pictures, from whichever records, drawn in batches: one batch a lane at a time."""

import asyncio
import heapq
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count

from PIL.Image import Image

from mcu.backends import ImageGenerator, ImageRequest
from mcu.errors import McuError, Reject

# Seconds that a batch which is not full waits for more; a batch on a GPU takes some seconds.
_LINGER = 0.05

Result = Image | Reject


@dataclass(order=True)
class _Waiting:
    priority: tuple[int, int]
    number: int
    request: ImageRequest = field(compare=False)
    future: "asyncio.Future[Result]" = field(compare=False)


class Batcher:
    """Draws what many records ask for at once.

    A batch holds requests of one kind, those of later stages first. It goes to a lane, a thread
    with a device of its own, as soon as one is free and the batch is full or has lingered.
    """

    def __init__(self, images: ImageGenerator) -> None:
        self._images = images
        self._free = images.lanes
        self._pool = ThreadPoolExecutor(images.lanes, thread_name_prefix="drawing")
        self._queues: dict[str, list[_Waiting]] = {}
        self._numbers = count()
        self._lingering: asyncio.TimerHandle | None = None
        self._stopped: McuError | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def draw(self, request: ImageRequest, priority: tuple[int, int]) -> Image:
        """The picture of a request.

        Raises:
            Reject: it cannot be drawn.
            BackendError: none can.
        """
        if self._stopped is not None:
            raise self._stopped
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(priority, next(self._numbers), request, future)
        heapq.heappush(self._queues.setdefault(request.kind, []), waiting)
        self._begin(patient=True)
        result = await future
        if isinstance(result, Reject):
            raise result
        return result

    def _begin(self, patient: bool) -> None:
        """Start batches while lanes are free; a patient one that is not full waits for more."""
        while self._free and (queue := min(filter(None, self._queues.values()), default=None)):
            most = max(1, self._images.most(queue[0].request.kind))
            if patient and len(queue) < most:
                if self._lingering is None:
                    loop = asyncio.get_running_loop()
                    self._lingering = loop.call_later(_LINGER, self._end_of_lingering)
                return
            batch = [heapq.heappop(queue) for _ in range(min(most, len(queue)))]
            batch = [one for one in batch if not one.future.done()]
            if batch:
                self._free -= 1
                task = asyncio.ensure_future(self._work(batch))
                self._tasks.add(task)  # the loop itself does not hold it
                task.add_done_callback(self._tasks.discard)

    def _end_of_lingering(self) -> None:
        self._lingering = None
        self._begin(patient=False)

    async def _work(self, batch: list[_Waiting]) -> None:
        loop = asyncio.get_running_loop()
        requests = [one.request for one in batch]
        try:
            found = await loop.run_in_executor(self._pool, self._images.generate, requests)
            for one, result in zip(batch, found, strict=True):
                if not one.future.done():
                    one.future.set_result(result)
        except Exception as error:  # told to whoever asked, one error each
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
        """Give the threads back once the batches under way are drawn."""
        if self._lingering is not None:
            self._lingering.cancel()
        self._pool.shutdown()
