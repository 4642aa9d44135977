"""What tests of the journal share: one that is closed again, and answers that are counted."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mcu.journal import Answer, UnitJournal, Writer

SMALL = {"text": "hello", "model": "m", "prompt_tokens": 7, "completion_tokens": 2}
SMALL |= {"cached_tokens": 4, "usd": 0.25}


@contextmanager
def journal(path: Path) -> Iterator[UnitJournal]:
    writer = Writer()
    found = UnitJournal(path, writer)
    yield found
    found.close()
    writer.close()


class Maker:
    """Makes answers and counts how often it was asked."""

    def __init__(self, answer: Answer = SMALL, seconds: float = 0) -> None:
        self.calls = 0
        self._answer = answer
        self._seconds = seconds

    async def __call__(self) -> Answer:
        self.calls += 1
        await asyncio.sleep(self._seconds)
        return self._answer


def ask(found: UnitJournal, key: str, make: Callable[[], Awaitable[Answer]]) -> Awaitable[Answer]:
    return found.once(key, "chat", "record", {"messages": [key]}, make)


def run(work: Awaitable[Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 30))  # type: ignore[arg-type]
