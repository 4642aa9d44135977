"""The way of a batch: to the provider, step by step into the ledger, and its answers back."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

from mcu.backends import ChatReply
from mcu.backends.batch.api import BatchApi
from mcu.backends.batch.facts import ENDED, Facts
from mcu.backends.batch.files import Spool, replies_of, scratch
from mcu.backends.batch.ledger import Entry, Ledger
from mcu.errors import ConfigError, Incomplete, StoreError
from mcu.log import logger

_FIRST_LOOK, _LONGEST_LOOK, _SLOWER = 1.0, 60.0, 1.3  # seconds between two looks at a batch
_GLANCE = 1.0  # seconds between two looks whether the user has cancelled it


class Carrier:
    """Sends batches, finds those of an earlier process, waits for them and takes answers in.

    Args:
        ledger: is told of each step before the next is taken.
        folder: for files in between.
        apis: the pages of each server, by its name.
        priced: puts the price for a model and a tier on a reply.
    """

    def __init__(
        self,
        ledger: Ledger,
        folder: Path,
        apis: dict[str, BatchApi],
        priced: Callable[[ChatReply, str, str], ChatReply],
    ) -> None:
        self._ledger = ledger
        self._folder = folder
        self._apis = apis
        self._priced = priced
        self._excused = ledger.cancelled()

    async def send(self, spool: Spool, endpoint: str, model: str) -> Entry:
        """Make a batch of what was gathered.

        Raises:
            Incomplete: the user has cancelled the batches meanwhile.
            BackendError: the server has no batches, or refuses for good.
        """
        entry = Entry(spool.id, endpoint, model, len(spool.keys), spool.most, time.time())
        api, ledger = self._apis[endpoint], self._ledger
        await asyncio.to_thread(ledger.note, entry, spool.keys)
        file = await api.upload(spool.file, f"mcu-{entry.id}.jsonl")
        spool.close()
        await asyncio.to_thread(ledger.uploaded, entry.id, file)
        self._stop_if_cancelled()  # whoever cancels looks for a batch only where a file is noted
        facts = await api.create(file, entry.id, entry.noted)
        await asyncio.to_thread(ledger.created, entry.id, facts.id)
        logger.info("batch %s: %d requests for %s", facts.id, entry.requests, model)
        return replace(entry, file=file, batch=facts.id)

    async def find(self, id_: str) -> Entry | None:
        """A batch of an earlier process; None, and forgotten, when it was never created.

        Raises:
            ConfigError: the server that has it is not among those of the configuration.
        """
        entry = self._ledger.entry(id_)
        if entry is None or entry.batch:
            return entry
        api = self._api(entry)
        # It can have been created only once its file was there.
        facts = await api.find(entry.id, entry.file, entry.noted) if entry.file else None
        if facts is None:
            await asyncio.to_thread(self._ledger.forget, entry.id)
            return None
        await asyncio.to_thread(self._ledger.created, entry.id, facts.id)
        return replace(entry, batch=facts.id)

    async def wait(self, entry: Entry) -> Facts:
        """Return when a batch has ended.

        Raises:
            Incomplete: the user has cancelled the batches since this process began.
            BackendError: the server does not know it.
        """
        api, pause = self._api(entry), _FIRST_LOOK
        while (facts := await api.show(entry.batch)).status not in ENDED:
            again = time.monotonic() + pause
            while (left := again - time.monotonic()) > 0:
                self._stop_if_cancelled()
                await asyncio.sleep(min(left, _GLANCE))
            pause = min(pause * _SLOWER, _LONGEST_LOOK)
        self._stop_if_cancelled()
        return facts

    async def take_in(self, entry: Entry, facts: Facts) -> float:
        """Put the answers of a batch that has ended into the ledger; gives what they cost."""
        release = entry.id in self._excused
        try:
            with scratch(self._folder) as file:
                if facts.output and not await self._api(entry).download(facts.output, file):
                    logger.warning("batch %s: the server has its answers no more", entry.batch)
                replies = self._replies(file, entry)
                answered, usd = await asyncio.to_thread(
                    self._ledger.settle, entry.id, facts.status, replies, release
                )
        except OSError as error:
            raise StoreError(f"answers of a batch cannot be kept: {error.strerror}") from error
        logger.info("batch %s: %s with %d answers", entry.batch, facts.status, answered)
        if left := entry.requests - answered:
            how = "are sent anew" if release else "are asked one by one, at the usual price"
            logger.warning(
                "batch %s: %d of %d requests have no answer and %s %s",
                *(entry.batch, left, entry.requests, how, facts.reason),
            )
        return usd

    def _replies(self, file: IO[bytes], entry: Entry) -> Iterator[tuple[str, ChatReply]]:
        for key, reply in replies_of(file):
            told = replace(reply, tier="batch", endpoint=entry.endpoint)
            yield key, self._priced(told, entry.model, "batch")

    def _api(self, entry: Entry) -> BatchApi:
        if entry.endpoint not in self._apis:
            raise ConfigError(
                f"a batch is at endpoint {entry.endpoint!r}, which chat.endpoints does not list; "
                f"list it until the batch has ended"
            )
        return self._apis[entry.endpoint]

    def _stop_if_cancelled(self) -> None:
        if self._ledger.cancelled() - self._excused:
            raise Incomplete("batches were cancelled; `mcu resume` goes on")
