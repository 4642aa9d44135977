"""The server: chat completions, models, stats and reset, with files and batches beside them."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from mcu.errors import ConfigError
from mcu.prices import Price
from mcu.simulate.ask import Ask, unread
from mcu.simulate.batches import Batches
from mcu.simulate.cache import PromptCache
from mcu.simulate.desk import Desk
from mcu.simulate.faults import Faults
from mcu.simulate.files import Files
from mcu.simulate.limits import Limiter, Step
from mcu.simulate.wire import Refused, abort, gone, page_of, respond
from mcu.simulate.writer import Writer

_LARGEST = 2**28  # bytes of a request: a file of a batch that is too large, and some more
_LOOK = 0.2  # seconds between two looks whether a client that gets no answer is still there
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Simulator:
    """The scripted author as a server; with nothing set, its answers depend on requests alone.

    Attributes:
        latency: seconds before each answer.
        most: requests in flight that are let in; the rest are refused with 429. 0 sets no limit.
        faults: share of answers that are bad on purpose, in one of eight ways.
        log: file that gets a line for each request: its hash, its start and its end.
        fault: share by kind of fault, besides.
        limits: what `most` becomes at which second after the first request or the last reset.
        requests_per_minute: 0 sets no limit.
        tokens_per_minute: 0 sets no limit.
        key: the only API key that is taken; empty takes all.
        models: the only models that are served; empty serves all.
        prompt_cache: count prompts that begin as an earlier one did as cached.
        prices: dollars by model, before those that ship.
        batch_latency: seconds until a batch is done.
    """

    latency: float = 0.0
    most: int = 0
    faults: float = 0.0
    log: Path | None = None
    fault: Mapping[str, float] = field(default_factory=dict)
    limits: Sequence[Step] = ()
    requests_per_minute: float = 0.0
    tokens_per_minute: float = 0.0
    key: str = ""
    models: Sequence[str] = ()
    prompt_cache: bool = False
    prices: Mapping[str, Price] = field(default_factory=dict)
    batch_latency: float = 1.0

    def __post_init__(self) -> None:
        writer = Writer(self.prices, PromptCache() if self.prompt_cache else None)
        self._desk = Desk(self.models, Faults(self.faults, self.fault), writer, self.log)
        steps = [(0.0, self.most)] if self.most else []
        self._limiter = Limiter(
            [*steps, *self.limits], self.requests_per_minute, self.tokens_per_minute
        )
        self._files = Files()
        self._batches = Batches(self._desk, self._files, self.batch_latency)
        self._closing = asyncio.Event()

    def app(self) -> web.Application:
        """The web application."""
        guards = [self._guard] if self.key else []
        app = web.Application(client_max_size=_LARGEST, middlewares=guards)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_get("/v1/models", page_of(self._models))
        app.router.add_get("/stats", page_of(self._stats))
        app.router.add_post("/reset", page_of(self._reset))
        app.add_routes(self._files.routes())
        app.add_routes(self._batches.routes())
        if self._limiter.headers():
            app.on_response_prepare.append(self._tell_limits)
        app.on_shutdown.append(self._shut_down)
        app.on_cleanup.append(self._close)
        return app

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        try:
            ask = self._read(await request.read())
            self._limiter.admit(ask, self._desk.stats.in_flight)
        except Refused as error:
            self._desk.stats.refused += error.status == 429
            return error.response()
        fault, started = self._desk.enter(ask)
        try:
            if self.latency:
                await asyncio.sleep(self.latency)
            if fault == "hang":
                await self._hang(request)
            answer = self._answer(request, ask, fault)
        except Refused as error:
            return error.response()
        finally:
            self._desk.leave(ask, started)
        return await _tear(request, answer) if fault == "torn" else answer

    def _read(self, data: bytes) -> Ask:
        try:
            body = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise unread(error) from error
        return self._desk.read(body)

    def _answer(self, request: web.Request, ask: Ask, fault: str) -> web.Response:
        match fault:
            case "error":
                raise Refused(500, "simulated failure", kind="server_error")
            case "unavailable":
                raise Refused(503, "simulated overload", kind="server_error")
            case "busy":
                raise Refused(429, "simulated rate limit", kind="requests", wait="0.2")
            case "hang":
                abort(request)
                return web.Response()
        answer = self._desk.write(ask, fault, ask.tier)
        if fault in ("drop", "torn") or gone(request):
            self._desk.stats.lost_usd += answer.usd
        if fault == "drop":
            abort(request)
        return respond(answer.body)

    async def _hang(self, request: web.Request) -> None:
        """Wait until the client has given up, or the server ends."""
        while not (self._closing.is_set() or gone(request)):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), _LOOK)

    async def _models(self, request: web.Request) -> Any:
        names = self.models or ("scripted-1",)
        rows = [{"id": n, "object": "model", "created": 0, "owned_by": "mcu"} for n in names]
        return {"object": "list", "data": rows}

    async def _stats(self, request: web.Request) -> Any:
        return self._desk.stats.as_json()

    async def _reset(self, request: web.Request) -> Any:
        self._limiter.reset()
        self._desk.reset()
        return self._desk.stats.as_json()

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        known = request.headers.get("Authorization") == f"Bearer {self.key}"
        if known or not request.path.startswith("/v1/"):
            return await handler(request)
        return Refused(401, "Incorrect API key provided.", code="invalid_api_key").response()

    async def _tell_limits(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(self._limiter.headers())

    async def _shut_down(self, app: web.Application) -> None:
        self._closing.set()
        await self._batches.close()

    async def _close(self, app: web.Application) -> None:
        self._desk.close()


async def _tear(request: web.Request, answer: web.Response) -> web.StreamResponse:
    """Send the head and half of an answer that promises the whole, and hang up."""
    body = answer.body
    assert isinstance(body, bytes)
    torn = web.StreamResponse(headers={"Content-Length": str(len(body))})
    torn.content_type = "application/json"
    await torn.prepare(request)
    await torn.write(body[: len(body) // 2])
    if request.transport:
        request.transport.close()
    return torn


def serve(simulator: Simulator, port: int, say: Callable[[str], None]) -> None:
    """Serve on 127.0.0.1 until interrupted; port 0 takes a free one, which is told."""
    try:
        listener = socket.create_server(("127.0.0.1", port), backlog=4096)
    except OSError as error:
        raise ConfigError(f"--port {port} cannot be served: {error.strerror}") from error
    say(f"serving on http://127.0.0.1:{listener.getsockname()[1]}/v1")
    web.run_app(simulator.app(), sock=listener, print=None)
