"""What tests of runs and stages share: an author that listens, and a stage run on one record."""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from mcu.backends import ChatReply, ChatRequest, Dispatch, Search, build
from mcu.backends.scripted import Scripted
from mcu.config import parse_config
from mcu.context import Context
from mcu.contract import Stage
from mcu.errors import McuError
from mcu.family import Family
from mcu.journal import UnitJournal, Writer
from mcu.records import Record
from mcu.services import Services
from mcu.stages import STAGES
from mcu.store import Rows, Store
from mcu.unit import attempt

Change = Callable[[ChatRequest, str], ChatReply | str | None]


class Author:
    """The scripted author; notes what it is asked, and says something else where `change` does."""

    def __init__(self, change: Change | None = None, seconds: float = 0.0) -> None:
        self.requests: list[ChatRequest] = []
        self._change = change
        self._seconds = seconds
        self._author = Scripted()

    async def complete(self, request: ChatRequest, dispatch: Dispatch) -> ChatReply:
        self.requests.append(request)
        await asyncio.sleep(self._seconds)
        reply = await self._author.complete(request, dispatch)
        changed = self._change(request, reply.text) if self._change else None
        if isinstance(changed, str):
            return replace(reply, text=changed)
        return changed or reply

    def stop(self, error: McuError) -> None:
        pass

    def load(self) -> str:
        return ""

    async def close(self) -> None:
        pass

    @property
    def tasks(self) -> list[str]:
        """The prompts in the order in which they were asked."""
        return [request.schema_name for request in self.requests]


def writes(monkeypatch: pytest.MonkeyPatch, author: Author) -> Author:
    """Let the author write all runs from now on."""
    monkeypatch.setattr(build, "open_chat", lambda *_: author)
    return author


def field(request: ChatRequest, label: str) -> str:
    """A labelled field of a prompt, empty where it has none."""
    found = re.search(rf"^{label}: (.*)$", request.messages[1]["content"], re.MULTILINE)
    return found[1] if found else ""


class Said(Author):
    """An author with these replies, one after the other, the last for ever."""

    def __init__(self, replies: Sequence[str | ChatReply]) -> None:
        super().__init__()
        self._replies = replies

    async def complete(self, request: ChatRequest, dispatch: Dispatch) -> ChatReply:
        self.requests.append(request)
        reply = self._replies[min(len(self.requests), len(self._replies)) - 1]
        return reply if isinstance(reply, ChatReply) else ChatReply(reply)


def says(*replies: str | ChatReply) -> Author:
    """An author with these replies, one after the other, the last for ever."""
    return Said(replies)


def act(
    stage: Stage,
    record: Record,
    author: Author,
    folder: Path,
    relatives: Sequence[Record] = (),
    search: Mapping[str, Search] | None = None,
    **sections: dict[str, Any],
) -> tuple[list[Any], list[dict[str, str]]]:
    """Run a stage on one record as a unit would: what it made, and what was lost."""

    async def work() -> tuple[list[bytes], list[dict[str, str]]]:
        services = Services(parse_config(sections), Store(folder))
        services._chat = author
        if search:
            services.search = search
        writer = Writer()
        journal = UnitJournal(folder / "journal.sqlite", writer)
        family = Family(STAGES, _files(folder, [record, *relatives]))
        try:
            return await attempt(
                stage, record, Context(services, stage, 0, record, family, journal)
            )
        finally:
            family.close()
            journal.close()
            writer.close()
            await services.close()

    made, losses = asyncio.run(work())
    return [stage.makes.model_validate_json(line) for line in made], losses


def _files(folder: Path, records: Sequence[Record]) -> dict[type[Record], Rows]:
    found: dict[type[Record], Rows] = {}
    for kind in (stage.makes for stage in STAGES):
        lines = [r.model_dump_json().encode() + b"\n" for r in records if type(r) is kind]
        path = folder / f"{kind.__name__}.jsonl"
        path.write_bytes(b"".join(lines))
        found[kind] = Rows(path, sha256(b"".join(lines)).hexdigest())
    return found
