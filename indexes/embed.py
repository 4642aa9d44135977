"""Embedding: pictures are read and decoded in threads ahead of the encoder, in a fixed order."""

import hashlib
import io
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from queue import Full, Queue
from typing import Any

import numpy as np
from PIL import Image

from mcu.backends import Encoder
from mcu.errors import Reject
from mcu.indexes.sources import Found, Item
from mcu.phash import phash
from mcu.pictures import clean

Fetch = Callable[[str], bytes]  # of a picture's address; raises Reject

_AHEAD = 3  # batches that are made ready before the encoder asks
_TEXTS = 256  # captions a batch
_FETCHING = 64  # threads that wait for the web
_DECODING = 32  # threads that decode, at most


@dataclass(frozen=True)
class Ready:
    """A picture with its row; `pixels` as the encoder wants them, None where it reads captions."""

    row: dict[str, Any]
    pixels: Any = None


@dataclass(frozen=True)
class Lost:
    """A picture that was given up, as `rejects.jsonl` tells."""

    file: str
    code: str
    reason: str


@dataclass
class Meter:
    """What an embedding did: for the progress display, and for the benchmark.

    Attributes:
        busy: seconds that the encoder was at work.
        processor: seconds of processor time that its thread took for it.
    """

    pictures: int = 0
    rejected: int = 0
    busy: float = 0.0
    processor: float = 0.0
    began: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.perf_counter() - self.began

    @property
    def rate(self) -> float:
        """Pictures a second."""
        return self.pictures / max(self.seconds, 1e-9)


@dataclass(frozen=True)
class Embedder:
    """Turns items into rows and vectors.

    Attributes:
        fetch: gets what a source knows the address of alone; None refuses it.
        workers: threads that read and decode; 0 takes one a CPU but the
            first, and 64 where pictures are fetched.
    """

    encoder: Encoder
    fetch: Fetch | None = None
    workers: int = 0
    meter: Meter = field(default_factory=Meter)

    def run(
        self, items: Iterable[Item], source: str, prefix: str = ""
    ) -> Iterator[tuple[list[Ready | Lost], Any]]:
        """Batches in the items' order: rows and losses, and the rows' vectors [rows, width].

        The encoder has a thread of its own, and the next batch waits in line while it works.

        Args:
            items: of one source.
            source: its name, kept in the rows.
            prefix: of files' names, from the index's root to the source.
        """
        most = getattr(self.encoder, "batch", _TEXTS)
        work = partial(self.ready, source, prefix)
        first, items = _peek(items)
        threads = self._threads(fetched=bool(first and "://" in first.file))
        with ThreadPoolExecutor(1, "encoder") as lane:
            line: deque[tuple[list[Ready | Lost], Future[Any]]] = deque()
            for group in _groups(_ahead(items, work, threads, _AHEAD * most), most):
                ready = [one for one in group if isinstance(one, Ready)]
                line.append((group, lane.submit(self._encode, ready, self._stacked(ready))))
                if len(line) > 1:
                    yield self._told(*line.popleft())
            while line:
                yield self._told(*line.popleft())

    def _told(
        self, group: list[Ready | Lost], vectors: Future[Any]
    ) -> tuple[list[Ready | Lost], Any]:
        found = vectors.result()
        self.meter.pictures += len(found)
        self.meter.rejected += len(group) - len(found)
        return group, found

    def _threads(self, fetched: bool) -> int:
        if self.workers or (fetched and self.encoder.sees):
            return self.workers or _FETCHING
        cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return max(1, min(_DECODING, (cpus or 1) - 1))  # the encoder has one of them

    def _stacked(self, ready: list[Ready]) -> Any:
        """The batch as one array, put together while the encoder works on another."""
        if not ready or not hasattr(self.encoder, "embedded"):
            return None
        return np.stack([one.pixels for one in ready])

    def _encode(self, ready: list[Ready], stacked: Any) -> Any:
        started, used = time.perf_counter(), time.thread_time()
        try:
            if not ready:
                return np.empty((0, self.encoder.width), dtype=np.float32)
            if not self.encoder.sees:
                return self.encoder.encode([one.row["caption"] for one in ready])
            if stacked is None:
                return self.encoder.pictures([one.pixels for one in ready])
            return self.encoder.embedded(stacked)  # type: ignore[attr-defined]
        finally:
            self.meter.busy += time.perf_counter() - started
            self.meter.processor += time.thread_time() - used

    def ready(self, source: str, prefix: str, item: Item) -> Ready | Lost:
        """Read, check, decode and prepare one picture."""
        name = item.file if "://" in item.file else prefix + item.file
        try:
            try:
                name.encode()
            except UnicodeEncodeError as error:
                raise Reject("bad_name", "the file's name is not valid Unicode") from error
            found = item.open()
            row = _row(name, source, found)
            if not self.encoder.sees and not row["caption"]:
                raise Reject("no_caption", "the encoder reads captions, and there is none")
            data = found.data
            if data is None and self.encoder.sees:
                if self.fetch is None:
                    raise Reject("no_file", "only the picture's address is known")
                data = self.fetch(row["url"])
            return self._seen(row, data) if data is not None else Ready(row)
        except Reject as reject:
            shown = name.encode("utf-8", "backslashreplace").decode()
            return Lost(shown, reject.code, str(reject))

    def _seen(self, row: dict[str, Any], data: bytes) -> Ready:
        image = decoded(data)
        row |= {"width": image.width, "height": image.height, "phash": phash(image)}
        row["sha256"] = hashlib.sha256(data).hexdigest()
        if not self.encoder.sees:
            return Ready(row)
        prepare = getattr(self.encoder, "prepare", None)
        return Ready(row, prepare(image) if prepare else image)


def decoded(data: bytes) -> Image.Image:
    """A picture from outside as a run would keep it: RGB, upright, at most 2,048 px a side.

    Raises:
        Reject: see `mcu.pictures.clean`.
    """
    image = Image.open(io.BytesIO(clean(data)), formats=("JPEG",))
    image.load()
    return image


def _peek(items: Iterable[Item]) -> tuple[Item | None, Iterator[Item]]:
    iterator = iter(items)
    first = next(iterator, None)
    return first, iterator if first is None else chain([first], iterator)


def _row(name: str, source: str, found: Found) -> dict[str, Any]:
    offset, size = found.place or (None, None)
    texts = {key: found.facts.get(key, "") for key in ("caption", "url", "page", "licence")}
    return {
        "file": name,
        **texts,
        "author": found.facts.get("author", ""),
        "source": source,
        "copy": found.copy,
        "width": 0,
        "height": 0,
        "sha256": "",
        "phash": None,
        "offset": offset,
        "size": size,
    }


def _groups(results: Iterator[Ready | Lost], most: int) -> Iterator[list[Ready | Lost]]:
    """At most so many that are ready, and those lost between them."""
    group: list[Ready | Lost] = []
    ready = 0
    for one in results:
        group.append(one)
        ready += isinstance(one, Ready)
        if ready == most or len(group) == 4 * most:
            yield group
            group, ready = [], 0
    if group:
        yield group


def _ahead(
    items: Iterable[Item], work: Callable[[Item], Ready | Lost], workers: int, most: int
) -> Iterator[Ready | Lost]:
    """The results in order, while threads work on at most `most` items ahead of who asks."""
    line: Queue[Future[Ready | Lost] | BaseException | None] = Queue(most)
    stopped = threading.Event()

    def put(one: Future[Ready | Lost] | BaseException | None) -> bool:
        while not stopped.is_set():
            with suppress(Full):
                line.put(one, timeout=0.2)
                return True
        return False

    def feed() -> None:
        end: BaseException | None = None
        try:
            for item in items:
                if not put(pool.submit(work, item)):
                    return
        except BaseException as error:  # told to who asks, whatever it is
            end = error
        put(end)

    with ThreadPoolExecutor(workers, "decode") as pool:
        feeder = threading.Thread(target=feed, name="read", daemon=True)
        feeder.start()
        try:
            while isinstance(one := line.get(), Future):
                yield one.result()
            if one is not None:
                raise one
        finally:
            stopped.set()
            feeder.join()
            pool.shutdown(cancel_futures=True)
