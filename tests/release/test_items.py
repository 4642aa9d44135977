"""The files of a derived set: columns from types, streamed, equal for equal items."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import BaseModel, Field

from helpers import tree
from mcu.derive import Task
from mcu.items import Item, ItemSource, Provenance, Split
from mcu.records import Row
from mcu.release.arrow import Columns, utf8
from mcu.release.items import ItemSet


class Thing(Row):
    name: str
    seen: bool | None = None


class Option(Row):
    label: Literal["A", "B"]
    text: str
    things: list[Thing] = Field([])
    why: dict[str, str] = Field({})


class Riddle(Item):
    question: str = Field(description="What is asked.")
    options: list[Option]
    answer: int | None = None
    best: Option | None = None
    spans: list[list[int]] = Field([])
    weights: tuple[float, ...] = ()
    either: int | str = 0


def riddle(number: int, split: Split = "train", **fields: Any) -> Riddle:
    return Riddle(
        item_id=str(number),
        task="riddle",
        task_version=1,
        split=split,
        split_group="g",
        source=ItemSource(unique_id="0:a-goal", sessions=[1, 2]),
        provenance=Provenance(),
        **{"question": "어느 것?", "options": []} | fields,
    )


def task(**parts: Any) -> Task:
    nothing: Iterator[Item] = iter(())
    return Task("riddle", "stark-riddle", 1, "Riddles.", Riddle, lambda _: nothing, **parts)


def chat(item: Riddle) -> list[dict[str, Any]]:
    return [{"role": "user", "content": item.question}, {"role": "assistant", "content": "A"}]


def form(item: Riddle) -> dict[str, Any]:
    return {"질문": item.question, "번호": item.item_id}


def write(folder: Path, items: list[Riddle], **parts: Any) -> Counter[str]:
    with ItemSet(folder, task(**parts)) as files:
        for item in items:
            files.add(item)
        return files.close()


def test_a_type_gives_its_columns() -> None:
    schema = Columns(Riddle).schema
    thing = pa.struct([("name", pa.string()), ("seen", pa.bool_())])
    texts = ["label", "text", "why"]
    fields: dict[str, pa.DataType] = dict.fromkeys(texts, pa.string())
    fields |= {"things": pa.list_(thing)}
    option = pa.struct([(name, fields[name]) for name in ("label", "text", "things", "why")])
    assert schema.names[:3] == ["item_id", "task", "task_version"]
    assert schema.field("task_version").type == pa.int64()
    assert schema.field("checks").type == pa.string(), "a dictionary is a JSON text"
    assert schema.field("options").type == pa.list_(option)
    assert schema.field("answer").type == pa.int64()
    assert schema.field("best").type == option
    assert schema.field("spans").type == pa.list_(pa.list_(pa.int64()))
    assert schema.field("weights").type == pa.list_(pa.float64())
    assert schema.field("either").type == pa.string()


def test_rows_come_back_as_they_went_in(tmp_path: Path) -> None:
    text = "Zoë 👩🏽‍🎨 says \"a\tb\"\nand 'c', 이거"
    full = riddle(
        0,
        question=text,
        options=[Option(label="A", text=text, things=[Thing(name="ü", seen=True)], why={"B": "é"})],
        answer=0,
        best=Option(label="B", text=""),
        spans=[[0, 2], []],
        weights=(0.5,),
        either="x",
        checks={"unique": 1.0},
    )
    write(tmp_path, [full, riddle(1)])
    first, second = pq.read_table(tmp_path / "train.parquet").to_pylist()
    assert first["question"] == text
    option = first["options"][0]
    assert option["things"] == [{"name": "ü", "seen": True}]
    assert json.loads(option.pop("why")) == {"B": "é"}
    assert json.loads(first.pop("checks")) == {"unique": 1.0}
    assert json.loads(first.pop("either")) == "x"
    told = {**first, "options": [{**option, "why": {"B": "é"}}], "checks": {"unique": 1.0}}
    told["best"]["why"] = json.loads(told["best"]["why"])
    assert Riddle(**told, either="x") == full
    assert second["best"] is None
    assert second["answer"] is None
    assert second["options"] == []


def test_lists_that_are_always_empty_keep_their_type(tmp_path: Path) -> None:
    write(tmp_path, [riddle(n) for n in range(3)])
    schema = pq.read_schema(tmp_path / "train.parquet")
    assert schema.field("spans").type.value_type.value_type == pa.int64()


def test_half_of_a_surrogate_pair_is_kept_as_its_escape(tmp_path: Path) -> None:
    broken = riddle(0, question="a \ud83d b", checks={"\ud83d": 0.0})
    write(tmp_path, [broken], chat=chat, forms={"seed": form})
    [row] = pq.read_table(tmp_path / "train.parquet").to_pylist()
    assert row["question"] == r"a \ud83d b" == utf8("a \ud83d b")
    assert json.loads(row["checks"]) == {"\ud83d": 0.0}
    [line] = (tmp_path / "chat/train.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["messages"][0]["content"] == "a \ud83d b"


def test_files_run_parallel_and_empty_splits_have_none(tmp_path: Path) -> None:
    items = [riddle(n, "test" if n % 3 else "train", question=f"이거 {n}") for n in range(2_500)]
    counts = write(tmp_path, items, chat=chat, forms={"seed": form, "other": form})
    assert counts == {"train": 834, "test": 1_666}
    assert sorted(tree(tmp_path)) == sorted(
        f"{place}{split}{ending}"
        for place, ending in (
            ("", ".parquet"),
            ("chat/", ".jsonl"),
            ("seed/", ".json"),
            ("other/", ".json"),
        )
        for split in ("train", "test")
    )
    file = pq.ParquetFile(tmp_path / "test.parquet")
    assert file.num_row_groups == 2, "written in groups, so that memory is flat"
    rows = file.read().to_pylist()
    forms = json.loads((tmp_path / "seed/test.json").read_text(encoding="utf-8"))
    lines = (tmp_path / "chat/test.jsonl").read_text(encoding="utf-8").splitlines()
    assert [r["item_id"] for r in rows] == [f["번호"] for f in forms]
    assert [json.loads(n)["messages"][0]["content"] for n in lines] == [f["질문"] for f in forms]
    assert "이거" in lines[0], "letters are not escaped"


def test_equal_items_give_equal_bytes(tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path / name, [riddle(n) for n in range(5)], chat=chat, forms={"seed": form})
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_files_are_given_back_when_an_item_fails(tmp_path: Path) -> None:
    def fails(_: Riddle) -> list[dict[str, Any]]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write(tmp_path, [riddle(0)], chat=fails)


def test_no_items_no_files(tmp_path: Path) -> None:
    assert write(tmp_path / "none", []) == {}
    assert not (tmp_path / "none").exists()


def test_what_has_no_fields_is_text() -> None:
    class Loose(BaseModel):
        anything: Any = None
        pairs: dict[str, list[int]] | None = None

    columns = Columns(Loose)
    assert columns.schema.types == [pa.string(), pa.string()]
    assert columns.row(Loose(anything=[Thing(name="a")])) == {
        "anything": '[{"name": "a", "seen": null}]',
        "pairs": None,
    }
