"""`mcu score`: from a set on disk to prompts, answers, a table and JSON."""

import json
from pathlib import Path
from typing import Any

import pytest
from scored_set import TASK, made, write_set
from typer.testing import CliRunner

from mcu.cli import app
from mcu.cli.score import CHOICES
from mcu.errors import ConfigError
from mcu.stages import derive

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def _one_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derive, "TASKS", (TASK,))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("release") / "stark-coref", made(40))


def score(*arguments: str | Path) -> str:
    found = RUNNER.invoke(app, ["score", "coref", *map(str, arguments)], catch_exceptions=False)
    assert found.exit_code == 0
    return found.stdout


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def answered(path: Path, prompts: list[dict[str, Any]], turn: bool) -> Path:
    """What a model says that always takes the first option."""
    rows = []
    for prompt in prompts:
        first = prompt["messages"][0]["content"].splitlines()[-4]
        rows.append({"item_id": prompt["item_id"], "output": first})
        if turn:
            rows[-1]["rotation"] = prompt["rotation"]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_from_prompts_to_scores(folder: Path, tmp_path: Path) -> None:
    prompts, each = tmp_path / "prompts.jsonl", tmp_path / "each.jsonl"
    assert score("--set", folder, "--write-prompts", prompts) == ""
    assert len(lines(prompts)) == 20
    answers = answered(tmp_path / "answers.jsonl", lines(prompts), False)
    facts = json.loads(score(answers, "--set", folder, "--each", each, "--json"))
    assert (facts["task"], facts["splits"], facts["answered"]) == ("coref", ["test"], 20)
    assert facts["recall"]["A"]["value"] == 1
    assert facts["read"] == {"exact": 20}
    kept = lines(each)
    assert len(kept) == 20
    assert all(row["said"] == ["A"] for row in kept)
    assert sum(row["exact"] for row in kept) == round(20 * facts["exact"]["value"])
    shown = score(answers, "--set", folder, "--by-group")
    assert "coref, test" in shown
    assert "intervals: bootstrap over split groups" in shown


def test_rotations_from_prompts_to_scores(folder: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.jsonl"
    score("--set", folder, "--write-prompts", prompts, "--rotations", "--split", "all")
    assert len(lines(prompts)) == 160
    answers = answered(tmp_path / "answers.jsonl", lines(prompts), True)
    facts = json.loads(score(answers, "--set", folder, "--split", "all", "--json"))
    assert facts["items"] == 40
    assert (facts["object"]["value"], facts["circular"]["value"]) == (0.25, 0)
    assert "CircularEval" in score(answers, "--set", folder, "--split", "all")


def test_what_is_refused(folder: Path, tmp_path: Path) -> None:
    def refused(*arguments: str | Path) -> str:
        with pytest.raises(ConfigError) as error:
            score(*arguments)
        return str(error.value)

    path = tmp_path / "answers.jsonl"
    path.write_text('{"item_id": "x", "output": "A"}')
    assert "takes a file of answers, or --write-prompts" in refused("--set", folder)
    assert "of no item of this split, such as 'x'" in refused(path, "--set", folder)
    assert "no validation.parquet" in refused(path, "--set", folder, "--split", "validation")


def test_every_task_with_options_has_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert {task.name for task in derive.TASKS if task.question} == CHOICES.keys()
