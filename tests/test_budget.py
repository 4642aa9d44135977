"""The cap on spending: never passed, whatever is in flight, and no call waits in vain."""

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

import pytest

from mcu.budget import Budget
from mcu.errors import Incomplete


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 20))


def test_without_a_cap_everything_goes_and_is_counted() -> None:
    async def work() -> None:
        budget = Budget()
        async with budget.hold(1e9) as hold:
            hold.paid = 3.0
        assert (budget.capped, budget.spent) == (False, 3.0)

    run(work())


@pytest.mark.parametrize("seed", range(5))
def test_many_at_once_never_pass_the_cap_and_use_it_up(seed: int) -> None:
    rng, cap, most = random.Random(seed), 10.0, 0.5

    async def call(budget: Budget) -> None:
        async with budget.hold(most) as hold:
            await asyncio.sleep(rng.random() / 100)
            hold.paid = rng.uniform(0, most)
            assert budget.spent + hold.paid <= cap

    async def work() -> None:
        budget = Budget(cap, 1.0)
        ended = await asyncio.gather(*(call(budget) for _ in range(200)), return_exceptions=True)
        assert {type(e) for e in ended} == {type(None), Incomplete}
        assert cap - most < budget.spent <= cap

    run(work())


def test_one_that_can_never_fit_is_told_at_once_with_the_figures() -> None:
    async def work() -> None:
        async with Budget(1.0, 0.75).hold(0.5):
            raise AssertionError

    with pytest.raises(Incomplete, match=r"\$0\.5000 .* cap of \$1 \(\$0\.7500 are spent\)"):
        run(work())


def test_a_failed_call_gives_back_what_was_set_aside() -> None:
    async def work() -> None:
        budget = Budget(1.0)
        for _ in range(5):
            with pytest.raises(ValueError):
                async with budget.hold(0.9):
                    raise ValueError
        async with budget.hold(1.0):
            pass
        assert budget.spent == 0

    run(work())


def test_one_who_is_cancelled_while_waiting_takes_nothing() -> None:
    async def work() -> None:
        budget, gate = Budget(1.0), asyncio.Event()

        async def call() -> None:
            async with budget.hold(0.8):
                await gate.wait()

        first = asyncio.create_task(call())
        await asyncio.sleep(0)
        second = asyncio.create_task(call())
        await asyncio.sleep(0)
        second.cancel()
        gate.set()
        await first
        async with budget.hold(1.0):
            pass

    run(work())
