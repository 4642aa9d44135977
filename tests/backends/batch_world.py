"""What tests of batches share: short waits, a provider that loses answers, requests to ask."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from aiohttp import web

from mcu.backends import ChatReply, ChatRequest, Dispatch, batch
from mcu.backends.batch import BatchChat
from mcu.backends.batch import api as batch_api
from mcu.backends.batch import carrier as batch_carrier
from mcu.backends.scripted import answer
from mcu.budget import Budget
from mcu.config import Config, parse_config
from mcu.ids import sha256
from mcu.simulate import Simulator

KEY = "sk-verysecret+0123/456=789"
MODEL = "gpt-4o-mini"
CREATE, UPLOAD = "POST /v1/batches", "POST /v1/files"


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for everything a tenth as long."""
    monkeypatch.setattr(batch, "_QUIET", 0.1)
    monkeypatch.setattr(batch, "_ROOM", 0.3)
    monkeypatch.setattr(batch_carrier, "_FIRST_LOOK", 0.05)
    monkeypatch.setattr(batch_carrier, "_GLANCE", 0.05)
    monkeypatch.setattr(batch_api, "_FIRST_WAIT", 0.05)
    monkeypatch.setattr(batch_api, "_DOUBTS", (0.0, 0.05, 0.1))


class Provider:
    """The simulator, with what goes wrong between it and a client.

    Args:
        **settings: of the simulator.
    """

    def __init__(self, **settings: Any) -> None:
        self._simulator = Simulator(**{"batch_latency": 0.1, **settings})
        self.seen: Counter[str] = Counter()
        self.wrong: dict[str, list[Any]] = {}

    def app(self) -> web.Application:
        """What is served."""
        app = self._simulator.app()
        app.middlewares.append(self._meddle)
        return app

    @web.middleware
    async def _meddle(
        self, request: web.Request, handler: Callable[..., Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Do what is next in `wrong` for this page: a status, or one of four words."""
        what = f"{request.method} {request.path}"
        self.seen[what] += 1
        todo = self.wrong.get(what)
        match todo.pop(0) if todo else "":
            case int(status):
                await request.read()
                return web.json_response({"error": {"message": f"no {KEY}"}}, status=status)
            case "lost":
                await handler(request)
                _abort(request)
            case "dropped":
                _abort(request)
            case "late":
                await handler(request)
                await _gone(request)
            case "never":
                await _gone(request)
        return await handler(request)


async def _gone(request: web.Request) -> None:
    """Wait until the client has given up."""
    while request.transport and not request.transport.is_closing():
        await asyncio.sleep(0.02)
    raise ConnectionResetError


def _abort(request: web.Request) -> None:
    if request.transport:
        request.transport.abort()
    raise ConnectionResetError


def stats(url: str) -> dict[str, Any]:
    """What the provider has seen."""
    with urlopen(url.removesuffix("/v1") + "/stats") as reply:
        found: dict[str, Any] = json.load(reply)
    return found


def settings(url: str, mode: str = "batch", run: Any = None, **chat: Any) -> Config:
    """A configuration for a provider."""
    own = {"backend": "openai", "base_url": url, "model": MODEL, "mode": mode, "retries": 3}
    return parse_config({"run": run or {}, "chat": {**own, "api_key": KEY, **chat}})


def question(number: int, model: str = MODEL, size: int = 0) -> tuple[ChatRequest, Dispatch]:
    """A request and its key, the same for the same number."""
    messages = [{"role": "user", "content": f"Say {number}." + "x" * size}]
    request = ChatRequest(messages, "t", {"type": "object"}, model, number, max_tokens=100)
    return request, Dispatch(sha256(f"{model} {number}".encode()))


def texts(*numbers: int, model: str = MODEL) -> list[str]:
    """What the scripted author answers."""
    requests = [question(number, model)[0] for number in numbers]
    return [answer(request.messages, request.seed) for request in requests]


@contextlib.asynccontextmanager
async def opened(config: Config, folder: Path, budget: Budget | None = None) -> Any:
    """A chat, closed at the end."""
    chat = BatchChat(config, budget or Budget(), folder)
    try:
        yield chat
    finally:
        await chat.close()


def asked(
    config: Config, folder: Path, *numbers: int, budget: Budget | None = None, **how: Any
) -> list[ChatReply]:
    """Ask questions at once and wait for all answers."""

    async def work() -> list[ChatReply]:
        async with opened(config, folder, budget) as chat:
            calls = [chat.complete(*question(number, **how)) for number in numbers]
            return list(await asyncio.gather(*calls))

    return asyncio.run(asyncio.wait_for(work(), 30))


async def until(done: Callable[[], bool]) -> None:
    """Wait for something."""
    for _ in range(500):
        if done():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come")


def leave(config: Config, folder: Path, done: Callable[[], bool], *numbers: int) -> None:
    """Ask, and let a killed process's state behind once something is so."""

    async def work() -> None:
        chat = BatchChat(config, Budget(), folder)
        tasks = [asyncio.create_task(chat.complete(*question(n))) for n in numbers]
        await until(done)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await chat.close()

    asyncio.run(asyncio.wait_for(work(), 30))


@contextlib.contextmanager
def warnings_of(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """The warnings logged in a block, filled at its end."""
    found: list[str] = []
    with caplog.at_level("WARNING", "mcu"):
        yield found
    found += [record.getMessage() for record in caplog.records]
