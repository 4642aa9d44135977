"""A run in batch mode that is killed again and again sends no request in two batches."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from helpers import MCU, environment, simulator, tree

# What the ledger tells of a batch at the moments that matter; the last is any moment.
STATES = {
    "noted": "file = ''",
    "uploaded": "file != ''",
    "created": "batch != ''",
    "over": "over",
    "any": "true",
}
# A `mcu run` that waits a tenth as long for requests and between its looks at a batch.
QUICK = (
    "from mcu.backends import batch\n"
    "from mcu.backends.batch import api as batch_api, carrier as batch_carrier\n"
    "from mcu.cli import main\n"
    "batch._QUIET, batch_carrier._FIRST_LOOK, batch_api._DOUBTS = 0.1, 0.05, (0.0, 0.1, 0.2)\n"
    "main()"
)
BATCHES = 10  # of a whole run, about
Moment = tuple[str, int, float]


def arguments(url: str, name: str, mode: str) -> list[str]:
    return [
        *("run", "--profile", "openai", "--name", name, "--episodes", "5", "--seed", "3"),
        *("--set", f"chat.base_url={url}", "--set", f"chat.mode={mode}"),
    ]


def start(program: tuple[str, ...], folder: Path, *rest: str) -> subprocess.Popen[bytes]:
    with (folder / "run.err").open("a") as errors:
        return subprocess.Popen(
            [*program, *rest],
            cwd=folder,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )


def moments(kills: int) -> list[Moment]:
    """When to kill: so many batches in a state, and so many seconds later. Fixed seeds."""
    found = []
    for number in range(kills):
        state = list(STATES)[number % len(STATES)]
        rng = random.Random(number)
        delay = rng.random() * (2.0 if state == "any" else 0.03)
        found.append((state, 1 + number * BATCHES // kills, delay))
    return found


def count(ledger: Path, state: str) -> int:
    """Batches of the ledger in a state."""
    if not ledger.is_file():
        return 0
    with closing(sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)) as database:
        try:
            query = f"SELECT count(*) FROM batches WHERE {STATES[state]}"
            return int(database.execute(query).fetchone()[0])
        except sqlite3.Error:
            return 0


def kill_at(moment: Moment, process: subprocess.Popen[bytes], ledger: Path) -> bool:
    """SIGKILL at a moment; False when the process had ended before."""
    state, number, delay = moment
    seen = count(ledger, "any")
    while process.poll() is None:
        # A batch on its way is one more than there were; the others are counted in all.
        if state == "noted" and count(ledger, "any") > seen and count(ledger, "noted"):
            break
        if state != "noted" and count(ledger, state) >= number:
            break
        time.sleep(0.001)
    time.sleep(delay)
    alive = process.poll() is None
    if alive:
        os.kill(process.pid, signal.SIGKILL)
    code = process.wait()
    assert alive or code == 0
    return alive


def survives(kills: int, program: tuple[str, ...], latency: float, folder: Path) -> None:
    """Kill a run so often; it ends like one that was left alone, and sends nothing twice."""
    (folder / "live").mkdir()
    with (
        simulator(folder / "live") as live,
        simulator(folder, "--batch-latency", str(latency)) as server,
    ):
        whole = start(MCU, folder, *arguments(live.url, "whole", "live"))
        again = arguments(server.url, "killed", "batch")
        run, alive = folder / "outputs/killed", 0
        for moment in moments(kills):
            process = start(program, folder, *again)
            alive += kill_at(moment, process, run / "journal/batches.sqlite")
        for process in (start(program, folder, *again), whole):
            assert process.wait(240) == 0, (folder / "run.err").read_text()
        calls, seen = live.stats()["requests"], server.stats()
    assert alive >= kills * 3 // 4, "too few runs were alive to kill"
    assert seen["batch_inputs_repeated"] == 0
    assert (seen["requests"], seen["batch_requests"], seen["repeated"]) == (calls, calls, 0)
    assert tree(run / "release") == tree(folder / "outputs/whole/release")
    assert not list(run.rglob("*.tmp"))


def test_five_kills(tmp_path: Path) -> None:
    survives(5, (sys.executable, "-c", QUICK), 0.2, tmp_path)


@pytest.mark.slow
def test_twenty_kills(tmp_path: Path) -> None:
    survives(20, MCU, 0.5, tmp_path)
