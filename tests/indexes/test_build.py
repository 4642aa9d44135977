"""Building an index: the same bytes whatever the way there, bad files told of, and found again."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from picture_files import jpeg, write_folder, write_tar
from tiny_clip import MODEL, write_clip

from helpers import tree
from mcu.backends.build import open_indexes
from mcu.config import load_config
from mcu.errors import BackendError, ConfigError, Reject
from mcu.indexes import built, catalogue, finish
from mcu.indexes.build import Order, build
from mcu.indexes.embed import Embedder, Meter, decoded
from mcu.indexes.encoders import CaptionEncoder
from mcu.indexes.finish import Budgets, stats
from mcu.indexes.open_clip import OpenClipEncoder
from mcu.indexes.sources import Found, Item
from mcu.sections import EncoderSection
from tiny import torch_ready

torch_ready()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> OpenClipEncoder:
    weights = write_clip(tmp_path_factory.mktemp("clip"))
    section = EncoderSection(backend="open_clip", model=MODEL, pretrained=str(weights), batch=4)
    return OpenClipEncoder(section)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with pictures, a tar and some bad files."""
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "pics", 20)
    (tmp_path / "pics" / "a.jpg").write_bytes(b"not a picture")
    (tmp_path / "pics" / "a.txt").write_text("a bad one")
    (tmp_path / "pics" / "z.png").write_bytes(jpeg(3)[:300])
    (tmp_path / "pics" / "z.txt").write_text("a torn one")
    samples = [{"jpg": jpeg(100 + n), "txt": b"tar picture %d" % n} for n in range(5)]
    write_tar(tmp_path / "00000.tar", samples)
    return tmp_path


def order(work: Path, name: str = "one", **more: Any) -> Order:
    return Order(work / "indexes" / name, [work / "pics", work / "00000.tar"], size=6, **more)


def test_an_index_is_built_and_searched(work: Path) -> None:
    meta = build(order(work), CaptionEncoder())
    assert (meta["count"], meta["rejected"], meta["exact"], meta["recall_at_10"]) == (
        25,
        2,
        True,
        1,
    )
    config = load_config(values={"index": {"names": ["one"]}})
    index = open_indexes(config, CaptionEncoder())
    for text in ("squares number 7", "tar picture 4"):
        assert index.search([text], 1)[0][0].caption == text
    hit = index.search(["tar picture 4"], 1)[0][0]
    assert hit.file == "00000.tar/000000004.jpg"
    assert index.fetch(hit) == jpeg(104)
    assert [one["name"] for one in catalogue()] == ["starter", "one"]
    assert catalogue()[1]["pictures"] == 25


def test_bad_files_are_told_of(work: Path, clip: OpenClipEncoder) -> None:
    build(order(work), clip)
    lines = (work / "indexes" / "one" / "rejects.jsonl").read_text().splitlines()
    rejects = {row["file"]: row for row in map(json.loads, lines)}
    assert rejects.keys() == {"pics/a.jpg", "pics/z.png"}
    assert {row["code"] for row in rejects.values()} == {"bad_image"}
    assert "not a file of these types" in rejects["pics/a.jpg"]["reason"]
    facts = stats(work / "indexes" / "one")
    assert facts["rejects"] == {"bad_image": 2}
    assert (facts["shards"], facts["shards_done"], facts["pictures"]) == (5, 5, 25)


def test_vectors_are_of_the_pictures_in_order(work: Path, clip: OpenClipEncoder) -> None:
    build(order(work), clip)
    files = sorted((work / "indexes" / "one" / "embeddings").iterdir())
    vectors = np.concatenate([np.load(path) for path in files])
    pictures = [decoded(jpeg(n)) for n in [*range(20), *range(100, 105)]]
    assert vectors.dtype == np.float32
    assert np.allclose(vectors, clip.pictures(pictures), atol=1e-6)
    index = faiss.read_index(str(work / "indexes" / "one" / "index.faiss"))
    assert np.array_equal(index.reconstruct_n(0, index.ntotal), vectors)


def test_workers_and_machines_change_nothing(work: Path, clip: OpenClipEncoder) -> None:
    build(order(work, "whole"), clip, workers=1)
    parts = order(work, "parts")
    assert build(parts, clip, only=(3, 9)) == {"shards": 5, "missing": 3}
    with pytest.raises(ConfigError, match="3 of 5 shards are not embedded yet: 0, 1, 2"):
        build(parts, clip, embed=False)
    build(parts, clip, only=(0, 2), workers=8)
    build(parts, clip, embed=False)
    assert tree(work / "indexes" / "parts") == tree(work / "indexes" / "whole")


def test_going_on_after_an_error(work: Path, clip: OpenClipEncoder) -> None:
    build(order(work, "whole"), clip)

    def stop(done: int, total: int, meter: Meter) -> None:
        if meter.pictures > 11:
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        build(order(work, "again"), clip, seen=stop)
    folder = work / "indexes" / "again"
    assert not list(folder.rglob("*.tmp"))
    assert stats(folder)["shards_done"] == 2
    assert not stats(folder)["finished"]
    torn = next((folder / "embeddings").iterdir())
    torn.write_bytes(torn.read_bytes()[:-1])
    build(order(work, "again"), clip)
    assert tree(folder) == tree(work / "indexes" / "whole")
    assert stats(folder)["finished"]


def test_a_finished_index_is_not_built_again(work: Path) -> None:
    meta = build(order(work), CaptionEncoder())
    made = (work / "indexes" / "one" / "index.faiss").stat().st_mtime_ns
    assert build(order(work), CaptionEncoder()) == meta
    assert (work / "indexes" / "one" / "index.faiss").stat().st_mtime_ns == made


def test_another_build_in_the_folder_is_refused(work: Path, clip: OpenClipEncoder) -> None:
    build(order(work), CaptionEncoder())
    with pytest.raises(ConfigError, match=r"begun otherwise \(encoder\)"):
        build(order(work), clip)
    write_folder(work / "pics" / "more", 1)
    with pytest.raises(ConfigError, match="the source has changed"):
        build(order(work), CaptionEncoder())


def test_two_builds_at_once_are_refused(work: Path) -> None:
    def again(done: int, total: int, meter: Meter) -> None:
        with pytest.raises(ConfigError, match="another build"):
            build(order(work), CaptionEncoder())

    build(order(work), CaptionEncoder(), seen=again)


def test_nothing_to_index(work: Path) -> None:
    empty = work / "empty"
    empty.mkdir()
    with pytest.raises(ConfigError, match="no picture was found"):
        build(Order(work / "i", [empty]), CaptionEncoder())
    (empty / "a.jpg").write_bytes(jpeg(0))
    with pytest.raises(ConfigError, match="all 1 pictures were rejected"):
        build(Order(work / "i2", [empty]), CaptionEncoder())


def test_addresses_are_fetched(work: Path, clip: OpenClipEncoder) -> None:
    table = work / "cc12m.tsv"
    table.write_text("".join(f"https://e.org/{n}.jpg\tsquares {n}\n" for n in range(5)))
    asked = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        if url.endswith("3.jpg"):
            raise Reject("gone", "404")
        return jpeg(int(url[-5]))

    meta = build(Order(work / "i", [table]), clip, fetch=fetch)
    assert (meta["count"], meta["rejected"]) == (4, 1)
    rows = built_rows(work / "i")
    assert [row["file"] for row in rows] == [f"https://e.org/{n}.jpg" for n in (0, 1, 2, 4)]
    assert {row["copy"] for row in rows} == {False}
    assert rows[0]["url"] == rows[0]["file"] and rows[0]["phash"] is not None
    asked.clear()
    captions = build(Order(work / "c", [table]), CaptionEncoder(), fetch=fetch)
    assert (captions["count"], asked) == (5, [])
    with pytest.raises(ConfigError, match="rejected"):
        build(Order(work / "n", [table]), clip)


def built_rows(folder: Path) -> list[dict[str, Any]]:
    import pyarrow as pa

    with pa.memory_map(str(folder / "rows.arrow")) as file:
        rows: list[dict[str, Any]] = pa.ipc.open_file(file).read_all().to_pylist()
    return rows


def test_others_read_the_embeddings(work: Path) -> None:
    from embedding_reader import EmbeddingReader

    many = Order(work / "many", [work / "pics"], size=1)
    build(many, CaptionEncoder())
    folder = work / "many"
    reader = EmbeddingReader(
        str(folder / "embeddings"),
        file_format="parquet_npy",
        metadata_folder=str(folder / "metadata"),
        meta_columns=["image_path", "caption"],
    )
    ((vectors, meta),) = reader(batch_size=100, show_progress=False)
    assert list(meta["image_path"]) == [row["file"] for row in built_rows(folder)]
    assert np.array_equal(vectors, CaptionEncoder().encode(list(meta["caption"])))


@pytest.mark.filterwarnings("ignore:'pipes' is deprecated")  # fire, which autofaiss imports
def test_a_large_index_is_autofaiss_and_its_recall_is_measured(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "".join(
        json.dumps({"url": f"https://e.org/{n}.jpg", "caption": f"{a} {b} {n}"}) + "\n"
        for n, (a, b) in enumerate((a, b) for a in WORDS for b in WORDS for _ in range(11))
    )
    (work / "t.jsonl").write_text(rows)
    monkeypatch.setattr(finish, "EXACT_BELOW", 1000)
    large = Order(work / "large", [work / "t.jsonl"], size=700, budgets=Budgets("4GB", 10.0))
    meta = build(large, CaptionEncoder())
    assert not meta["exact"] and meta["index"] != "Flat"
    assert 0.2 < meta["recall_at_10"] <= 1
    exact = build(
        Order(work / "large", large.sources, size=700, budgets=Budgets(exact=True)),
        CaptionEncoder(),
    )
    assert exact["exact"] and exact["recall_at_10"] == 1
    monkeypatch.setitem(__import__("sys").modules, "autofaiss", None)
    with pytest.raises(BackendError, match=r"pip install 'mcu\[retrieval\]'"):
        build(large, CaptionEncoder())


WORDS = [
    "dog",
    "cat",
    "boat",
    "tree",
    "house",
    "street",
    "soup",
    "cake",
    "train",
    "bridge",
    "river",
    "lamp",
]


def test_the_reader_keeps_a_bounded_lead() -> None:
    taken, lead = 0, 0

    def endless() -> Iterator[Item]:
        nonlocal taken
        for number in range(5000):
            taken += 1
            yield Item(f"{number}", lambda n=number: Found(jpeg(n % 5), {"caption": "x"}))  # type: ignore[misc]

    embedder = Embedder(Slow(), workers=3)
    for made, _ in enumerate(embedder.run(endless(), "s"), 1):
        lead = max(lead, taken - made * Slow.batch)
        if made == 8:
            break
    assert 0 < lead <= 7 * Slow.batch
    assert not [t for t in threading.enumerate() if t.name.startswith(("decode", "read"))]


class Slow(CaptionEncoder):
    """Takes its time."""

    batch = 10

    def encode(self, texts: Any) -> Any:
        time.sleep(0.02)
        return super().encode(texts)


def test_an_error_while_reading_ends_the_build() -> None:
    def broken() -> Iterator[Item]:
        yield Item("a", lambda: Found(jpeg(0), {"caption": "x"}))
        raise ConfigError("the table cannot be read")

    with pytest.raises(ConfigError, match="cannot be read"):
        list(Embedder(CaptionEncoder()).run(broken(), "s"))


def test_names_of_indexes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MCU_INDEXES", str(tmp_path))
    assert built("mine") == tmp_path / "mine"
    for name in ("starter", "../x", "a/b", "", "-x", ".x"):
        with pytest.raises(ConfigError, match="cannot be called"):
            built(name)
