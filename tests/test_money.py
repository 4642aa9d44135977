"""Whole runs against the simulator: what is spent, what is never passed, what survives a stop."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from helpers import MCU, Simulator, environment, mcu, simulator, tree

KEY = "sk-verysecret+0123/456=789"


def command(server: Simulator, *more: str) -> tuple[str, ...]:
    return (
        *("run", "--profile", "openai", "--episodes", "30", "--name", "a", "--stages", "1-7"),
        *("--set", f"chat.base_url={server.url}", "--json", *more),
    )


def test_a_cap_is_never_passed_with_many_calls_in_flight(tmp_path: Path) -> None:
    """And the total is the server's own, to a millionth of a dollar."""
    with simulator(tmp_path, "--latency", "0.05", "--prompt-cache") as server:
        more = ("--episodes", "100", "--set", "chat.reasoning_effort=none", "--max-usd")
        for cap in (0.02, 0.16, 10.0):
            done = mcu(*command(server, *more, str(cap)), cwd=tmp_path)
            facts, stats = json.loads(done.stdout), server.stats()
            assert stats["usd"] <= cap
            assert facts["usd"] == pytest.approx(stats["usd"], abs=1e-6)
            assert facts["calls"] == stats["requests"]
            assert facts["cached_tokens"] == stats["cached_tokens"]
            whole = cap == 10
            assert done.returncode == (0 if whole else 3), done.stderr
            assert (facts["state"] == "incomplete") == (not whole)
            assert whole or f"the cap of ${cap:g}" in done.stderr
        assert stats["repeated"] == 0
        assert stats["max_in_flight"] >= 40
        assert stats["cached_tokens"] > 0
        marks = sum(json.loads(p.read_text())["usd"] for p in tmp_path.rglob("*.done.json"))
        assert marks == pytest.approx(stats["usd"], abs=1e-6)


def test_flex_costs_half_and_a_second_run_nothing(tmp_path: Path) -> None:
    with simulator(tmp_path) as server:
        mcu(*command(server), cwd=tmp_path)
        usual = server.stats()["usd"]
    (tmp_path / "outputs").rename(tmp_path / "before")
    with simulator(tmp_path) as server:
        for _ in range(2):
            done = mcu(*command(server, "--set", "chat.service_tier=flex"), cwd=tmp_path)
            assert json.loads(done.stdout)["usd"] == pytest.approx(usual / 2)
        assert server.stats()["usd"] == pytest.approx(usual / 2)
        assert server.stats()["repeated"] == 0


@pytest.mark.parametrize("seconds", [1.2, 2.0])
def test_an_interruption_waits_for_what_is_paid_for(seconds: float, tmp_path: Path) -> None:
    with simulator(tmp_path, "--latency", "0.6") as server:
        process = subprocess.Popen(
            [*MCU, *command(server)],
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while not server.stats()["requests"]:
            time.sleep(0.02)
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=20)
        assert process.returncode == 130, errors
        asked = server.stats()["requests"]
        assert json.loads(output)["calls"] == asked, "what was in flight is in the journal"
        done = mcu(*command(server), cwd=tmp_path)
        assert done.returncode == 0
        assert server.stats()["repeated"] == 0
        assert server.stats()["requests"] > asked


def test_no_key_in_any_file_or_line(tmp_path: Path) -> None:
    """Two servers with keys of their own, one of which is refused in the end."""
    config = tmp_path / "mcu.toml"
    with (
        simulator(tmp_path, "--key", KEY) as one,
        simulator(tmp_path, "--key", f"{KEY}2", "--fault", "error=0.2") as two,
    ):
        config.write_text(
            f"""
            [chat.endpoints.one]
            base_url = "{one.url}"
            api_key_env = "ONE_KEY"
            [chat.endpoints.two]
            base_url = "{two.url}"
            api_key = "{KEY}2"
            """
        )
        asked = ("--profile", "openai", "--episodes", "5", "--name", "a", "--json")
        done = mcu("run", *asked, cwd=tmp_path, ONE_KEY=KEY)
        assert done.returncode == 0, done.stderr
        assert min(one.stats()["requests"], two.stats()["requests"]) > 10
        shown = mcu("show", "a", "dialogue", "--replies", "--json", cwd=tmp_path)
        refused = mcu("run", *asked, "--name", "b", cwd=tmp_path, ONE_KEY=f"{KEY}3")
        assert refused.returncode == 1
        assert "check the API key" in refused.stderr
    for text in (done, shown, refused):
        assert KEY not in text.stdout + text.stderr
    assert "ONE_KEY" in (tmp_path / "outputs/a/run.toml").read_text()
    for name in tree(tmp_path / "outputs"):
        assert KEY.encode() not in (tmp_path / "outputs" / name).read_bytes(), name


def test_bad_weather_loses_nothing_and_pays_for_nothing_twice(tmp_path: Path) -> None:
    """Errors, calls that hang, torn answers and a limit that falls: the same rows in the end."""
    with simulator(tmp_path) as server:
        assert mcu(*command(server), cwd=tmp_path).returncode == 0
    rows = {n: h for n, h in tree(tmp_path / "outputs/a").items() if n.endswith("0.jsonl")}
    (tmp_path / "outputs/a").rename(tmp_path / "outputs/fair")
    faults = ("error=0.05", "hang=0.02", "drop=0.02", "torn=0.02", "busy=0.02", "unavailable=0.02")
    flags = [flag for fault in faults for flag in ("--fault", fault)]
    with simulator(tmp_path, "--latency", "0.05", "--limits", "64@0,8@1,64@2", *flags) as server:
        done = mcu(*command(server, "--set", "chat.timeout=1"), cwd=tmp_path)
        stats = server.stats()
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert all(not stage["rejects"] for stage in facts["stages"])
    found = {n: h for n, h in tree(tmp_path / "outputs/a").items() if n.endswith("0.jsonl")}
    assert found == rows
    assert stats["repeated"] <= sum(stats["faults"].values())  # type: ignore[attr-defined]
    assert facts["usd"] == pytest.approx(stats["usd"] - stats["lost_usd"], abs=1e-6)
