"""A model on loopback for tests of whole runs: the scripted author, with usage as it is told."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from aiohttp import web

from mcu.backends.scripted import answer

Say = Callable[[dict[str, Any]], str | None]
PRICE = {"input": 1.0, "output": 2.0, "cached": 0.1}


class Model:
    """Chat completions by the scripted author, who says something else where `say` does.

    Args:
        say: given a request's body, what to say instead; None leaves it to the author.
        seconds: before each answer.
        usage: tokens of a call: prompt, cached and completion.
        most: calls that are answered; those after them wait for `end`, and get an error.
        more: put into each answer, such as its `service_tier`.
    """

    def __init__(
        self,
        say: Say = lambda body: None,
        seconds: float = 0.0,
        usage: tuple[int, int, int] = (100, 40, 11),
        most: float = float("inf"),
        **more: Any,
    ) -> None:
        self.bodies: list[dict[str, Any]] = []
        self._say, self._seconds, self._usage, self._more = say, seconds, usage, more
        self._most = most
        self._ended = threading.Event()

    @property
    def calls(self) -> int:
        """How many were asked."""
        return len(self.bodies)

    @property
    def usd(self) -> float:
        """Dollars for one call at PRICE."""
        prompt, cached, reply = self._usage
        return (prompt - cached + 0.1 * cached + 2 * reply) / 1e6

    def end(self) -> None:
        """Refuse the calls that wait."""
        self._ended.set()

    async def __call__(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.bodies.append(body)
        await asyncio.sleep(self._seconds)
        if self.calls > self._most:
            while not self._ended.is_set():
                await asyncio.sleep(0.02)
            return web.json_response({"error": {"message": "the end"}}, status=401)
        said = self._say(body)
        text = answer(body["messages"], body["seed"]) if said is None else said
        choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        prompt, cached, reply = self._usage
        usage = {"prompt_tokens": prompt, "completion_tokens": reply}
        usage |= {"prompt_tokens_details": {"cached_tokens": cached}}  # type: ignore[dict-item]
        return web.json_response(
            {"model": body["model"], "choices": [choice], "usage": usage, **self._more}
        )


def field(body: dict[str, Any], label: str) -> bool:
    """Whether a labelled line such as `Relation: goal` stands in the prompt."""
    return f"\n{label}\n" in f"\n{body['messages'][1]['content']}\n"


def task(body: dict[str, Any]) -> str:
    """The prompt that a request is of."""
    return str(body["messages"][0]["content"].split("\n", 1)[0].removeprefix("Task: "))
