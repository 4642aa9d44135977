"""Vectors: exact where the index is, and bitwise the same in any batch, on any kind of index."""

from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
import pytest

from mcu.indexes.flat import largest
from mcu.indexes.vectors import DIGITS, Ranked, Vectors

COUNT, WIDTH = 6_000, 64
KINDS = ["Flat", "HNSW16", "IVF32,Flat", "RR64,IVF32,PQ16x4fsr"]


def unit(seed: int, count: int, width: int = WIDTH) -> Any:
    rows = np.random.default_rng(seed).standard_normal((count, width), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


ROWS, QUERIES = unit(1, COUNT), unit(2, 64)


def index_of(kind: str, metric: int = faiss.METRIC_INNER_PRODUCT) -> Any:
    index = faiss.index_factory(WIDTH, kind, metric)
    index.train(ROWS)
    index.add(ROWS)
    return index


def exact(many: int) -> list[list[int]]:
    products = ROWS.astype(np.float64) @ QUERIES.T.astype(np.float64)
    return np.argsort(-products, axis=0, kind="stable")[:many].T.tolist()  # type: ignore[no-any-return]


def same(one: list[Ranked], other: list[Ranked]) -> bool:
    """Whether two ways of asking give the same bits."""
    parts = (np.concatenate(part) for found in (one, other) for part in zip(*found, strict=True))
    scores, places, others, their_places = parts
    return bool(scores.tobytes() == others.tobytes()) and np.array_equal(places, their_places)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", [faiss.METRIC_INNER_PRODUCT, faiss.METRIC_L2])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_batch_changes_no_bit(kind: str, metric: int) -> None:
    vectors = Vectors(index_of(kind, metric))
    single = [vectors.nearest(query[None], 20) for query in QUERIES]
    for size in (7, 64):
        batches = [QUERIES[start : start + size] for start in range(0, len(QUERIES), size)]
        assert same(single, [vectors.nearest(batch, 20) for batch in batches])


@pytest.mark.parametrize("metric", [faiss.METRIC_INNER_PRODUCT, faiss.METRIC_L2])
def test_an_exact_index_is_exact(metric: int) -> None:
    found = Vectors(index_of("Flat", metric)).nearest(QUERIES, 20)
    for scores, places, wanted, query in zip(*found, exact(20), QUERIES, strict=True):
        cosines = ROWS[wanted].astype(np.float64) @ query.astype(np.float64)
        assert scores.tolist() == pytest.approx(cosines, abs=10**-DIGITS)
        assert set(places[:19].tolist()) <= set(wanted)


@pytest.mark.parametrize("metric", [faiss.METRIC_INNER_PRODUCT, faiss.METRIC_L2])
def test_distances_are_told_as_cosines(metric: int) -> None:
    scores, places = Vectors(index_of("HNSW16", metric)).nearest(QUERIES[:1], 1)
    assert scores[0, 0] == pytest.approx(ROWS[places[0, 0]] @ QUERIES[0], abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", [faiss.METRIC_INNER_PRODUCT, faiss.METRIC_L2])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_background_is_in_terms_of_the_scores(kind: str, metric: int) -> None:
    vectors = Vectors(index_of(kind, metric))
    found = vectors.background(QUERIES)
    scores, places = vectors.nearest(QUERIES, COUNT)
    assert len(found) == 1024 * len(QUERIES)
    if (places >= 0).all():  # it has looked at all
        assert float(found.mean()) == pytest.approx(float(scores.mean()), abs=0.005)
        assert float(found.std()) == pytest.approx(float(scores.std()), abs=0.005)
    assert abs(float(found.mean())) < 0.01 or metric == faiss.METRIC_L2


@pytest.mark.parametrize("many", [1, 20, 1_500, COUNT])
@pytest.mark.parametrize("queries", [1, 5, 64])
def test_largest_products_are_found_in_blocks(many: int, queries: int) -> None:
    found = largest(ROWS, QUERIES[:queries], many)
    assert [set(one.tolist()) for one in found] == [set(one) for one in exact(many)[:queries]]


def test_rows_that_get_better_and_better_are_cut_on_the_way() -> None:
    rows = np.linspace(0, 1, 20_000, dtype=np.float32)[:, None]
    assert set(largest(rows, np.ones((3, 1), np.float32), 5)[2].tolist()) == set(
        range(19_995, 20_000)
    )


def test_a_query_that_is_no_direction_finds_nothing() -> None:
    index = faiss.IndexFlatIP(WIDTH)
    index.add(ROWS)
    queries = QUERIES[:3].copy()
    queries[1] = np.nan
    _, places = Vectors(index).nearest(queries, 5)
    assert places[1].tolist() == [-1] * 5
    assert (places[[0, 2]] >= 0).all()


@pytest.mark.parametrize("count", [0, 3])
def test_small_indexes_give_what_they_have(count: int) -> None:
    index = faiss.IndexFlatIP(WIDTH)
    index.add(ROWS[:count])
    found = Vectors(index).nearest(QUERIES[:2], 20)
    assert [part.shape for part in found] == [(2, count), (2, count)]
    assert Vectors(index).nearest(QUERIES[:0], 20)[0].shape[0] == 0


def with_gpus(monkeypatch: pytest.MonkeyPatch, clone: Callable[..., Any]) -> None:
    options = type("Options", (), {})
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 2)
    monkeypatch.setattr(faiss, "GpuMultipleClonerOptions", options, raising=False)
    monkeypatch.setattr(faiss, "index_cpu_to_all_gpus", clone, raising=False)


@pytest.mark.parametrize("kind", ["Flat", "HNSW16"])
def test_gpus_are_used_when_there_are_some(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is none here: what is tested is that the answer goes through them and stays exact."""
    index = index_of(kind)
    plain = Vectors(index).nearest(QUERIES, 20)
    clones = []

    def cloned(index: Any, co: Any) -> Any:
        clones.append(co.shard)
        return index

    with_gpus(monkeypatch, cloned)
    found = Vectors(index).nearest(QUERIES, 20)
    assert clones == [True]
    assert same([plain], [found])


def test_what_gpus_cannot_take_stays_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(index: Any, co: Any) -> Any:
        raise RuntimeError("not implemented on GPU")

    with_gpus(monkeypatch, refused)
    assert Vectors(index_of("HNSW16")).nearest(QUERIES, 20)[0].shape == (64, 20)
