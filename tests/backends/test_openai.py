"""The openai backend against a real server on loopback that answers in every bad way."""

import asyncio
import json
import socket
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from mcu.backends import ChatReply, ChatRequest
from mcu.backends import openai as backend
from mcu.backends.openai import OpenAIChat
from mcu.config import ChatSection
from mcu.errors import BackendError, ConfigError, McuError, Reject

Serve = Callable[[Any], str]
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]] | web.Response
KEY = "sk-verysecret+0123/456=789"
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
REQUEST = ChatRequest(
    messages=[{"role": "system", "content": "Task: t"}, {"role": "user", "content": "Go"}],
    schema_name="t",
    schema=SCHEMA,
    model="m",
    seed=5,
)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "_FIRST_WAIT", 0.01)


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


def chat(url: str, **settings: Any) -> ChatSection:
    return ChatSection(base_url=url, **{"retries": 2, "timeout": 5.0, "api_key": KEY, **settings})


def ask(section: ChatSection, request: ChatRequest = REQUEST, times: int = 1) -> list[ChatReply]:
    """Ask so often, one after the other, over one client."""

    async def work() -> list[ChatReply]:
        client = OpenAIChat(section)
        try:
            return [await client.complete(request) for _ in range(times)]
        finally:
            await client.close()

    return asyncio.run(asyncio.wait_for(work(), 30))


def test_a_good_answer(serve: Serve) -> None:
    server = Server(completion())
    assert ask(chat(serve(server))) == [ChatReply('{"a": "b"}', "stop", "m-1", 11, 3)]
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
        replies = await asyncio.gather(*(client.complete(REQUEST) for _ in range(20)))
        replies.append(await client.complete(REQUEST))
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


def test_retry_after_is_waited_for(serve: Serve) -> None:
    server = Server(error(429, Retry_After="0.4"), completion())
    assert ask(chat(serve(server)))[0].text == '{"a": "b"}'
    assert server.times[1] - server.times[0] >= 0.4


@pytest.mark.parametrize("value", ["soon", "nan", "-5", "Wed, 21 Oct 2099 07:28:00 GMT", "0", ""])
def test_retry_after_that_cannot_be_read(serve: Serve, value: str) -> None:
    server = Server(error(503, Retry_After=value), completion())
    assert ask(chat(serve(server)))[0].text == '{"a": "b"}'
    assert server.times[1] - server.times[0] < 1


def test_waits_grow_and_have_an_end(monkeypatch: pytest.MonkeyPatch, serve: Serve) -> None:
    monkeypatch.setattr(backend, "_FIRST_WAIT", 0.05)
    monkeypatch.setattr(backend, "_LONGEST_WAIT", 0.1)
    server = Server(error(500))
    with pytest.raises(Reject):
        ask(chat(serve(server), retries=4))
    pauses = [b - a for a, b in zip(server.times, server.times[1:], strict=False)]
    assert 0.025 <= pauses[0] <= 0.2
    assert all(0.05 <= pause <= 0.3 for pause in pauses[1:])


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 529])
def test_passing_errors_pass(serve: Serve, status: int) -> None:
    server = Server(error(status), error(status), completion())
    assert ask(chat(serve(server)))[0].text == '{"a": "b"}'
    assert server.calls == 3


def test_tries_have_an_end(serve: Serve) -> None:
    server = Server(error(500))
    with pytest.raises(Reject, match="no answer in 3 tries: status 500") as caught:
        ask(chat(serve(server)))
    assert caught.value.code == "unanswered"
    assert server.calls == 3


async def _slow(request: web.Request, body: Any) -> web.Response:
    await asyncio.sleep(1)
    return web.json_response(completion())


async def _drip(request: web.Request, body: Any) -> web.StreamResponse:
    """A byte now and then: never silent for long, never done."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    for _ in range(20):
        await response.write(b" ")
        await asyncio.sleep(0.05)
    return response


async def _drop(request: web.Request, body: Any) -> web.StreamResponse:
    """The connection ends before the announced length does."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = 1000
    await response.prepare(request)
    await response.write(b'{"id": "1", "choices": [')
    assert request.transport is not None
    request.transport.abort()
    return response


async def _hang_up(request: web.Request, body: Any) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def _raw(text: str, kind: str = "application/json") -> Callable[[Any, Any], web.Response]:
    return lambda request, body: web.Response(text=text, content_type=kind)


UNUSABLE = {
    "slow": _slow,
    "drip": _drip,
    "dropped in the body": _drop,
    "hung up": _hang_up,
    "truncated": _raw('{"id": "1", "choices": [{"index'),
    "web page": _raw("<html>Sign in</html>", "text/html"),
    "web page named json": _raw("<html>Sign in</html>"),
    "no content": _raw(""),
    "null": _raw("null"),
    "list": _raw("[]"),
    "text": _raw('"hello"'),
    "deep": _raw("[" * 100_000),
    "not the gzip it says": lambda request, body: web.Response(
        body=b"{}", headers={"Content-Encoding": "gzip", "Content-Type": "application/json"}
    ),
    "error in a good answer": {"error": {"message": "overloaded"}},
    "no choices": {**completion(), "choices": []},
    "null choices": {**completion(), "choices": None},
    "choices of another type": {**completion(), "choices": {"a": 1}},
    "choices of text": {**completion(), "choices": ["x"]},
    "no message": {**completion(), "choices": [{"index": 0}]},
    "null message": {**completion(), "choices": [{"index": 0, "message": None}]},
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_cannot_be_used_is_asked_for_again(serve: Serve, name: str) -> None:
    timeout = 0.25 if name in ("slow", "drip") else 5.0
    server = Server(UNUSABLE[name], completion())
    assert ask(chat(serve(server), timeout=timeout))[0].text == '{"a": "b"}'
    assert server.calls == 2
    server = Server(UNUSABLE[name])
    with pytest.raises(Reject, match="no answer in 2 tries") as caught:
        ask(chat(serve(server), retries=1, timeout=timeout))
    assert caught.value.code == "unanswered"
    assert server.calls == 2


@contextmanager
def raw_server(reply: bytes) -> Iterator[str]:
    """A server that speaks no HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)

        def answer() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(reply)

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        thread.join()


@pytest.mark.parametrize(
    "reply", [b"", b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 200 OK\r\nA\x00: b\r\n\r\n"]
)
def test_a_server_of_another_kind(reply: bytes) -> None:
    with raw_server(reply) as url, pytest.raises(Reject, match="no answer in 2 tries"):
        ask(chat(url, retries=1))


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (completion(None), ChatReply("", "stop", "m-1", 11, 3)),
        (completion([{"type": "text"}]), ChatReply("", "stop", "m-1", 11, 3)),
        (completion("x", "length"), ChatReply("x", "length", "m-1", 11, 3)),
        (completion("", "content_filter"), ChatReply("", "content_filter", "m-1", 11, 3)),
        (completion("x", None), ChatReply("x", "stop", "m-1", 11, 3)),
        (completion("x", 7), ChatReply("x", "stop", "m-1", 11, 3)),
        (completion(None, refusal="I won't"), ChatReply("I won't", "content_filter", "m-1", 11, 3)),
        ({**completion("x"), "usage": None}, ChatReply("x", "stop", "m-1", 0, 0)),
        ({**completion("x"), "usage": {"prompt_tokens": "7"}}, ChatReply("x", "stop", "m-1", 0, 0)),
        (
            {**completion("x"), "usage": {"prompt_tokens": -7, "completion_tokens": 2**70}},
            ChatReply("x", "stop", "m-1", 0, 0),
        ),
        ({**completion("x"), "model": None}, ChatReply("x", "stop", "", 11, 3)),
        ({**completion("x"), "model": 7}, ChatReply("x", "stop", "", 11, 3)),
        ({"choices": [{"message": {"content": "x"}}]}, ChatReply("x", "stop", "", 0, 0)),
    ],
)
def test_odd_answers_become_plain_replies(
    serve: Serve, answer: dict[str, Any], wanted: ChatReply
) -> None:
    server = Server(answer)
    assert ask(chat(serve(server))) == [wanted]
    assert server.calls == 1


FINAL = {
    400: "the request itself is refused",
    401: "check the API key",
    403: "may not use this model",
    404: "check chat.model and chat.base_url",
    413: "refused",
}


@pytest.mark.parametrize("status", FINAL)
def test_final_errors_end_at_once_and_never_show_the_key(serve: Serve, status: int) -> None:
    echo = f"Incorrect API key provided: {KEY} / Bearer {KEY}; see sk-ver***********789 {'x' * 400}"
    server = Server(error(status, echo))
    with pytest.raises(BackendError, match=FINAL[status]) as caught:
        ask(chat(serve(server)))
    assert server.calls == 1
    shown = "".join(traceback.format_exception(caught.value))
    assert KEY not in shown and "sk-ver" not in shown
    assert "***" in str(caught.value) and len(str(caught.value)) < 500


def test_a_key_of_any_form_is_not_shown(serve: Serve) -> None:
    key = "plain.key (of a proxy)"
    for status in (401, 500):
        server = Server(error(status, f"bad key {key}"))
        with pytest.raises(McuError) as caught:
            ask(chat(serve(server), api_key=key, retries=0))
        assert key not in "".join(traceback.format_exception(caught.value))


def test_a_spent_quota_ends_at_once(serve: Serve) -> None:
    body = {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}
    server = Server((429, body, {}))
    with pytest.raises(BackendError, match=r"no quota left.*exceeded your quota"):
        ask(chat(serve(server)))
    assert server.calls == 1


@pytest.mark.parametrize("body", [{"detail": "such and such"}, {"error": "such and such"}])
def test_an_error_of_any_form_is_shown(serve: Serve, body: dict[str, str]) -> None:
    with pytest.raises(BackendError, match="such and such"):
        ask(chat(serve(Server((400, body, {})))))


def test_an_error_without_words(serve: Serve) -> None:
    server = Server(lambda request, body: web.Response(status=403))
    with pytest.raises(BackendError, match="403, the key may not use this model"):
        ask(chat(serve(server)))


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(BackendError, match=f"cannot be reached.*127.0.0.1:{port}"):
        ask(chat(f"http://127.0.0.1:{port}/v1"))


def test_nobody_has_that_name() -> None:
    with pytest.raises(BackendError, match=r"cannot be reached.*nowhere\.invalid"):
        ask(chat("http://nowhere.invalid/v1", retries=1))


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
        OpenAIChat(ChatSection(**{"api_key": KEY, **settings}))  # type: ignore[arg-type]


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
        requests = [replace(REQUEST, seed=seed) for seed in range(64)]
        replies = await asyncio.gather(*map(client.complete, requests))
        await client.close()
        return replies

    assert [reply.text for reply in asyncio.run(work())] == [str(seed) for seed in range(64)]
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
