"""Stage 1 over a whole run: duplicates and losses made up for, the rest cut to shards."""

import asyncio
import gc
import json
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from authors import Author, writes

import mcu
from helpers import rejects
from mcu.backends import ChatReply, ChatRequest, Dispatch
from mcu.backends.scripted import Scripted
from mcu.config import parse_config
from mcu.engine import Engine
from mcu.errors import BackendError
from mcu.records import Persona, Session
from mcu.run import Run
from mcu.stages import STAGES
from mcu.status import status
from mcu.store import Unit


def make(root: Path, personas: int, chat: dict[str, Any] | None = None, **run: Any) -> Run:
    facts = {"sessions": [1, 1], "turns": 4, "episodes": 5 * personas, **run}
    return mcu.make_run(root, run=facts, chat={"repairs": 0, **(chat or {})})


def sizes(run: Run) -> list[int]:
    marks = [run.store.mark(Unit(STAGES[0], shard)) for shard in range(run.config.shards)]
    return [mark["records"] for mark in marks if mark]


@pytest.mark.parametrize(
    ("personas", "size", "wanted"),
    [
        (7, 3, [3, 3, 1]),
        (6, 3, [3, 3]),
        (1, 0, [1]),
        (9, 0, [2, 2, 2, 2, 1]),
        (8, 0, [1] * 8),
        (5, 1000, [5]),
    ],
)
def test_sizes_of_shards(personas: int, size: int, wanted: list[int], tmp_path: Path) -> None:
    run = make(tmp_path / "a", personas, shard_size=size)
    run.execute((1, 1))
    assert sizes(run) == wanted


def test_shards_hold_a_hundred_in_large_runs() -> None:
    config = parse_config({"run": {"episodes": 100_000}})
    assert (config.shard_size, config.shards, config.personas_per_call) == (100, 200, 30)


def repeat(request: ChatRequest, text: str) -> str:
    """Every attribute is the call's first."""
    items = json.loads(text)["personas"]
    return json.dumps({"personas": items[:1] * len(items)})


def test_duplicates_are_made_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    author = writes(monkeypatch, Author(repeat))
    run = make(tmp_path / "a", 10, personas_per_call=5, shard_size=4, max_reject_share=0.1)
    run.execute((1, 1))
    assert sizes(run) == [4, 4, 2]
    assert len({p.sentence for p in run.records(Persona)}) == 10
    lost = rejects(run.root)
    assert {row["code"] for row in lost} == {"duplicate"}
    assert len(author.requests) == 10
    assert len(lost) in range(36, 41), "four of every five; the last call may end early"
    assert len({request.seed for request in author.requests}) == 10


def test_rejected_calls_are_made_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    author = Author(lambda r, text: "" if len(author.requests) <= 3 else None)
    writes(monkeypatch, author)
    run = make(tmp_path / "a", 8, {"max_in_flight": 1})
    run.execute((1, 1))
    assert sizes(run) == [1] * 8
    assert Counter(row["code"] for row in rejects(run.root)) == {"empty": 3}


def test_the_last_shards_stay_short_and_the_run_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    author = Author(lambda r, text: "" if len(author.requests) > 3 else None)
    writes(monkeypatch, author)
    chat = {"max_in_flight": 1}
    run = make(tmp_path / "a", 6, chat, shard_size=2, max_reject_share=1.0)
    run.execute((1, 1))
    assert sizes(run) == [2, 1, 0]
    assert len(author.requests) == 6 + 3, "a round in vain is the last"
    writes(monkeypatch, Author())
    assert run.execute()["state"] == "complete"
    assert len(list(run.records(Session))) == 15


class Slow(Author):
    """Refuses seven of its first eight calls and takes long over the sixteenth."""

    async def complete(self, request: ChatRequest, dispatch: Dispatch) -> ChatReply:
        self.requests.append(request)
        number = len(self.requests)
        await asyncio.sleep(0.2 if number == 16 else 0)
        reply = await Scripted().complete(request, dispatch)
        return replace(reply, text="") if 1 < number <= 8 else reply


def test_calls_that_are_not_needed_any_more_are_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The second round asks for a quarter more; they end before the journal is closed."""
    author = Slow()
    writes(monkeypatch, author)
    run = make(tmp_path / "a", 8, shard_size=8, max_reject_share=1.0)
    run.execute((1, 3))
    assert sizes(run) == [8]
    assert author.tasks.count("persona") == 8 + 8
    gc.collect()
    assert not [record for record in caplog.records if record.name == "asyncio"], caplog.text


def test_an_interrupted_first_stage_keeps_what_was_paid_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the journal is to be deleted in the end."""

    def refuse(request: ChatRequest, text: str) -> None:
        if any(request is the_4th for the_4th in first.requests[3:4]):
            raise BackendError("the quota is used up")

    first = writes(monkeypatch, Author(refuse))
    chat = {"keep_replies": False, "max_in_flight": 1}
    run = make(tmp_path / "a", 6, chat, shard_size=2)
    with pytest.raises(BackendError):
        run.execute((1, 1))
    paid = len(first.requests) - 1
    assert status(run)["calls"] == paid
    second = writes(monkeypatch, Author())
    run.execute((1, 1))
    assert len(second.requests) == 6 - paid
    assert sizes(run) == [2, 2, 2]
    facts = status(run)
    assert (facts["calls"], facts["repeated"]) == (6, paid)
    assert not list((run.root / "journal").glob("*"))


def test_a_shard_that_was_done_is_not_counted_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make(tmp_path / "a", 4, shard_size=2)
    run.execute((1, 1))
    (run.root / "s1_persona/00001.done.json").unlink()
    seen: list[Engine] = []
    run.execute((1, 1), watch=lambda engine, services: nullcontext(seen.append(engine)))
    tally = seen[0].tally["persona"]
    assert (tally.units_done, tally.records) == (2, 4)
    assert seen[0].progress()["persona"] == (4, 4, 0)
