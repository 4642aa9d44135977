"""Derived sets: of complete runs alone, killed and gone on with, dropped with their release."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from helpers import MCU, Simulator, environment, mcu, simulator, tree
from mcu import make_run
from mcu.config import load_config
from mcu.derive import derive, tasks_named
from mcu.errors import ConfigError, Incomplete
from mcu.run import Run
from mcu.stages import STAGES
from mcu.stages.derive import FURTHER, TASKS


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = make_run(tmp_path_factory.mktemp("runs") / "a", run={"episodes": 10})
    run.execute()
    return run


def copied(run: Run, folder: Path) -> Run:
    shutil.copytree(run.root, folder / run.root.name)
    return Run.open(folder / run.root.name)


def test_names_and_numbers_are_told_apart() -> None:
    assert len({task.name for task in TASKS}) == len({task.folder for task in TASKS}) == len(TASKS)
    numbers = [stage.number for stage in (*STAGES, *FURTHER)]
    assert numbers == sorted(set(numbers))
    assert tasks_named("all") == TASKS
    with pytest.raises(ConfigError, match="there is no task 'corefs'; there are summary, coref"):
        tasks_named("corefs")


def test_an_unfinished_run_gives_nothing(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", run={"episodes": 5})
    run.execute((1, 3))
    with pytest.raises(ConfigError, match="is not complete; `mcu resume a` ends it"):
        derive(run, TASKS[0])


def test_a_new_release_drops_what_was_derived_from_the_old(made: Run, tmp_path: Path) -> None:
    run = copied(made, tmp_path)
    (task,) = tasks_named("timeline-qa")
    found = derive(run, task)
    assert found.counts.total() == len(found.questions) > 0
    assert (run.root / "release" / task.folder / "README.md").is_file()
    again = Run.create(run.root, load_config(flags=["run.episodes=10", "release.test=0.5"]))
    again.execute()
    assert not (run.root / "release" / task.folder).exists()
    assert json.loads((run.root / "run.json").read_bytes())["state"] == "complete"


def test_settings_of_derived_stages_are_no_part_of_the_run(made: Run, tmp_path: Path) -> None:
    run = copied(made, tmp_path)
    flags = ["run.episodes=10", "derive.pairs=2", "chat.stages.coref.temperature=0.5"]
    again = Run.create(run.root, load_config(flags=flags))
    again.execute()
    assert Run.open(run.root).config.derive.pairs == 2
    with pytest.raises(ConfigError, match=r"run\.turns"):
        Run.create(run.root, load_config(flags=["run.episodes=10", "run.turns=8"]))


def test_a_limit_of_items_is_kept(made: Run, tmp_path: Path) -> None:
    run = copied(made, tmp_path)
    limited = Run.create(run.root, load_config(flags=["run.episodes=10", "derive.items=7"]))
    assert derive(limited, tasks_named("timeline-qa")[0]).counts.total() == 7


def test_a_run_without_material_is_told(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", run={"episodes": 5, "sessions": (1, 1)})
    run.execute()
    with pytest.raises(Incomplete, match="timeline-order: no items; of what there was: "):
        derive(run, tasks_named("timeline-order")[0])
    assert not (run.root / "release" / "stark-timeline-order").exists()
    assert not list(run.root.glob(".stark-*"))


def test_all_goes_on_past_a_task_that_has_nothing(tmp_path: Path) -> None:
    sessions = ("--set", "run.sessions=[1, 1]")
    assert mcu("run", "--episodes", "5", "--name", "a", *sessions, cwd=tmp_path).returncode == 0
    done = mcu("derive", "all", "a", "--audit", "--json", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].startswith("mcu: incomplete: timeline-order: no items")
    facts = {fact["task"]: fact for fact in json.loads(done.stdout)}
    assert "summary" in facts and "coref" in facts and "timeline-order" not in facts
    assert facts["coref"]["audit"]["all"]["items"] == facts["coref"]["items"] > 0
    assert Path(tmp_path, facts["coref"]["folder"], "audit.json").is_file()


def test_kills(tmp_path: Path) -> None:
    """A derivation killed four times ends in the same bytes, and no answer is paid for twice."""
    more = ("--set", 'derive.languages=["en", "ko"]')
    with simulator(tmp_path, "--latency", "0.01") as server:
        given = ("--profile", "openai", "--set", f"chat.base_url={server.url}", "--episodes", "5")
        assert mcu("run", *given, "--name", "a", cwd=tmp_path).returncode == 0
        shutil.copytree(tmp_path / "outputs/a", tmp_path / "outputs/b")
        before = int(server.stats()["requests"])
        whole = mcu("derive", "all", "a", *more, cwd=tmp_path)
        assert whole.returncode == 0, whole.stderr
        calls = int(server.stats()["requests"]) - before
        server.reset()
        command = [*MCU, "derive", "all", "b", *more]
        killed = [kill_after(calls * part // 5, command, server, tmp_path) for part in range(1, 5)]
        assert sum(killed) >= 3, "too few were alive to kill"
        assert mcu("derive", "all", "b", *more, cwd=tmp_path).returncode == 0
        stats = server.stats()
        # What was in flight at a kill is asked again, and nothing else.
        assert calls <= int(stats["requests"]) <= calls + 4 * 64
        assert stats["unique"] == calls
    assert tree(tmp_path / "outputs/a/release") == tree(tmp_path / "outputs/b/release")
    assert not list((tmp_path / "outputs/b").rglob("*.tmp"))


def kill_after(count: int, command: list[str], server: Simulator, folder: Path) -> bool:
    """SIGKILL a command once the server has seen so many requests; whether it was alive."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and server.stats()["unique"] < count:
        time.sleep(0.01)
    alive = process.poll() is None
    if alive:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return alive
