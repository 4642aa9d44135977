"""Finishing: embedded shards become one index with its rows, its recall and its background."""

import io
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcu.backends import Encoder
from mcu.errors import BackendError, ConfigError, StoreError
from mcu.indexes.calibration import QUERIES, measured
from mcu.indexes.folder import load_faiss
from mcu.indexes.shards import Shards, placed, put, schema, written
from mcu.indexes.vectors import Vectors

FORMAT = 2
EXACT_BELOW = 50_000  # vectors; exact search is the faster one there
_NEAREST = 10  # of which recall is measured
_CAPTIONS = 192  # queries for it, besides those of the calibration
_BLOCK = 65_536  # vectors held in memory at once


@dataclass(frozen=True)
class Budgets:
    """What a large index may take; below 50,000 vectors search is exact, and they are not used.

    Attributes:
        memory: of the index, such as 4GB.
        latency: milliseconds a query.
        exact: exact search whatever the size: all vectors in memory, all compared.
    """

    memory: str = "4GB"
    latency: float = 10.0
    exact: bool = False


def finish(
    shards: Shards, encoder: Encoder, facts: dict[str, Any], budgets: Budgets
) -> dict[str, Any]:
    """Make the index of shards that are all embedded; gives what its meta.json tells.

    Recall is the share of the ten nearest vectors, found by
    comparing all, that the index finds, for 64 fixed queries and 192 captions of its own.

    Raises:
        ConfigError: no picture is left, or the budgets allow no index.
        BackendError: faiss, or AutoFaiss for a large index, is missing.
        StoreError: the folder cannot be written.
    """
    folder = shards.folder
    wanted = {"plan": shards.plan, "budgets": asdict(budgets)}
    if (done := _finished(folder)) and {key: done.get(key) for key in wanted} == wanted:
        return done
    marks = [shards.mark(shard) or {} for shard in range(shards.count)]
    count = sum(int(mark.get("count", 0)) for mark in marks)
    rejected = sum(int(mark.get("rejected", 0)) for mark in marks)
    if not count:
        raise ConfigError(f"all {rejected} pictures were rejected; see {folder / 'shards'}")
    kept = [shard for shard, mark in enumerate(marks) if mark.get("count")]
    exact = budgets.exact or count < EXACT_BELOW
    try:
        captions = _merge(shards, kept, count)
        index, kind = _flat(shards, kept) if exact else _auto(folder, budgets)
        with placed(folder / "index.faiss") as temporary:
            load_faiss().write_index(index, str(temporary))
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {error}") from error
    recall = 1.0 if exact else _recall(index, shards, kept, encoder, captions)
    meta = {
        "format": FORMAT,
        **facts,
        "count": count,
        "rejected": rejected,
        "metric": "ip",
        "index": kind,
        "exact": exact,
        "recall_at_10": recall,
        "background": _background(index, encoder),
        "built_with": _versions(),
        **wanted,
    }
    put(folder / "meta.json", meta)
    return meta


def _background(index: Any, encoder: Encoder) -> dict[str, float]:
    """What `calibration.stored` reads: how alike pictures are to unrelated texts."""
    queries = np.asarray(encoder.encode(QUERIES), dtype=np.float32)
    scale = measured(Vectors(index).background(queries))
    return {"mean": round(scale.mean, 6), "std": round(scale.std, 6)}


def _merge(shards: Shards, kept: Sequence[int], count: int) -> list[str]:
    """Put all rows together, and all losses; gives some captions."""
    for left in shards.folder.rglob(".*.tmp"):  # of processes that were killed
        with suppress(OSError):
            left.unlink()
    with written(shards.folder / "rejects.jsonl") as file:
        for shard in range(shards.count):
            file.write(shards.rejects(shard).read_bytes())
    return _write_rows(shards.folder / "rows.arrow", shards, kept, count)


def _finished(folder: Path) -> dict[str, Any] | None:
    try:
        meta = json.loads((folder / "meta.json").read_bytes())
    except (OSError, ValueError):
        return None
    whole = all((folder / name).is_file() for name in ("index.faiss", "rows.arrow"))
    return meta if whole and isinstance(meta, dict) else None


def _write_rows(path: Path, shards: Shards, kept: Sequence[int], count: int) -> list[str]:
    """All rows as one Arrow file, which can be mapped into memory; gives some captions."""
    import pyarrow
    from pyarrow import parquet

    step, place = max(1, count // _CAPTIONS), 0
    captions: list[str] = []
    with written(path) as file, pyarrow.ipc.new_file(file, schema()) as rows:
        for shard in kept:
            with parquet.ParquetFile(shards.rows(shard)) as table:
                for batch in table.iter_batches(batch_size=4_096):
                    batch = pyarrow.RecordBatch.from_arrays(batch.columns, schema=schema())
                    rows.write_batch(batch)
                    at = np.arange(-place % step, batch.num_rows, step)
                    captions += batch.column("caption").take(pyarrow.array(at)).to_pylist()
                    place += batch.num_rows
    return [caption for caption in captions if caption][:_CAPTIONS]


def _blocks(shards: Shards, kept: Sequence[int]) -> Iterator[NDArray[np.float32]]:
    """All vectors in order, a block at a time."""
    for shard in kept:
        vectors = np.load(shards.vectors(shard), mmap_mode="r")
        for start in range(0, len(vectors), _BLOCK):
            yield np.ascontiguousarray(vectors[start : start + _BLOCK], dtype=np.float32)


def _flat(shards: Shards, kept: Sequence[int]) -> tuple[Any, str]:
    index = None
    for block in _blocks(shards, kept):
        if index is None:
            index = load_faiss().IndexFlatIP(block.shape[1])
        index.add(block)
    return index, "Flat"


def _auto(folder: Path, budgets: Budgets) -> tuple[Any, str]:
    """The index that AutoFaiss finds best; it keeps nothing on disk, where it fails on numpy 2."""
    try:
        from autofaiss import build_index
    except ImportError as error:
        raise BackendError(
            f"an index of {EXACT_BELOW:,} pictures and more needs AutoFaiss: "
            "pip install 'mcu[retrieval]', or ask for exact search by --exact"
        ) from error
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    with redirect_stderr(io.StringIO()):  # its progress bars
        index, facts = build_index(
            str(folder / "embeddings"),
            save_on_disk=False,
            metric_type="ip",
            max_index_memory_usage=budgets.memory,
            max_index_query_time_ms=budgets.latency,
            current_memory_available=f"{free}MB",
            verbose=50,
        )
    if index is None:
        raise ConfigError(
            f"no index of these vectors fits into {budgets.memory}, with {free:,} MB free here"
        )
    return index, str(facts.get("index_key", "")) if facts else ""


def _recall(
    index: Any,
    shards: Shards,
    kept: Sequence[int],
    encoder: Encoder,
    captions: Sequence[str],
) -> float:
    """Share of the ten nearest pictures that the index finds."""
    queries = np.asarray(encoder.encode([*QUERIES, *captions]), dtype=np.float32)
    _, places = index.search(queries, _NEAREST)
    nearest = _nearest(shards, kept, queries)
    wanted = [set(row) for row in nearest.tolist()]
    found = sum(len(one & set(row)) for one, row in zip(wanted, places.tolist(), strict=True))
    return round(found / sum(map(len, wanted)), 4)


def _nearest(shards: Shards, kept: Sequence[int], queries: NDArray[np.float32]) -> NDArray[Any]:
    """Places of the nearest vectors of each query, by comparing all."""
    scores = np.empty((len(queries), 0), dtype=np.float32)
    places = np.empty((len(queries), 0), dtype=np.int64)
    start = 0
    for block in _blocks(shards, kept):
        here = queries @ block.T
        top = np.argpartition(-here, min(_NEAREST, len(block)) - 1, axis=1)[:, :_NEAREST]
        scores = np.hstack([scores, np.take_along_axis(here, top, 1)])
        places = np.hstack([places, top + start])
        best = np.argsort(-scores, axis=1, kind="stable")[:, :_NEAREST]
        scores, places = np.take_along_axis(scores, best, 1), np.take_along_axis(places, best, 1)
        start += len(block)
    return places


def _versions() -> dict[str, str]:
    found = {}
    for name in ("mcu", "numpy", "faiss-cpu", "faiss-gpu", "autofaiss", "open_clip_torch", "torch"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def stats(folder: Path) -> dict[str, Any]:
    """What is known of an index, finished or not: its meta.json, shards, losses and bytes.

    Raises:
        ConfigError: the folder is none of an index that was built here.
    """
    try:
        plan = json.loads((folder / "plan.json").read_bytes())
        total = sum(source["shards"] for source in plan["sources"])
        marks = [json.loads(path.read_bytes()) for path in sorted(folder.glob("shards/*.json"))]
        codes = Counter(
            json.loads(line)["code"]
            for path in sorted(folder.glob("shards/*.rejects.jsonl"))
            for line in path.read_bytes().splitlines()
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{folder} is no index that `mcu index build` began") from error
    return {
        "name": folder.name,
        "finished": bool(meta := _finished(folder)),
        "encoder": plan["encoder"],
        "shards": total,
        "shards_done": len(marks),
        "pictures": sum(mark["count"] for mark in marks),
        "rejected": sum(mark["rejected"] for mark in marks),
        "rejects": dict(codes.most_common()),
        "bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        "meta": meta or {},
    }
