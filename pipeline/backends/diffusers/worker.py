"""One device: its routes, opened when first used, and batches as large as its memory takes."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, Protocol

import torch

from mcu.backends import ImageRequest
from mcu.backends.diffusers.denoise import Result
from mcu.errors import BackendError
from mcu.image_section import ImageSection

_MOST = 16  # pictures a batch; SDXL gains nothing from more
_SHARE = 0.9  # of a GPU's memory that may be used


class Route(Protocol):
    """One way to make pictures, on one device."""

    def draw(self, requests: Sequence[ImageRequest]) -> list[Result]:
        """A picture a request, in order."""
        ...


class Worker:
    """Draws batches on one device.

    How many pictures fit is found out by the first two calls: a batch of one, one of two, and
    what the second took more than the first. A batch that does not fit all the same is halved
    and drawn again, and the size stays so.
    """

    def __init__(
        self, device: str, image: ImageSection, open_route: Callable[[str], Route]
    ) -> None:
        self.device = device
        self._cuda = device.startswith("cuda")
        self._image = image
        self._open = open_route
        self._routes: dict[str, Route] = {}
        self._most: dict[str, int] = {}
        self._peaks: dict[str, dict[int, int]] = {}

    def most(self, kind: str) -> int:
        """The most pictures of a kind that a call takes."""
        return self._most.setdefault(kind, self._image.batch or 1)

    def draw(self, requests: Sequence[ImageRequest]) -> list[Result]:
        """A picture a request, all of one kind.

        Raises:
            BackendError: not even one fits into the device's memory, or weights are missing.
        """
        kind = requests[0].kind
        with torch.cuda.device(self.device) if self._cuda else nullcontext():
            if kind not in self._routes:
                self._routes[kind] = self._open(kind)
            return self._halved(kind, list(requests))

    def _halved(self, kind: str, requests: list[ImageRequest]) -> list[Result]:
        try:
            return self._measured(kind, requests)
        except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
            if not _out_of_memory(error):
                raise BackendError(
                    f"drawing failed on {self.device}: {_first_line(error)}"
                ) from error
            full = error.with_traceback(None)  # which would hold the tensors
        if self._cuda:
            torch.cuda.empty_cache()
        if len(requests) == 1:
            raise BackendError(
                f"one picture does not fit into the memory of {self.device}; set image.offload, "
                f"image.size or another route: {_first_line(full)}"
            )
        half = len(requests) // 2
        self._most[kind] = half
        return self._halved(kind, requests[:half]) + self._halved(kind, requests[half:])

    def _measured(self, kind: str, requests: list[ImageRequest]) -> list[Result]:
        """Draw; padded where a batch size is set, so that the same kernels run every time."""
        padded = requests
        if self._image.batch and len(requests) < self.most(kind):
            padded = requests + requests[-1:] * (self.most(kind) - len(requests))
        if self._cuda:
            torch.cuda.reset_peak_memory_stats(self.device)
        found = self._routes[kind].draw(padded)[: len(requests)]
        if self._cuda and not self._image.batch:
            self._learn(kind, len(requests), torch.cuda.max_memory_allocated(self.device))
        return found

    def _learn(self, kind: str, size: int, peak: int) -> None:
        """Choose the batch size from what batches of one and of two took."""
        peaks = self._peaks.setdefault(kind, {})
        peaks[size] = max(peak, peaks.get(size, 0))
        if 1 in peaks and 2 in peaks and self._most[kind] == 2:
            total = torch.cuda.get_device_properties(self.device).total_memory
            self._most[kind] = fitting(peaks[1], peaks[2], int(_SHARE * total))
        elif 1 in peaks and self._most[kind] == 1 and not peaks.keys() - {1}:
            self._most[kind] = 2


def fitting(one: int, two: int, room: int) -> int:
    """How many pictures fit, from the bytes that a batch of one and one of two took at most."""
    each = max(two - one, 1)
    return max(1, min(_MOST, 1 + (room - one) // each))


def _out_of_memory(error: BaseException) -> bool:
    """Whether a device, or the allocator of the CPU, had no memory left."""
    said = str(error)
    return (
        isinstance(error, (torch.OutOfMemoryError, MemoryError))
        or "out of memory" in said
        or "can't allocate memory" in said
    )


def _first_line(error: Any) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
