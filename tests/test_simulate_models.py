"""Keys, models, prices and the prompt cache of the simulator, through the real client."""

import re
from pathlib import Path
from typing import Any

import openai
import pytest
from conftest import Serve
from openai import OpenAI
from test_simulate import Client, body

from helpers import mcu, simulator
from mcu.errors import ConfigError
from mcu.prices import Price
from mcu.simulate import Simulator
from mcu.simulate.writer import prices_of

PRICE = Price(input=10, output=100, cached=1)


def opened(url: str, key: str = "none") -> OpenAI:
    return OpenAI(base_url=url, api_key=key, max_retries=0)


def test_another_key_is_refused_on_every_page_of_the_api(serve: Serve) -> None:
    url = serve(Simulator(key="sk-right").app())
    with opened(url, "sk-wrong") as client:
        for call in (
            lambda: client.chat.completions.create(**body()),
            lambda: client.models.list(),
            lambda: client.batches.list(),
            lambda: client.files.create(file=b"x", purpose="batch"),
        ):
            with pytest.raises(openai.AuthenticationError) as caught:
                call()
            assert caught.value.code == "invalid_api_key"
            assert caught.value.type == "invalid_request_error"
    stats = Client(url).stats
    assert (stats["requests"], stats["refused"], stats["usd"]) == (0, 0, 0)
    with opened(url, "sk-right") as client:
        assert client.chat.completions.create(**body()).choices
        assert client.models.list().data
    status, reply = Client(url)(body())[0]  # no key at all
    assert (status, reply["error"]["code"]) == (401, "invalid_api_key")


def test_only_its_models_are_served(serve: Serve) -> None:
    url = serve(Simulator(models=["gpt-4o", "tiny"]).app())
    with opened(url) as client:
        assert [model.id for model in client.models.list()] == ["gpt-4o", "tiny"]
        assert client.chat.completions.create(**body(model="tiny")).model == "tiny"
        with pytest.raises(openai.NotFoundError, match="does not exist") as caught:
            client.chat.completions.create(**body(model="gpt-4"))
    assert (caught.value.code, caught.value.type) == ("model_not_found", "invalid_request_error")
    assert Client(url).stats["requests"] == 1


REASONING = ("o1", "o3", "o4-mini", "o1-2024-12-17", "gpt-5", "gpt-5-nano", "gpt-5.1")
PLAIN = ("gpt-4o", "scripted-1", "o2", "o10", "olmo", "my-gpt-5")
REFUSED: list[tuple[str, Any, str]] = [
    ("max_tokens", 100, "unsupported_parameter"),
    ("temperature", 0.9, "unsupported_value"),
    ("top_p", 0.5, "unsupported_value"),
    ("frequency_penalty", 0.1, "unsupported_parameter"),
    ("presence_penalty", -1.0, "unsupported_parameter"),
]


@pytest.mark.parametrize("model", REASONING)
def test_a_reasoning_model_refuses_what_it_does_not_take(serve: Serve, model: str) -> None:
    url = serve(Simulator().app())
    with opened(url) as client:
        for name, value, code in REFUSED:
            with pytest.raises(openai.BadRequestError, match="nsupported") as caught:
                client.chat.completions.create(**body(model=model, **{name: value}))
            assert (caught.value.code, caught.value.param) == (code, name)
            if name == "max_tokens":
                assert "Use 'max_completion_tokens' instead." in str(caught.value)
        usual: dict[str, Any] = {"temperature": 1, "top_p": 1.0, "presence_penalty": 0}
        found = client.chat.completions.create(
            **body(model=model, max_completion_tokens=100, **usual)
        )
    assert found.usage and found.usage.completion_tokens_details
    assert found.usage.completion_tokens_details.reasoning_tokens
    assert Client(url).stats["requests"] == 1


@pytest.mark.parametrize("model", PLAIN)
def test_other_models_take_all_and_do_not_think(serve: Serve, model: str) -> None:
    everything = {name: value for name, value, _ in REFUSED}
    with opened(serve(Simulator().app())) as client:
        found = client.chat.completions.create(**body(model=model, **everything))
    assert found.usage and found.usage.completion_tokens_details is None


def test_more_effort_is_more_tokens_that_are_paid(serve: Serve) -> None:
    url = serve(Simulator(prices={"o3": PRICE}).app())
    client = Client(url)
    efforts = ("none", "minimal", "low", "medium", "high", "xhigh")
    usages = []
    for effort in efforts:
        before = client.stats["usd"]
        usages.append(client(body(model="o3", reasoning_effort=effort))[0][1]["usage"])
        tokens = usages[-1]["completion_tokens"], usages[-1]["prompt_tokens"]
        wanted = (tokens[0] * 100 + tokens[1] * 10) / 1e6
        assert client.stats["usd"] - before == pytest.approx(wanted)
    plain = usages[0]["completion_tokens"]
    thought = [use.get("completion_tokens_details", {}).get("reasoning_tokens") for use in usages]
    assert thought == [None, 64, 128, 192, 256, 320]
    assert [use["completion_tokens"] - plain for use in usages] == [0, 64, 128, 192, 256, 320]
    assert client(body(model="o3"))[0][1]["usage"] == usages[3]


def test_answers_cost_what_the_model_does(serve: Serve) -> None:
    client = Client(serve(Simulator(prices={"mine": PRICE}).app()))

    def usd(**more: Any) -> float:
        before = client.stats["usd"]
        usage = client(body(**more))[0][1]["usage"]
        assert usage == plain
        return float(client.stats["usd"] - before)

    plain = client(body())[0][1]["usage"]
    dear = (plain["prompt_tokens"] * 10 + plain["completion_tokens"] * 100) / 1e6
    assert client.stats["usd"] == 0  # the author asks no money
    assert usd(model="mine") == pytest.approx(dear)
    assert usd(model="mine", service_tier="flex") == pytest.approx(dear / 2)
    assert usd(model="mine", service_tier="priority") == pytest.approx(dear)
    assert usd(model="nobody-knows") == 0
    assert usd(model="gpt-4o-mini-2024-07-18") == usd(model="gpt-4o-mini") > 0
    assert client.stats["prompt_tokens"] == 7 * plain["prompt_tokens"]


def test_prices_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mcu.toml"
    path.write_text('[run]\nseed = 1\n[prices."a/b-1"]\ninput = 10\noutput = 100\ncached = 1\n')
    assert prices_of(path) == {"a/b-1": PRICE}
    assert prices_of(None) == {}
    for text in ("prices = 3", "[prices.a]\ninput = 'x'\noutput = 1", "[prices.a]\nprice = 1", "["):
        path.write_text(text)
        with pytest.raises(ConfigError, match=re.escape(str(path))):
            prices_of(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        prices_of(tmp_path / "none.toml")


def _asked(text: str, model: str = "mine") -> dict[str, Any]:
    parts = [("system", text[:100]), ("user", text[100:])]
    return {"model": model, "messages": [{"role": role, "content": said} for role, said in parts]}


def _cached(client: Client, text: str, model: str = "mine") -> int:
    usage = client(_asked(text, model))[0][1]["usage"]
    found: int = usage["prompt_tokens_details"]["cached_tokens"]
    assert found <= usage["prompt_tokens"]
    return found


def test_the_prompt_cache_counts_in_steps_from_1024_tokens(serve: Serve) -> None:
    client = Client(serve(Simulator(prompt_cache=True, prices={"mine": PRICE}).app()))
    head = "".join(f"{n:07d} " for n in range(1000))  # 2 tokens a number
    assert _cached(client, head[: 4 * 1023]) == _cached(client, head[: 4 * 1023]) == 0
    assert _cached(client, head[: 4 * 1100]) == 0
    assert _cached(client, head[: 4 * 1100]) == 1024
    assert _cached(client, head[: 4 * 2000]) == 1024
    assert _cached(client, head[: 4 * 1500] + "x" * 4000) == 1408
    assert _cached(client, "x" + head) == 0
    assert _cached(client, head, "other") == 0
    assert client.stats["cached_tokens"] == 1024 + 1024 + 1408


def test_cached_tokens_are_cheaper(serve: Serve) -> None:
    client = Client(serve(Simulator(prompt_cache=True, prices={"mine": PRICE}).app()))
    usage = client(_asked("word " * 2000))[0][1]["usage"]
    whole = client.stats["usd"]
    client(_asked("word " * 2000))
    cached = client.stats["cached_tokens"]
    assert 0 < cached <= usage["prompt_tokens"]
    assert client.stats["usd"] == pytest.approx(2 * whole - cached * (10 - 1) / 1e6)


def test_without_the_cache_nothing_is_said_of_it(serve: Serve) -> None:
    client = Client(serve(Simulator().app()))
    replies = client(_asked("word " * 2000), _asked("word " * 2000))
    assert all("prompt_tokens_details" not in reply["usage"] for _, reply in replies)
    assert client.stats["cached_tokens"] == 0


def test_flags_reach_the_server(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('[prices."o3"]\ninput = 10\noutput = 100\n')
    flags = (
        *("--fault", "keys=1", "--limits", "1@0", "--key", "k", "--model", "o3"),
        *("--requests-per-minute", "60", "--tokens-per-minute", "60000"),
        *("--prompt-cache", "--prices", "own.toml", "--batch-latency", "0"),
    )
    with simulator(tmp_path, *flags) as server, opened(server.url, "k") as client:
        found = client.chat.completions.with_raw_response.create(**body(model="o3"))
        assert found.parse().choices[0].message.content == '{"unexpected": true}'
        assert found.parse().usage.prompt_tokens_details is not None
        assert found.headers["x-ratelimit-limit-tokens"] == "60000"
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(**body(model="o3"))
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(**body())
        assert Client(server.url).stats["usd"] > 0
    for flag, value in (("--fault", "tear=1"), ("--limits", "many"), ("--prices", "none.toml")):
        assert mcu("simulate", "--port", "0", flag, value, cwd=tmp_path).returncode == 2
