"""Progress as a person sees it in a real terminal, and as a log file gets it."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Serve
from models import Model, field, task

import mcu as package
from helpers import MCU, environment
from mcu import progress
from mcu.budget import Budget
from mcu.config import parse_config
from mcu.engine import Engine
from mcu.errors import BackendError
from mcu.services import Services
from mcu.stages import STAGES
from mcu.status import status
from mcu.store import Store

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


def no_goals(body: dict[str, Any]) -> str | None:
    """Nothing to say to goals."""
    return "" if task(body) == "narrative" and field(body, "Relation: goal") else None


def command(url: str, episodes: int) -> list[str]:
    settings = ["run.turns=4", "run.sessions=[3,3]", "chat.repairs=0", f"chat.base_url={url}"]
    settings += ["chat.max_in_flight=4", "chat.model=m", "prices.m={input=1,output=2,cached=0.1}"]
    more = [word for setting in settings for word in ("--set", setting)]
    start = [*MCU, "run", "--profile", "openai", "--episodes", str(episodes), "--name", "a"]
    return [*start, "--stages", "1-7", *more]


def in_terminal(words: list[str], cwd: Path, columns: int) -> tuple[str, bytes]:
    """Run a program with a terminal for its errors: what that shows, and its output."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = environment(TERM="xterm-256color")
    process = subprocess.Popen(words, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += (part := os.read(ours, 65536))
        except OSError:  # how Linux tells that the other side is closed
            break
        if not part:
            break
    output = process.communicate(timeout=30)[0]
    os.close(ours)
    assert process.returncode == 0, shown
    return shown.decode(), output


@pytest.mark.parametrize("columns", [80, 140])
def test_bars_in_a_terminal(columns: int, serve: Serve, tmp_path: Path) -> None:
    model = Model(no_goals, 0.01)
    shown, output = in_terminal(command(serve(model), 60), tmp_path, columns)
    assert "\x1b[" in shown, "the bars are drawn over themselves"
    plain = _CONTROL.sub("", shown)
    for stage in STAGES[:7]:
        assert re.search(rf"^{stage.name} .*\d+/\d+", plain, re.MULTILINE), stage.name
    assert re.search(r"commonsense .*12/12", plain)
    assert re.search(r"narrative .*60/60.*12 rejects", plain)
    assert re.search(r"events .*48/48", plain), "what was lost is not waited for"
    assert not re.search(r"^align", plain, re.MULTILINE), "it was not asked for"
    numbers = r"(\d+)%  ([\d,]+) calls  ([\d,]+) tokens  \$([\d.]+)  (\d+) rejects"
    counts = re.findall(numbers, plain)
    assert len(counts) >= 3
    shares = [int(share) for share, *_ in counts]
    assert shares == sorted(shares) and shares[0] < 50 and shares[-1] == 100
    calls = [int(number.replace(",", "")) for _, number, *_ in counts]
    assert calls == sorted(calls) and calls[-1] == 12 + 12 + 60 + 48 * 5
    assert int(counts[-1][2].replace(",", "")) == 111 * calls[-1]
    assert counts[-1][3] == f"{model.usd * calls[-1]:.2f}"
    assert counts[-1][4] == "12"
    assert re.search(r"\d/4 in flight  40% of the prompts cached", plain)
    assert re.search(r"about \d+ s left", plain)
    text = output.decode()
    assert "\x1b" not in text and "%" not in text
    assert text.count("\n") == 1 and text.startswith("a: partial in ")


def test_no_bars_into_a_pipe(serve: Serve, tmp_path: Path) -> None:
    done = subprocess.run(
        command(serve(Model()), 5),
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "\x1b" not in done.stdout + done.stderr
    assert "\u2501" not in done.stdout + done.stderr
    assert all(line.startswith("mcu: ") for line in done.stderr.splitlines())
    assert done.stdout.startswith("a: partial in ")


def test_plain_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Every ten seconds, here sooner."""
    monkeypatch.setattr(progress, "_LINE_EVERY", 0.05)
    facts = {"sessions": [1, 1], "turns": 4, "episodes": 20}
    run = package.make_run(tmp_path / "a", run=facts)
    run.execute(watch=progress.watch)
    output, errors = capfd.readouterr()
    assert output == ""
    lines = errors.splitlines()
    assert len(lines) >= 3
    for line in lines:
        counts = r"mcu: [ \d]{3}%  [\d,]+ calls  [\d,]+ tokens  \$0\.00  \d+ rejects"
        assert re.fullmatch(rf"{counts}(  about (\d+ min )?\d+ s left)?", line)
    shares = [int(line[5:8]) for line in lines]
    assert shares == sorted(shares) and shares[-1] > shares[0]


def test_what_is_in_flight_is_waited_for_and_told(serve: Serve, tmp_path: Path) -> None:
    model = Model(seconds=1.5)
    process = subprocess.Popen(
        command(serve(model), 5),
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not model.calls:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(2)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert re.search(r"^mcu: .* stopping: 1/1 in flight", errors, re.MULTILINE), errors
    assert status(package.open_run(tmp_path / "outputs/a"))["calls"] == 1


def services(folder: Path, **sections: Any) -> Services:
    config = parse_config(sections)
    return Services(config, Store(folder), Budget(config.run.max_usd, 1.25))


def test_money_with_and_without_a_cap(tmp_path: Path) -> None:
    free = services(tmp_path)
    answer = {"prompt_tokens": 200, "completion_tokens": 5, "cached_tokens": 50, "usd": 0.004}
    free.meter.add(answer)
    assert progress._spent(free) == "$0.0040", "of this process"
    capped = services(tmp_path, run={"max_usd": 5})
    capped.meter.add(answer)
    assert progress._spent(capped) == "$1.25 of $5.00", "of the whole run"
    capped.meter.add({**answer, "usd": None})
    assert progress._spent(capped) == "$?"


def test_details(tmp_path: Path) -> None:
    told = services(tmp_path)
    assert progress._details(told) == ""
    told.meter.add({"prompt_tokens": 200, "completion_tokens": 5, "cached_tokens": 50, "usd": 0})
    assert progress._details(told) == "25% of the prompts cached"
    told.stop(BackendError("no"))
    assert progress._details(told) == "stopping  25% of the prompts cached"


def test_answers_from_the_journal_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run = package.make_run(tmp_path / "a", run={"episodes": 5, "sessions": [1, 1], "turns": 4})
    run.execute((1, 6))
    for mark in run.root.glob("s[3-6]_*/*.done.json"):
        mark.unlink()
    monkeypatch.setattr(progress, "_LINE_EVERY", 0.02)
    run.execute(watch=progress.watch)
    assert re.search(r" rejects  16 from the journal", capfd.readouterr().err)


@pytest.mark.parametrize(
    ("seconds", "start", "share", "wanted"),
    [
        (10, 0.0, 0.5, "about 10 s left"),
        (10, 0.5, 0.75, "about 10 s left"),
        (90, 0.0, 0.5, "about 1 min 30 s left"),
        (90, 0.2, 0.2, ""),
        (0.5, 0.0, 0.5, ""),
        (7, 0.0, 1.0, "about 0 s left"),
        (3600, 0.0, 0.01, "about 5940 min 00 s left"),
    ],
)
def test_time_left(seconds: float, start: float, share: float, wanted: str) -> None:
    assert progress._left(seconds, start, share) == wanted


def test_what_was_done_before_counts_as_done(tmp_path: Path) -> None:
    run = package.make_run(tmp_path / "a", run={"episodes": 10, "sessions": [1, 1], "turns": 4})
    run.execute((1, 4))
    engine = Engine(run.config, Store(run.root), STAGES, STAGES, [0, 1])
    assert engine.progress() == {
        "persona": (2, 2, 0),
        "face": (2, 2, 0),
        "commonsense": (2, 2, 0),
        "narrative": (10, 10, 0),
        "events": (0, 10, 0),
        "album": (0, 10, 0),
        "dialogue": (0, 10, 0),
        "align": (0, 10, 0),
    }
    assert 0.05 < progress._share(engine) < 0.1
    some = Engine(run.config, Store(run.root), STAGES, STAGES[4:6], [0, 1])
    assert some.progress() == {"events": (0, 10, 0), "album": (0, 10, 0)}
