"""A chat completions server for tests that says what it is told to and keeps what it was asked."""

import asyncio
import time
from collections.abc import Awaitable
from typing import Any

from aiohttp import web

from mcu.backends import ChatReply, ChatRequest, Dispatch
from mcu.backends.openai import OpenAIChat
from mcu.config import Config, parse_config

KEY = "sk-verysecret+0123/456=789"
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
REQUEST = ChatRequest(
    messages=[{"role": "system", "content": "Task: t"}, {"role": "user", "content": "Go"}],
    schema_name="t",
    schema=SCHEMA,
    model="m",
    seed=5,
)
HOW = Dispatch("k")


def completion(content: Any = '{"a": "b"}', finish: Any = "stop", **message: Any) -> dict[str, Any]:
    """A good answer, to be spoiled."""
    said = {"role": "assistant", "content": content, "refusal": None, **message}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "m-1",
        "choices": [{"index": 0, "message": said, "finish_reason": finish}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
    }


class Server:
    """Gives the listed answers one after the other, the last one for ever; keeps the requests."""

    def __init__(self, *answers: Any) -> None:
        self._answers = answers
        self.bodies: list[dict[str, Any]] = []
        self.times: list[float] = []

    @property
    def calls(self) -> int:
        return len(self.bodies)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        assert request.path == "/v1/chat/completions"
        self.bodies.append(await request.json())
        self.times.append(time.monotonic())
        answer = self._answers[min(self.calls, len(self._answers)) - 1]
        if callable(answer):
            answer = answer(request, self.bodies[-1])
        if isinstance(answer, Awaitable):
            answer = await answer
        if isinstance(answer, web.StreamResponse):
            return answer
        if isinstance(answer, tuple):
            status, body, headers = answer
            return web.json_response(body, status=status, headers=headers)
        return web.json_response(answer)


def error(status: int, message: str = "no", **headers: str) -> tuple[int, dict[str, Any], Any]:
    body = {"message": message, "type": "t", "param": None, "code": None}
    return status, {"error": body}, {name.replace("_", "-"): v for name, v in headers.items()}


def chat(url: str, **settings: Any) -> Config:
    own = {"base_url": url, "model": "m", "retries": 2, "timeout": 5.0, "api_key": KEY}
    return parse_config({"chat": {"backend": "openai", **own, **settings}})


def ask(config: Config, request: ChatRequest = REQUEST, times: int = 1) -> list[ChatReply]:
    """Ask so often, one after the other, over one client."""

    async def work() -> list[ChatReply]:
        client = OpenAIChat(config)
        try:
            return [await client.complete(request, HOW) for _ in range(times)]
        finally:
            await client.close()

    return asyncio.run(asyncio.wait_for(work(), 30))
