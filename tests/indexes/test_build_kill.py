"""A build that is killed again and again ends in the same bytes as one that was left alone."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from picture_files import write_folder, write_tar
from tiny_clip import write_clip

from helpers import MCU, environment, mcu, tree
from mcu.indexes.finish import stats


def sources(folder: Path, pictures: int) -> list[str]:
    write_folder(folder / "pics", pictures)
    (folder / "pics" / "bad.jpg").write_bytes(b"bad")
    data = (folder / "pics" / "p000.jpg").read_bytes()
    write_tar(folder / "tars" / "00000.tar", [{"jpg": data, "txt": b"x"} for _ in range(20)])
    return ["pics", "tars", "--shard-size", "20"]


def kill_at(command: list[str], folder: Path, moment: float) -> bool:
    """Start or go on, and SIGKILL it after so many seconds; whether it was alive then."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        return True
    assert process.returncode == 0
    return False


def kill_after(command: list[str], folder: Path, shards: int) -> bool:
    """Start or go on, and SIGKILL it once so many shards are done; whether it was alive then."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    done = folder / "indexes" / "killed" / "embeddings"
    while process.poll() is None and len(list(done.glob("img_emb_*.npy"))) < shards:
        time.sleep(0.002)
    alive = process.poll() is None
    if alive:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert alive or process.returncode == 0
    return alive


def test_three_kills(tmp_path: Path) -> None:
    given = sources(tmp_path, 700)
    whole = mcu("index", "build", "whole", *given, cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    command = [*MCU, "index", "build", "killed", *given]
    killed = [kill_after(command, tmp_path, shards) for shards in (1, 12, 30)]
    assert sum(killed) >= 2, "too few builds were alive to kill"
    last = mcu("index", "build", "killed", *given, "--json", cwd=tmp_path)
    assert last.returncode == 0, last.stderr
    assert tree(tmp_path / "indexes" / "killed") == tree(tmp_path / "indexes" / "whole")


@pytest.mark.slow
def test_ten_kills_with_a_model(tmp_path: Path) -> None:
    given = sources(tmp_path, 2000)
    write_clip(tmp_path / "clip", layers=6, width=256)
    command = [sys.executable, str(Path(__file__).parents[1] / "mcu_tiny.py"), "index", "build"]
    model = ["--set", "encoder.backend=open_clip", "--set", "encoder.model=local-dir:clip"]

    began = time.monotonic()
    subprocess.run([*command, "whole", *given, *model], cwd=tmp_path, env=environment(), check=True)
    took = time.monotonic() - began
    chance = random.Random(5)
    done = []
    for _ in range(10):
        moment = took * chance.uniform(0.3, 0.9)
        assert kill_at([*command, "killed", *given, *model], tmp_path, moment) or done
        found = tmp_path / "indexes" / "killed"
        done.append(stats(found)["shards_done"] if (found / "plan.json").exists() else 0)
    assert 0 < done[0] < 101, "the first kill came too early or too late"
    subprocess.run(
        [*command, "killed", *given, *model], cwd=tmp_path, env=environment(), check=True
    )
    assert tree(tmp_path / "indexes" / "killed") == tree(tmp_path / "indexes" / "whole")
