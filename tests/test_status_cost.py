"""What a run cost: by stage and by shard, while it goes on and after, known or not."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Serve
from models import PRICE, Model

import mcu
from mcu.journal import TOTALS
from mcu.run import Run
from mcu.status import Part, _deal, dollars, status


def make(root: Path, url: str, episodes: int = 10, chat: Any = (), **sections: Any) -> Run:
    facts = {"sessions": [1, 1], "turns": 4, "episodes": episodes}
    own = {"base_url": url, "model": "m", "repairs": 0, **dict(chat)}
    return mcu.make_run(root, "openai", run=facts, chat=own, **{"prices": {"m": PRICE}, **sections})


def test_tokens_and_dollars_of_each_stage(serve: Serve, tmp_path: Path) -> None:
    model = Model()
    run = make(tmp_path / "a", serve(model))
    run.execute((1, 4))
    facts = status(run)
    calls = {"persona": 2, "commonsense": 2, "narrative": 10}
    for stage in facts["stages"]:
        number = calls.get(stage["name"], 0)
        assert stage["calls"] == number
        assert stage["prompt_tokens"] == 100 * number
        assert stage["cached_tokens"] == 40 * number
        assert stage["completion_tokens"] == 11 * number
        assert stage["usd"] == pytest.approx(model.usd * number)
    assert facts["usd"] == pytest.approx(model.usd * 14)
    assert facts["cache_share"] == 0.4
    assert facts["unpriced"] == []
    assert "shards" not in facts


def test_every_shard_has_a_row(serve: Serve, tmp_path: Path) -> None:
    run = make(tmp_path / "a", serve(model := Model()))
    run.execute((1, 3))
    rows = status(run, shards=True)["shards"]
    assert len(rows) == 8 * run.config.shards
    assert rows[5] == {
        "stage": "commonsense",
        "shard": 1,
        "done": True,
        "records": 5,
        "calls": 1,
        "prompt_tokens": 100,
        "completion_tokens": 11,
        "cached_tokens": 40,
        "usd": pytest.approx(model.usd),
    }
    assert [row["done"] for row in rows if row["stage"] == "narrative"] == [False, False]


def test_a_price_that_is_not_known(serve: Serve, tmp_path: Path) -> None:
    stages = {"stages": {"narrative": {"model": "own"}}}
    run = make(tmp_path / "a", serve(Model()), 5, stages)
    run.execute((1, 4))
    facts = status(run, shards=True)
    usd = {stage["name"]: stage["usd"] for stage in facts["stages"]}
    assert usd["narrative"] is None and usd["commonsense"] > 0 and usd["face"] == 0
    assert facts["usd"] is None
    assert facts["unpriced"] == ["own"]
    assert [row["usd"] is None for row in facts["shards"][:4]] == [False, False, False, True]
    assert json.loads(json.dumps(facts)) == facts


@pytest.mark.parametrize("after", [1, 3, 6, 11])
def test_while_a_run_goes_on(after: int, serve: Serve, tmp_path: Path) -> None:
    """What is answered is told at once, of units under way as well; also of stage 1."""
    model = Model(most=after)
    run = make(tmp_path / "a", serve(model), 20, {"max_in_flight": 1, "timeout": 600})
    failed: list[BaseException] = []

    def work() -> None:
        try:
            run.execute((1, 6))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        limit = time.monotonic() + 20
        while model.calls <= after or status(run)["calls"] < after:
            assert time.monotonic() < limit and not failed
            time.sleep(0.02)
        facts = status(run, shards=True)
    finally:
        model.end()
        thread.join(20)
    assert facts["state"] == "running"
    assert facts["calls"] == after
    assert facts["prompt_tokens"] == 100 * after
    assert facts["usd"] == pytest.approx(model.usd * after)
    assert sum(stage["calls"] for stage in facts["stages"]) == after
    assert sum(row["calls"] for row in facts["shards"]) == after


def test_a_mark_that_is_gone_changes_no_total(serve: Serve, tmp_path: Path) -> None:
    run = make(tmp_path / "a", serve(Model()), 20)
    run.execute((1, 4))
    before = status(run)
    for name in ("s1_persona/00000", "s1_persona/00002", "s4_narrative/00001"):
        (run.root / f"{name}.done.json").unlink()
        after = status(run)
        for key in ("calls", "prompt_tokens", "usd"):
            assert after[key] == before[key]
            assert [s[key] for s in after["stages"]] == [s[key] for s in before["stages"]]


def paid(calls: int, usd: float = 0.0) -> dict[str, Any]:
    return {**dict.fromkeys(TOTALS, 0), "calls": calls, "usd": usd}


def test_no_more_is_told_than_was_paid() -> None:
    """A resume of stage 1 was stopped when it had written the first mark anew."""
    done: dict[str, Any] = {"records": 1, "rejects": {}}
    parts = [Part(0, done, paid(9, 9)), Part(1, None, paid(0)), Part(2, done, paid(3, 3))]
    _deal(paid(10, 10), parts)
    assert [(p.paid["calls"], p.paid["usd"]) for p in parts] == [(9, 9), (0, 0), (1, 1)]
    parts = [Part(0, done, paid(2)), Part(1, None, paid(0)), Part(2, None, paid(0))]
    _deal(paid(7), parts)
    assert [p.paid["calls"] for p in parts] == [2, 5, 0], "it is paid for the first not done"


def test_a_mark_of_an_earlier_version_knows_no_price(serve: Serve, tmp_path: Path) -> None:
    run = make(tmp_path / "a", serve(Model()), 5)
    run.execute((1, 3))
    path = run.root / "s3_commonsense/00000.done.json"
    mark = json.loads(path.read_bytes())
    for key in ("usd", "unpriced", "cached_tokens"):
        del mark[key]
    path.write_text(json.dumps(mark))
    facts = status(run)
    assert [stage["usd"] is None for stage in facts["stages"][:4]] == [False, False, True, False]


@pytest.mark.parametrize(
    ("usd", "wanted"),
    [
        (None, "$?"),
        (0, "$0.00"),
        (1234.5, "$1,234.50"),
        (0.994, "$0.99"),
        (0.01, "$0.01"),
        (0.0042, "$0.0042"),
        (0.00001234, "$0.000012"),
        (1e-12, "$0.00000000"),
    ],
)
def test_dollars(usd: float | None, wanted: str) -> None:
    assert dollars(usd) == wanted
