"""What tests of runs share: the scripted author with an ear and, where asked, another tongue."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from mcu.backends import ChatReply, ChatRequest, build
from mcu.backends.scripted import Scripted

Change = Callable[[ChatRequest, str], ChatReply | str | None]


class Author:
    """The scripted author; notes what it is asked, and says something else where `change` does."""

    def __init__(self, change: Change | None = None, seconds: float = 0.0) -> None:
        self.requests: list[ChatRequest] = []
        self._change = change
        self._seconds = seconds
        self._author = Scripted()

    async def complete(self, request: ChatRequest) -> ChatReply:
        self.requests.append(request)
        await asyncio.sleep(self._seconds)
        reply = await self._author.complete(request)
        changed = self._change(request, reply.text) if self._change else None
        if isinstance(changed, str):
            return replace(reply, text=changed)
        return changed or reply

    async def close(self) -> None:
        pass

    @property
    def tasks(self) -> list[str]:
        """The prompts in the order in which they were asked."""
        return [request.schema_name for request in self.requests]


def writes(monkeypatch: pytest.MonkeyPatch, author: Author) -> Author:
    """Let the author write all runs from now on."""
    monkeypatch.setattr(build, "open_chat", lambda config: author)
    return author


def field(request: ChatRequest, label: str) -> str:
    """A labelled field of a prompt, empty where it has none."""
    found = re.search(rf"^{label}: (.*)$", request.messages[1]["content"], re.MULTILINE)
    return found[1] if found else ""
