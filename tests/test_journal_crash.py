"""The journal after a kill, a loss of power and a full disk, each in a process of its own."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from journals import Maker, ask, journal, run

from mcu.journal import read_totals

CHILD = """
import asyncio, os, resource, signal, sys
from pathlib import Path
from mcu.errors import StoreError
from mcu.journal import UnitJournal, Writer

async def work(count, size):
    found = UnitJournal(Path(sys.argv[1]), Writer())
    for number in range(count):
        async def make():
            text = os.urandom(size // 2).hex()
            return {"text": text, "model": "m", "prompt_tokens": 1, "completion_tokens": 1}
        await found.once(f"k{number}", "chat", "record", {}, make)
        print(number, flush=True)
"""
KILL = (
    CHILD
    + """
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(work(5, 600))
"""
)
FULL = (
    CHILD
    + """
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    asyncio.run(work(100, 40_000))
except StoreError as error:
    print(error, file=sys.stderr)
    sys.exit(1)
"""
)


def child(code: str, path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_killed_right_after_the_answer(tmp_path: Path) -> None:
    path, make = tmp_path / "a.sqlite", Maker()
    assert child(KILL, path).returncode == -signal.SIGKILL
    assert read_totals(path)["calls"] == 5
    with journal(path) as found:
        for number in range(5):
            assert len(run(ask(found, f"k{number}", make))["text"]) == 600
    assert make.calls == 0


@pytest.mark.parametrize("damage", ["cut", "zeroed", "flipped"])
def test_a_torn_log_loses_the_torn_answer_alone(tmp_path: Path, damage: str) -> None:
    """The log's end did not reach the disk, as after a loss of power."""
    path, make = tmp_path / "a.sqlite", Maker()
    child(KILL, path)
    log = path.with_name("a.sqlite-wal")
    data = bytearray(log.read_bytes())
    end = {"cut": b"", "zeroed": bytes(300), "flipped": bytes(b ^ 0xFF for b in data[-300:])}
    log.write_bytes(data[:-300] + end[damage])
    with journal(path) as found:
        texts = [run(ask(found, f"k{number}", make))["text"] for number in range(5)]
    assert [len(text) for text in texts] == [600] * 4 + [5]
    assert make.calls == 1


def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path) -> None:
    path, make = tmp_path / "a.sqlite", Maker()
    done = child(FULL, path)
    assert done.returncode == 1, done.stderr
    assert "the journal cannot be written" in done.stderr
    kept = len(done.stdout.splitlines())
    assert 1 <= kept < 100
    with journal(path) as found:
        for number in range(kept):
            assert len(run(ask(found, f"k{number}", make))["text"]) == 40_000
        assert make.calls == 0
        run(ask(found, "after", make))
        assert found.totals()["calls"] == kept + 1
