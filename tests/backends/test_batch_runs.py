"""Whole runs in batch mode: the same release as live, whatever becomes of the batches."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_world import MODEL, quick

import mcu
from helpers import MCU, Simulator, environment, simulator, tree
from helpers import mcu as command
from mcu.errors import Incomplete
from mcu.run import Run
from mcu.status import status


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run that was made with live calls."""
    folder = tmp_path_factory.mktemp("live")
    with simulator(folder) as server:
        run = make(folder / "live", server, mode="live")
        run.execute()
    yield run


def make(root: Path, server: Simulator, run: dict[str, Any] | None = None, **chat: Any) -> Run:
    own = {"backend": "openai", "base_url": server.url, "model": MODEL, "mode": "batch"}
    facts = {"episodes": 10, "sessions": [1, 2], "turns": 4, "seed": 3, **(run or {})}
    return mcu.make_run(root, run=facts, chat={**own, **chat})


def test_the_release_is_that_of_live_calls_at_half_the_price(live: Run, tmp_path: Path) -> None:
    with simulator(tmp_path, "--batch-latency", "0.2") as server:
        run = make(tmp_path / "run", server)
        assert run.execute()["state"] == "complete"
        seen = server.stats()
    assert tree(run.root / "release") == tree(live.root / "release")
    told, usual = status(run), status(live)
    assert told["calls"] == usual["calls"] == seen["batch_requests"] == seen["requests"]
    assert told["usd"] == pytest.approx(usual["usd"] / 2) == pytest.approx(seen["usd"])
    assert seen["batch_inputs_repeated"] == 0


@pytest.mark.parametrize(
    "faults", [{"batch_expired": 0.5, "batch_line": 0.1}, {"batch_failed": 0.4}]
)
def test_what_batches_leave_is_asked_for_singly(
    faults: dict[str, float], live: Run, tmp_path: Path
) -> None:
    flags = [word for kind, share in faults.items() for word in ("--fault", f"{kind}={share}")]
    with simulator(tmp_path, "--batch-latency", "0.2", *flags) as server:
        run = make(tmp_path / "run", server)
        run.execute()
        seen: dict[str, Any] = server.stats()
    assert seen["faults"].keys() == faults.keys()
    assert tree(run.root / "release") == tree(live.root / "release")
    assert seen["batch_inputs_repeated"] == 0
    assert "have no answer and are asked one by one" in (run.root / "log.jsonl").read_text()


def test_small_budgets_one_after_the_other(live: Run, tmp_path: Path) -> None:
    """The cap is never passed, and each resume goes on where the money ended."""
    whole = status(live)["usd"] / 2
    with simulator(tmp_path, "--batch-latency", "0.1") as server:
        for cap in (whole / 4, whole / 2):
            run = make(tmp_path / "run", server, {"max_usd": cap})
            with pytest.raises(Incomplete, match="resume with a higher --max-usd"):
                run.execute()
            assert server.stats()["usd"] <= cap
            assert status(run)["usd"] == pytest.approx(server.stats()["usd"])
        run = make(tmp_path / "run", server, {"max_usd": 10.0})
        run.execute()
        seen = server.stats()
    assert tree(run.root / "release") == tree(live.root / "release")
    assert seen["repeated"] == 0
    assert seen["usd"] == pytest.approx(whole)


def test_cancelled_from_the_command_line(live: Run, tmp_path: Path) -> None:
    with simulator(tmp_path, "--batch-latency", "10") as server:
        make(tmp_path / "outputs/run", server)
        with (tmp_path / "run.err").open("w") as errors:
            words = ["resume", "run"]
            process = subprocess.Popen(
                [*MCU, *words], cwd=tmp_path, env=environment(), stderr=errors, text=True
            )
            while server.stats()["batch_requests"] < 1:
                assert process.poll() is None
                time.sleep(0.02)
            told = command("cancel", "run", "--json", cwd=tmp_path)
            assert process.wait(20) == 3
        assert "batches were cancelled; `mcu resume` goes on" in (tmp_path / "run.err").read_text()
        assert told.returncode == 0, told.stderr
        assert [one["status"] for one in json.loads(told.stdout)["batches"]] == ["cancelling"]
        assert status(Run.open(tmp_path / "outputs/run"))["state"] == "incomplete"
    with simulator(tmp_path, "--batch-latency", "0.1") as server:
        run = make(tmp_path / "outputs/run", server)
        # That provider has gone, and its batches with it.
        again = command("cancel", "run", cwd=tmp_path)
        assert "unknown" in again.stdout
        run.execute()
        last = command("cancel", "run", cwd=tmp_path)
    assert (last.returncode, last.stdout) == (0, "")
    assert "nothing to cancel: run run has no batches out" in last.stderr
    assert tree(run.root / "release") == tree(live.root / "release")
