"""`mcu estimate` from the configuration alone: against a real run, and what it says of itself."""

import json
import shlex
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from pytest import approx

from helpers import mcu, simulator
from mcu.config import Config, load_config
from mcu.estimate import compare, estimate
from mcu.estimate.figures import Measured
from mcu.estimate.rehearsal import rehearse
from mcu.stages import STAGES

COUNTS = ("calls", "prompt_tokens", "completion_tokens", "usd")
COSTS = Path(__file__).parents[1] / "docs/costs.md"


def settings(*flags: str) -> Config:
    """An `openai` configuration with a model whose price is known, on a server of one's own."""
    usual = ("chat.model=gpt-4o-mini", "chat.base_url=http://127.0.0.1:1/v1", "run.episodes=1000")
    return load_config("openai", flags=[*usual, *flags], environment={})


@pytest.fixture(scope="module")
def found() -> Measured:
    return rehearse(settings())


def told(run: CompletedProcess[str]) -> dict[str, Any]:
    """The JSON of a command that went well."""
    assert run.returncode == 0, run.stderr
    value: dict[str, Any] = json.loads(run.stdout)
    return value


@pytest.mark.parametrize(
    ("stages", "episodes", "share"),
    [
        ("1-8", 20, 0.02),  # no more than are rehearsed, so that all calls are known
        ("1-7", 120, 0.3),
        pytest.param("1-8", 60, 0.3, marks=pytest.mark.slow),
    ],
)
def test_a_run_takes_what_was_estimated(
    stages: str, episodes: int, share: float, tmp_path: Path
) -> None:
    with simulator(tmp_path) as server:
        options = ["--profile", "openai", "--stages", stages, "--episodes", str(episodes)]
        options += ["--set", "chat.model=gpt-4o-mini", "--set", f"chat.base_url={server.url}"]
        guess = told(mcu("estimate", *options, "--json", cwd=tmp_path))
        assert server.stats()["requests"] == 0
        assert not (tmp_path / "outputs").exists()
        real = told(mcu("run", *options, "--json", cwd=tmp_path))
        stats = server.stats()
    assert {n: guess["total"][n] for n in COUNTS} == approx({n: real[n] for n in COUNTS}, rel=share)
    assert guess["total"]["calls"] == approx(stats["requests"], rel=share)
    assert guess["total"]["usd"] == approx(stats["usd"], rel=share)
    assert stats["usd"] > 0
    for one, other in zip(guess["stages"], real["stages"], strict=False):
        assert {n: one[n] for n in COUNTS} == approx({n: other[n] for n in COUNTS}, rel=share)


def test_it_needs_no_key_and_says_what_it_assumes(tmp_path: Path) -> None:
    run = mcu("estimate", "--profile", "openai", "--set", "chat.model=my-model", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    assert "unknown" in next(line for line in lines if line.startswith("  all"))
    assert 'prices."my-model" = { input = ' in run.stdout
    assert "tokens: characters / 4, with the schema" in run.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_json_form(found: Measured) -> None:
    made = estimate(settings(), found).as_json()
    assert made.keys() == {"stages", "total", "episodes", "sampled", "assumptions"}
    assert [row["name"] for row in made["stages"]] == [stage.name for stage in STAGES]
    fields = {"number", "name", "model", "prompt_tokens", "cached_tokens", "completion_tokens"}
    assert made["stages"][0].keys() == fields | {"calls", "usd", "hours"}
    for name in COUNTS:
        assert made["total"][name] == approx(sum(row[name] for row in made["stages"]))
    assert (made["episodes"], made["sampled"]) == (1000, False)


def test_it_grows_with_the_run(found: Measured) -> None:
    small = estimate(settings(), found)
    large = estimate(settings("run.episodes=2000", "run.personas_per_call=2"), found)
    for one, other in zip(small.lines[1:], large.lines[1:], strict=True):
        assert other.calls == approx(2 * one.calls)
    assert large.usd == approx(2 * (small.usd or 0), rel=0.01)


def test_persona_calls_follow_their_size_and_what_is_lost() -> None:
    config = settings("run.episodes=86900")
    found = rehearse(config)
    assert (found.seeds, found.personas) == (1, 8)
    calls = estimate(config, found).lines[0].calls
    assert calls == approx(17_380 / 30 / (1 - 0.198), rel=0.01)
    assert estimate(config, replace(found, wasted=0.5)).lines[0].calls == approx(2 * calls)


def test_stages_can_be_left_out(found: Measured) -> None:
    made = estimate(settings(), found, (3, 4))
    assert [line.name for line in made.lines] == ["commonsense", "narrative"]


def test_batches_cost_half_and_take_a_hop_for_each_answer_that_others_wait_for(
    found: Measured,
) -> None:
    live, batch = estimate(settings(), found), estimate(settings("chat.mode=batch"), found)
    assert live.usd and batch.usd == approx(live.usd / 2)
    assert batch.hours == 11  # six sessions, and five stages before and after them
    flex = estimate(settings("chat.service_tier=flex"), found)
    assert flex.usd == approx(live.usd / 2)
    rows = compare(settings(), [live, batch], ["my-model"])
    assert [row["model"] for row in rows] == ["gpt-4o-mini"] * 2 + ["my-model"] * 2
    assert [row["live"] for row in rows] == [approx(live.usd)] * 2 + [None] * 2
    assert [row["batch"] for row in rows] == [approx(live.usd / 2)] * 2 + [None] * 2


def test_each_stage_has_its_own_model_and_price(found: Measured) -> None:
    flags = ("chat.stages.dialogue.model=my-model", 'prices."my-model"={ input = 1, output = 2 }')
    made = estimate(settings(*flags), found)
    line = next(line for line in made.lines if line.name == "dialogue")
    assert line.model == "my-model"
    assert line.usd == approx((line.prompt_tokens + 2 * line.completion_tokens) / 1e6)
    assert made.unpriced == []
    assert estimate(settings(flags[0]), found).unpriced == ["my-model"]


def test_the_schema_counts_where_the_provider_counts_it(found: Measured) -> None:
    hosted = rehearse(settings("chat.base_url="))
    assert hosted.stages["align"].prompt_tokens > found.stages["align"].prompt_tokens
    assert hosted.stages["align"].calls == found.stages["align"].calls
    assert rehearse(settings("chat.structured=text")).stages == hosted.stages


def test_thoughts_are_paid_for(found: Measured) -> None:
    plain = estimate(settings(), found).lines[-1]
    config = settings("chat.model=gpt-5-mini", "chat.reasoning_effort=high")
    made = estimate(config, found)
    assert made.lines[-1].completion_tokens == plain.completion_tokens + 256 * plain.calls
    assert "thoughts: 256 tokens a call of gpt-5-mini, as `mcu simulate` has it" in made.assumptions


@pytest.mark.parametrize(
    ("flags", "bound", "seconds"),
    [
        (("chat.max_in_flight=4",), "4 calls in flight", None),
        (
            ("chat.endpoints={ a = { max_in_flight = 3 }, b = {} }", "chat.max_in_flight=2"),
            "5 calls in flight",
            None,
        ),
        (("chat.max_in_flight=4096", "image.workers=64"), "this program's own work", None),
        (("chat.requests_per_minute=60",), "requests a minute", 1.0),
        (("chat.tokens_per_minute=1000",), "tokens a minute", None),
        (("run.episodes=5",), "calls that wait for one another", None),
    ],
)
def test_hours_are_those_of_the_slowest(
    found: Measured, flags: tuple[str, ...], bound: str, seconds: float | None
) -> None:
    made = estimate(settings(*flags), found)
    assert made.assumptions[-1].startswith(f"hours: bound by {bound};")
    if seconds:
        calls = sum(line.calls for line in made.lines)
        assert made.hours == approx(seconds * calls / 3600, rel=0.01)


def test_the_same_twice(found: Measured) -> None:
    assert rehearse(settings()) == found


def test_the_table_in_the_documents_is_what_is_printed(tmp_path: Path) -> None:
    """Where this fails after a change of prompts or prices, print the table anew."""
    _, command, _, printed, *_ = COSTS.read_text(encoding="utf-8").split("```")
    program, *arguments = shlex.split(command.removeprefix("sh\n").replace("\\\n", ""))
    assert program == "mcu"
    run = mcu(*arguments, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert run.stdout == printed.removeprefix("text\n")
