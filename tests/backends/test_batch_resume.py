"""Batches after an interruption or a cancellation: waited for, looked for, or sent anew."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from batch_world import (
    CREATE,
    UPLOAD,
    Provider,
    asked,
    leave,
    opened,
    question,
    quick,
    settings,
    stats,
    until,
)
from conftest import Serve

from mcu.backends import ChatReply, build
from mcu.backends.batch import BatchChat
from mcu.backends.batch.cancel import cancel
from mcu.backends.batch.ledger import Entry, Ledger
from mcu.backends.openai import OpenAIChat
from mcu.budget import Budget
from mcu.errors import BackendError, ConfigError, Incomplete, StoreError


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)


def is_out(folder: Path) -> Callable[[], bool]:
    """Whether the ledger knows the id of a batch that is not over."""

    def look() -> bool:
        with sqlite3.connect(folder / "batches.sqlite") as database:
            query = "SELECT count(*) FROM batches WHERE batch != '' AND NOT over"
            return bool(database.execute(query).fetchone()[0])

    return look


def test_a_batch_that_is_out_is_waited_for(serve: Serve, tmp_path: Path) -> None:
    url = serve(Provider(batch_latency=1.0).app())
    leave(settings(url), tmp_path, is_out(tmp_path), 1, 2, 3)
    # Of these, three are in it; the other two go in another.
    replies = asked(settings(url), tmp_path, *range(5))
    assert [reply.tier for reply in replies] == ["batch"] * 5
    seen = stats(url)
    assert (seen["batches"], seen["batch_requests"], seen["batch_inputs_repeated"]) == (2, 5, 0)


def test_answers_of_a_batch_that_is_over_are_kept(serve: Serve, tmp_path: Path) -> None:
    provider = Provider()
    url = serve(provider.app())
    first = asked(settings(url), tmp_path, 1, 2, 3)
    calls = provider.seen.total()
    budget = Budget(10.0)
    assert asked(settings(url), tmp_path, 1, 2, 3, budget=budget) == first
    assert provider.seen.total() == calls
    assert budget.spent == pytest.approx(sum(reply.usd or 0.0 for reply in first))


@pytest.mark.parametrize(("page", "wrong"), [(UPLOAD, "late"), (CREATE, "never"), (CREATE, "late")])
def test_a_batch_in_doubt(page: str, wrong: str, serve: Serve, tmp_path: Path) -> None:
    """Killed while the file went up, before the batch was made, or before its id was told."""
    provider = Provider(batch_latency=1.0)
    provider.wrong[page] = [wrong]
    url = serve(provider.app())
    made = 1 if (page, wrong) == (CREATE, "late") else 0
    leave(settings(url), tmp_path, lambda: provider.seen[page] == 1, 1, 2)
    assert [reply.tier for reply in asked(settings(url), tmp_path, 1, 2)] == ["batch"] * 2
    assert provider.seen[CREATE] == (1 if page == UPLOAD or made else 2)
    seen = stats(url)
    assert (seen["batches"], seen["batch_inputs_repeated"]) == (1, 0)


def test_a_batch_in_doubt_is_found_among_many(serve: Serve, tmp_path: Path) -> None:
    """The list of batches has pages, and the one looked for need not be on the first."""
    provider = Provider(batch_latency=2.0)
    provider.wrong[CREATE] = ["late"]
    url = serve(provider.app())
    leave(settings(url), tmp_path / "a", lambda: provider.seen[CREATE] == 1, 1, 2)

    async def crowd() -> None:
        async with opened(settings(url), tmp_path / "b") as chat:
            model = [chat.complete(*question(n, f"m{n}")) for n in range(130)]
            await asyncio.gather(*model)

    asyncio.run(crowd())
    assert len(asked(settings(url), tmp_path / "a", 1, 2)) == 2
    assert stats(url)["batches"] == 131


def test_a_live_run_waits_for_what_it_has_sent_in_batches(serve: Serve, tmp_path: Path) -> None:
    url = serve(Provider(batch_latency=1.0).app())
    live = settings(url, "live")
    assert type(build.open_chat(live, Budget(), tmp_path)) is OpenAIChat
    leave(settings(url), tmp_path, is_out(tmp_path), 1, 2)
    assert type(build.open_chat(live, Budget(), tmp_path)) is BatchChat
    replies = asked(live, tmp_path, 1, 2, 3)
    assert [reply.tier for reply in replies] == ["batch", "batch", ""]
    assert stats(url)["repeated"] == 0


def test_the_budget_counts_a_batch_of_an_earlier_process(serve: Serve, tmp_path: Path) -> None:
    url = serve(Provider(batch_latency=1.0).app())
    leave(settings(url), tmp_path, is_out(tmp_path), *range(20))
    with sqlite3.connect(tmp_path / "batches.sqlite") as database:
        most = database.execute("SELECT most FROM batches").fetchone()[0]
    budget = Budget(most * 1.01)
    config = settings(url, run={"max_usd": 1.0})

    async def work() -> None:
        async with opened(config, tmp_path, budget) as chat:
            first = asyncio.create_task(chat.complete(*question(0)))
            await until(lambda: "20 requests out" in chat.load())
            # One more does not fit beside all twenty, though one alone is asked for.
            second = asyncio.create_task(chat.complete(*question(77)))
            await first
            assert stats(url)["batches"] == 1
            await second

    asyncio.run(work())
    assert budget.spent == pytest.approx(stats(url)["usd"])


def test_another_server_is_told_of(serve: Serve, tmp_path: Path) -> None:
    url, other = serve(Provider(batch_latency=5).app()), serve(Provider().app())
    leave(settings(url), tmp_path, is_out(tmp_path), 1)
    with pytest.raises(BackendError, match=r"knows no batch .* `mcu cancel`"):
        asked(settings(other), tmp_path, 1)
    elsewhere = settings("", endpoints={"b": {"base_url": other, "api_key": "k"}})
    with pytest.raises(ConfigError, match=r"endpoint '', which chat.endpoints does not list"):
        asked(elsewhere, tmp_path, 1)
    # Given up, it is sent to the other.
    assert [one.status for one in cancel(settings(other), tmp_path)] == ["unknown"]
    assert asked(settings(other), tmp_path, 1)[0].tier == "batch"


def test_cancelled_while_a_process_waits(serve: Serve, tmp_path: Path) -> None:
    url = serve(Provider(batch_latency=2.0).app())
    config = settings(url)

    async def work() -> None:
        async with opened(config, tmp_path) as chat:
            tasks = [asyncio.create_task(chat.complete(*question(n))) for n in range(10)]
            await until(lambda: stats(url)["batch_requests"] >= 3)
            found = await asyncio.to_thread(cancel, config, tmp_path)
            assert [(one.requests, one.status) for one in found] == [(10, "cancelling")]
            ends = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 2)
            assert {type(end) for end in ends} == {Incomplete}
            assert "`mcu resume` goes on" in str(ends[0])

    asyncio.run(work())
    before = stats(url)
    replies = asked(settings(url), tmp_path, *range(10))
    assert [reply.tier for reply in replies] == ["batch"] * 10
    after = stats(url)
    # What was answered before is used; nothing goes singly.
    assert (after["batches"], after["requests"]) == (2, 10)
    assert before["batch_requests"] >= 3
    assert cancel(config, tmp_path) == []


def test_cancelled_between_two_processes(serve: Serve, tmp_path: Path) -> None:
    url = serve(Provider(batch_latency=2.0).app())
    config = settings(url)
    assert cancel(config, tmp_path) == []
    assert not (tmp_path / "batches.sqlite").exists()
    leave(config, tmp_path, is_out(tmp_path), 1, 2)
    assert [one.status for one in cancel(config, tmp_path)] == ["cancelling"]
    assert [one.status for one in cancel(config, tmp_path)] in (["cancelling"], ["cancelled"])
    assert len(asked(config, tmp_path, 1, 2)) == 2
    assert stats(url)["batches"] == 2


def test_cancelled_in_doubt(serve: Serve, tmp_path: Path) -> None:
    provider = Provider(batch_latency=2.0)
    provider.wrong = {CREATE: ["late", "never"]}
    config = settings(serve(provider.app()))
    leave(config, tmp_path / "a", lambda: provider.seen[CREATE] == 1, 1)
    assert [one.status for one in cancel(config, tmp_path / "a")] == ["cancelling"]
    leave(config, tmp_path / "b", lambda: provider.seen[CREATE] == 2, 2)
    assert [one.status for one in cancel(config, tmp_path / "b")] == ["not sent"]


def test_a_batch_cancelled_by_the_provider_is_no_wish_of_the_user(
    serve: Serve, tmp_path: Path
) -> None:
    url = serve(Provider(batch_latency=2.0).app())

    async def work() -> list[ChatReply]:
        async with opened(settings(url), tmp_path) as chat:
            tasks = [asyncio.create_task(chat.complete(*question(n))) for n in range(4)]
            await until(is_out(tmp_path))
            with sqlite3.connect(tmp_path / "batches.sqlite") as database:
                batch = database.execute("SELECT batch FROM batches").fetchone()[0]
            client = next(iter(chat._endpoints.values())).client
            await client.batches.cancel(batch)
            return list(await asyncio.gather(*tasks))

    assert len(asyncio.run(work())) == 4
    assert stats(url)["batches"] == 1


def test_the_ledger(tmp_path: Path) -> None:
    ledger, other = Ledger(tmp_path), Ledger(tmp_path)
    assert (ledger.find("a"), ledger.entry("b")) == (None, None)
    ledger.note(Entry("b", "e", "m", 3, 0.5), ["a", "c", "d"])
    place: Any = other.find("a")
    assert (place.batch, place.over, place.reply) == ("b", False, None)
    ledger.uploaded("b", "file")
    ledger.created("b", "batch")
    entry: Any = other.entry("b")
    assert (entry.file, entry.batch, entry.requests, entry.cancelled) == ("file", "batch", 3, 0)
    reply = ChatReply("half a pair \ud83d", usd=0.25, tier="batch")
    replies = [("a", reply), ("unknown", reply), ("c", ChatReply("b", usd=None))]
    assert ledger.settle("b", "expired", replies, release=False) == (2, 0.25)
    places: list[Any] = [other.find(key) for key in ("a", "c", "d")]
    assert [place.over for place in places] == [True] * 3
    assert places[0].reply == reply
    assert places[2].reply is None
    assert (ledger.cancel(), other.cancelled()) == ([], set())
    ledger.settle("b", "cancelled", (), release=True)
    assert other.find("d") is None
    assert other.find("a") is not None
    ledger.forget("b")
    assert (other.find("a"), other.entry("b")) == (None, None)
    ledger.close()
    other.close()


def test_a_settlement_is_whole_or_not_at_all(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.note(Entry("b", "e", "m", 1), ["a"])

    def torn() -> Any:
        yield "a", ChatReply("yes")
        raise ValueError("the file was closed")

    with pytest.raises(ValueError, match="closed"):
        ledger.settle("b", "completed", torn(), release=False)
    place: Any = ledger.find("a")
    assert (place.over, place.reply) == (False, None)
    ledger.close()


def test_a_ledger_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "batches.sqlite").write_bytes(b"no database at all, but long enough to be read")
    with pytest.raises(StoreError, match=r"batches.sqlite cannot be opened"):
        Ledger(tmp_path)
