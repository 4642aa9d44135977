"""The openai backend against a real server on loopback: what it sends, and what it makes of it."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from chat_server import HOW, KEY, REQUEST, SCHEMA, Server, ask, chat, completion, error
from conftest import Serve

from mcu.backends import ChatReply
from mcu.backends.openai import OpenAIChat
from mcu.config import parse_config
from mcu.errors import BackendError, ConfigError


def facts(reply: ChatReply) -> tuple[Any, ...]:
    return reply.text, reply.finish, reply.model, reply.prompt_tokens, reply.completion_tokens


def test_a_good_answer(serve: Serve) -> None:
    server = Server(completion())
    (reply,) = ask(chat(serve(server)))
    assert facts(reply) == ('{"a": "b"}', "stop", "m-1", 11, 3)
    assert reply.usd is None, "nobody knows what m costs"
    assert 0 < reply.seconds < 5
    body = server.bodies[0]
    assert body["messages"] == REQUEST.messages
    assert (body["seed"], body["model"], body["temperature"], body["max_tokens"]) == (
        *(5, "m", 0.9),
        2048,
    )
    assert body["response_format"]["json_schema"] == {"name": "t", "schema": SCHEMA, "strict": True}
    assert "frequency_penalty" not in body


def test_penalties_are_sent_where_there_are_any(serve: Serve) -> None:
    server = Server(completion())
    ask(chat(serve(server)), replace(REQUEST, frequency_penalty=1.0, presence_penalty=0.6))
    assert server.bodies[0]["frequency_penalty"] == 1.0
    assert server.bodies[0]["presence_penalty"] == 0.6


def refuses(*modes: str) -> Callable[[web.Request, dict[str, Any]], Any]:
    """A server that knows only some forms of structured output."""

    def answer(request: web.Request, body: dict[str, Any]) -> Any:
        mode = body.get("response_format", {}).get("type", "text")
        if mode in modes:
            return error(400, f"response_format type {mode} is not supported")
        return completion(mode)

    return answer


@pytest.mark.parametrize(
    ("refused", "mode", "calls"),
    [
        ((), "json_schema", 3),
        (("json_schema",), "json_object", 4),
        (("json_schema", "json_object"), "text", 5),
    ],
)
def test_structured_output_falls_back_and_remembers(
    serve: Serve, refused: tuple[str, ...], mode: str, calls: int
) -> None:
    server = Server(refuses(*refused))
    assert [reply.text for reply in ask(chat(serve(server)), times=3)] == [mode] * 3
    assert server.calls == calls
    last = server.bodies[-1]["messages"]
    assert (json.dumps(SCHEMA) in last[0]["content"]) == (mode != "json_schema")
    assert last[1:] == REQUEST.messages[1:]


def test_many_calls_at_once_fall_back_together(serve: Serve) -> None:
    server = Server(refuses("json_schema", "json_object"))

    async def work() -> list[ChatReply]:
        client = OpenAIChat(chat(url))
        replies = await asyncio.gather(*(client.complete(REQUEST, HOW) for _ in range(20)))
        replies.append(await client.complete(REQUEST, HOW))
        await client.close()
        return replies

    url = serve(server)
    assert {reply.text for reply in asyncio.run(work())} == {"text"}
    assert "response_format" not in server.bodies[-1]
    assert server.calls <= 61


@pytest.mark.parametrize("mode", ["json_schema", "json_object", "text"])
def test_a_form_that_is_set_is_kept(serve: Serve, mode: str) -> None:
    server = Server(refuses())
    assert ask(chat(serve(server), structured=mode))[0].text == mode
    server = Server(refuses(mode))
    if mode != "text":
        with pytest.raises(BackendError, match="400"):
            ask(chat(serve(server), structured=mode))
        assert server.calls == 1


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (completion(None), ("", "stop", "m-1", 11, 3)),
        (completion([{"type": "text"}]), ("", "stop", "m-1", 11, 3)),
        (completion("x", "length"), ("x", "length", "m-1", 11, 3)),
        (completion("", "content_filter"), ("", "content_filter", "m-1", 11, 3)),
        (completion("x", None), ("x", "stop", "m-1", 11, 3)),
        (completion("x", 7), ("x", "stop", "m-1", 11, 3)),
        (completion(None, refusal="I won't"), ("I won't", "refusal", "m-1", 11, 3)),
        ({**completion("x"), "usage": None}, ("x", "stop", "m-1", 0, 0)),
        ({**completion("x"), "usage": {"prompt_tokens": "7"}}, ("x", "stop", "m-1", 0, 0)),
        (
            {**completion("x"), "usage": {"prompt_tokens": -7, "completion_tokens": 2**70}},
            ("x", "stop", "m-1", 0, 0),
        ),
        ({**completion("x"), "model": None}, ("x", "stop", "", 11, 3)),
        ({**completion("x"), "model": 7}, ("x", "stop", "", 11, 3)),
        ({"choices": [{"message": {"content": "x"}}]}, ("x", "stop", "", 0, 0)),
    ],
)
def test_odd_answers_become_plain_replies(
    serve: Serve, answer: dict[str, Any], wanted: tuple[Any, ...]
) -> None:
    server = Server(answer)
    assert [facts(reply) for reply in ask(chat(serve(server)))] == [wanted]
    assert server.calls == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"api_key": ""}, "set OPENAI_API_KEY, or chat.base_url"),
        ({"api_key": " \n"}, "set OPENAI_API_KEY"),
        ({"api_key": "sk-a\nb"}, "holds characters that no key has"),
        ({"api_key": "sk-\u00e4"}, "holds characters that no key has"),
        ({"base_url": "localhost:8000"}, "chat.base_url must be"),
        ({"base_url": "ftp://host/v1"}, "chat.base_url must be"),
        ({"base_url": "http://"}, "chat.base_url must be"),
        ({"base_url": "http://host:99999/v1"}, "chat.base_url must be"),
        ({"base_url": "http://[::1/v1"}, "chat.base_url must be"),
    ],
)
def test_settings_that_cannot_work(settings: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        OpenAIChat(parse_config({"chat": {"backend": "openai", "api_key": KEY, **settings}}))


def test_a_server_that_needs_no_key_and_a_key_with_a_line_end(serve: Serve) -> None:
    seen: list[str] = []

    def answer(request: web.Request, body: Any) -> dict[str, Any]:
        seen.append(request.headers["Authorization"])
        return completion()

    url = serve(Server(answer))
    ask(chat(url, api_key=""))
    ask(chat(url, api_key=f"{KEY}\n"))
    assert seen == ["Bearer none", f"Bearer {KEY}"]


def test_sixty_four_at_once(serve: Serve) -> None:
    inside = most = 0

    async def answer(request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.2)
        inside -= 1
        return completion(str(body["seed"]))

    url = serve(Server(answer))

    async def work() -> list[ChatReply]:
        client = OpenAIChat(chat(url))
        requests = [replace(REQUEST, seed=seed) for seed in range(200)]
        replies = await asyncio.gather(*(client.complete(request, HOW) for request in requests))
        await client.close()
        return replies

    assert [reply.text for reply in asyncio.run(work())] == [str(seed) for seed in range(200)]
    assert most == 64


def test_any_text_goes_there_and_back(serve: Serve) -> None:
    text = "\u00fc \u4e16\u754c \U0001f600 \x00 \x1b[31m \u2028"
    server = Server(lambda request, body: completion(body["messages"][1]["content"]))
    messages = [REQUEST.messages[0], {"role": "user", "content": text}]
    assert ask(chat(serve(server)), replace(REQUEST, messages=messages))[0].text == text


@pytest.mark.parametrize("structured", ["json_schema", "text"])
def test_half_a_surrogate_pair_is_no_crash(serve: Serve, structured: str) -> None:
    """Sent, it becomes a question mark; received, its escape, which JSON then refuses."""
    server = Server({**completion("a \ud800 b"), "model": "m\udcff"})
    messages = [{"role": "system", "content": "\udc00"}, {"role": "user", "content": "a \ud800"}]
    section = chat(serve(server), structured=structured)
    reply = ask(section, replace(REQUEST, messages=messages))[0]
    assert (reply.text, reply.model) == (r"a \ud800 b", r"m\udcff")
    assert server.bodies[0]["messages"][1]["content"] == "a ?"
    assert server.bodies[0]["messages"][0]["content"].startswith("?")
