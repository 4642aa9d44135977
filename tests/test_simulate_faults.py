"""Each fault of the simulator on purpose, as the real client meets it, and what it is billed."""

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import aiohttp
import openai
import pytest
from conftest import Serve, Servers
from openai import OpenAI
from test_simulate import Client, body

from mcu.backends.scripted import answer
from mcu.errors import ConfigError
from mcu.simulate import Simulator
from mcu.simulate.faults import shares_of

GPT = "gpt-4o-mini"


def bodies(number: int, **more: Any) -> Iterator[dict[str, Any]]:
    for n in range(number):
        yield body(n, model=GPT, **more)


def opened(url: str, **more: Any) -> OpenAI:
    return OpenAI(base_url=url, api_key="none", max_retries=0, **more)


STATUS = {"error": 500, "busy": 429, "unavailable": 503}


@pytest.mark.parametrize("kind", STATUS)
def test_an_error_is_counted_and_costs_nothing(serve: Serve, kind: str) -> None:
    url = serve(Simulator(fault={kind: 1.0}).app())
    with opened(url) as client, pytest.raises(openai.APIStatusError, match="simulated") as caught:
        client.chat.completions.create(**body(model=GPT))
    assert caught.value.status_code == STATUS[kind]
    assert (caught.value.response.headers.get("retry-after") == "0.2") == (kind == "busy")
    stats = Client(url).stats
    assert (stats["faults"], stats["requests"], stats["refused"]) == ({kind: 1}, 1, 0)
    assert (stats["usd"], stats["completion_tokens"], stats["in_flight"]) == (0, 0, 0)


CONTENT = {
    "empty": ("", "stop"),
    "cut": (None, "length"),
    "prose": ("Sure, I will think about it.", "stop"),
    "fence": (None, "stop"),
    "keys": ('{"unexpected": true}', "stop"),
    "refuse": ("I cannot help with that.", "stop"),
    "filter": (None, "content_filter"),
    "overlong": (None, "length"),
}


@pytest.mark.parametrize("kind", CONTENT)
def test_bad_content_is_billed_as_what_arrives(serve: Serve, kind: str) -> None:
    url = serve(Simulator(fault={kind: 1.0}).app())
    with opened(url) as client:
        found = client.chat.completions.create(**body(model=GPT))
    text, finish = CONTENT[kind]
    good = answer(body()["messages"], 0)
    assert found.choices[0].finish_reason == finish
    said = found.choices[0].message.content
    assert said != good and (text is None or said == text)
    stats = Client(url).stats
    assert found.usage and stats["completion_tokens"] == found.usage.completion_tokens
    wanted = (found.usage.prompt_tokens * 0.15 + found.usage.completion_tokens * 0.60) / 1e6
    assert stats["usd"] == pytest.approx(wanted)
    assert (stats["lost_usd"], stats["faults"]) == (0, {kind: 1})


@pytest.mark.parametrize("kind", ["drop", "torn"])
def test_an_answer_that_does_not_arrive_is_billed_as_lost(serve: Serve, kind: str) -> None:
    url = serve(Simulator(fault={kind: 1.0}).app())
    with opened(url) as client:
        for one in bodies(3):
            with pytest.raises(openai.APIConnectionError):
                client.chat.completions.create(**one)
    stats = Client(url).stats
    assert (stats["faults"], stats["in_flight"]) == ({kind: 3}, 0)
    assert stats["lost_usd"] == stats["usd"] > 0


@pytest.mark.parametrize("kind", ["drop", "torn"])
def test_how_much_of_it_arrives(serve: Serve, kind: str) -> None:
    """Nothing of a dropped answer; the head of a torn one, and half of what it promises."""

    async def work() -> tuple[int, int]:
        page = f"{url}/chat/completions"
        async with aiohttp.request("POST", page, json=body()) as reply:
            promised, came = int(reply.headers["Content-Length"]), 0
            try:
                async for chunk in reply.content.iter_any():
                    came += len(chunk)
            except aiohttp.ClientPayloadError:
                return promised, came
        raise AssertionError("the answer is whole")

    url = serve(Simulator(fault={kind: 1.0}).app())
    if kind == "drop":
        with pytest.raises(aiohttp.ServerDisconnectedError):
            asyncio.run(work())
    else:
        promised, came = asyncio.run(work())
        assert 0 < came == promised // 2


def test_a_hung_request_is_in_flight_until_its_client_leaves(serve: Serve) -> None:
    url = serve(Simulator(fault={"hang": 1.0}).app())
    with opened(url, timeout=0.3) as client, pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(**body(model=GPT))
    until = time.monotonic() + 2
    while Client(url).stats["in_flight"] and time.monotonic() < until:
        time.sleep(0.02)
    stats = Client(url).stats
    assert (stats["in_flight"], stats["max_in_flight"], stats["requests"]) == (0, 1, 1)
    assert (stats["usd"], stats["lost_usd"], stats["faults"]) == (0, 0, {"hang": 1})


def test_a_hung_request_holds_no_server_up() -> None:
    servers = Servers()
    url = servers.start(Simulator(fault={"hang": 1.0}, batch_latency=60).app())
    failures: list[Exception] = []

    def ask() -> None:
        with opened(url) as client:
            try:
                client.chat.completions.create(**body())
            except openai.APIConnectionError as error:
                failures.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    while not Client(url).stats["in_flight"]:
        time.sleep(0.01)
    begun = time.monotonic()
    servers.close()
    asking.join(5)
    assert failures and time.monotonic() - begun < 2


def test_an_answer_for_a_client_that_is_gone_is_lost(serve: Serve) -> None:
    url = serve(Simulator(latency=0.4).app())
    with opened(url, timeout=0.1) as client, pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(**body(model=GPT))
    until = time.monotonic() + 2
    while Client(url).stats["in_flight"] and time.monotonic() < until:
        time.sleep(0.02)
    stats = Client(url).stats
    assert stats["usd"] == stats["lost_usd"] > 0


def test_an_overlong_answer_needs_a_larger_budget(serve: Serve) -> None:
    client = Client(serve(Simulator(fault={"overlong": 1.0}).app()))

    def finish(number: int, **more: Any) -> str:
        found: str = client(body(number, **more))[0][1]["choices"][0]["finish_reason"]
        return found

    assert [finish(1, max_tokens=100) for _ in range(3)] == ["length"] * 3
    assert finish(1, max_completion_tokens=200) == "stop"
    assert finish(1, max_completion_tokens=200) == "stop"
    assert finish(1, max_tokens=100) == "length"
    assert (finish(2), finish(2), finish(2, max_tokens=1)) == ("length", "length", "stop")
    assert client.stats["faults"] == {"overlong": 6}


def test_a_request_draws_one_fault_and_as_often_as_asked(serve: Serve) -> None:
    shares = {"keys": 0.25, "error": 0.25, "prose": 0.25}
    client = Client(serve(Simulator(fault=shares).app()))
    client(*bodies(200))
    faults = client.stats["faults"]
    assert set(faults) == set(shares)
    assert all(30 <= number <= 70 for number in faults.values())
    assert 120 <= sum(faults.values()) <= 180
    assert client.stats["requests"] == 200


@pytest.mark.parametrize("text", ["torn", "torn=", "torn=x", "=0.5", "torn=-1", "torn=nan"])
def test_a_share_that_is_none_is_said(text: str) -> None:
    with pytest.raises(ConfigError, match=r"torn=0\.05"):
        shares_of([text])


@pytest.mark.parametrize(
    "settings", [{"faults": 1.5}, {"faults": -0.1}, {"fault": {"cut": 0.6, "torn": 0.6}}]
)
def test_shares_that_are_too_large_are_said(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="shares of faults"):
        Simulator(**settings)


def test_kinds_are_told(serve: Serve) -> None:
    with pytest.raises(ConfigError, match=r"'tear' is not one of empty, .*torn, .*batch_line"):
        Simulator(fault=shares_of(["tear=0.5"]))
    assert shares_of(["torn=0.05", " cut = 1 "]) == {"torn": 0.05, "cut": 1.0}
