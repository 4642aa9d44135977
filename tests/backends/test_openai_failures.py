"""The openai backend against a real server on loopback that fails in every way."""

import asyncio
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest
from aiohttp import web
from chat_server import HOW, KEY, REQUEST, Server, ask, chat, completion, error
from conftest import Serve

from mcu.backends import openai as backend
from mcu.errors import BackendError, McuError, Reject


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "_FIRST_WAIT", 0.01)


def test_retry_after_is_waited_for(serve: Serve) -> None:
    server = Server(error(429, Retry_After="0.4"), completion())
    assert ask(chat(serve(server)))[0].text == '{"a": "b"}'
    assert server.times[1] - server.times[0] >= 0.4


def test_retry_after_may_be_a_date(serve: Serve) -> None:
    server = Server(error(503, Retry_After=formatdate(time.time() + 2, usegmt=True)), completion())
    assert ask(chat(serve(server)))[0].text == '{"a": "b"}'
    assert 0.5 <= server.times[1] - server.times[0] <= 4


def test_where_all_are_refused_none_comes_before_its_time(serve: Serve) -> None:
    """A server that answers others shows that it takes calls again; one that does not, does not."""
    refused = 0

    def answer(request: web.Request, body: dict[str, Any]) -> Any:
        nonlocal refused
        if server.times[-1] - server.times[0] < 0.5:
            refused += 1
            return error(429, Retry_After="0.6")
        return completion()

    server = Server(answer)

    async def work() -> None:
        client = backend.OpenAIChat(chat(url))
        requests = [replace(REQUEST, seed=seed) for seed in range(20)]
        await asyncio.gather(*(client.complete(request, HOW) for request in requests))
        await client.close()

    url = serve(server)
    asyncio.run(asyncio.wait_for(work(), 20))
    assert refused <= 2
    assert all(time - server.times[0] >= 0.6 for time in server.times[refused:])


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


def test_being_told_to_wait_is_no_failure(serve: Serve) -> None:
    """A server over its limit is asked again far more often than one that fails."""
    server = Server(*[error(429, Retry_After="0.01")] * 20, completion())
    assert ask(chat(serve(server), retries=0))[0].text == '{"a": "b"}'
    assert server.calls == 21


def test_being_told_to_wait_for_ever_ends(monkeypatch: pytest.MonkeyPatch, serve: Serve) -> None:
    monkeypatch.setattr(backend, "_LONGEST_SILENCE", 0.2)
    server = Server(error(429, Retry_After="0.05"))
    with pytest.raises(Reject, match="status 429"):
        ask(chat(serve(server)))
    assert server.calls >= 3


def test_an_outage_stops_the_run_instead_of_rejecting_everything(serve: Serve) -> None:
    server = Server(completion(), error(500))
    client = chat(serve(server), retries=0)
    codes: list[str] = []

    async def work() -> None:
        client_ = backend.OpenAIChat(client)
        await client_.complete(REQUEST, HOW)
        for _ in range(backend._OUTAGE):
            try:
                await client_.complete(REQUEST, HOW)
            except Reject as loss:
                codes.append(loss.code)
            except BackendError as stop:
                codes.append(str(stop))
        await client_.close()

    asyncio.run(work())
    assert codes[:-1] == ["unanswered"] * (backend._OUTAGE - 1)
    assert "nothing but errors" in codes[-1]


@pytest.mark.parametrize("name", ["max_tokens", "temperature", "seed", "frequency_penalty"])
def test_a_setting_that_is_refused_is_left_out_from_then_on(serve: Serve, name: str) -> None:
    def answer(request: web.Request, body: dict[str, Any]) -> Any:
        if name in body:
            return error(400, f"Unsupported parameter: '{name}' is not supported by this model")
        return completion()

    server = Server(answer)
    request = replace(REQUEST, frequency_penalty=1.0)
    ask(chat(serve(server)), request, times=3)
    assert server.calls == 4
    assert name not in server.bodies[-1]
    if name == "max_tokens":
        assert server.bodies[-1]["max_completion_tokens"] == request.max_tokens


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
