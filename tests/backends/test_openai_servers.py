"""The openai backend over several servers and models: who is asked, with what key, and how."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from chat_server import HOW, KEY, REQUEST, Server, ask, chat, completion, error
from conftest import Serve

from mcu.backends import ChatReply, Dispatch
from mcu.backends.openai import OpenAIChat
from mcu.config import Config, load_config, parse_config
from mcu.errors import BackendError, ConfigError

UNSUPPORTED = "Unsupported parameter: '{}' is not supported with this model."


def servers(**urls: str) -> Config:
    endpoints = {name: {"base_url": url} for name, url in urls.items()}
    own = {"backend": "openai", "model": "m", "retries": 4, "timeout": 5.0}
    return parse_config({"chat": {**own, "endpoints": endpoints}})


def many(config: Config, times: int, how: Dispatch = HOW) -> list[ChatReply | BaseException]:
    """Ask so often at once."""

    async def work() -> list[ChatReply | BaseException]:
        client = OpenAIChat(config)
        requests = [replace(REQUEST, seed=seed) for seed in range(times)]
        try:
            return await asyncio.gather(
                *(client.complete(request, how) for request in requests), return_exceptions=True
            )
        finally:
            await client.close()

    return asyncio.run(asyncio.wait_for(work(), 30))


def names(replies: list[ChatReply | BaseException]) -> Counter[str]:
    return Counter(r.endpoint if isinstance(r, ChatReply) else repr(r) for r in replies)


async def _slowly(request: web.Request, body: Any) -> web.Response:
    await asyncio.sleep(0.05)
    return web.json_response(completion())


def test_calls_are_shared_out(serve: Serve) -> None:
    config = servers(a=serve(Server(_slowly)), b=serve(Server(_slowly)))
    found = names(many(config, 80))
    assert found.keys() == {"a", "b"}
    assert min(found.values()) > 20


def test_a_slower_server_gets_fewer_calls(serve: Serve) -> None:
    async def slower(request: web.Request, body: Any) -> web.Response:
        await asyncio.sleep(0.5)
        return web.json_response(completion())

    config = servers(fast=serve(Server(_slowly)), slow=serve(Server(slower)))
    config = parse_config(
        {"chat": {**config.chat.model_dump(), "max_in_flight": 8}}  # both limits are reached
    )
    found = names(many(config, 120))
    assert found["fast"] > 3 * found["slow"] > 0


def test_a_stage_may_name_its_servers(serve: Serve) -> None:
    config = servers(a=serve(Server(completion())), b=serve(Server(completion())))
    assert names(many(config, 20, Dispatch("k", (0, 0), ("b",)))) == {"b": 20}


@pytest.mark.parametrize("broken", [500, 0])
def test_a_server_that_is_down_does_not_draw_the_calls(serve: Serve, broken: int) -> None:
    down = serve(Server(error(500))) if broken else "http://127.0.0.1:9/v1"
    config = servers(down=down, up=serve(Server(_slowly)))
    assert names(many(config, 60)) == {"up": 60}


def test_each_server_gets_its_own_key(serve: Serve) -> None:
    seen: dict[str, set[str]] = {"a": set(), "b": set()}

    def server(name: str) -> str:
        def answer(request: web.Request, body: Any) -> Any:
            seen[name].add(request.headers["Authorization"])
            return completion()

        return serve(Server(answer))

    keys = {"api_key_env": "A_KEY"}
    endpoints = {"a": {"base_url": server("a"), **keys}, "b": {"base_url": server("b")}}
    values = {"chat": {"model": "m", "endpoints": endpoints}}
    config = load_config("openai", environment={"A_KEY": KEY}, values=values)
    many(config, 20)
    assert seen == {"a": {f"Bearer {KEY}"}, "b": {"Bearer none"}}
    assert KEY not in config.to_toml()
    assert "A_KEY" in config.to_toml()
    with pytest.raises(ConfigError, match="set A_KEY"):
        OpenAIChat(load_config("openai", environment={}, values=values))


def test_what_one_server_refuses_another_may_take(serve: Serve) -> None:
    """And one model may take what another on the same server does not."""
    bodies: list[dict[str, Any]] = []

    def answer(request: web.Request, body: dict[str, Any]) -> Any:
        bodies.append(body)
        if body["model"] == "old" and "seed" in body:
            return error(400, UNSUPPORTED.format("seed"))
        return completion()

    config = parse_config(
        {"chat": {"backend": "openai", "model": "m", "base_url": serve(Server(answer))}}
    )

    async def work() -> None:
        client = OpenAIChat(config)
        for model in ("old", "new", "old", "new"):
            await client.complete(replace(REQUEST, model=model), HOW)
        await client.close()

    asyncio.run(work())
    assert [(b["model"], "seed" in b) for b in bodies] == [
        ("old", True),
        ("old", False),
        ("new", True),
        ("old", False),
        ("new", True),
    ]


@pytest.mark.parametrize("model", ["gpt-6-luna", "o3", "openai/gpt-5-mini-2025-08-07", "o4-mini"])
def test_reasoning_models_get_no_sampling_and_room_to_think(serve: Serve, model: str) -> None:
    server = Server(completion())
    request = replace(REQUEST, model=model, reasoning_effort="low", frequency_penalty=1.0)
    ask(chat(serve(server)), request)
    body = server.bodies[0]
    for name in ("temperature", "top_p", "frequency_penalty", "max_tokens"):
        assert name not in body
    assert body["reasoning_effort"] == "low"
    assert body["max_completion_tokens"] > request.max_tokens


def test_a_reasoning_model_that_does_not_think_is_sampled(serve: Serve) -> None:
    server = Server(completion())
    ask(chat(serve(server)), replace(REQUEST, model="gpt-6-luna", reasoning_effort="none"))
    assert server.bodies[0]["temperature"] == REQUEST.temperature
    assert server.bodies[0]["max_completion_tokens"] == REQUEST.max_tokens


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4.1-mini", "gpt-5-chat-latest", "qwen3-o3x"])
def test_other_models_are_sampled(serve: Serve, model: str) -> None:
    server = Server(completion())
    ask(chat(serve(server)), replace(REQUEST, model=model))
    assert server.bodies[0]["max_tokens"] == REQUEST.max_tokens
    assert "reasoning_effort" not in server.bodies[0]


def test_extra_settings_go_into_the_body(serve: Serve) -> None:
    server = Server(completion())
    extra = {"chat_template_kwargs": {"enable_thinking": False}, "top_k": 20}
    ask(chat(serve(server)), replace(REQUEST, extra=extra))
    assert {name: server.bodies[0][name] for name in extra} == extra


def test_a_tier_is_asked_for_and_billed_as_the_server_says(serve: Serve) -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 100}
    answers = [{**completion(), "usage": usage, "service_tier": t} for t in ("flex", "default")]
    server = Server(*answers)
    config = priced(serve(server), service_tier="flex")
    half, whole = ask(config, times=2)
    assert {body["service_tier"] for body in server.bodies} == {"flex"}
    assert (half.usd, whole.usd) == (pytest.approx(0.0006), pytest.approx(0.0012))


def test_a_tier_that_is_refused_is_an_error_for_it_doubles_the_price(serve: Serve) -> None:
    server = Server(error(400, UNSUPPORTED.format("service_tier")))
    with pytest.raises(BackendError, match="service_tier"):
        ask(priced(serve(server), service_tier="flex"))
    assert server.calls == 1


def priced(url: str, max_usd: float = 0.0, **settings: Any) -> Config:
    own = {"backend": "openai", "base_url": url, "model": "m", **settings}
    prices = {"m": {"input": 1.0, "output": 2.0, "cached": 0.1}}
    return parse_config({"chat": own, "prices": prices, "run": {"max_usd": max_usd}})


def test_what_a_call_costs(serve: Serve) -> None:
    usage: dict[str, Any] = {"prompt_tokens": 1000, "completion_tokens": 100}
    usage["prompt_tokens_details"] = {"cached_tokens": 400}
    told = {**usage, "cost": 0.5}
    server = Server({**completion(), "usage": usage}, {**completion(), "usage": told})
    by_table, by_server = ask(priced(serve(server)), times=2)
    assert by_table.usd == pytest.approx((600 * 1 + 400 * 0.1 + 100 * 2) / 1e6)
    assert by_table.cached_tokens == 400
    assert by_server.usd == 0.5, "who sends the bill knows best"


@pytest.mark.parametrize("cost", [-1, "0.5", True, float("1e400"), None, []])
def test_a_cost_that_is_none(serve: Serve, cost: Any) -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "cost": cost}
    text = json.dumps({**completion(), "usage": usage})
    server = Server(lambda request, body: web.Response(text=text, content_type="application/json"))
    assert ask(priced(serve(server)))[0].usd == pytest.approx(0.0012)


def test_a_cap_needs_a_price() -> None:
    config = parse_config(
        {"chat": {"backend": "openai", "model": "mine", "api_key": KEY}, "run": {"max_usd": 1}}
    )
    with pytest.raises(ConfigError, match="price for 'mine'"):
        OpenAIChat(config, budget(1.0))


def budget(cap: float) -> Any:
    from mcu.budget import Budget

    return Budget(cap)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (error(401), "check the API key"),
        (error(402), "no money left"),
        (error(403), "may not use this model"),
        (error(404), "check chat.model"),
        (error(400), "the request itself is refused"),
        (error(429, "insufficient_quota"), "no quota left"),
    ],
)
def test_what_cannot_succeed_is_said_once(serve: Serve, answer: Any, words: str) -> None:
    """Of many calls that wait, one is made: the first goes alone."""
    server = Server(answer)
    found = many(chat(serve(server)), 50)
    assert all(isinstance(e, BackendError) and words in str(e) for e in found)
    assert server.calls == 1


def limited(most: int) -> tuple[Server, Callable[[], int]]:
    """A server that takes so many calls at once; and how many it refused."""
    inside = refused = 0

    async def answer(request: web.Request, body: Any) -> web.Response:
        nonlocal inside, refused
        if inside >= most:
            refused += 1
            return web.json_response({}, status=429, headers={"Retry-After": "1"})
        inside += 1
        await asyncio.sleep(0.05)
        inside -= 1
        return web.json_response(completion())

    return Server(answer), lambda: refused


def test_a_busy_server_is_asked_as_much_as_it_takes(serve: Serve) -> None:
    server, refused = limited(5)
    found = many(chat(serve(server), max_in_flight=64, retries=0), 200)
    assert all(isinstance(reply, ChatReply) for reply in found)
    assert refused() < 30
