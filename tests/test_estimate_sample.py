"""`mcu estimate --sample`: exact figures, and answers that the run gets for nothing."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from pytest import approx

from helpers import MCU, Simulator, environment, mcu, simulator
from mcu.run import Run

COUNTS = ("calls", "prompt_tokens", "completion_tokens", "usd")


def options(server: Simulator, episodes: int, stages: str, *more: str) -> list[str]:
    """Flags of a run, which `mcu estimate` takes as well."""
    return [
        *("--profile", "openai", "--name", "mine", "--stages", stages),
        *("--episodes", str(episodes), "--set", "chat.model=gpt-4o-mini"),
        *("--set", f"chat.base_url={server.url}", *more),
    ]


def told(cwd: Path, command: str, *arguments: str) -> dict[str, Any]:
    """The JSON of a command that went well."""
    run = mcu(command, *arguments, "--json", cwd=cwd)
    assert run.returncode == 0, run.stderr
    value: dict[str, Any] = json.loads(run.stdout)
    return value


def check(guess: dict[str, Any], real: dict[str, Any]) -> None:
    """The sample's figures against what the run has cost in all, itself and the sample."""
    for one, other in zip(guess["stages"], real["stages"], strict=False):
        assert {n: one[n] for n in COUNTS} == approx({n: other[n] for n in COUNTS}, rel=0.1)
    assert {n: guess["total"][n] for n in COUNTS} == approx({n: real[n] for n in COUNTS}, rel=0.1)
    assert guess["sampled"] is True
    assert real["usd"] > 0


def paid(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """An estimate's stages without their times, which are means of rounded ones."""
    times = ("seconds", "hours")
    return [{k: v for k, v in row.items() if k not in times} for row in figures["stages"]]


@pytest.mark.parametrize(
    ("stages", "episodes", "flags"),
    [
        ("1-7", 60, ()),
        ("1-4", 60, ("--set", "run.personas_per_call=7", "--set", "chat.keep_replies=false")),
        pytest.param("1-8", 60, (), marks=pytest.mark.slow),
    ],
)
def test_a_sample_costs_nothing_more(
    stages: str, episodes: int, flags: tuple[str, ...], tmp_path: Path
) -> None:
    with simulator(tmp_path) as server:
        asked = options(server, episodes, stages, *flags)
        guess = told(tmp_path, "estimate", *asked, "--sample", "20")
        sampled = server.stats()["requests"]
        assert 0 < sampled < guess["total"]["calls"] / 2
        again = told(tmp_path, "estimate", *asked, "--sample", "20")
        assert paid(again) == paid(guess)
        assert server.stats()["requests"] == sampled
        real = told(tmp_path, "run", *asked)
        stats = server.stats()
        assert (stats["repeated"], stats["requests"]) == (0, real["calls"])
        assert real["usd"] == approx(stats["usd"])
        if not flags:
            check(guess, real)
        plain = told(tmp_path, "run", *asked, "--outputs", str(tmp_path / "plain"))
        assert server.stats()["requests"] == 2 * stats["requests"]
    assert [row["records"] for row in plain["stages"]] == [row["records"] for row in real["stages"]]


def test_pictures_are_kept_too(tmp_path: Path) -> None:
    with simulator(tmp_path) as server:
        asked = options(server, 40, "1-2")
        guess = told(tmp_path, "estimate", *asked, "--sample", "20")
        run = tmp_path / "outputs/mine"
        drawn = {path.name: path for path in run.glob("sample/images/*/*.jpg")}
        assert len(drawn) == 4
        assert guess["stages"][1]["hours"] > 0
        for name, path in drawn.items():
            assert path.samefile(run / "images" / name[:2] / name)
        real = told(tmp_path, "run", *asked)
        assert server.stats()["repeated"] == 0
    assert [row["records"] for row in real["stages"][:2]] == [8, 8]


def test_a_sample_of_large_shards_is_no_larger(tmp_path: Path) -> None:
    with simulator(tmp_path) as server:
        asked = options(server, 10_000, "1-4")
        guess = told(tmp_path, "estimate", *asked, "--sample", "20")
        assert server.stats()["requests"] == 1 + 4 + 20
    small = Run.open(tmp_path / "outputs/mine/sample").config
    assert (small.personas, small.shard_size, small.personas_per_call) == (4, 100, 20)
    assert guess["stages"][3]["calls"] == 10_000
    assert guess["stages"][0]["calls"] == approx(100, rel=0.05)


def test_a_larger_sample_takes_over_from_a_smaller_one(tmp_path: Path) -> None:
    with simulator(tmp_path) as server:
        for number, calls in (("10", 14), ("20", 28), ("10", 28)):
            guess = told(tmp_path, "estimate", *options(server, 60, "1-4"), "--sample", number)
            stats = server.stats()
            assert (stats["requests"], stats["repeated"]) == (calls, 0)
            assert guess["stages"][3]["calls"] == 60


def test_a_sample_of_a_run_that_is_made_asks_for_nothing(tmp_path: Path) -> None:
    with simulator(tmp_path) as server:
        real = told(tmp_path, "run", *options(server, 30, "1-5"))
        guess = told(tmp_path, "estimate", *options(server, 30, "1-5"), "--sample", "30")
        assert server.stats()["requests"] == real["calls"]
    for one, other in zip(guess["stages"], real["stages"], strict=False):
        assert {n: one[n] for n in COUNTS} == approx({n: other[n] for n in COUNTS}, rel=1e-3)


def test_a_killed_sample_goes_on(tmp_path: Path) -> None:
    in_flight = 4
    most = 2 * in_flight  # a call that was just answered has made room, and may not be on disk yet
    with simulator(tmp_path, "--latency", "0.02") as server:
        asked = options(server, 40, "1-5", "--set", f"chat.max_in_flight={in_flight}")
        process = subprocess.Popen(
            [*MCU, "estimate", *asked, "--sample", "20"], cwd=tmp_path, env=environment()
        )
        while server.stats()["requests"] < 30:
            assert process.poll() is None
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        guess = told(tmp_path, "estimate", *asked, "--sample", "20")
        assert server.stats()["repeated"] <= most
        real = told(tmp_path, "run", *asked)
        assert server.stats()["repeated"] <= most
    check(guess, real)
    assert 0.02 <= guess["stages"][4]["seconds"] < 1


def test_repairs_and_rejects_are_counted(tmp_path: Path) -> None:
    with simulator(tmp_path, "--faults", "0.3") as server:
        asked = options(server, 60, "1-4", "--set", "run.max_reject_share=1")
        made = told(tmp_path, "estimate", *asked, "--sample", "60")
    assert sum(row["repairs"] for row in made["stages"]) > 0
    assert "repairs and" in made["assumptions"][0]


def test_the_cap_holds_for_the_sample_and_the_run(tmp_path: Path) -> None:
    with simulator(tmp_path) as server:
        asked = options(server, 60, "1-5", "--max-usd", "0.005")
        run = mcu("estimate", *asked, "--sample", "20", cwd=tmp_path)
        assert run.returncode == 3, run.stderr
        assert "the cap of $0.005" in run.stderr
        spent = server.stats()["usd"]
        assert 0 < spent <= 0.005
        again = mcu("estimate", *asked, "--sample", "10", cwd=tmp_path)
        assert again.returncode == 3
        assert server.stats()["usd"] <= 0.005
        more = told(tmp_path, "estimate", *asked, "--max-usd", "1", "--sample", "20")
        assert server.stats()["repeated"] == 0
    assert more["total"]["usd"] > 0.005


def test_a_sample_without_a_key_says_so(tmp_path: Path) -> None:
    run = mcu("estimate", "--profile", "openai", "--sample", "5", cwd=tmp_path)
    assert run.returncode == 2
    assert "no API key: set OPENAI_API_KEY" in run.stderr


def test_a_run_of_other_settings_is_left_alone(tmp_path: Path) -> None:
    with simulator(tmp_path) as server:
        told(tmp_path, "estimate", *options(server, 20, "1-3"), "--sample", "10")
        other = options(server, 20, "1-3", "--seed", "7")
        run = mcu("estimate", *other, "--sample", "10", cwd=tmp_path)
    assert run.returncode == 2
    assert "run.seed (is 0, asked for 7)" in run.stderr
