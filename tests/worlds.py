"""Contexts over real services in one folder, for tests of what a stage is given."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from authors import Author, says

from mcu.backends import ChatReply
from mcu.backends.avatar import Avatar
from mcu.config import Config, parse_config
from mcu.context import Context
from mcu.family import Family
from mcu.journal import UnitJournal, Writer
from mcu.records import Narrative
from mcu.services import Services
from mcu.stages import STAGES
from mcu.store import Store

RECORD = Narrative(parent="p", text="one")


class World:
    """Contexts over real services in one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.author = Author()
        self.config = Config()
        self.images: Any = Avatar()

    def __call__(
        self, work: Callable[[Context], Awaitable[Any]], record: Narrative = RECORD
    ) -> Any:
        """Do something with a context of its own; the journal stays for the next."""
        return asyncio.run(self._run(work, record))

    async def _run(self, work: Callable[[Context], Awaitable[Any]], record: Narrative) -> Any:
        services = Services(self.config, Store(self.root))
        services._chat = self.author
        services.images = self.images
        writer = Writer()
        journal = UnitJournal(self.root / "journal.sqlite", writer)
        context = Context(services, STAGES[4], 0, record, Family((), {}), journal)
        try:
            return await work(context)
        finally:
            journal.close()
            writer.close()
            await services.close()

    def says(self, *replies: str | ChatReply) -> None:
        """What the model answers, one after the other, the last for ever."""
        self.author = says(*replies)

    def set(self, **sections: dict[str, Any]) -> None:
        self.config = parse_config(sections)
