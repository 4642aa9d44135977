"""The run folder: files whole or not there, marks that lie are not believed, rows by id."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu.errors import StoreError
from mcu.records import Narrative
from mcu.stages import STAGES
from mcu.store import Rows, Store, Unit, dump

UNIT = Unit(STAGES[3], 7)


def rows_of(path: Path, *ids: str, parent: str = "p") -> Rows:
    data = b"".join(
        Narrative(id=id_, parent=parent, text=f"about {id_}").model_dump_json().encode() + b"\n"
        for id_ in ids
    )
    path.write_bytes(data)
    return Rows(path, sha256(data).hexdigest())


def finish(store: Store, data: bytes = b'{"id":"a","parent":"p"}\n') -> None:
    """A unit with its mark."""
    store.write(store.rows_path(UNIT), data)
    store.write_mark(UNIT, {"records": 1, "bytes": len(data), "sha256": "x"})


def test_names(tmp_path: Path) -> None:
    store = Store(tmp_path)
    paths = [store.rows_path(UNIT), store.rejects_path(UNIT), store.mark_path(UNIT)]
    assert [str(path.relative_to(tmp_path)) for path in paths] == [
        "s4_narrative/00007.jsonl",
        "s4_narrative/00007.rejects.jsonl",
        "s4_narrative/00007.done.json",
    ]
    assert store.journal_path(UNIT).name == "s4_narrative-00007.sqlite"
    journals = {store.journal_path(Unit(STAGES[0], shard)) for shard in range(3)}
    assert len(journals) == 1, "the shards of stage 1 share one"


CHILD = """
import os, signal, sys
from pathlib import Path
from mcu.store import Store
with Store(Path(sys.argv[1]).parent).writing(Path(sys.argv[1])) as file:
    file.write(b"half" * 100_000)
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("before", [None, b"old"])
def test_killed_while_writing(before: bytes | None, tmp_path: Path) -> None:
    """The file is what it was before; what is left over is swept away."""
    path = tmp_path / "s4_narrative/00000.jsonl"
    path.parent.mkdir()
    if before is not None:
        path.write_bytes(before)
    done = subprocess.run([sys.executable, "-c", CHILD, path], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (path.read_bytes() if path.exists() else None) == before
    left = [p for p in path.parent.iterdir() if p != path]
    assert [p.suffix for p in left] == [".tmp"], "else the kill came too early to tell anything"
    Store(tmp_path).sweep()
    assert not left[0].exists()
    assert path.exists() == (before is not None)


def test_an_error_while_writing_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a/file"
    with pytest.raises(ZeroDivisionError), Store(tmp_path).writing(path) as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert list(path.parent.iterdir()) == []


def test_a_folder_in_the_way_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(StoreError, match=r"taken.file cannot be written: \w+"):
        Store(tmp_path).write(tmp_path / "taken/file", b"x")
    (tmp_path / "folder/x").mkdir(parents=True)
    with pytest.raises(StoreError, match="folder cannot be written"):
        Store(tmp_path).write(tmp_path / "folder", b"x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "taken"]


def test_sweep_takes_left_overs_alone(tmp_path: Path) -> None:
    kept = ["run.toml", "s4_narrative/00000.jsonl", "images/ab/x.jpg", "notes/.a.tmp"]
    swept = ["s4_narrative/.00000.jsonl.9.1.tmp", "images/ab/.x.jpg.9.2.tmp"]
    for name in (*kept, *swept):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    Store(tmp_path).sweep()
    assert [(tmp_path / name).exists() for name in kept] == [True] * 4
    assert [(tmp_path / name).exists() for name in swept] == [False] * 2


def test_a_mark_is_believed_when_the_rows_are_of_its_size(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.mark(UNIT) is None
    finish(store)
    mark = store.mark(UNIT)
    assert mark is not None and mark["records"] == 1


def _rewrite(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(change(path.read_bytes())) and None


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("mark", _rewrite(lambda data: data[: len(data) // 2])),
        ("mark", _rewrite(lambda data: b"")),
        ("mark", _rewrite(lambda data: b"not JSON")),
        ("mark", _rewrite(lambda data: b"\xff\xfe\x00")),
        ("mark", _rewrite(lambda data: b"[1, 2]")),
        ("mark", _rewrite(lambda data: b"null")),
        ("mark", _rewrite(lambda data: b"{}")),
        ("mark", _rewrite(lambda data: data.replace(b'"bytes"', b'"sizes"'))),
        ("mark", _rewrite(lambda data: data.replace(b'"bytes": ', b'"bytes": 1'))),
        ("mark", lambda path: path.unlink()),
        ("rows", _rewrite(lambda data: data[:-1])),
        ("rows", _rewrite(lambda data: data + b"\n")),
        ("rows", lambda path: path.unlink()),
    ],
)
def test_a_mark_that_lies(kind: str, change: Callable[[Path], None], tmp_path: Path) -> None:
    store = Store(tmp_path)
    finish(store)
    assert store.mark(UNIT) is not None
    change(store.mark_path(UNIT) if kind == "mark" else store.rows_path(UNIT))
    assert store.mark(UNIT) is None


def test_images_are_addressed_by_their_content(tmp_path: Path) -> None:
    store = Store(tmp_path)
    one, two = store.add_image(b"one"), store.add_image(b"two")
    assert one == sha256(b"one").hexdigest() != two
    assert store.image_path(one) == tmp_path / "images" / one[:2] / f"{one}.jpg"
    inode = store.image_path(one).stat().st_ino
    assert store.add_image(b"one") == one
    assert store.image_path(one).stat().st_ino == inode, "it is not written again"
    assert (store.image(one), store.image(two)) == (b"one", b"two")
    store.image_path(one).unlink()
    with pytest.raises(StoreError, match=f"picture {one} is missing"):
        store.image(one)


def test_rows_are_found_by_id_and_by_parent(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "a", "x", "y\u00e9", "z" * 5000)
    assert list(rows.ids) == ["x", "y\u00e9", "z" * 5000]
    for id_, offset in rows.ids.items():
        assert json.loads(rows.line(offset))["text"] == f"about {id_}"
    assert rows.children == {"p": list(rows.ids.values())}
    rows.close()


def test_no_rows(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "a")
    assert (rows.ids, rows.children) == ({}, {})
    rows.close()


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters='"\\', exclude_categories=["Cc"]))
        .filter(bool)
        .filter(str.isprintable),
        unique=True,
    )
)
def test_rows_of_any_ids(ids: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        rows = rows_of(Path(folder) / "a", *ids, parent="\u4f60")
        assert list(rows.ids) == ids
        assert [json.loads(rows.line(n))["id"] for n in rows.children.get("\u4f60", [])] == ids
        rows.close()


@pytest.mark.parametrize("id_", ['a"b', "a\\b", "a\nb"])
def test_ids_that_json_would_escape_are_refused(id_: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not a record"):
        rows_of(tmp_path / "a", id_)


@pytest.mark.parametrize("line", [b"{}\n", b"\n", b'{"parent":"p","id":"a"}\n', b"\xff\n"])
def test_lines_that_are_not_records_are_refused(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(line)
    with pytest.raises(StoreError, match="not a record"):
        Rows(path, sha256(line).hexdigest())


def test_rows_that_were_changed_are_refused(tmp_path: Path) -> None:
    rows_of(tmp_path / "a", "x").close()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(StoreError, match=r"changed after it was finished; delete its .done.json"):
        Rows(tmp_path / "a", sha256(b"other").hexdigest())
    assert len(os.listdir("/proc/self/fd")) == before, "the file is closed"


def test_dump_keeps_what_utf_8_cannot() -> None:
    assert dump({"a": "\u00e9"}) == '{"a": "\u00e9"}\n'.encode()
    assert json.loads(dump({"a": "half \ud83d pair"})) == {"a": "half \ud83d pair"}
