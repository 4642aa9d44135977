"""Vectors: the nearest rows of a faiss index, with scores that no batch and no core can change."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from mcu.indexes.flat import largest
from mcu.indexes.folder import load_faiss

Ranked = tuple[Any, Any]  # scores and places of rows, each [queries, rows]

DIGITS = 6  # of a score
MOST = 2048  # hits a query that faiss gives on a GPU
_NUMBERS = 1 << 20  # of stored vectors that are copied at once
_SAMPLE = 1024  # rows that stand for all


class Vectors:
    """A faiss index of unit vectors, on the GPUs too where faiss has some. Safe to share."""

    def __init__(self, index: Any) -> None:
        """`index` is of either metric, inner product or L2."""
        faiss = load_faiss()
        self._index = index
        self._rows: Any = _rows(index) if isinstance(index, faiss.IndexFlat) else None
        self._distances = index.metric_type != faiss.METRIC_INNER_PRODUCT
        self._gpus = _on_gpus(index)
        self._turn = threading.Lock()  # of the GPUs, which faiss lets one thread use at a time

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def nearest(self, queries: Any, many: int) -> Ranked:
        """Cosines (6 digits) and places of the rows that are nearest to each query, best first.

        The last digits of a matrix product depend on its shape. So that no score depends on its
        batch, an exact index is asked for candidates in one product, and their scores are summed
        anew, each by itself; one that compresses its vectors or walks a graph is asked query by
        query, on all cores. On GPUs the latter is asked in one batch, and its scores hold to
        rounding. Where there are no more rows, the place is -1 and the score -inf.

        Args:
            queries: float32, [queries, width], rows of length 1.
            many: rows wanted a query.
        """
        many = min(many, len(self))
        if many < 1 or not len(queries):
            return np.empty((len(queries), 0)), np.empty((len(queries), 0), np.int64)
        if self._gpus is not None:
            with self._turn:
                scores, places = self._gpus.search(queries, min(many, MOST))
        elif self._rows is not None:
            scores, places = None, largest(self._rows, queries, many)
        else:
            scores, places = self._each(queries, many)
        if self._rows is not None:
            scores = self._cosines(queries, places)
        elif self._distances:
            scores = 1 - scores / 2
        return _sorted(scores, places)

    def background(self, queries: Any) -> Any:
        """Scores of queries with rows from all over the index, [queries * rows]; see `Calibration`.

        Empty where the index keeps nothing that a row could be made of again.
        """
        places = np.unique(np.linspace(0, len(self) - 1, _SAMPLE).astype(np.int64))
        if not len(self) or (rows := self._stored(places)) is None:
            return np.empty(0)
        scores = rows @ queries.T
        if self._distances and self._rows is None:  # rows that lost some of their length
            scores = scores + (1 - (rows**2).sum(axis=1, keepdims=True)) / 2
        return scores.ravel()

    def _stored(self, places: Any) -> Any:
        """Rows as the index has them, None where it cannot give them back."""
        if self._rows is not None:
            return self._rows[places]
        faiss = load_faiss()
        lists = faiss.try_extract_index_ivf(self._index)
        try:
            if lists is not None:
                lists.make_direct_map()
            return self._index.reconstruct_batch(places)
        except RuntimeError:
            return None
        finally:
            if lists is not None:
                lists.set_direct_map_type(faiss.DirectMap.NoMap)  # it takes 8 bytes a row

    def _each(self, queries: Any, many: int) -> Ranked:
        faiss = load_faiss()
        cores = min(len(queries), faiss.omp_get_max_threads())
        with ThreadPoolExecutor(cores, "faiss", faiss.omp_set_num_threads, (1,)) as pool:
            single = list(pool.map(lambda q: self._index.search(q[None], many), queries))
        return np.concatenate([s for s, _ in single]), np.concatenate([p for _, p in single])

    def _cosines(self, queries: Any, places: Any) -> Any:
        """The products with the stored vectors; each is summed by itself, in float64."""
        exact = queries.astype(np.float64)
        step = max(1, _NUMBERS // (places.shape[1] * queries.shape[1]))
        found = [
            (self._rows[places[i : i + step]] * exact[i : i + step, None]).sum(axis=2)
            for i in range(0, len(queries), step)
        ]
        return np.concatenate(found)


def _rows(index: Any) -> Any:
    """The vectors of a flat index, where they lie: float32, [rows, width]; keep the index alive."""
    if not index.ntotal:
        return np.empty((0, index.d), dtype=np.float32)
    faiss = load_faiss()
    return faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d).reshape(-1, index.d)


def _sorted(scores: Any, places: Any) -> Ranked:
    """Best first, then by place, each score rounded."""
    scores = np.where(places < 0, -np.inf, np.round(scores.astype(np.float64), DIGITS))
    order = np.lexsort((places, -scores))
    return np.take_along_axis(scores, order, 1), np.take_along_axis(places, order, 1)


def _on_gpus(index: Any) -> Any:
    """The index on all GPUs together, None where there are none or they cannot take it."""
    faiss = load_faiss()
    if faiss.get_num_gpus() < 1:
        return None
    options = faiss.GpuMultipleClonerOptions()
    options.shard = True  # a part of the vectors on each, rather than all on every one
    try:
        return faiss.index_cpu_to_all_gpus(index, co=options)
    except RuntimeError:  # a kind that faiss has for CPUs alone, or too large
        return None
