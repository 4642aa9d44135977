"""The limit on calls in flight: its size, its order, and that no place is ever lost."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu.limits import Limiter, Priority

WAITING = 0.001


async def hold(
    limiter: Limiter, priority: Priority, inside: Callable[[], Awaitable[object]]
) -> None:
    async with limiter.hold(priority):
        await inside()


async def free(limiter: Limiter, most: int) -> int:
    """How many can be let in at once."""
    inside = 0

    async def stay() -> None:
        nonlocal inside
        inside += 1
        await asyncio.sleep(WAITING * 20)

    tasks = [asyncio.create_task(hold(limiter, (0, 0), stay)) for _ in range(most)]
    await asyncio.sleep(WAITING)
    found = inside
    await asyncio.gather(*tasks)
    return found


def test_never_more_than_the_limit_and_never_fewer() -> None:
    async def work() -> None:
        limiter, inside, seen = Limiter(3), 0, []

        async def stay() -> None:
            nonlocal inside
            inside += 1
            seen.append(inside)
            await asyncio.sleep(0)
            inside -= 1

        await asyncio.gather(*(hold(limiter, (0, n), stay) for n in range(40)))
        assert max(seen) == 3
        assert len(seen) == 40
        assert await free(limiter, 9) == 3

    asyncio.run(asyncio.wait_for(work(), 20))


def test_later_stages_first_then_lower_shards_then_arrival() -> None:
    async def work() -> None:
        limiter, order = Limiter(1), []

        async def note(what: object) -> None:
            order.append(what)

        gate = asyncio.Event()
        first = asyncio.create_task(hold(limiter, (0, 0), gate.wait))
        await asyncio.sleep(0)
        asked = [(-3, 1), (-7, 2), (-3, 0), (-7, 1), (-8, 9), (-3, 0)]
        tasks = [
            asyncio.create_task(hold(limiter, p, lambda p=p, n=n: note((p, n))))
            for n, p in enumerate(asked)
        ]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(first, *tasks)
        wanted = [
            ((-8, 9), 4),
            ((-7, 1), 3),
            ((-7, 2), 1),
            ((-3, 0), 2),
            ((-3, 0), 5),
            ((-3, 1), 0),
        ]
        assert order == wanted

    asyncio.run(asyncio.wait_for(work(), 20))


def test_an_error_inside_gives_the_place_back() -> None:
    async def fail() -> None:
        raise ValueError

    async def work() -> None:
        limiter = Limiter(2)
        for _ in range(5):
            with pytest.raises(ValueError):
                await hold(limiter, (0, 0), fail)
        assert await free(limiter, 4) == 2

    asyncio.run(asyncio.wait_for(work(), 20))


def test_one_who_is_cancelled_in_the_moment_of_being_let_in_passes_the_place_on() -> None:
    async def work() -> None:
        limiter, gate = Limiter(1), asyncio.Event()
        holder = asyncio.create_task(hold(limiter, (0, 0), gate.wait))
        await asyncio.sleep(0)
        chosen = asyncio.create_task(hold(limiter, (0, 1), gate.wait))
        other = asyncio.create_task(hold(limiter, (0, 2), gate.wait))
        await asyncio.sleep(0)
        holder.cancel()
        await asyncio.sleep(0)
        assert not chosen.done()
        chosen.cancel()
        gate.set()
        await other
        assert chosen.cancelled()
        assert await free(limiter, 3) == 1

    asyncio.run(asyncio.wait_for(work(), 20))


@settings(deadline=None, max_examples=60)
@given(
    limit=st.integers(1, 4),
    steps=st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=30),
)
def test_cancelling_at_any_moment_leaks_no_place(limit: int, steps: list[tuple[int, bool]]) -> None:
    """Tasks come, yield and are cancelled in every order; afterwards all places are there."""

    async def work() -> None:
        limiter, tasks = Limiter(limit), []

        async def stay() -> None:
            for _ in range(3):
                await asyncio.sleep(0)

        for number, cancel in steps:
            tasks.append(asyncio.create_task(hold(limiter, (-number, 0), stay)))
            if number % 2:
                await asyncio.sleep(0)
            if cancel:
                tasks[number % len(tasks)].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert await free(limiter, limit + 2) == limit

    asyncio.run(asyncio.wait_for(work(), 20))
