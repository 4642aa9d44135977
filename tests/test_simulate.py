"""The simulator on loopback: what a client, a load test and a person with curl see of it."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from conftest import Serve

from mcu import prompts
from mcu.backends import ChatRequest, Dispatch
from mcu.backends.openai import OpenAIChat
from mcu.backends.scripted import answer
from mcu.config import Config
from mcu.errors import Fault
from mcu.parse import parse
from mcu.sections import ChatSection
from mcu.simulate import Simulator
from mcu.stages.persona import Attributes, seeds

FIELDS = {
    *("requests", "unique", "repeated", "refused", "in_flight", "max_in_flight", "first", "last"),
    *("prompt_tokens", "cached_tokens", "completion_tokens", "usd", "lost_usd"),
    *("batches", "batch_requests", "batch_inputs_repeated", "faults"),
}
FRESH = {**dict.fromkeys(FIELDS, 0), "faults": {}}


def body(number: int = 0, **more: Any) -> dict[str, Any]:
    """A request for one persona call."""
    messages = prompts.load("persona").fill(seed=seeds(Config(), number, 1)[0])
    return {"model": "scripted-1", "messages": messages, "seed": number, **more}


class Client:
    """Talks to a simulator."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self, *bodies: Any) -> list[tuple[int, Any]]:
        """Send all at once; gives status and JSON of each."""

        async def work() -> list[tuple[int, Any]]:
            async with aiohttp.ClientSession() as session:
                return await asyncio.gather(*(self._post(session, one) for one in bodies))

        return asyncio.run(work())

    async def _post(self, session: aiohttp.ClientSession, one: Any) -> tuple[int, Any]:
        data = one if isinstance(one, bytes) else json.dumps(one).encode()
        headers = {"Content-Type": "application/json"}
        url = f"{self._url}/chat/completions"
        async with session.post(url, data=data, headers=headers) as reply:
            return reply.status, await reply.json()

    def other(self, method: str, path: str) -> Any:
        """Another page, such as /stats."""

        async def work() -> Any:
            url = self._url.removesuffix("/v1") + path
            async with aiohttp.request(method, url) as reply:
                assert reply.status == 200
                return await reply.json()

        return asyncio.run(work())

    @property
    def stats(self) -> dict[str, Any]:
        found: dict[str, Any] = self.other("GET", "/stats")
        assert set(found) == FIELDS
        return found


def text(reply: tuple[int, Any]) -> str:
    assert reply[0] == 200, reply
    found: str = reply[1]["choices"][0]["message"]["content"]
    return found


def test_an_answer_is_a_chat_completion(serve: Serve) -> None:
    client = Client(serve(Simulator().app()))
    status, reply = client(body())[0]
    assert status == 200
    assert reply["object"] == "chat.completion"
    assert reply["model"] == "scripted-1"
    assert reply["choices"][0]["finish_reason"] == "stop"
    assert text((status, reply)) == answer(body()["messages"], 0)
    usage = reply["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0
    stats = client.stats
    assert (stats["prompt_tokens"], stats["completion_tokens"]) == (
        usage["prompt_tokens"],
        usage["completion_tokens"],
    )


def test_the_openai_backend_talks_to_it(serve: Serve) -> None:
    async def work() -> str:
        chat = OpenAIChat(Config(chat=ChatSection(base_url=url)))
        found = await chat.complete(request, Dispatch())
        await chat.close()
        return found.text

    url = serve(Simulator().app())
    messages = body()["messages"]
    request = ChatRequest(messages, "persona", {"type": "object"}, "scripted-1", seed=3)
    assert asyncio.run(work()) == answer(messages, 3)


def test_models(serve: Serve) -> None:
    found = Client(serve(Simulator().app())).other("GET", "/v1/models")
    assert [model["id"] for model in found["data"]] == ["scripted-1"]


def test_answers_depend_on_the_request_alone(serve: Serve) -> None:
    first, second = (Client(serve(Simulator().app())) for _ in range(2))
    bodies = [body(number) for number in range(12)]
    given = [text(reply) for reply in first(*bodies)]
    assert [text(reply) for reply in second(*reversed(bodies))] == given[::-1]
    assert [text(reply) for reply in first(*bodies)] == given
    assert len(set(given)) == 12
    assert text(first({**bodies[0], "seed": 99})[0]) != given[0]


def test_stats_count_and_reset(serve: Serve) -> None:
    client = Client(serve(Simulator().app()))
    before = time.time()
    assert client.stats == FRESH
    client(body(1), body(2), body(1))
    stats = client.stats
    assert (stats["requests"], stats["unique"], stats["repeated"]) == (3, 2, 1)
    assert (stats["in_flight"], stats["refused"], stats["usd"]) == (0, 0, 0)
    assert 1 <= stats["max_in_flight"] <= 3
    assert before <= stats["first"] <= stats["last"] <= time.time()
    assert client.other("POST", "/reset") == FRESH
    assert client.stats == FRESH


def test_latency(serve: Serve) -> None:
    client = Client(serve(Simulator(latency=0.2).app()))
    started = time.monotonic()
    client(*(body(number) for number in range(5)))
    assert 0.2 <= time.monotonic() - started < 0.9
    assert client.stats["max_in_flight"] == 5


def test_more_than_the_limit_are_refused(serve: Serve) -> None:
    client = Client(serve(Simulator(latency=0.3, most=3).app()))
    replies = client(*(body(number) for number in range(8)))
    assert sorted(status for status, _ in replies) == [200] * 3 + [429] * 5
    assert all("error" in reply for status, reply in replies if status == 429)
    stats = client.stats
    assert (stats["requests"], stats["refused"], stats["max_in_flight"]) == (3, 5, 3)
    assert client(body())[0][0] == 200


def test_a_reset_under_way_loses_no_place(serve: Serve) -> None:
    client = Client(serve(Simulator(latency=0.3, most=2).app()))

    async def work() -> list[tuple[int, Any]]:
        async with aiohttp.ClientSession() as session:
            sent = [asyncio.create_task(client._post(session, body(n))) for n in range(2)]
            await asyncio.sleep(0.1)
            async with session.post(client._url.removesuffix("/v1") + "/reset") as reply:
                stats = await reply.json()
            assert (stats["in_flight"], stats["max_in_flight"]) == (2, 2)
            return await asyncio.gather(*sent)

    assert [status for status, _ in asyncio.run(work())] == [200, 200]
    assert client.stats["in_flight"] == 0
    assert [status for status, _ in client(body(), body(1))] == [200, 200]


def test_faults(serve: Serve) -> None:
    """Half of the answers are bad on purpose, and in more than one way."""
    client = Client(serve(Simulator(faults=0.5).app()))
    replies = client(*(body(number) for number in range(120)))
    good = bad = 0
    seen = set()
    for number, (status, reply) in enumerate(replies):
        if status != 200:
            seen.add(status)
            assert reply["error"]["message"].startswith("simulated")
            bad += 1
            continue
        content = text((status, reply))
        plain = content == answer(body(number)["messages"], number)
        good, bad = good + plain, bad + (not plain)
        if not plain:
            seen.add(_fault(content))
    assert 30 < bad < 90 and good == 120 - bad
    assert seen >= {429, 500, "mended", "refused"}


def _fault(content: str) -> str:
    try:
        parse(content, Attributes)
    except Fault:
        return "refused"
    return "mended"


BAD = {
    "nothing": b"",
    "no JSON": b"{",
    "not UTF-8": b'{"model": "\xff"}',
    "deep": b"[" * 100_000,
    "list": [],
    "null": None,
    "no messages": {"model": "m"},
    "no model": {"messages": [{"role": "user", "content": "x"}]},
    "empty messages": {"model": "m", "messages": []},
    "messages of text": {"model": "m", "messages": "hello"},
    "a message of text": {"model": "m", "messages": ["hello"]},
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_request_is_said(serve: Serve, name: str) -> None:
    client = Client(serve(Simulator().app()))
    status, reply = client(BAD[name])[0]
    assert status == 400
    assert "not a chat completion request" in reply["error"]["message"]
    assert client.stats["requests"] == 0


ODD = {
    "no task": [{"role": "user", "content": "Hello, who are you?"}],
    "unknown task": [{"role": "system", "content": "Task: nothing"}],
    "no fields": [{"role": "system", "content": "Task: dialogue"}, {"role": "user"}],
    "parts": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    "half a surrogate": [{"role": "user", "content": "\ud800"}],
    "empty message": [{}],
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("seed", [None, 0, "x", [1]])
def test_odd_requests_get_some_answer(serve: Serve, name: str, seed: Any) -> None:
    client = Client(serve(Simulator().app()))
    assert text(client({"model": "m", "messages": ODD[name], "seed": seed})[0])


def test_the_log_has_a_line_a_request(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    client = Client(serve(Simulator(latency=0.05, log=path).app()))
    client(body(1), body(2))
    client(body(1))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == 3
    assert all(set(line) == {"key", "start", "end"} for line in lines)
    assert len({line["key"] for line in lines}) == 2
    assert lines[2]["key"] in (lines[0]["key"], lines[1]["key"])
    assert all(line["end"] - line["start"] >= 0.05 for line in lines)
