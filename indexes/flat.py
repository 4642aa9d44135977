"""Exact search: the rows with the largest products with many queries, in one pass over them."""

from typing import Any

import numpy as np

Best = tuple[Any, Any, Any]  # scores, the numbers of their queries, places of their rows

_BLOCK = 1024  # most rows that are multiplied at once
_CELLS = 1 << 18  # products that are made at once, so that they stay in a core's cache


def largest(rows: Any, queries: Any, many: int) -> Any:
    """The rows with the largest products for each query, to float32's rounding: [queries, many].

    The BLAS of numpy is newer than that inside faiss's wheels, and faster at this. What is no
    better than the worst of a query's best so far is dropped block by block, so that hardly
    anything is sorted.

    Args:
        rows: float32, [rows, width].
        queries: float32, [queries, width].
        many: at most as many as there are rows. Where a product is no number, a place is -1.
    """
    turned = np.ascontiguousarray(queries.T)
    step = max(256, min(_BLOCK, _CELLS // len(queries)))
    bar = np.full(len(queries), -np.inf, dtype=np.float32)
    best: Best = (np.empty(0, np.float32), np.empty(0, np.int64), np.empty(0, np.int64))
    for start in range(0, len(rows), step):
        products = rows[start : start + step] @ turned
        if start == 0 and len(products) > many:
            bar = np.partition(products, -many, axis=0)[-many]
        kept = np.flatnonzero(products >= bar)  # quicker than nonzero in two dimensions
        places, owners = np.divmod(kept, len(queries))
        best = (
            np.concatenate([best[0], products.ravel()[kept]]),
            np.concatenate([best[1], owners]),
            np.concatenate([best[2], places + start]),
        )
        if len(best[0]) > 4 * many * len(queries):
            best = _cut(*best, many)
            bar = _worst(*best, bar, many)
    _, owners, places = _cut(*best, many)
    found = np.full((len(queries), many), -1, dtype=np.int64)
    found[owners, np.arange(len(owners)) - np.searchsorted(owners, owners)] = places
    return found


def _cut(scores: Any, owners: Any, places: Any, many: int) -> Best:
    """The best of each owner, owner by owner, best first."""
    order = np.lexsort((places, -scores, owners))
    sorted_owners = owners[order]
    rank = np.arange(len(order)) - np.searchsorted(sorted_owners, sorted_owners)
    kept = order[rank < many]
    return scores[kept], owners[kept], places[kept]


def _worst(scores: Any, owners: Any, places: Any, bar: Any, many: int) -> Any:
    """The least score of each owner that has enough; the others' bar stays."""
    counts = np.bincount(owners, minlength=len(bar))
    last = np.cumsum(counts) - 1
    return np.where(counts == many, scores[np.maximum(last, 0)], bar)
