"""Reading sets back, and answer files of every kind with every fault."""

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scored_set import TASK, MadeItem, made, write_set

from mcu.errors import ConfigError, StoreError
from mcu.scores.reading import items_of, questions_of, rows_of, text_of

ROWS = [{"item_id": "a", "output": '정답은 D) 책, "quoted"\nnext'}, {"item_id": "b", "output": ""}]


def test_items_are_read_back_as_they_were(tmp_path: Path) -> None:
    found = made(12)
    folder = write_set(tmp_path / "set", found)
    read = list(items_of(folder, TASK, ("train", "validation", "test")))
    kept = found[-1].model_copy(update={"note": "half a pair \\ud83d"})  # as files keep it
    assert read == [*found[:-1], kept]
    questions = list(questions_of(folder, TASK, ("test",)))
    assert [q.id for q in questions] == [item.item_id for item in found[6:]]
    assert all(q.views == {} and q.photos == (0, 0, 1, 1) for q in questions)


def test_sets_that_cannot_be_read(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", made(4))
    with pytest.raises(ConfigError, match=r"no validation\.parquet; `mcu derive coref`"):
        list(items_of(folder, TASK, ("validation",)))
    pq.write_table(pa.table({"item_id": ["x"]}), folder / "test.parquet")
    with pytest.raises(StoreError, match="no coref set"):
        list(items_of(folder, TASK, ("test",)))
    (folder / "test.parquet").write_bytes(b"PAR1 torn")
    with pytest.raises(StoreError, match=r"test\.parquet is no coref set"):
        list(items_of(folder, TASK, ("test",)))
    with pytest.raises(ConfigError, match="no options"):
        list(questions_of(folder, replace(TASK, question=None), ("train",)))


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "parquet"])
def test_rows_of_every_kind_of_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"answers.{kind}"
    if kind == "jsonl":
        lines = "\n\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)
        path.write_text("\ufeff" + lines, "utf-8")
    elif kind == "json":
        path.write_text(json.dumps(ROWS), "utf-8")
    elif kind == "csv":
        quoted = '"정답은 D) 책, ""quoted""\nnext"'
        path.write_text(f"item_id,output\na,{quoted}\nb,\n", "utf-8")
    else:
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    assert [row for _, row in rows_of(path)] == ROWS


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.jsonl", '{"item_id": "a"}\n{"item_id": "b", "out', "line 2 is not JSON"),
        ("a.jsonl", "[1]\n", "line 1 is no object"),
        ("a.json", "{", "is not JSON"),
        ("a.json", "{}", "must hold a list"),
        ("a.csv", "item_id,output\na\n", "row 2 has not as many fields"),
        ("a.parquet", "PAR1", "is no parquet file"),
        ("a.txt", "", "must end in"),
        ("a.jsonl", None, "cannot be read"),
    ],
)
def test_files_with_faults(tmp_path: Path, name: str, text: str | None, said: str) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=said):
        list(rows_of(path))


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"item_id": "\xff"}')
    with pytest.raises(ConfigError, match="cannot be read"):
        list(rows_of(path))


def test_fields_that_must_be_text() -> None:
    assert text_of({"output": ""}, "output", "here") == ""
    with pytest.raises(ConfigError, match="here has no 'output'; its fields are id, answer"):
        text_of({"id": 1, "answer": "A"}, "output", "here")
    with pytest.raises(ConfigError, match="must be text, not None"):
        text_of({"output": None}, "output", "here")


def test_the_made_item_has_every_kind_of_field() -> None:
    assert {"checks", "difficulty", "note", "weights", "source"} <= set(MadeItem.model_fields)
