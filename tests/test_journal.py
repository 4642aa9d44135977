"""The journal: what `once` returned is on disk, whatever happens next, and is asked for once."""

import asyncio
import os
import struct
import time
from pathlib import Path

import pytest
from journals import SMALL, Maker, ask, journal, run

from mcu.errors import StoreError
from mcu.journal import TOTALS, Answer, UnitJournal, Writer, read_totals


def test_an_answer_is_given_again(tmp_path: Path) -> None:
    make = Maker({**SMALL, "text": "\u00fc \ud800 \U0001f600\n\x00", "list": [1, None, 2.5]})
    with journal(tmp_path / "a.sqlite") as first:
        given = run(ask(first, "k", make))
        assert run(ask(first, "k", make)) == given
        assert first.replayed == 1
    with journal(tmp_path / "a.sqlite") as second:
        assert run(ask(second, "k", make)) == given
        run(ask(second, "other", make))
    assert make.calls == 2


def test_equal_requests_at_once_are_made_once(tmp_path: Path) -> None:
    make = Maker(seconds=0.05)

    async def work(found: UnitJournal) -> list[Answer]:
        return await asyncio.gather(*(ask(found, f"k{n % 2}", make) for n in range(20)))

    with journal(tmp_path / "a.sqlite") as found:
        assert run(work(found)) == [SMALL] * 20
    assert make.calls == 2


def test_an_error_is_not_kept(tmp_path: Path) -> None:
    async def fail() -> Answer:
        await asyncio.sleep(0.01)
        raise ValueError("no")

    async def work(found: UnitJournal) -> None:
        both = await asyncio.gather(
            ask(found, "k", fail), ask(found, "k", fail), return_exceptions=True
        )
        assert [repr(error) for error in both] == ["ValueError('no')"] * 2
        assert await ask(found, "k", Maker()) == SMALL

    with journal(tmp_path / "a.sqlite") as found:
        run(work(found))
        assert found.totals()["calls"] == 1


def test_who_waits_for_another_is_not_cancelled_with_it(tmp_path: Path) -> None:
    make = Maker(seconds=0.02)

    async def work(found: UnitJournal) -> None:
        owner = asyncio.create_task(ask(found, "k", make))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        others = [asyncio.create_task(ask(found, "k", make)) for _ in range(3)]  # type: ignore[arg-type]
        await asyncio.sleep(0)
        owner.cancel()
        assert await asyncio.gather(*others) == [SMALL] * 3

    with journal(tmp_path / "a.sqlite") as found:
        run(work(found))
    assert make.calls == 1, "a call that is paid for goes on"


def test_who_gives_up_waiting_disturbs_nobody(tmp_path: Path) -> None:
    make = Maker(seconds=0.02)

    async def work(found: UnitJournal) -> None:
        owner = asyncio.create_task(ask(found, "k", make))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        other = asyncio.create_task(ask(found, "k", make))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        other.cancel()
        assert await owner == SMALL
        assert other.cancelled()

    with journal(tmp_path / "a.sqlite") as found:
        run(work(found))
    assert make.calls == 1


def test_an_answer_that_had_arrived_outlives_an_interruption(tmp_path: Path) -> None:
    """Tasks cancelled while the writer has their answers, the unit closed at once."""

    async def work(found: UnitJournal) -> None:
        make = Maker({**SMALL, "text": os.urandom(100_000).hex()})
        tasks = [asyncio.create_task(ask(found, f"k{n}", make)) for n in range(60)]  # type: ignore[arg-type]
        while make.calls < 60:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        found.close()

    writer = Writer()
    run(work(UnitJournal(tmp_path / "a.sqlite", writer)))
    writer.close()
    assert read_totals(tmp_path / "a.sqlite")["calls"] == 60


def test_every_commit_waits_for_the_disk(tmp_path: Path) -> None:
    """The setting itself: only a loss of power would show the difference."""
    with journal(tmp_path / "a.sqlite") as found:
        full = found._database.execute("PRAGMA synchronous").fetchone()
        log = found._database.execute("PRAGMA journal_mode").fetchone()
    assert (full, log) == ((2,), ("wal",))


def test_many_answers_share_a_commit(tmp_path: Path) -> None:
    make = Maker()

    async def work(found: UnitJournal) -> None:
        await asyncio.gather(*(ask(found, f"k{n}", make) for n in range(200)))

    with journal(tmp_path / "a.sqlite") as found:
        run(work(found))
        assert commits(tmp_path / "a.sqlite-wal") <= 50


def commits(log: Path) -> int:
    """Transactions in a write-ahead log: frames that tell the file's size after a commit."""
    data = log.read_bytes()
    page = struct.unpack(">I", data[8:12])[0]
    frames = range(32, len(data), 24 + page)
    return sum(struct.unpack(">I", data[at + 4 : at + 8])[0] > 0 for at in frames)


def test_throughput(tmp_path: Path) -> None:
    make = Maker({**SMALL, "text": "a word and another " * 200})

    async def work(found: UnitJournal) -> None:
        await asyncio.gather(*(ask(found, f"k{n}", make) for n in range(2000)))

    with journal(tmp_path / "a.sqlite") as found:
        started = time.monotonic()
        run(work(found))
        assert time.monotonic() - started < 10


def test_keep_or_delete(tmp_path: Path) -> None:
    writer = Writer()
    for keep in (True, False):
        found = UnitJournal(tmp_path / "a.sqlite", writer)
        run(ask(found, "k", Maker()))
        found.close(keep)
        assert [p.name for p in tmp_path.iterdir()] == (["a.sqlite"] if keep else [])
    writer.close()


def test_answers_are_kept_compressed(tmp_path: Path) -> None:
    with journal(tmp_path / "a.sqlite") as found:
        run(ask(found, "k", Maker({**SMALL, "text": "again and " * 100_000})))
    assert (tmp_path / "a.sqlite").stat().st_size < 100_000


@pytest.mark.parametrize("answer", [{"model": "\ud800"}, {"prompt_tokens": 2**70}])
def test_an_answer_that_cannot_be_kept_is_an_error_and_not_a_standstill(
    tmp_path: Path, answer: Answer
) -> None:
    with journal(tmp_path / "a.sqlite") as found:
        with pytest.raises(StoreError, match="cannot be written"):
            run(ask(found, "k", Maker({**SMALL, **answer})))
        assert run(ask(found, "k", Maker())) == SMALL


def test_a_file_that_is_no_journal(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    path.write_bytes(os.urandom(8192))
    writer = Writer()
    with pytest.raises(StoreError, match=r"a\.sqlite cannot be opened"):
        UnitJournal(path, writer)
    with pytest.raises(StoreError, match="cannot be opened"):
        UnitJournal(path / "below" / "b.sqlite", writer)
    writer.close()
    assert read_totals(path)["calls"] == 0


def test_a_damaged_journal_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with journal(path) as found:
        run(ask(found, "k", Maker()))
    data = bytearray(path.read_bytes())
    start = data.rindex(b"record")
    data[start + 6 : start + 60] = bytes(54)
    path.write_bytes(data)
    with journal(path) as found, pytest.raises(StoreError, match=r"a\.sqlite cannot be read"):
        run(ask(found, "k", Maker()))


def test_totals_count_calls_to_the_model(tmp_path: Path) -> None:
    path = tmp_path / "what? 100%20 #1" / "a.sqlite"
    nothing = dict.fromkeys(TOTALS, 0)
    assert read_totals(path) == nothing
    with journal(path) as found:
        for number in range(3):
            run(ask(found, f"k{number}", Maker()))
        run(found.once("image", "image", "record", {}, Maker({"image": "x"})))
        run(ask(found, "free", Maker({"text": "", "usd": None})))
        tokens = {"prompt_tokens": 21, "completion_tokens": 6, "cached_tokens": 12}
        wanted = nothing | {"calls": 4, **tokens, "usd": 0.75, "unpriced": 1}
        assert found.totals() == wanted
        assert read_totals(path) == wanted
    assert read_totals(path) == wanted
