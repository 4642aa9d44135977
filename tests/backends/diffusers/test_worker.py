"""One device: batches that fit into its memory."""

from collections.abc import Sequence

import pytest
from PIL import Image

from mcu.backends import ImageRequest
from mcu.errors import BackendError, Reject
from mcu.image_section import ImageSection
from tiny import torch_ready

torch_ready()
import torch  # noqa: E402

from mcu.backends.diffusers.worker import Worker, fitting  # noqa: E402

_TOO_MUCH = 2**46  # bytes; no machine's allocator gives so many


class Hungry:
    """Takes memory by the picture; more than `room` of them do not fit."""

    def __init__(self, room: int = 16) -> None:
        self.room = room
        self.sizes: list[int] = []

    def draw(self, requests: Sequence[ImageRequest]) -> list[Image.Image | Reject]:
        self.sizes.append(len(requests))
        torch.empty(_TOO_MUCH if len(requests) > self.room else 16, dtype=torch.uint8)
        return [Image.new("L", (1, 1), request.seed) for request in requests]


def asked(count: int) -> list[ImageRequest]:
    return [ImageRequest("t2i", "a", seed) for seed in range(count)]


def seeds(found: Sequence[Image.Image | Reject]) -> list[object]:
    return [one.getpixel((0, 0)) for one in found if isinstance(one, Image.Image)]


def test_a_batch_that_does_not_fit_is_halved_and_loses_nothing() -> None:
    route = Hungry(room=3)
    worker = Worker("cpu", ImageSection(batch=8), lambda kind: route)
    assert seeds(worker.draw(asked(8))) == [*range(8)]
    assert route.sizes == [8, 4, 2, 2, 4, 2, 2]
    assert worker.most("t2i") == 2, "the next batch is of a size that fitted"


def test_where_not_even_one_fits_the_settings_are_named() -> None:
    worker = Worker("cpu", ImageSection(batch=4), lambda kind: Hungry(room=0))
    with pytest.raises(BackendError, match=r"one picture does not fit .* image\.offload"):
        worker.draw(asked(4))


def test_another_failure_is_no_lack_of_memory() -> None:
    class Broken:
        def draw(self, requests: Sequence[ImageRequest]) -> list[Image.Image | Reject]:
            torch.ones(2) @ torch.ones(3)
            return []

    with pytest.raises(BackendError, match=r"drawing failed on cpu: .*size"):
        Worker("cpu", ImageSection(), lambda kind: Broken()).draw(asked(1))


def test_a_set_size_is_padded_so_that_every_call_has_it() -> None:
    route = Hungry()
    worker = Worker("cpu", ImageSection(batch=4), lambda kind: route)
    assert seeds(worker.draw(asked(3))) == [0, 1, 2]
    assert route.sizes == [4]


def test_one_at_a_time_on_a_cpu() -> None:
    worker = Worker("cpu", ImageSection(), lambda kind: Hungry())
    for _ in range(3):
        worker.draw(asked(1))
    assert worker.most("t2i") == 1


@pytest.mark.parametrize(
    ("one", "two", "room", "fits"),
    [(10, 12, 20, 6), (10, 12, 11, 1), (10, 12, 9, 1), (10, 11, 1000, 16), (10, 10, 12, 3)],
)
def test_how_many_fit(one: int, two: int, room: int, fits: int) -> None:
    assert fitting(one, two, room) == fits
