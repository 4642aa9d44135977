"""Pictures asked for one by one and drawn in batches."""

import asyncio
import threading
import time
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest
from PIL import Image

from mcu.backends import ImageRequest
from mcu.batching import Batcher
from mcu.errors import BackendError, Incomplete, Reject

USUAL = (-2, 0)
Pictures = Batcher[ImageRequest, Image.Image]


class Easel:
    """Draws squares in the colour that the prompt names, and notes its batches."""

    def __init__(self, lanes: int = 1, most: int = 4, seconds: float = 0.02) -> None:
        self.lanes, self._most, self._seconds = lanes, most, seconds
        self.batches: list[list[str]] = []
        self.at_once = 0
        self._now = 0
        self._lock = threading.Lock()

    def most(self, kind: str) -> int:
        return self._most

    def draw(self, kind: str, requests: Sequence[ImageRequest]) -> list[Image.Image | Reject]:
        with self._lock:
            self.batches.append([request.prompt for request in requests])
            self._now += 1
            self.at_once = max(self.at_once, self._now)
        time.sleep(self._seconds)
        with self._lock:
            self._now -= 1
        if any(request.prompt == "broken" for request in requests):
            raise BackendError("the card fell out")
        return [
            Reject("bad_prompt", "no such colour")
            if request.prompt == "octarine"
            else Image.new("RGB", (8, 8), (request.seed % 256, 0, 0))
            for request in requests
        ]


def asked(prompt: str, seed: int = 0, kind: Any = "t2i") -> ImageRequest:
    return ImageRequest(kind, prompt, seed)


def outcomes(easel: Easel, work: Any) -> Any:
    async def run() -> Any:
        batcher: Pictures = Batcher(easel.draw, easel.most, easel.lanes, 0.05)
        try:
            found: Coroutine[Any, Any, Any] = work(batcher)
            return await found
        finally:
            batcher.close()

    return asyncio.run(run())


def all_drawn(easel: Easel, requests: Sequence[tuple[ImageRequest, tuple[int, int]]]) -> Any:
    async def work(batcher: Pictures) -> Any:
        drawn = (batcher.ask(one.kind, one, priority) for one, priority in requests)
        return await asyncio.gather(*drawn, return_exceptions=True)

    return outcomes(easel, work)


def test_requests_go_in_full_batches_and_each_gets_its_own_picture() -> None:
    easel = Easel()
    found = all_drawn(easel, [(asked(f"{n}", n), USUAL) for n in range(10)])
    assert [picture.getpixel((0, 0))[0] for picture in found] == [*range(10)]
    assert [len(batch) for batch in easel.batches] == [4, 4, 2]


def test_later_stages_go_first() -> None:
    easel = Easel(most=1)
    requests = [(asked(name), (-stage, 0)) for name, stage in (("a", 2), ("b", 2), ("c", 8))]
    all_drawn(easel, requests)
    assert easel.batches == [["a"], ["c"], ["b"]], "the first went before the others were asked for"


def test_kinds_are_not_mixed() -> None:
    easel = Easel()
    kinds = ["face", "t2i"] * 4
    all_drawn(easel, [(asked(f"{kind} {n}", n, kind), USUAL) for n, kind in enumerate(kinds)])
    assert sorted(len(batch) for batch in easel.batches) == [4, 4]
    assert all(len({name.split()[0] for name in batch}) == 1 for batch in easel.batches)


def test_one_alone_does_not_wait_for_a_full_batch() -> None:
    easel = Easel(most=16, seconds=0)
    began = time.perf_counter()
    all_drawn(easel, [(asked("a"), USUAL)])
    assert time.perf_counter() - began < 1 and easel.batches == [["a"]]


def test_lanes_draw_at_once() -> None:
    easel = Easel(lanes=3, most=1, seconds=0.1)
    all_drawn(easel, [(asked(f"{n}"), USUAL) for n in range(6)])
    assert easel.at_once == 3


def test_one_that_cannot_be_drawn_takes_no_other_with_it() -> None:
    found = all_drawn(Easel(), [(asked(name), USUAL) for name in ("a", "octarine", "b")])
    assert [type(one).__name__ for one in found] == ["Image", "Reject", "Image"]


def test_a_failure_is_told_to_its_batch_and_the_next_goes_on() -> None:
    easel = Easel(most=2)
    found = all_drawn(easel, [(asked(name), USUAL) for name in ("a", "broken", "b", "c")])
    assert [type(one).__name__ for one in found] == ["BackendError"] * 2 + ["Image"] * 2


def test_who_gave_up_is_not_drawn_for() -> None:
    easel = Easel(most=1, seconds=0.1)

    async def work(batcher: Pictures) -> None:
        tasks = [asyncio.ensure_future(batcher.ask("t2i", asked(f"{n}"), USUAL)) for n in range(3)]
        await asyncio.sleep(0.02)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    outcomes(easel, work)
    assert easel.batches == [["0"], ["2"]]


def test_after_a_stop_what_is_drawn_is_finished_and_nothing_begun() -> None:
    easel = Easel(most=2, seconds=0.1)

    async def work(batcher: Pictures) -> Any:
        tasks = [asyncio.ensure_future(batcher.ask("t2i", asked(f"{n}"), USUAL)) for n in range(4)]
        await asyncio.sleep(0.02)
        batcher.stop(Incomplete("enough"))
        found = await asyncio.gather(*tasks, return_exceptions=True)
        with pytest.raises(Incomplete):
            await batcher.ask("t2i", asked("late"), USUAL)
        return found

    found = outcomes(easel, work)
    assert [type(one).__name__ for one in found] == ["Image"] * 2 + ["Incomplete"] * 2
    assert easel.batches == [["0", "1"]]
