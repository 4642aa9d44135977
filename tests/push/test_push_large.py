"""600 MB in 60 files over a bad line, and a whole run from its first stage to the Hub and back."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hub import Fault, serving
from releases import (
    assert_all_there,
    assert_cards_last,
    assert_nothing_twice,
    command,
    environment,
    run_push,
    write_release,
)

from mcu.stages.derive import TASKS

NOW = {"Retry-After": "0"}
MB = 1_000_000

LOAD = """
import sys, datasets
for name in sys.argv[1:]:
    data = datasets.load_dataset(name, split="train")
    print(name, len(data), ",".join(data.column_names))
"""


@pytest.mark.slow
def test_600_mb_arrive_once_whatever_happens(tmp_path: Path) -> None:
    names = [f"stark-image/stark-train-{n:06d}-of-000048.tar" for n in range(48)]
    names += [f"stark-face-image/stark-train-{n:06d}-of-000012.tar" for n in range(12)]
    outputs = tmp_path / "outputs"
    release = write_release(outputs, dict.fromkeys(names, 10 * MB))
    # Each file is sent in two parts: 120 requests, of which ten are cut at different points.
    cuts = [Fault("put", 3 + 11 * n, cut=n * MB // 2) for n in range(10)]
    answers = [Fault("put", 40, status=500, times=2), Fault("put", 85, status=429, headers=NOW)]
    answers += [Fault("batch", 1, status=429, headers=NOW), Fault("commit", 2, status=500)]
    try:
        with serving(tmp_path / "hub") as hub:
            env, began = environment(hub, tmp_path / "home"), time.monotonic()
            with subprocess.Popen(command(outputs), env=env, stderr=subprocess.DEVNULL) as first:
                kill = Fault("put", 60, cut=MB, call=lambda: os.kill(first.pid, signal.SIGKILL))
                hub.faults = [kill, *cuts, *answers]
            assert first.returncode == -signal.SIGKILL
            assert 10 < len(hub.stored) < 50
            done = run_push(outputs, env)
            assert done.returncode == 0, done.stderr
            assert len(hub.fired) >= len(hub.faults)
            assert set(map(id, hub.fired)) == set(map(id, hub.faults))
            assert_all_there(hub, release)
            assert_nothing_twice(hub)
            assert len(hub.stored) == 61  # with the parquet
            assert_cards_last(hub)
            print(f"{time.monotonic() - began:.0f} s")
            loaded = subprocess.run(
                [sys.executable, "-c", LOAD, "ada/x-dialogue"],
                **{"env": env, "capture_output": True, "text": True},
            )
            assert loaded.stdout == "ada/x-dialogue 2 index,name\n", loaded.stderr
    finally:
        shutil.rmtree(tmp_path)


@pytest.mark.slow
def test_a_run_is_checked_pushed_and_loaded(tmp_path: Path) -> None:
    def mcu(*words: str, code: int = 0, **more: str) -> str:
        words = (*words, "--outputs", str(tmp_path / "outputs"))
        done = subprocess.run(
            [sys.executable, "-m", "mcu", *words],
            **{"env": env | more, "capture_output": True, "text": True},
        )
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    with serving(tmp_path / "hub") as hub:
        env = environment(hub, tmp_path / "home")
        mcu("run", "--profile", "offline", "--episodes", "20", "--name", "r")
        mcu("derive", "all", "r", "--set", 'derive.languages=["en", "ko"]')
        assert "was not checked; run `mcu check r`" in mcu("push", "r", "--repo", "ada/x", code=2)
        mcu("check", "r")
        facts = json.loads(mcu("push", "r", "--repo", "ada/x", "--json"))
        repos = [one["repo"] for one in facts["sets"]]
        released = {"dialogue", "image", "face-image"}
        derived = {task.folder.removeprefix("stark-") for task in TASKS}
        assert set(repos) == {f"ada/x-{name}" for name in released | derived}
        assert_all_there(hub, tmp_path / "outputs" / "r" / "release")
        assert_cards_last(hub)
        loaded = subprocess.run(
            [sys.executable, "-c", LOAD, *repos],
            **{"env": env, "capture_output": True, "text": True},
        )
        assert loaded.returncode == 0, loaded.stderr
        rows = {line.split()[0]: int(line.split()[1]) for line in loaded.stdout.splitlines()}
        assert set(rows) == set(repos) and all(rows.values())
