"""`mcu simulate`: the scripted author behind an OpenAI-compatible server, for trials and tests."""

import asyncio
import json
import random
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from aiohttp import web

from mcu.errors import ConfigError
from mcu.ids import digest

_FAULTS = ("error", "busy", "empty", "cut", "prose", "fence", "keys", "refuse")


@dataclass
class Stats:
    """What the server has seen since its start or the last reset."""

    seen: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    max_in_flight: int = 0
    refused: int = 0
    first: float = 0.0
    last: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def enter(self, key: str, now: float) -> None:
        """Count a request that is let in."""
        self.seen[key] += 1
        self.first = self.first or now
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def as_json(self) -> dict[str, Any]:
        """The counts; `usd` is 0, for the author asks no money."""
        requests, unique = self.seen.total(), len(self.seen)
        return {
            "requests": requests,
            "unique": unique,
            "repeated": requests - unique,
            "refused": self.refused,
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "first": self.first,
            "last": self.last,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "usd": 0.0,
        }


class Simulator:
    """Chat completions, models, stats and reset.

    Args:
        latency: seconds before each answer.
        most: requests in flight that are let in; the rest are refused with 429. 0 sets no limit.
        faults: share of answers that are bad on purpose; 0 makes answers depend on the request
            alone.
        log: file that gets a line for each request: its hash, its start and its end.
    """

    def __init__(
        self, latency: float = 0.0, most: int = 0, faults: float = 0.0, log: Path | None = None
    ) -> None:
        from mcu.backends.scripted import answer

        self._answer = answer
        self._latency = latency
        self._most = most
        self._faults = faults
        self._random = random.Random(0)
        self._log: TextIO | None = log.open("a", encoding="utf-8") if log else None
        self.stats = Stats()

    def app(self) -> web.Application:
        """The web application."""
        app = web.Application(client_max_size=2**24)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/stats", self._stats)
        app.router.add_post("/reset", self._reset)
        app.on_cleanup.append(self._close)
        return app

    async def _close(self, app: web.Application) -> None:
        if self._log:
            self._log.close()

    async def _complete(self, request: web.Request) -> web.Response:
        try:
            body = await request.json()
            messages, model = body["messages"], str(body["model"])
            if not (messages and all(isinstance(message, dict) for message in messages)):
                raise TypeError("messages must be a list of objects")
            key = digest(body)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            return _error(400, f"not a chat completion request: {error!r}")
        started = time.time()
        if self._most and self.stats.in_flight >= self._most:
            self.stats.refused += 1
            return _error(429, "too many requests in flight", {"Retry-After": "1"})
        self.stats.enter(key, started)
        try:
            if self._latency:
                await asyncio.sleep(self._latency)
            if self._random.random() < self._faults:
                return self._fault(messages, model, body)
            return self._good(messages, model, body)
        finally:
            # Not the object of the start: a reset may have put another in its place.
            self.stats.in_flight -= 1
            self.stats.last = time.time()
            if self._log:
                line = {"key": key, "start": started, "end": self.stats.last}
                self._log.write(json.dumps(line) + "\n")
                self._log.flush()

    def _good(self, messages: Any, model: str, body: Any) -> web.Response:
        return self._respond(self._answer(messages, body.get("seed") or 0), messages, model)

    def _respond(self, text: str, messages: Any, model: str, finish: str = "stop") -> web.Response:
        prompt, completion = len(json.dumps(messages)) // 4, len(text) // 4 + 1
        self.stats.prompt_tokens += prompt
        self.stats.completion_tokens += completion
        message = {"role": "assistant", "content": text, "refusal": None}
        return web.json_response(
            {
                "id": "chatcmpl-simulated",
                "object": "chat.completion",
                "created": 0,
                "model": model,
                "choices": [{"index": 0, "message": message, "finish_reason": finish}],
                "usage": {
                    "prompt_tokens": prompt,
                    "completion_tokens": completion,
                    "total_tokens": prompt + completion,
                },
            }
        )

    def _fault(self, messages: Any, model: str, body: Any) -> web.Response:
        good = self._answer(messages, body.get("seed") or 0)
        match self._random.choice(_FAULTS):
            case "error":
                return _error(500, "simulated failure")
            case "busy":
                return _error(429, "simulated rate limit", {"Retry-After": "0.2"})
            case "empty":
                return self._respond("", messages, model)
            case "cut":
                return self._respond(good[: len(good) // 2], messages, model, "length")
            case "prose":
                return self._respond("Sure, I will think about it.", messages, model)
            case "fence":
                return self._respond(f"Here you are:\n```json\n{good}\n```", messages, model)
            case "keys":
                return self._respond('{"unexpected": true}', messages, model)
            case _:
                return self._respond("I cannot help with that.", messages, model)

    async def _models(self, request: web.Request) -> web.Response:
        model = {"id": "scripted-1", "object": "model", "created": 0, "owned_by": "mcu"}
        return web.json_response({"object": "list", "data": [model]})

    async def _stats(self, request: web.Request) -> web.Response:
        return web.json_response(self.stats.as_json())

    async def _reset(self, request: web.Request) -> web.Response:
        in_flight = self.stats.in_flight
        self.stats = Stats(in_flight=in_flight, max_in_flight=in_flight)
        return web.json_response(self.stats.as_json())


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    body = {"error": {"message": message, "type": "simulated", "param": None, "code": None}}
    return web.json_response(body, status=status, headers=headers)


def serve(simulator: Simulator, port: int, say: Callable[[str], None]) -> None:
    """Serve on 127.0.0.1 until interrupted; port 0 takes a free one, which is told."""
    try:
        listener = socket.create_server(("127.0.0.1", port), backlog=4096)
    except OSError as error:
        raise ConfigError(f"--port {port} cannot be served: {error.strerror}") from error
    say(f"serving on http://127.0.0.1:{listener.getsockname()[1]}/v1")
    web.run_app(simulator.app(), sock=listener, print=None)
