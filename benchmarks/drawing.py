"""The cases of images.py: what draws, how it is timed, and what each takes of the device."""

import gc
import io
import itertools
import math
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from diffusers import EulerDiscreteScheduler
from PIL import Image

from floors import Floors, wait
from mcu.backends import ImageRequest, Origin
from mcu.backends.diffusers.base import fuse, place, sister
from mcu.backends.diffusers.denoise import Result
from mcu.backends.diffusers.photomaker import PhotoMaker
from mcu.backends.diffusers.sdxl import SDXL
from mcu.errors import Reject
from mcu.marks import sealed
from sdxl import Models

BATCHES = (2, 4, 8, 16)
_CALLS = 6  # timed of batches of one; of larger ones fewer, but two at least
_WARM = 2  # steps, which pass everything that the timed ones do
_GUIDANCE, _STRENGTH = 5.0, 0.2  # as the Stark paper has them
_NEGATIVE = "blurred, watermark"
_SEALED = 64  # pictures encoded at a time
_NUMBERS = itertools.count()

Draw = Callable[[Sequence[ImageRequest]], list[Result]]
Way = Callable[[int], Draw]
"""From a number of steps to what draws with so many."""


@dataclass(frozen=True)
class Bench:
    """What the cases are run with.

    Attributes:
        steps: of a picture of the persona.
        few: steps of a face.
    """

    models: Models
    device: str
    floors: Floors
    steps: int
    few: int


@dataclass(frozen=True)
class Line:
    """One case; what is None could not be measured.

    Attributes:
        seconds: a picture.
        gigabytes: most that was taken of the device's memory.
        ratio: pictures a second to those of the published way of the same route.
        arithmetic: share of the floor of arithmetic, see `Floors`.
        bandwidth: share of the floor of memory traffic.
        counts: whether it is judged: ours, at as many steps as the published way.
    """

    way: str
    batch: int
    seconds: float | None = None
    gigabytes: float | None = None
    ratio: float | None = None
    arithmetic: float | None = None
    bandwidth: float | None = None
    counts: bool = False


def lines(bench: Bench, compiled: bool) -> Iterator[Line]:
    """All cases; each speed-up stays for those after it."""
    pipe = bench.models.pipe
    lightning = sister(bench.models.base, bench.models.base.unet)
    trailing = {"timestep_spacing": "trailing"}
    lightning.scheduler = EulerDiscreteScheduler.from_config(lightning.scheduler.config, **trailing)
    persona, face = _persona(bench), _face(bench, lightning)
    slow = _line(bench, "PhotoMaker as published", _anew(persona), 1)
    slow_face = _line(bench, "Lightning, one a call", _anew(face), 1, face=True)
    yield slow
    yield slow_face
    yield _line(bench, "ours: ID and negative vectors kept", _kept(persona), 1, slow)
    for part in (pipe.unet, pipe.vae):
        part.to(memory_format=torch.channels_last)
    yield _line(bench, "  + channels-last", _kept(persona), 1, slow)
    fuse(pipe.unet)
    yield (best := _line(bench, "  + fused projections", _kept(persona), 1, slow))
    for one in (pipe, lightning):
        place(one, bench.device, "off", compiled=False)
    for batch in BATCHES:
        yield (line := _line(bench, "  + batches", _kept(persona), batch, slow))
        if line.seconds is None:
            break
        best = min(best, line, key=lambda one: one.seconds or math.inf)
    yield _line(bench, "Lightning, ours", _kept(face), best.batch, slow_face, face=True)
    if compiled:
        place(pipe, bench.device, "off", compiled=True)
        yield _line(bench, "  + torch.compile", _kept(persona), best.batch, slow)
    yield _sealing(bench.models.size)


def _persona(bench: Bench) -> Callable[[int], PhotoMaker]:
    """Makes PhotoMaker routes that know no vectors yet."""
    models = bench.models
    fixed: dict[str, Any] = {"guidance": _GUIDANCE, "strength": _STRENGTH, "size": models.size}

    def make(steps: int) -> PhotoMaker:
        return PhotoMaker(models.pipe, models.encoder, steps=steps, negative=_NEGATIVE, **fixed)

    return make


def _face(bench: Bench, pipe: Any) -> Callable[[int], SDXL]:
    """Makes Lightning routes that know no vectors yet."""

    def make(steps: int) -> SDXL:
        return SDXL(pipe, steps=steps, guidance=0.0, size=bench.models.size, negative="")

    return make


def _anew(make: Callable[[int], Any]) -> Way:
    """Every call with a route that has encoded nothing before: the published way."""
    return lambda steps: lambda requests: list(make(steps).draw(requests))


def _kept(make: Callable[[int], Any]) -> Way:
    """One route for all calls: ours."""
    return lambda steps: make(steps).draw


def _line(
    bench: Bench, name: str, way: Way, batch: int, published: Line | None = None, face: bool = False
) -> Line:
    """Time a case; without the published way to compare with, it is that one."""
    steps = bench.few if face else bench.steps
    try:
        seconds, gigabytes = _timed(bench, way, batch, steps)
    except torch.OutOfMemoryError:
        return Line(name, batch)
    slow = seconds if published is None else published.seconds
    return Line(
        way=name,
        batch=batch,
        seconds=seconds,
        gigabytes=gigabytes,
        ratio=slow / seconds if slow else None,
        arithmetic=bench.floors.arithmetic(steps, guided=not face) / seconds,
        bandwidth=bench.floors.bandwidth(steps, batch) / seconds,
        counts=published is not None and not face,
    )


def _timed(bench: Bench, way: Way, batch: int, steps: int) -> tuple[float, float | None]:
    """Seconds a picture, the median of some calls, and the peak in GB.

    What is compiled or chosen at the first call is left out by a short one before.
    """
    cuda = bench.device.startswith("cuda")
    gc.collect()
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(bench.device)
    way(_WARM)(_requests(batch, bench.models.size))
    draw, found = way(steps), []
    for _ in range(max(2, _CALLS // batch)):
        requests = _requests(batch, bench.models.size)
        wait(bench.device)
        started = time.perf_counter()
        pictures = draw(requests)
        wait(bench.device)
        found.append(time.perf_counter() - started)
        if any(isinstance(picture, Reject) for picture in pictures):
            raise SystemExit(f"no picture came out: {pictures}")
    peak = torch.cuda.max_memory_allocated(bench.device) / 1e9 if cuda else None
    return statistics.median(found) / batch, peak


def _requests(count: int, size: int) -> list[ImageRequest]:
    """Pictures of one person, each with a prompt that was never drawn before."""
    portrait = _portrait(size)
    return [
        ImageRequest("p-t2i", f"photo of a man img in the park {number}", number, {}, (portrait,))
        for number in itertools.islice(_NUMBERS, count)
    ]


@cache
def _portrait(size: int) -> bytes:
    buffer = io.BytesIO()
    _picture(size).save(buffer, "JPEG")
    return buffer.getvalue()


def _picture(size: int) -> Image.Image:
    """Noise of all sizes, about as hard to encode as a photograph."""
    made = np.random.default_rng(0)
    layers = [
        Image.fromarray(made.integers(0, 256, (side, side, 3), np.uint8)).resize((size, size))
        for side in (8, 32, 256)
    ]
    rough = Image.blend(layers[0], layers[1], 0.3)
    return Image.blend(rough, layers[2], 0.4)


def _sealing(size: int) -> Line:
    """JPEG and marks on as many threads as there are processors; nothing of it is the device's."""
    threads = os.cpu_count() or 1
    picture, origin = _picture(size), Origin("model", 0, "trainedAlgorithmicMedia")
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(2):  # the first time the threads start
            started = time.perf_counter()
            list(pool.map(lambda _: sealed(picture, origin), range(_SEALED)))
            seconds = time.perf_counter() - started
    return Line(f"JPEG and XMP, {threads} CPU threads", 1, seconds / _SEALED)
