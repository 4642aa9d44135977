"""The queue before the lanes: its order, that no place is ever lost, and how it ends."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu.errors import BackendError
from mcu.flow import Flow, Priority
from mcu.limits import Bucket, Lane


def steady(name: str = "a", limit: int = 1) -> Lane:
    """A lane that has found its limit."""
    lane = Lane(name, limit)
    lane.answered(lane.start(0.0, 0), 0.0, 0)
    return lane


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 20))


async def hold(flow: Flow, lanes: tuple[Lane, ...], priority: Priority, inside: Any) -> str:
    ticket = await flow.enter(lanes, priority)
    try:
        await inside()
        return ticket.lane.name
    finally:
        ticket.lane.answered(ticket, asyncio.get_running_loop().time(), 0)
        flow.pump()


def test_never_more_than_the_limit_and_never_fewer() -> None:
    async def work() -> None:
        flow, lanes, inside, seen = Flow(), (steady(limit=3),), 0, []

        async def stay() -> None:
            nonlocal inside
            inside += 1
            seen.append(inside)
            await asyncio.sleep(0)
            inside -= 1

        await asyncio.gather(*(hold(flow, lanes, (0, n), stay) for n in range(40)))
        assert max(seen) == 3
        assert len(seen) == 40

    run(work())


def test_later_stages_first_then_lower_shards_then_arrival() -> None:
    async def work() -> None:
        flow, lanes, order = Flow(), (steady(),), []

        async def note(what: object) -> None:
            order.append(what)

        gate = asyncio.Event()
        first = asyncio.create_task(hold(flow, lanes, (0, 0), gate.wait))
        await asyncio.sleep(0)
        asked = [(-3, 1), (-7, 2), (-3, 0), (-7, 1), (-8, 9), (-3, 0)]
        tasks = [
            asyncio.create_task(hold(flow, lanes, p, lambda p=p, n=n: note((p, n))))
            for n, p in enumerate(asked)
        ]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(first, *tasks)
        assert [n for _, n in order] == [4, 3, 1, 2, 5, 0]

    run(work())


def test_calls_go_where_most_places_are_free() -> None:
    async def work() -> None:
        flow, lanes = Flow(), (steady("small", 2), steady("large", 6))
        gate = asyncio.Event()
        tasks = [asyncio.create_task(hold(flow, lanes, (0, n), gate.wait)) for n in range(8)]
        await asyncio.sleep(0)
        assert [lane.in_flight for lane in lanes] == [2, 6]
        gate.set()
        names = await asyncio.gather(*tasks)
        assert (names.count("small"), names.count("large")) == (2, 6)

    run(work())


def test_who_may_go_to_one_server_only_waits_for_it_and_holds_up_nobody() -> None:
    async def work() -> None:
        flow, one, two = Flow(), steady("one"), steady("two")
        gate = asyncio.Event()
        first = asyncio.create_task(hold(flow, (one,), (0, 0), gate.wait))
        await asyncio.sleep(0)
        waits = asyncio.create_task(hold(flow, (one,), (-9, 0), gate.wait))
        goes = asyncio.create_task(hold(flow, (one, two), (-1, 0), gate.wait))
        await asyncio.sleep(0)
        assert (one.in_flight, two.in_flight) == (1, 1)
        gate.set()
        assert await asyncio.gather(first, waits, goes) == ["one", "one", "two"]

    run(work())


def test_a_pause_ends_by_itself() -> None:
    async def work() -> None:
        flow, lane = Flow(), Lane("a", 4, Bucket(60_000))
        lane.requests.take(1100)
        started = asyncio.get_running_loop().time()
        await flow.enter((lane,), (0, 0))
        assert 0.05 < asyncio.get_running_loop().time() - started < 1

    run(work())


def test_stopping_tells_those_who_wait_and_those_who_come() -> None:
    async def work() -> None:
        flow, lanes, gate = Flow(), (steady(),), asyncio.Event()
        first = asyncio.create_task(hold(flow, lanes, (0, 0), gate.wait))
        await asyncio.sleep(0)
        second = asyncio.create_task(hold(flow, lanes, (0, 1), gate.wait))
        await asyncio.sleep(0)
        flow.stop(BackendError("no quota"))
        flow.stop(BackendError("another"))
        for late in (second, hold(flow, lanes, (0, 2), gate.wait)):
            with pytest.raises(BackendError, match="no quota"):
                await late
        gate.set()
        await first

    run(work())


def test_a_rest_ends_with_time_a_round_of_answers_or_the_run() -> None:
    async def work() -> None:
        flow, lane, clock = Flow(), steady(limit=2), asyncio.get_running_loop().time
        started = clock()
        await flow.rest(0.05, lane)
        assert 0.05 <= clock() - started < 2
        rests = [asyncio.create_task(flow.rest(9, lane)), asyncio.create_task(flow.rest(9))]
        await asyncio.sleep(0)
        for answers in (1, 2):
            lane.answered(lane.start(clock(), 0), clock(), 5)
            flow.pump()
            await asyncio.sleep(0.01)
            assert rests[0].done() == (answers == 2)
        assert not rests[1].done()
        flow.stop(BackendError("no"))
        await rests[1]
        await flow.rest(9)
        assert clock() - started < 5

    run(work())


def test_one_who_is_cancelled_in_the_moment_of_being_let_in_passes_the_place_on() -> None:
    async def work() -> None:
        flow, lanes, gate = Flow(), (steady(),), asyncio.Event()
        holder = asyncio.create_task(hold(flow, lanes, (0, 0), gate.wait))
        await asyncio.sleep(0)
        chosen = asyncio.create_task(hold(flow, lanes, (0, 1), gate.wait))
        other = asyncio.create_task(hold(flow, lanes, (0, 2), gate.wait))
        await asyncio.sleep(0)
        holder.cancel()
        await asyncio.sleep(0)
        assert not chosen.done()
        chosen.cancel()
        gate.set()
        await other
        assert chosen.cancelled()
        assert lanes[0].in_flight == 0

    run(work())


@settings(deadline=None, max_examples=60)
@given(
    limit=st.integers(1, 4),
    steps=st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=30),
)
def test_cancelling_at_any_moment_leaks_no_place(limit: int, steps: list[tuple[int, bool]]) -> None:
    async def work() -> None:
        flow, lanes = Flow(), (steady(limit=limit),)
        tasks: list[asyncio.Task[str]] = []

        async def stay() -> None:
            for _ in range(3):
                await asyncio.sleep(0)

        for number, cancel in steps:
            tasks.append(asyncio.create_task(hold(flow, lanes, (-number, 0), stay)))
            if number % 2:
                await asyncio.sleep(0)
            if cancel:
                tasks[number % len(tasks)].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert lanes[0].in_flight == 0
        assert await hold(flow, lanes, (0, 0), stay) == "a"

    run(work())
