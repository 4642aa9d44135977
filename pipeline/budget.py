"""The cap on what a run may spend: money is set aside before a call, and the rest given back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from mcu.errors import Incomplete


@dataclass
class Hold:
    """What is set aside for one call; `paid` becomes its true price once it is known."""

    set_aside: float
    paid: float = 0.0


class Budget:
    """Dollars spent and set aside, against a cap that is never passed.

    A call sets aside the most it can cost. One that does not fit waits for those in flight, which
    nearly all cost less; when none is in flight, no call of its size fits any more.
    """

    def __init__(self, cap: float = 0.0, spent: float = 0.0) -> None:
        self._cap = cap
        self.spent = spent
        self._aside = 0.0
        self._in_flight = 0
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def capped(self) -> bool:
        """Whether there is a cap at all."""
        return self._cap > 0

    @asynccontextmanager
    async def hold(self, most: float) -> AsyncIterator[Hold]:
        """Set aside the most that a call can cost while the block runs.

        Raises:
            Incomplete: it could pass the cap, and nothing is in flight that could give back.
        """
        await self._fit(most)
        held = Hold(most)
        self._aside += most
        self._in_flight += 1
        try:
            yield held
        finally:
            self._in_flight -= 1
            self._aside = self._aside - held.set_aside if self._in_flight else 0.0
            self.spent += held.paid
            self._wake()

    async def _fit(self, most: float) -> None:
        while self.capped and self.spent + self._aside + most > self._cap:
            if not self._in_flight:
                raise Incomplete(
                    f"the next call could cost ${most:.4f} and pass the cap of ${self._cap:g} "
                    f"(${self.spent:.4f} are spent); resume with a higher --max-usd"
                )
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for turn in waiting:
            if not turn.done():
                turn.set_result(None)
