"""A run that is killed twenty times ends in the same bytes and pays for nothing twice."""

import json
import os
import random
import signal
import subprocess
import time
from collections import defaultdict
from pathlib import Path

import pytest

from helpers import MCU, Simulator, environment, mcu, simulator, tree

KILLS = 20
# Seconds: a reply that was sent less than this before a kill may not have been read yet.
GRACE = 1.5


def command(url: str, name: str) -> list[str]:
    return [
        *("run", "--profile", "openai", "--name", name, "--episodes", "15", "--seed", "3"),
        *("--set", f"chat.base_url={url}", "--set", "chat.max_in_flight=8"),
    ]


@pytest.mark.slow
def test_twenty_kills(tmp_path: Path) -> None:
    with simulator(tmp_path, "--latency", "0.02") as server:
        whole = mcu(*command(server.url, "whole"), cwd=tmp_path)
        assert whole.returncode == 0, whole.stderr
        calls = int(server.stats()["requests"])
        assert server.stats()["repeated"] == 0
    log = tmp_path / "requests.jsonl"
    with simulator(tmp_path, "--latency", "0.02", "--log", str(log)) as server:
        killed = [kill_at(moment, server, tmp_path) for moment in moments(calls)]
        last = mcu(*command(server.url, "killed"), cwd=tmp_path)
        assert last.returncode == 0, last.stderr
    assert sum(time_ > 0 for time_ in killed) >= KILLS * 3 // 4, "too few runs were alive to kill"
    assert tree(tmp_path / "outputs/killed/release") == tree(tmp_path / "outputs/whole/release")
    assert not list((tmp_path / "outputs/killed").rglob("*.tmp"))
    repeats(log, [time_ for time_ in killed if time_])


def moments(calls: int) -> list[tuple[int, float]]:
    """When to kill: after so many requests, and so many seconds later. Fixed seeds."""
    counts = sorted(random.Random(seed).randrange(calls) for seed in range(KILLS - 4))
    found = [(count, random.Random(count).random() / 10) for count in counts]
    return found + [(calls, delay) for delay in (0.1, 0.4, 0.8, 1.2)]


def kill_at(moment: tuple[int, float], server: Simulator, folder: Path) -> float:
    """Start or resume the run and SIGKILL it; gives the time of the kill, 0 if it had ended."""
    count, delay = moment
    with (folder / "run.err").open("a") as errors:
        process = subprocess.Popen(
            [*MCU, *command(server.url, "killed")],
            cwd=folder,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        while process.poll() is None and server.stats()["unique"] < count:
            time.sleep(0.01)
        time.sleep(delay)
        ended = process.poll() is not None
        os.kill(process.pid, signal.SIGKILL) if not ended else None
        now = time.time()
        process.wait()
        assert not ended or process.returncode == 0
    return 0.0 if ended else now


def repeats(log: Path, kills: list[float]) -> None:
    """No request came twice unless the first was in flight when the run was killed."""
    seen: dict[str, list[dict[str, float]]] = defaultdict(list)
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        seen[entry["key"]].append(entry)
    for entries in seen.values():
        for first in sorted(entries, key=lambda entry: entry["start"])[:-1]:
            # The server may see a request just after the kill of the process that sent it.
            alive = [kill for kill in kills if kill >= first["start"] - GRACE]
            late = min((kill - first["end"] for kill in alive), default=9.0)
            assert late <= GRACE, f"a reply was lost that was sent {late:.2f} s before a kill"
