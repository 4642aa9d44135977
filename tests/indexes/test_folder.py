"""Index folders of any builder: what is read, and what is refused with a sentence."""

from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
import pytest
from index_folders import CAPTIONS, make, rows, write_arrow, write_index, write_rows

from mcu.backends import Hit
from mcu.errors import ConfigError, Reject
from mcu.indexes.encoders import CaptionEncoder
from mcu.indexes.folder import find_folder
from mcu.indexes.search import open_index, open_indexes


@pytest.mark.parametrize("kind", [faiss.IndexFlatIP, faiss.IndexFlatL2])
def test_both_metrics_give_cosines(tmp_path: Path, kind: type) -> None:
    write_rows(tmp_path, rows())
    write_index(tmp_path, kind)
    best, *rest = open_index(tmp_path, CaptionEncoder()).search(["a brown guitar"], 5)[0]
    assert (best.file, best.source) == ("0.jpg", tmp_path.name)
    assert best.score == pytest.approx(1, abs=1e-5)
    assert all(hit.score < 0.7 for hit in rest)


def test_equal_scores_are_ordered_by_file(tmp_path: Path) -> None:
    files = ["c.jpg", "a.jpg", "b.jpg", "d.jpg"]
    write_rows(tmp_path, [{"file": file, "caption": "a kite"} for file in files])
    index = faiss.IndexFlatIP(CaptionEncoder.width)
    index.add(CaptionEncoder().encode(["a kite"] * 4))
    faiss.write_index(index, str(tmp_path / "index.faiss"))
    hits = open_index(tmp_path, CaptionEncoder()).search(["a kite"], 3)[0]
    assert [hit.file for hit in hits] == ["a.jpg", "b.jpg", "c.jpg"]


def test_rows_say_what_may_be_copied(tmp_path: Path) -> None:
    extra = {"url": "https://example.org/0.jpg", "copy": False, "author": "Ada", "licence": "CC-BY"}
    write_rows(tmp_path, [row | extra for row in rows()])
    write_index(tmp_path)
    hit = open_index(tmp_path, CaptionEncoder()).search(["guitar"], 1)[0][0]
    assert (hit.copy, hit.url, hit.author, hit.licence) == (
        False,
        *list(extra.values())[::2],
        "CC-BY",
    )


def test_files_are_under_the_root_that_the_folder_names(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    folder.mkdir()
    table = rows()
    table[1]["file"] = "../secret.jpg"
    write_rows(folder, table)
    write_index(folder)
    (folder / "meta.json").write_text('{"root": "pictures"}')
    (folder / "pictures").mkdir()
    (folder / "pictures" / "0.jpg").write_bytes(b"guitar")
    (folder / "secret.jpg").write_bytes(b"secret")
    index = open_index(folder, CaptionEncoder())
    assert index.fetch(Hit("0.jpg", "", "index")) == b"guitar"
    for file, code in (("../secret.jpg", "not_indexed"), ("2.jpg", "no_file")):
        with pytest.raises(Reject) as caught:
            index.fetch(Hit(file, "", "index"))
        assert caught.value.code == code


def no_rows(folder: Path) -> None:
    (folder / "rows.jsonl").unlink()


def bad_rows(folder: Path) -> None:
    (folder / "rows.jsonl").write_text("not json\n")


def no_captions(folder: Path) -> None:
    write_rows(folder, [{"file": "a.jpg"}] * len(CAPTIONS))


def too_few_rows(folder: Path) -> None:
    write_rows(folder, rows()[1:])


def bad_parquet(folder: Path) -> None:
    no_rows(folder)
    (folder / "rows.parquet").write_bytes(b"PAR1")


def no_index(folder: Path) -> None:
    (folder / "index.faiss").unlink()


def two_indexes(folder: Path) -> None:
    (folder / "index.faiss").rename(folder / "a.faiss")
    (folder / "b.index").write_bytes(b"")


def bad_index(folder: Path) -> None:
    (folder / "index.faiss").write_bytes(b"nonsense" * 20)


def other_width(folder: Path) -> None:
    index = faiss.IndexFlatIP(4)
    index.add(np.eye(len(CAPTIONS), 4, dtype=np.float32))
    faiss.write_index(index, str(folder / "index.faiss"))


def other_encoder(folder: Path) -> None:
    (folder / "meta.json").write_text('{"encoder": "ViT-L-14"}')


def bad_meta(folder: Path) -> None:
    (folder / "meta.json").write_text("[]")


def later_format(folder: Path) -> None:
    (folder / "meta.json").write_text('{"format": 3}')


def torn_arrow(folder: Path) -> None:
    write_arrow(folder, rows())
    data = (folder / "rows.arrow").read_bytes()
    (folder / "rows.arrow").write_bytes(data[: len(data) * 2 // 3])


def short_arrow(folder: Path) -> None:
    write_arrow(folder, rows()[1:])


def torn_index(folder: Path) -> None:
    data = (folder / "index.faiss").read_bytes()
    (folder / "index.faiss").write_bytes(data[: len(data) // 2])


def other_count(folder: Path) -> None:
    (folder / "meta.json").write_text('{"count": 6}')


HARMS = [no_rows, bad_rows, no_captions, too_few_rows, bad_parquet, no_index, two_indexes]
HARMS += [bad_index, other_width, other_encoder, bad_meta, later_format, torn_arrow, short_arrow]
HARMS += [torn_index, other_count]


@pytest.mark.parametrize("harm", HARMS)
def test_a_folder_that_does_not_fit_is_a_configuration_error(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    write_rows(tmp_path, rows())
    write_index(tmp_path)
    open_index(tmp_path, CaptionEncoder())
    harm(tmp_path)
    with pytest.raises(ConfigError, match=str(tmp_path) if harm is not no_captions else "caption"):
        open_index(tmp_path, CaptionEncoder())


def test_a_folder_that_is_not_there_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        open_index(tmp_path / "nowhere", CaptionEncoder())


# Folders that `mcu index build` makes.

FACTS = {"url": "https://example.org/x.jpg", "page": "", "licence": "CC-BY-4.0", "author": "Ada"}


def test_rows_are_read_from_the_arrow_file_by_row(tmp_path: Path) -> None:
    table = [row | FACTS | {"copy": i != 3, "phash": None} for i, row in enumerate(rows())]
    folder = make(tmp_path / "mine", table)
    write_rows(folder, rows(["no"] * 5))  # it comes first, and so does nothing that lies beside it
    (folder / "rejects.jsonl").write_text("{}\n" * 9)
    index = open_index(folder, CaptionEncoder())
    found = index.search(CAPTIONS, 1)
    assert [hits[0].file for hits in found] == [f"{i}.jpg" for i in range(5)]
    assert [hits[0].copy for hits in found] == [True, True, True, False, True]
    assert found[4][0].author == "Ada"
    assert index.row("4.jpg") == table[4]
    assert open_index(folder, CaptionEncoder()).row("4.jpg") == table[4]  # none was read before
    assert index.row("5.jpg") is None


def test_losses_beside_the_pictures_are_no_rows(tmp_path: Path) -> None:
    write_index(tmp_path)
    (tmp_path / "rejects.jsonl").write_text('{"file": "a.jpg", "caption": "a"}\n' * 5)
    with pytest.raises(ConfigError, match="no rows of metadata"):
        open_index(tmp_path, CaptionEncoder())


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    from mcu.indexes.rows import read_rows

    table = [{"file": f"{i}.jpg", "caption": "x" * 1000} for i in range(20_000)]
    write_arrow(tmp_path, table, 1000)
    before = pa.total_allocated_bytes()
    held = read_rows(tmp_path)
    assert (len(held), held.row(19_999)["file"], held.place("777.jpg")) == (
        20_000,
        "19999.jpg",
        777,
    )
    assert pa.total_allocated_bytes() - before < 100_000


def test_names_are_looked_up_where_indexes_are_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MCU_INDEXES", raising=False)
    make(tmp_path / "indexes" / "mine", rows())
    make(tmp_path / "else" / "mine", rows())
    make(tmp_path / "here", rows())
    assert find_folder("mine").resolve() == tmp_path / "indexes" / "mine"
    assert find_folder("here").resolve() == tmp_path / "here"
    assert find_folder("else/mine").resolve() == tmp_path / "else" / "mine"
    assert find_folder(str(tmp_path / "here")) == tmp_path / "here"
    monkeypatch.setenv("MCU_INDEXES", str(tmp_path / "else"))
    assert find_folder("mine") == tmp_path / "else" / "mine"
    assert open_indexes(["mine"], CaptionEncoder()).search(["a guitar"], 1)[0][0].source == "mine"


@pytest.mark.parametrize("name", ["", "nowhere", "no/where", "../x", "/nowhere", "a\0b", "é" * 300])
def test_unknown_names_are_told_in_a_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="there is no index"):
        open_indexes([name], CaptionEncoder())


def test_a_picture_that_is_only_on_the_web_is_fetched_from_there(tmp_path: Path) -> None:
    table = [row | {"url": f"https://example.org/{i}.jpg"} for i, row in enumerate(rows())]
    table[1]["file"] = "../../../etc/passwd"
    folder = make(tmp_path / "mine", table)
    (folder / "0.jpg").write_bytes(b"here")
    asked: list[str] = []

    def get(url: str) -> bytes:
        asked.append(url)
        return b"there"

    index = open_indexes([str(folder)], CaptionEncoder(), get)
    fetched = [index.fetch(Hit(f"{i}.jpg", "", "mine")) for i in (0, 2)]
    assert (fetched, asked) == ([b"here", b"there"], ["https://example.org/2.jpg"])
    with pytest.raises(Reject, match="outside"):
        index.fetch(Hit("../../../etc/passwd", "", "mine"))
    with pytest.raises(Reject) as caught:
        open_indexes([str(folder)], CaptionEncoder()).fetch(Hit("2.jpg", "", "mine"))
    assert (caught.value.code, len(asked)) == ("no_file", 1)
