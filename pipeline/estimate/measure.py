"""What a sample took, by its journals and by the clock."""

import json
import sqlite3
import threading
import time
import zlib
from collections.abc import Container, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL.Image import Image

from mcu.backends import ImageGenerator, ImageRequest
from mcu.contract import Stage
from mcu.engine import Engine
from mcu.errors import Incomplete, Reject, StoreError
from mcu.estimate.figures import Counts, Measured, given_up, is_repair
from mcu.run import Run, Watch
from mcu.services import Services
from mcu.stages.persona import seeds
from mcu.store import Rows, Store, Unit, dump


@dataclass
class Work:
    """What this program did in the sample; of the processor's seconds, drawing has its own."""

    calls: int = 0
    busy: float = 0.0
    pictures: int = 0
    drawing: float = 0.0


def timing(work: Work, watch: Watch | None) -> Watch:
    """A watch that takes the time besides."""

    @contextmanager
    def timed(engine: Engine, services: Services) -> Iterator[None]:
        pen = _Pen(services.images) if "images" in vars(services) else None
        if pen:
            services.images = pen
        began = time.process_time()
        try:
            with watch(engine, services) if watch else nullcontext():
                yield
        finally:
            work.calls, work.busy = services.meter.calls, time.process_time() - began
            if pen:
                work.pictures, work.drawing = pen.pictures, pen.seconds
                work.busy -= pen.busy

    return timed


class _Pen:
    """An image generator whose time is taken."""

    def __init__(self, images: ImageGenerator) -> None:
        self._images = images
        self.lanes, self.most, self.origin = images.lanes, images.most, images.origin
        self._lock = threading.Lock()
        self.pictures = 0
        self.seconds = 0.0
        self.busy = 0.0

    def generate(self, requests: Sequence[ImageRequest]) -> list[Image | Reject]:
        """The pictures of the generator."""
        began, busy = time.perf_counter(), time.thread_time()
        pictures = self._images.generate(requests)
        with self._lock:
            self.pictures += len(pictures)
            self.seconds += time.perf_counter() - began
            self.busy += time.thread_time() - busy
        return pictures


def remembered(store: Store, work: Work) -> Work:
    """All that was measured, which a file keeps: a sample that is done has nothing left to time."""
    path = store.root / "work.json"
    if path.is_file():
        before = json.loads(path.read_bytes())
        work = Work(**{name: value + before[name] for name, value in asdict(work).items()})
    store.write(path, dump(asdict(work)))
    return work


def measured(run: Run, work: Work) -> Measured:
    """What the personas of a sample took.

    Raises:
        Incomplete: there are none.
    """
    from mcu.stages import STAGES

    marks = [mark for unit in _of(run, STAGES[0]) if (mark := run.store.mark(unit))]
    found = Measured(
        personas=sum(mark["records"] for mark in marks),
        seeds=sum(mark["inputs"] for mark in marks),
        stages={},
        sampled=True,
    )
    if not found.personas:
        raise Incomplete("no persona of the sample could be used; look at its .rejects.jsonl")
    asked = {seed.id for seed in seeds(run.config, 0, found.seeds)}
    for stage in STAGES:
        made = next((s for s in STAGES if s.makes is stage.takes), None)
        found.stages[stage.name] = _counts(run, stage, _ids(run, made) if made else asked)
    found.wasted = _wasted(marks, run.config.personas_per_call)
    if work.calls:
        found.client = work.busy / work.calls
    if work.pictures:
        found.drawing = work.drawing / work.pictures
    return found


def _of(run: Run, stage: Stage) -> list[Unit]:
    return [Unit(stage, shard) for shard in range(run.config.shards)]


def _ids(run: Run, stage: Stage) -> set[str]:
    """The records that a stage has made."""
    found: set[str] = set()
    for unit in _of(run, stage):
        if mark := run.store.mark(unit):
            rows = Rows(run.store.rows_path(unit), mark["sha256"])
            found |= rows.ids.keys()
            rows.close()
    return found


def _counts(run: Run, stage: Stage, inputs: Container[str]) -> Counts:
    """What was asked for some inputs of a stage: its journals may hold more, of the run."""
    counts = Counts()
    for path in {run.store.journal_path(unit) for unit in _of(run, stage)}:
        if path.is_file():
            for row in _rows(path):
                if row[0] in inputs:
                    _count(counts, *row[1:])
    for unit in _of(run, stage):
        mark = run.store.mark(unit) or {}
        counts.rejects += given_up(mark.get("rejects", {}))
    return counts


def _rows(path: Path) -> Iterator[tuple[Any, ...]]:
    query = (
        "SELECT record, kind, request, prompt_tokens, cached_tokens, completion_tokens, usd, "
        "seconds FROM answers WHERE kind IN ('chat', 'image')"
    )
    try:
        with closing(sqlite3.connect(path)) as database:
            yield from database.execute(query)
    except sqlite3.Error as error:
        raise StoreError(f"the journal {path} cannot be read: {error}") from error


def _count(
    counts: Counts,
    kind: str,
    request: bytes,
    prompt: int,
    cached: int,
    completion: int,
    usd: float | None,
    seconds: float,
) -> None:
    """Add one answer."""
    if kind == "image":
        counts.pictures += 1
        return
    counts.calls += 1
    counts.prompt_tokens += prompt
    counts.cached_tokens += cached
    counts.completion_tokens += completion
    counts.usd = None if usd is None or counts.usd is None else counts.usd + usd
    counts.seconds += seconds
    counts.repairs += is_repair(json.loads(zlib.decompress(request))["messages"])


def _wasted(marks: list[dict[str, Any]], each: int) -> float:
    """The share of the personas asked for that could not be used, repeated ones aside."""
    lost = kept = 0
    for mark in marks:
        rejects = mark["rejects"]
        known = rejects.get("duplicate", 0), rejects.get("bad_attribute", 0)
        kept += mark["records"] + known[0]
        # What is left are whole calls.
        lost += known[1] + each * (sum(rejects.values()) - sum(known))
    return lost / max(1, lost + kept)
