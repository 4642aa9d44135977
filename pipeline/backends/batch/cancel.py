"""Cancelling a run's batches, whether or not a process is at work on it."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from mcu.backends.batch.api import BatchApi, Unknown
from mcu.backends.batch.ledger import Entry, Ledger, path_of
from mcu.backends.endpoint import Endpoint, endpoints_of
from mcu.config import Config
from mcu.errors import ConfigError


@dataclass(frozen=True)
class Cancelled:
    """A batch that was given up.

    Attributes:
        batch: the provider's id; empty when it was never created.
        status: what the provider says of it now; `unknown` when it says that there is no such
            batch, `not sent` when there is none.
    """

    batch: str
    requests: int
    status: str


def cancel(config: Config, journal: Path) -> list[Cancelled]:
    """Cancel what a run has out; the ledger notes it first, which stops a process at work.

    What is answered already is kept; `mcu resume` sends the rest anew.

    Args:
        config: of the run.
        journal: its journal folder.

    Raises:
        ConfigError: a batch is at a server that the configuration does not list.
        BackendError: the server cannot be reached, or refuses the key.
    """
    if not path_of(journal).exists():
        return []
    ledger = Ledger(journal)
    try:
        return asyncio.run(_cancel_all(config, ledger, ledger.cancel()))
    finally:
        ledger.close()


async def _cancel_all(config: Config, ledger: Ledger, entries: list[Entry]) -> list[Cancelled]:
    sections = endpoints_of(config.chat)
    if odd := [entry.endpoint for entry in entries if entry.endpoint not in sections]:
        raise ConfigError(f"a batch is at endpoint {odd[0]!r}, which chat.endpoints does not list")
    names = {entry.endpoint for entry in entries}
    endpoints = {name: Endpoint(name, sections[name], config.chat) for name in sorted(names)}
    try:
        apis = {n: BatchApi(e, config.chat.retries) for n, e in endpoints.items()}
        return [await _cancel_one(apis[entry.endpoint], ledger, entry) for entry in entries]
    finally:
        for endpoint in endpoints.values():
            await endpoint.close()


async def _cancel_one(api: BatchApi, ledger: Ledger, entry: Entry) -> Cancelled:
    batch = entry.batch
    if not batch:
        # It can have been created only once its file was there.
        found = await api.find(entry.id, entry.file, entry.noted) if entry.file else None
        if found is None:
            return Cancelled("", entry.requests, "not sent")
        batch = found.id
        ledger.created(entry.id, batch)
    try:
        facts = await api.cancel(batch) or await api.show(batch)
    except Unknown:
        ledger.settle(entry.id, "unknown", (), release=True)
        return Cancelled(batch, entry.requests, "unknown")
    return Cancelled(batch, entry.requests, facts.status)
