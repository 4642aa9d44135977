"""The program as a person meets it: every mistake is one sentence, every second run is cheap."""

import json
import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from helpers import MCU, environment, mcu, tree

RUN = ("run", "--episodes", "5", "--name", "a")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one finished run; tests that change it work on a copy."""
    folder = tmp_path_factory.mktemp("finished")
    done = mcu(*RUN, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    subprocess.run(["cp", "-a", f"{finished}/.", tmp_path], check=True)
    return tmp_path


def fails(code: int, *words: str, arguments: tuple[str, ...], cwd: Path, **env: str) -> str:
    """Run mcu, which must fail with that code and one sentence that holds the words."""
    done = mcu(*arguments, cwd=cwd, **env)
    assert done.returncode == code, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("mcu: error:")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in lines[0]
    return lines[0]


def test_help_names_every_command(tmp_path: Path) -> None:
    done = mcu("--help", cwd=tmp_path)
    assert done.returncode == 0
    for word in ("run", "resume", "status", "show", "simulate", "index", "doctor"):
        assert word in done.stdout


def test_offline_is_said_in_one_line(finished: Path) -> None:
    done = mcu(*RUN, cwd=finished)
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert "offline" in done.stderr


def test_second_run_makes_nothing_anew(finished: Path) -> None:
    before = tree(finished / "outputs/a/release")
    marks = sorted((finished / "outputs/a").glob("s*/*.done.json"))
    times = [mark.stat().st_mtime_ns for mark in marks]
    assert mcu(*RUN, cwd=finished).returncode == 0
    assert [mark.stat().st_mtime_ns for mark in marks] == times
    assert tree(finished / "outputs/a/release") == before


def test_other_settings_are_named(finished: Path) -> None:
    arguments = ("run", "--episodes", "10", "--name", "a", "--set", "run.turns=8")
    fails(2, "run.episodes", "run.turns", arguments=arguments, cwd=finished)


def test_transport_settings_may_change(finished: Path) -> None:
    more = ("--set", "chat.max_in_flight=2", "--set", "chat.timeout=5")
    assert mcu(*RUN, *more, cwd=finished).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "--set", "chat.modle=x"), ("chat.modle", "unknown")),
        (("run", "--set", "chatmodel"), ("section.key=value",)),
        (("run", "--set", "run.episodes=many"), ("run.episodes",)),
        (("run", "--stages", "0-9"), ("--stages",)),
        (("run", "--stages", "5-2"), ("--stages",)),
        (("run", "--shards", "7"), ("--shards",)),
        (("run", "--profile", "nosuch"), ("nosuch", "offline")),
        (("run", "--profile", "openai"), ("OPENAI_API_KEY",)),
        (("run", "--name", "../up"), ("--name",)),
        (("run", "--config", "nosuch.toml"), ("nosuch.toml",)),
        (("run", "--stages", "4-6", "--name", "new"), ("stage 4", "stage 1", "--stages")),
        (("resume",), ("unfinished",)),
        (("resume", "nosuch"), ("nosuch",)),
        (("status", "nosuch"), ("nosuch",)),
        (("show", "nosuch", "7"), ("nosuch",)),
        (("index", "search", "a cat", "--name", "nosuch"), ("nosuch",)),
    ],
)
def test_mistakes(arguments: tuple[str, ...], words: tuple[str, ...], tmp_path: Path) -> None:
    fails(2, *words, arguments=arguments, cwd=tmp_path)


def test_wrong_flag(tmp_path: Path) -> None:
    done = mcu("run", "--episode", "5", cwd=tmp_path)
    assert done.returncode == 2
    assert "--episode" in done.stderr


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = mcu("run", "--stages", "9", "--debug", cwd=tmp_path)
    assert "Traceback" in done.stderr


def test_status_and_show(finished: Path) -> None:
    facts = json.loads(mcu("status", "a", "--json", cwd=finished).stdout)
    assert facts["state"] == "complete"
    assert [s["name"] for s in facts["stages"]][:2] == ["persona", "face"]
    assert all(s["shards_done"] == s["shards"] for s in facts["stages"])
    assert {"calls", "repeated", "prompt_tokens", "completion_tokens", "usd", "seconds"} <= set(
        facts
    )
    shown = mcu("show", "a", "dialogue", "--limit", "1", cwd=finished).stdout
    assert "AI Assistant: " in shown
    record = json.loads(mcu("show", "a", "narrative", "--json", cwd=finished).stdout)[0]
    again = json.loads(mcu("show", "a", "4", "--id", record["id"], "--json", cwd=finished).stdout)
    assert again == [record]


def test_piped_into_a_closed_pipe(finished: Path) -> None:
    line = f"{' '.join(MCU)} show a 7 --limit 500 | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=finished,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Session 1")
    assert not done.stderr


def test_torn_unit_is_made_again_without_a_call(copy: Path) -> None:
    run = copy / "outputs/a"
    before = tree(run / "release")
    torn = run / "s4_narrative/00000.jsonl"
    torn.write_bytes(torn.read_bytes()[:-7])
    (run / "release.done.json").unlink()
    calls = json.loads(mcu("status", "a", "--json", cwd=copy).stdout)["calls"]
    facts = json.loads(mcu(*RUN, "--json", cwd=copy).stdout)
    assert facts["state"] == "complete"
    assert facts["calls"] == calls
    assert facts["repeated"] > 0
    assert tree(run / "release") == before


def test_changed_unit_is_noticed(copy: Path) -> None:
    run = copy / "outputs/a"
    path = run / "s1_persona/00000.jsonl"
    data = path.read_bytes()
    path.write_bytes(data[:-20] + bytes([data[-20] ^ 1]) + data[-19:])
    (run / "release.done.json").unlink()
    fails(1, "changed", arguments=RUN, cwd=copy)


def test_one_process_at_a_time(tmp_path: Path) -> None:
    first = subprocess.Popen(
        [*MCU, "run", "--episodes", "300", "--name", "a"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not list((tmp_path / "outputs/a").glob("s1_persona/*.done.json")):
            assert first.poll() is None
        arguments = ("run", "--episodes", "300", "--name", "a")
        fails(2, "another process", arguments=arguments, cwd=tmp_path)
    finally:
        first.kill()
        first.wait()
    facts = json.loads(mcu("status", "a", "--json", cwd=tmp_path).stdout)
    assert facts["state"] == "interrupted"


def test_interrupt_exits_130_and_resume_goes_on(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*MCU, "run", "--episodes", "40", "--name", "a"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not list((tmp_path / "outputs").glob("a/s1_persona/*.done.json")):
        assert process.poll() is None
    process.send_signal(2)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "mcu resume a" in errors
    done = mcu("resume", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "resuming a" in done.stderr


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_full_disk(tmp_path: Path) -> None:
    """A full disk ends the run with one sentence; with room again, it goes on."""
    if os.geteuid() == 0:
        small = tmp_path / "small"
        with mounted(small, "size=1m"):
            arguments = (*RUN, "--outputs", str(small / "o"))
            line = fails(1, "written", arguments=arguments, cwd=tmp_path)
            assert "space" in line or "full" in line
            subprocess.run(["mount", "-o", "remount,size=64m", small], check=True)
            done = mcu("resume", "a", "--outputs", str(small / "o"), cwd=tmp_path)
            assert done.returncode == 0, done.stderr
        return
    done = subprocess.run(
        [*MCU, *RUN],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
        check=False,
    )
    assert done.returncode == 1
    assert "written" in done.stderr


def test_no_permission(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    if os.geteuid() == 0:
        with mounted(folder, "ro"):
            arguments = (*RUN, "--outputs", str(folder))
            fails(1, "cannot be written", arguments=arguments, cwd=tmp_path)
        return
    folder.mkdir(mode=0o500)
    fails(1, "cannot be written", arguments=(*RUN, "--outputs", str(folder)), cwd=tmp_path)


def test_the_key_is_nowhere(tmp_path: Path) -> None:
    key = "sk-very-secret-0123456789"
    more = ("--set", "chat.base_url=http://127.0.0.1:9/v1", "--set", "chat.retries=0")
    done = mcu(*RUN, *more, cwd=tmp_path, OPENAI_API_KEY=key)
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
    assert key not in done.stdout + done.stderr
    for path in (tmp_path / "outputs").rglob("*"):
        assert not path.is_file() or key.encode() not in path.read_bytes()
    doctor = mcu("doctor", "--json", cwd=tmp_path, OPENAI_API_KEY=key)
    assert json.loads(doctor.stdout)["key"] is True
    assert key not in doctor.stdout


def test_index(tmp_path: Path) -> None:
    names = json.loads(mcu("index", "list", "--json", cwd=tmp_path).stdout)
    assert names[0]["name"] == "starter"
    assert names[0]["pictures"] >= 300
    hits = json.loads(mcu("index", "search", "a guitar", "--k", "3", "--json", cwd=tmp_path).stdout)
    assert len(hits) == 3
    assert "guitar" in hits[0]["caption"]
    assert all(hit["licence"] for hit in hits)
