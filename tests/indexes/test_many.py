"""Several indexes as one search: comparable, without duplicates, the same in any batch."""

import json
from pathlib import Path, PurePath
from typing import Any

import faiss
import numpy as np
import pytest
from index_folders import CAPTIONS, make, write_index, write_rows

from mcu.backends import Encoder, Hit
from mcu.errors import ConfigError, Reject
from mcu.indexes import STARTER
from mcu.indexes.calibration import QUERIES, Calibration, common, measured, stored
from mcu.indexes.encoders import CaptionEncoder
from mcu.indexes.folder import Folder
from mcu.indexes.rows import rows_of
from mcu.indexes.search import FaissIndex, Indexes, open_index, open_indexes
from mcu.indexes.shipped import passage

SHOWN = json.loads((Path(__file__).parent / "queries.json").read_text("utf-8"))
ROWS = [json.loads(line) for line in (STARTER / "pictures.jsonl").read_text().splitlines()]
FACTS = {"phash": None, "sha256": "", "copy": True}


def table(captions: list[str], **more: Any) -> list[dict[str, Any]]:
    return [{"file": f"{i}.jpg", "caption": text} | FACTS | more for i, text in enumerate(captions)]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The starter set's captions, dealt out to three indexes."""
    folder = tmp_path_factory.mktemp("parts")
    return [
        str(make(folder / name, table([row["caption"] for row in ROWS[start::3]])))
        for start, name in enumerate(("a", "b", "c"))
    ]


def test_the_best_of_all_indexes_come_first(parts: list[str]) -> None:
    both = open_indexes(parts, CaptionEncoder())
    for hits in both.search(CAPTIONS, 9):
        assert len(hits) == 9
        assert hits == sorted(hits, key=lambda hit: (-hit.score, hit.file))
        assert all(hit.file.startswith(f"{hit.source}/") for hit in hits)
    found = both.search(["a golden trumpet with three valves"], 1)[0][0]
    assert found.caption == "a golden trumpet with three valves"


def test_batches_give_what_single_queries_give(parts: list[str]) -> None:
    both = open_indexes(parts, CaptionEncoder())
    queries = [query for query, _ in SHOWN["plain"]][:64]
    single = [both.search([query], 5)[0] for query in queries]
    for size in (7, 64):
        batches = [queries[start : start + size] for start in range(0, len(queries), size)]
        assert [hits for batch in batches for hits in both.search(batch, 5)] == single


def test_a_single_index_keeps_plain_names_and_cosines(parts: list[str]) -> None:
    alone = open_indexes(parts[:1], CaptionEncoder())
    assert isinstance(alone, FaissIndex)
    hit = alone.search(["a golden trumpet with three valves"], 1)[0][0]
    query, own = CaptionEncoder().encode(["a golden trumpet with three valves", hit.caption])
    assert (hit.file.count("/"), hit.source) == (0, "a")
    assert hit.score == pytest.approx(float(query @ own), abs=1e-5)


def test_the_queries_are_encoded_once(parts: list[str]) -> None:
    class Counting(CaptionEncoder):
        calls = 0

        def encode(self, texts: Any) -> Any:
            self.calls += 1
            return super().encode(texts)

    encoder = Counting()
    both = open_indexes(parts, encoder)
    assert encoder.calls == 1  # for the calibration of all three
    both.search(CAPTIONS, 3)
    assert encoder.calls == 2


@pytest.mark.parametrize(("queries", "k", "lengths"), [([], 3, []), (["a"], 0, [0])])
def test_nothing_asked_nothing_found(
    parts: list[str], queries: list[str], k: int, lengths: list[int]
) -> None:
    found = open_indexes(parts, CaptionEncoder()).search(queries, k)
    assert [len(hits) for hits in found] == lengths


def test_more_hits_than_pictures_gives_all(parts: list[str]) -> None:
    hits = open_indexes(parts, CaptionEncoder()).search(["anything"], 10_000)[0]
    assert len({hit.file for hit in hits}) == len(hits) == len(ROWS)


# Fetching.


def test_a_hit_is_fetched_from_its_own_index(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (make(tmp_path / name, table(CAPTIONS)) / "0.jpg").write_bytes(name.encode())
    both = open_indexes(["starter", str(tmp_path / "a"), str(tmp_path / "b")], CaptionEncoder())
    hits = {hit.source: hit for hit in both.search([CAPTIONS[0]], 50)[0]}
    assert both.fetch(Hit("a/0.jpg", "", "")) == b"a"
    assert both.fetch(Hit("b/0.jpg", "", "")) == b"b"
    starter = hits["starter"]
    assert both.fetch(starter) == (STARTER / starter.file.removeprefix("starter/")).read_bytes()


HOSTILE = ["", "/", "a", "a/", "0.jpg", "c/0.jpg", "/etc/passwd", "../a/0.jpg", "a/../b/0.jpg"]


@pytest.mark.parametrize("file", [*HOSTILE, "a//0.jpg", "a/meta.json", "\ud800/x", "a/\0", "~/x"])
def test_names_that_are_not_in_the_rows_are_refused(tmp_path: Path, file: str) -> None:
    for name in ("a", "b"):
        (make(tmp_path / name, table(CAPTIONS)) / "0.jpg").write_bytes(b"picture")
    both = open_indexes([str(tmp_path / "a"), str(tmp_path / "b")], CaptionEncoder())
    with pytest.raises(Reject) as caught:
        both.fetch(Hit(file, "", "a"))
    assert caught.value.code == "not_indexed"


def test_two_indexes_of_one_name_are_refused(tmp_path: Path) -> None:
    names = [str(make(tmp_path / part / "mine", table(CAPTIONS))) for part in ("a", "b")]
    with pytest.raises(ConfigError, match="two indexes that are called 'mine'"):
        open_indexes(names, CaptionEncoder())


# Near-duplicates.


def test_near_duplicates_are_found_once(tmp_path: Path) -> None:
    one, other = 0xF0F0F0F0F0F0F0F0, 0x0123456789ABCDEF
    first = table(["a red bicycle", "a red bicycle in the rain"], phash=one)
    second = table(["a red bicycle"], phash=one ^ 0b1111)  # as near as duplicates are
    third = table(["a red bicycle"], phash=one ^ 0b11111 << 40)
    third += [{**row, "file": "x.jpg"} for row in table(["bicycles"], phash=other)]
    folders = [
        str(make(tmp_path / name, rows, background={"mean": 0.5, "std": 0.1}))
        for name, rows in (("b", first), ("a", second), ("c", third))
    ]
    found = open_indexes(folders, CaptionEncoder()).search(["a red bicycle"], 9)[0]
    assert [hit.file for hit in found] == ["a/0.jpg", "c/0.jpg", "c/x.jpg"]
    alone = open_indexes(folders[:1], CaptionEncoder()).search(["a red bicycle"], 9)[0]
    assert [hit.file for hit in alone] == ["0.jpg"]


def test_the_same_file_is_found_once_and_unknown_hashes_are_no_duplicates(tmp_path: Path) -> None:
    same = table(["a kite", "a kite"], sha256="ab" * 32)
    folders = [str(make(tmp_path / "a", same)), str(make(tmp_path / "b", table(["a kite"] * 3)))]
    found = open_indexes(folders, CaptionEncoder()).search(["a kite"], 9)[0]
    assert sorted(hit.file for hit in found) == ["a/0.jpg", "b/0.jpg", "b/1.jpg", "b/2.jpg"]


def test_a_crowd_of_duplicates_does_not_hide_the_rest(tmp_path: Path) -> None:
    rows = table(["a kite"] * 200, phash=5)
    rows += [{**row, "file": f"other{row['file']}"} for row in table(["a red kite", "two kites"])]
    index = open_indexes([str(make(tmp_path / "a", rows))], CaptionEncoder())
    found = index.search(["a kite", "a kite"], 3)
    assert {hit.file for hit in found[0]} == {"0.jpg", "other0.jpg", "other1.jpg"}
    assert found[0] == found[1] == index.search(["a kite"], 3)[0]


def test_equal_scores_are_ordered_by_file_however_many_they_are(tmp_path: Path) -> None:
    rows = table(["a kite"] * 300)
    for i, row in enumerate(rows):
        row["file"] = f"{(i * 7) % 300:03d}.jpg"
    folders = [str(make(tmp_path / name, rows)) for name in ("b", "a")]
    found = open_indexes(folders, CaptionEncoder()).search(["a kite"], 4)[0]
    assert [hit.file for hit in found] == [f"a/{i:03d}.jpg" for i in range(4)]


# Calibration.


class Cones:
    """Texts that are numbers: directions of their own. Indexes lie in cones around an axis."""

    name, width, sees, bar = "cones", 32, False, 0.0

    def encode(self, texts: Any) -> Any:
        rows = np.zeros((len(texts), self.width), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            rng = np.random.default_rng(list(text.encode()))
            row[0] = 0.5
            row[1:] = rng.standard_normal(self.width - 1) / 8
            row /= np.linalg.norm(row)
        return rows

    def pictures(self, images: Any) -> Any:
        raise NotImplementedError


def cone(name: str, texts: list[str], lean: float, encoder: Encoder) -> FaissIndex:
    """An index of these texts, whose vectors all lean towards an axis that every query has."""
    vectors = encoder.encode(texts)
    vectors[:, 0] += lean
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = faiss.IndexFlatIP(encoder.width)
    index.add(vectors)
    return FaissIndex(Folder({}, index, rows_of(table(texts)), Path()), encoder, name)


def test_an_index_with_high_scores_for_everything_does_not_win_everything() -> None:
    encoder = Cones()
    mine, yours = ([f"{name} {i}" for i in range(400)] for name in ("mine", "yours"))
    members = [cone("plain", mine, -0.9, encoder), cone("high", yours, 3.0, encoder)]
    asked = mine[::4] + yours[::4]
    right = ["plain"] * 100 + ["high"] * 100
    by_score = [
        max((m.search([text], 1)[0][0] for m in members), key=lambda hit: hit.score).source
        for text in asked
    ]
    calibrated = [hits[0].source for hits in Indexes(members, encoder).search(asked, 1)]
    assert np.mean([a == b for a, b in zip(by_score, right, strict=True)]) < 0.6
    assert np.mean([a == b for a, b in zip(calibrated, right, strict=True)]) > 0.85


PARTS: dict[str, list[list[int]]] = {
    "kinds": [
        [i for i, row in enumerate(ROWS) if row["kind"] in kinds]
        for kinds in (["clipart"], ["photo"], ["chart", "diagram", "math"])
    ],
    "thirds": [list(range(start, len(ROWS), 3)) for start in range(3)],
    "tiny": [list(range(0, len(ROWS), 100)), [i for i in range(len(ROWS)) if i % 100]],
}


@pytest.mark.parametrize("parts", PARTS)
def test_parts_of_any_size_and_kind_find_what_the_whole_finds(
    tmp_path: Path, parts: str, record_property: Any
) -> None:
    members = []
    for number, places in enumerate(PARTS[parts]):
        rows = [ROWS[place] | {"phash": None, "copy": True} for place in places]
        held = rows_of(rows)
        index = faiss.IndexFlatIP(CaptionEncoder.width)
        index.add(CaptionEncoder().encode([passage(row) for row in rows]))
        members.append(FaissIndex(Folder({}, index, held, STARTER), CaptionEncoder(), str(number)))
    queries = [*SHOWN["plain"], *SHOWN["names"]]
    found = Indexes(members, CaptionEncoder()).search([query for query, _ in queries], 1)
    right = [
        PurePath(h[0].file).stem in wanted for h, (_, wanted) in zip(found, queries, strict=True)
    ]
    record_property("rank-1 accuracy", float(np.mean(right)))
    assert np.mean(right) >= 0.95


def test_scores_are_put_on_one_scale() -> None:
    low, high = Calibration(0.2, 0.02), Calibration(0.6, 0.04)
    scale = common([low, high])
    assert (scale.mean, scale.std) == pytest.approx((0.4, 0.03))
    assert low.onto(scale, 0.24) == pytest.approx(0.46)
    assert high.onto(scale, 0.68) == pytest.approx(0.46)
    assert low.onto(low, 0.24) == pytest.approx(0.24)


def test_what_the_builder_measured_is_used_when_every_index_has_it(tmp_path: Path) -> None:
    def score(name: str, *calibrations: dict[str, Any] | None) -> float:
        folders = []
        for i, calibration in enumerate(calibrations):
            meta = {} if calibration is None else {"background": calibration}
            folders.append(str(make(tmp_path / name / str(i), table(CAPTIONS), **meta)))
        return open_indexes(folders, CaptionEncoder()).search(["a brown guitar"], 1)[0][0].score

    given = {"mean": 0.5, "std": 0.1}
    assert score("both", given, given) == pytest.approx(1)
    assert score("two", given, {**given, "mean": 0.7}) == pytest.approx(1.1)
    assert score("one", given, None) == pytest.approx(1)  # measured anew for both, alike


@pytest.mark.parametrize(
    "bad", [None, 3, {}, {"mean": 0.5}, {"mean": 1.0, "std": 0.0}, {"mean": "x", "std": 1}]
)
def test_a_calibration_that_tells_nothing_is_not_used(bad: Any) -> None:
    assert stored({"background": bad}) is None
    assert measured([0.5, 0.5]).std > 0
    assert measured([]).std > 0


def test_the_queries_of_the_calibration_are_all_different() -> None:
    assert len(set(QUERIES)) == len(QUERIES) == 64


def test_an_old_folder_and_a_new_one_are_searched_together(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    write_rows(old, [{"file": f"{i}.jpg", "caption": text} for i, text in enumerate(CAPTIONS)])
    write_index(old)
    new = make(tmp_path / "new", table(["a blue guitar", "a fish"]))
    both = Indexes([open_index(path, CaptionEncoder()) for path in (old, new)], CaptionEncoder())
    found = both.search(["a guitar"], 2)[0]
    assert {hit.file for hit in found} == {"old/0.jpg", "new/0.jpg"}
