"""Sets of derived tasks are checked against the rows and pictures that they come from."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mcu.check import Report, check
from mcu.run import Run
from spoiled import copied, rows


def item(row: dict[str, Any], split: str, number: int) -> dict[str, Any]:
    keys = [key for key in json.loads(row["session1:images_key"]) if key]
    return {
        "item_id": f"{row['split_group'][:-4]}{number:04d}",
        "split": split,
        "split_group": row["split_group"],
        "source": json.dumps({"unique_id": row["index"], "image_keys": keys}),
        "turns": json.dumps([{"text": f"Look, 4111 of them at {keys[0]}, on 2023.05.10."}]),
        "answer": "A",
    }


def derived(run: Run, **bad: dict[str, Any]) -> Report:
    """The run checked with a set of items; `bad` changes the first one of a split."""
    folder = run.root / "release/stark-things"
    folder.mkdir()
    for split in ("train", "test"):
        items = [item(row, split, n) for n, row in enumerate(rows(run, split))]
        items[0] |= bad.get(split, {})
        pq.write_table(pa.Table.from_pylist(items), folder / f"{split}.parquet")
    return check(run)


def wrong(report: Report) -> dict[str, float]:
    return {found.name: found.value for found in report.findings if not found.passed}


def test_good_items_pass(released: Run, tmp_path: Path) -> None:
    report = derived(copied(released, tmp_path / "r"))
    assert wrong(report) == {}
    assert sum(found.name.startswith("stark-things:") for found in report.findings) == 7


def test_bad_items_are_found(released: Run, tmp_path: Path) -> None:
    held = rows(released, "test")[0]
    nowhere = {"image_keys": ["00000000-0000-4000-8000-000000000001", held["human_face_image_key"]]}
    bad = {
        "item_id": item(rows(released)[1], "train", 1)["item_id"],
        "split": "test",
        "split_group": held["split_group"],
        "source": json.dumps(nowhere),
        "turns": json.dumps([{"text": "Mail me: ana@web.de. A naked selfie!"}]),
    }
    assert wrong(derived(copied(released, tmp_path / "r"), train=bad)) == {
        "stark-things: ids that come twice": 1,
        "stark-things: pictures that are nowhere": 1,
        "stark-things: items in another side's file": 1,
        "stark-things: personas on another side": 1,
        "stark-things: texts that the word lists refuse": 1,
        "stark-things: private data": 1,
    }
