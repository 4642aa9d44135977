"""What is told of a run: its counts, its state, and which runs there are."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from authors import Author, field, writes

import mcu
from helpers import rejects
from mcu.errors import BackendError, ConfigError
from mcu.records import Persona
from mcu.run import Run
from mcu.stages import STAGES
from mcu.status import newest_unfinished, runs, status

FIELDS = {
    "name": str,
    "folder": str,
    "state": str,
    "reason": str,
    "episodes": int,
    "calls": int,
    "repeated": int,
    "prompt_tokens": int,
    "completion_tokens": int,
    "cached_tokens": int,
    "usd": float,
    "cache_share": float,
    "unpriced": list,
    "seconds": float,
    "stages": list,
}

PAID = {"calls", "prompt_tokens", "completion_tokens", "cached_tokens", "usd"}
STAGE = {"number", "name", "shards", "shards_done", "records", "rejects", *PAID}


def make(root: Path, episodes: int = 10, **chat: Any) -> Run:
    facts = {"sessions": [1, 1], "turns": 4, "episodes": episodes}
    return mcu.make_run(root, run=facts, chat={"repairs": 0, **chat})


def test_a_run_that_never_started(tmp_path: Path) -> None:
    facts = status(make(tmp_path / "a"))
    assert {key: type(value) for key, value in facts.items()} == FIELDS
    assert facts["state"] == "new"
    assert [(s["number"], s["name"]) for s in facts["stages"]] == [
        (s.number, s.name) for s in STAGES
    ]
    for stage in facts["stages"]:
        assert set(stage) == STAGE
        assert (stage["shards"], stage["shards_done"], stage["records"]) == (2, 0, 0)


def test_the_sums_are_those_of_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = ("goal", "routine")
    author = Author(
        lambda r, t: "" if r.schema_name == "events" and field(r, "Relation") in lost else None
    )
    writes(monkeypatch, author)
    run = make(tmp_path / "a")
    run.execute((1, 7))
    facts = status(run)
    assert json.loads(json.dumps(facts)) == facts
    assert (facts["name"], facts["folder"]) == ("a", str(tmp_path / "a"))
    assert (facts["state"], facts["episodes"]) == ("partial", 10)
    by_stage = {stage["name"]: stage for stage in facts["stages"]}
    assert [stage["shards_done"] for stage in facts["stages"]] == [2] * 7 + [0]
    for stage in STAGES:
        assert by_stage[stage.name]["records"] == len(list(run.records(stage.makes)))
    assert by_stage["events"]["rejects"] == {"empty": 4}
    told = sum((Counter(stage["rejects"]) for stage in facts["stages"]), Counter())
    assert told == Counter(row["code"] for row in rejects(run.root))
    assert facts["calls"] == len(author.requests)
    asked = [m["content"] for request in author.requests for m in request.messages]
    assert facts["prompt_tokens"] == pytest.approx(sum(map(len, asked)) / 4, rel=0.01)
    assert 0 < facts["completion_tokens"] < facts["prompt_tokens"]
    assert facts["repeated"] == 0
    assert 0 < facts["seconds"] < 60


@pytest.mark.parametrize("at", [2, 9, 15, 33])
def test_calls_are_counted_once_while_a_run_goes_on(
    at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when some shards of a stage are done, and others are not."""
    answered: list[Any] = []

    def refuse(request: Any, text: str) -> None:
        if len(answered) == at:
            raise BackendError("no more")
        answered.append(request)

    writes(monkeypatch, Author(refuse))
    run = make(tmp_path / "a", 20)
    with pytest.raises(BackendError):
        run.execute((1, 7))
    facts = status(run, shards=True)
    assert (facts["state"], facts["reason"]) == ("failed", "no more")
    assert facts["calls"] == at
    asked = Counter(request.schema_name for request in answered)
    for stage in facts["stages"]:
        shards = [row for row in facts["shards"] if row["stage"] == stage["name"]]
        assert stage["calls"] == asked[stage["name"]] == sum(row["calls"] for row in shards)
        assert stage["prompt_tokens"] == sum(row["prompt_tokens"] for row in shards)
        assert (stage["prompt_tokens"] > 0) is (stage["calls"] > 0)
    writes(monkeypatch, Author())
    run.execute((1, 7))
    facts = status(run)
    assert facts["calls"] == 4 + 4 + 20 * 4, "personas, inferences, and four prompts an episode"


def test_answers_from_the_journal_are_repeated(tmp_path: Path) -> None:
    run = make(tmp_path / "a", 5)
    run.execute((1, 4))
    before = status(run)
    for mark in run.root.glob("s[34]_*/*.done.json"):
        mark.unlink()
    run.execute((1, 4))
    after = status(run)
    assert (before["repeated"], after["repeated"]) == (0, 1 + 5)
    assert after["calls"] == before["calls"]


def note(run: Run, **state: Any) -> None:
    (run.root / "run.json").write_text(json.dumps({"stages": [1, 8], "seconds": 1.0, **state}))


@pytest.mark.parametrize("pid", [0, -1, 2**22 + 5, 10**30])
def test_a_run_whose_process_is_gone_was_interrupted(pid: int, tmp_path: Path) -> None:
    run = make(tmp_path / "a")
    note(run, state="running", pid=pid)
    assert status(run)["state"] == "interrupted"


def test_a_killed_process_is_told_from_a_living_one(tmp_path: Path) -> None:
    run = make(tmp_path / "a")
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    note(run, state="running", pid=process.pid)
    assert status(run)["state"] == "running"
    process.kill()
    process.communicate()
    assert status(run)["state"] == "interrupted"
    note(run, state="running", pid=1)
    assert status(run)["state"] == "running", "another user's process is alive, too"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\xff"])
def test_a_torn_state_is_none(text: str, tmp_path: Path) -> None:
    run = make(tmp_path / "a")
    (run.root / "run.json").write_text(text, encoding="latin-1")
    assert status(run)["state"] == "new"


def names(found: list[Run]) -> list[str]:
    return [run.root.name for run in found]


def three(outputs: Path) -> list[Run]:
    """Runs that were last worked on in the order b, c, a."""
    made = [make(outputs / name, 5) for name in "abc"]
    for run, when in zip(made, (300, 100, 200), strict=True):
        os.utime(run.root / "run.toml", (when, when))
    return made


def test_runs_come_newest_first(tmp_path: Path) -> None:
    three(tmp_path)
    (tmp_path / "not a run").mkdir()
    (tmp_path / "file").write_text("")
    assert names(runs(tmp_path)) == ["a", "c", "b"]
    assert runs(tmp_path / "nosuch") == []


def test_a_run_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    three(tmp_path)
    (tmp_path / "a/run.toml").write_text("[run]\nfrom_a_later_version = 1\n")
    assert names(runs(tmp_path)) == ["c", "b"]


@pytest.mark.parametrize("state", ["interrupted", "failed", "incomplete", "partial"])
def test_the_newest_unfinished_run(state: str, tmp_path: Path) -> None:
    first, second, third = three(tmp_path)
    note(first, state="complete")
    note(second, state=state)
    note(third, state="complete")
    assert newest_unfinished(tmp_path).root.name == "b"
    note(third, state=state)
    assert newest_unfinished(tmp_path).root.name == "c"


def test_no_unfinished_run(tmp_path: Path) -> None:
    for run in three(tmp_path):
        note(run, state="complete")
    for folder in (tmp_path, tmp_path / "nosuch"):
        with pytest.raises(ConfigError, match="there is no unfinished run"):
            newest_unfinished(folder)


def test_states_of_a_real_run(tmp_path: Path) -> None:
    run = make(tmp_path / "a", 5)
    assert run.execute((1, 3))["state"] == "partial"
    assert newest_unfinished(tmp_path).root == run.root
    assert run.execute((4, 8))["state"] == "complete"
    with pytest.raises(ConfigError):
        newest_unfinished(tmp_path)
    assert run.execute()["state"] == "complete"
    assert len(list(run.records(Persona))) == 1


def test_some_shards_are_not_a_whole_run(tmp_path: Path) -> None:
    run = make(tmp_path / "a", 10)
    assert run.execute((1, 8), (0, 0))["state"] == "partial"
    assert run.execute((1, 8), (1, 1))["state"] == "partial"
    assert run.execute((1, 8))["state"] == "complete"
