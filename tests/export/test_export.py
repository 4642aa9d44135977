"""Exports of a whole run: files, counts, summaries, and what stands in the way."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import mcu
from helpers import mcu as cli
from helpers import tree
from mcu.errors import ConfigError, StoreError
from mcu.export.answers import Shared, parse_share
from mcu.export.files import ExportFiles
from mcu.export.summariser import export_summariser
from mcu.export.ultron import Options, export_ultron
from mcu.records import Session
from mcu.run import Run
from mcu.stages.derive.summary import Summary, summary
from mcu.store import Unit

SETTINGS: dict[str, dict[str, Any]] = {
    "run": {"episodes": 20, "seed": 4},
    "release": {"validation": 0.3, "test": 0.3},
}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = mcu.make_run(tmp_path_factory.mktemp("runs") / "r", **SETTINGS)
    made.execute()
    return made


@pytest.fixture(scope="module")
def run(bare: Run) -> Run:
    bare.derive((summary,))
    return bare


def rows(folder: Path, split: str) -> list[dict[str, Any]]:
    text = (folder / f"{split}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def summaries(run: Run) -> list[Summary]:
    found = []
    for shard in range(run.config.shards):
        text = run.store.rows_path(Unit(summary, shard)).read_text(encoding="utf-8")
        found += [Summary.model_validate_json(line) for line in text.splitlines()]
    return found


def test_without_summaries_they_are_asked_for(bare: Run, tmp_path: Path) -> None:
    """First of all: the fixture `run` makes them."""
    with pytest.raises(ConfigError, match=r"has no summaries.*`mcu derive summary r` makes"):
        export_ultron(bare, tmp_path / "u", Options(summaries=True))
    with pytest.raises(ConfigError, match="has no summaries"):
        export_summariser(bare, tmp_path / "s")
    assert not any(tmp_path.iterdir())


def test_ultron(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "u"
    facts = export_ultron(run, folder, Options(negatives=True, summaries=True))
    assert json.loads((folder / "export.json").read_bytes()) == facts
    assert len(facts["records"]) > 1
    groups: dict[str, set[str]] = {}
    shared = 0
    for split, number in facts["records"].items():
        found = rows(folder, split)
        assert len(found) == number
        groups[split] = {row["split_group"] for row in found}
        for row in found:
            shared += row["shares"]
            answer = parse_share(row["messages"][1]["content"][0]["text"])
            assert isinstance(answer, Shared) == row["shares"]
            (name,) = row["images"]
            assert name == f"images/{row['face_key'].removeprefix('face:')}.jpg"
            assert (folder / name).is_file()
    assert sum(map(len, groups.values())) == len(set().union(*groups.values())) == 4
    assert len(list((folder / "images").iterdir())) == facts["pictures"] == 4
    for path in (folder / "images").iterdir():
        with Image.open(io.BytesIO(path.read_bytes())) as image:
            assert image.format == "JPEG"
    turns = [turn for session in run.records(Session) for turn in session.turns]
    assert shared == sum(turn.image is not None for turn in turns)
    plain = sum(bool(turn.utterance) for turn in turns)
    assert sum(facts["records"].values()) == shared + plain


def test_equal_runs_give_equal_exports(run: Run, tmp_path: Path) -> None:
    export_ultron(run, tmp_path / "a", Options(history="merged", summaries=True))
    export_ultron(run, tmp_path / "b", Options(history="merged", summaries=True))
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    export_ultron(run, tmp_path / "b", Options())
    assert tree(tmp_path / "a") != tree(tmp_path / "b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_datasets_reads_it(run: Run, tmp_path: Path) -> None:
    from datasets import load_dataset

    facts = export_ultron(run, tmp_path / "u", Options())
    files = {split: str(tmp_path / f"u/{split}.jsonl") for split in facts["records"]}
    found = load_dataset("json", data_files=files, cache_dir=str(tmp_path / "cache"))
    assert {split: found[split].num_rows for split in found} == facts["records"]
    message = found["train"][0]["messages"][0]
    assert [part["type"] for part in message["content"]] == ["text", "image"]


def test_summariser(run: Run, tmp_path: Path) -> None:
    facts = export_summariser(run, tmp_path / "s")
    found = [row for split in facts["records"] for row in rows(tmp_path / "s", split)]
    known = {one.text: one for one in summaries(run)}
    assert len(found) == len(known)
    before: dict[tuple[str, int], str] = {}
    for row in found:
        asked, told = (message["content"] for message in row["messages"])
        assert known[told].round == row["round"]
        before[row["unique_id"], row["session"]] = told
        if row["round"] == "next":
            assert before[row["unique_id"], row["session"] - 1] in asked
        else:
            assert row["session"] == 1
    assert not (tmp_path / "s/images").exists()


def test_nothing_else_is_replaced(run: Run, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    export_ultron(run, mine, Options())
    (mine / "export.json").unlink()
    before = tree(mine)
    with pytest.raises(ConfigError, match="holds something that is no export"):
        export_ultron(run, mine, Options())
    assert tree(mine) == before
    (tmp_path / "file").write_text("kept")
    with pytest.raises(ConfigError, match="holds something that is no export"):
        export_ultron(run, tmp_path / "file", Options())
    with pytest.raises(StoreError, match="cannot be written"):
        export_ultron(run, tmp_path / "file" / "deeper", Options())


def test_an_export_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    with ExportFiles(tmp_path / "e") as files:
        files.add("train", {"n": 1})
        files.finish({})
    before = tree(tmp_path / "e")
    with pytest.raises(StoreError, match="No space left"), ExportFiles(tmp_path / "e") as files:
        files.add("train", {"n": 2})
        raise OSError(28, "No space left on device")
    assert tree(tmp_path / "e") == before
    assert [path.name for path in tmp_path.iterdir()] == ["e"]


def test_the_command(run: Run, tmp_path: Path) -> None:
    outputs = ("--outputs", str(run.root.parent))
    template = tmp_path / "mine.txt"
    template.write_text("{name} on {date}\n{dialogue}", encoding="utf-8")
    made = cli(
        *("export", "ultron", "r", "--template", str(template), "--out", "u", "--json", *outputs),
        cwd=tmp_path,
    )
    assert made.returncode == 0, made.stderr
    facts = json.loads(made.stdout)
    assert facts["folder"] == "u"
    row = rows(tmp_path / "u", next(iter(facts["records"])))[0]
    assert " on 20" in row["messages"][0]["content"][0]["text"].split("\n")[0]
    made = cli("export", "summariser", "--out", "s", *outputs, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert "records (" in made.stdout
    template.write_text("{name}", encoding="utf-8")
    made = cli("export", "ultron", "r", "--template", str(template), *outputs, cwd=tmp_path)
    assert made.returncode == 2
    assert made.stderr == f"mcu: error: template {template} has no slot {{dialogue}}\n"
