"""What the simulator lets in: requests in flight as time goes on, requests and tokens a minute."""

import asyncio
import time
from collections import Counter

import openai
import pytest
from conftest import Serve
from openai import AsyncOpenAI, OpenAI
from test_simulate import Client, body

from mcu.errors import ConfigError
from mcu.simulate import Simulator, limits
from mcu.simulate.limits import duration, steps_of

KINDS = ("requests", "tokens")


class Clock:
    """The time that the limits know; it stands still until it is told."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(limits, "time", clock)
    return clock


def statuses(client: Client, number: int) -> Counter[int]:
    return Counter(status for status, _ in client(*(body(n) for n in range(number))))


def test_the_limit_changes_with_time(serve: Serve, clock: Clock) -> None:
    client = Client(serve(Simulator(latency=0.2, limits=steps_of("4@0,1@5,3@10")).app()))
    clock.now += 7  # time begins with the first request
    found = []
    for _ in range(4):
        found.append(statuses(client, 6)[200])
        clock.now += 4.9
    assert found == [4, 4, 1, 3]
    client.other("POST", "/reset")
    assert statuses(client, 6) == {200: 4, 429: 2}
    assert client.stats["max_in_flight"] == 4
    clock.now += 5
    assert statuses(client, 6) == {200: 1, 429: 5}


def test_the_first_limit_may_come_later(serve: Serve, clock: Clock) -> None:
    simulator = Simulator(latency=0.2, limits=steps_of("2@5"))
    other = Simulator(latency=0.2, most=1, limits=steps_of("2@5"))
    free, bound = (Client(serve(one.app())) for one in (simulator, other))
    assert (statuses(free, 6)[200], statuses(bound, 6)[200]) == (6, 1)
    clock.now += 5
    assert (statuses(free, 6)[200], statuses(bound, 6)[200]) == (2, 2)


def test_a_refusal_comes_at_once_and_says_when_to_come_back(serve: Serve) -> None:
    async def work() -> tuple[float, openai.RateLimitError]:
        async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
            first = asyncio.create_task(client.chat.completions.create(**body()))
            await asyncio.sleep(0.2)
            begun = time.monotonic()
            with pytest.raises(openai.RateLimitError) as caught:
                await client.chat.completions.create(**body(1))
            spent = time.monotonic() - begun
            await first
            return spent, caught.value

    url = serve(Simulator(latency=0.8, most=1).app())
    spent, error = asyncio.run(work())
    assert spent < 0.3
    assert error.response.headers["retry-after"] == "1"
    assert (error.code, error.type) == ("rate_limit_exceeded", "requests")
    assert not any(name.startswith("x-ratelimit") for name in error.response.headers)


def test_a_client_that_waits_for_each_answer_never_meets_a_limit_of_one(serve: Serve) -> None:
    """A place is free before its answer is written."""
    url = serve(Simulator(most=1).app())
    with OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        for number in range(100):
            client.chat.completions.create(**body(number % 3))
    assert Client(url).stats["refused"] == 0


def test_requests_a_minute(serve: Serve, clock: Clock) -> None:
    client = Client(serve(Simulator(requests_per_minute=600).app()))
    assert statuses(client, 30) == {200: 10, 429: 20}
    clock.now += 0.5
    assert statuses(client, 30) == {200: 5, 429: 25}
    clock.now += 100  # no more than a second's worth is saved up
    assert statuses(client, 30) == {200: 10, 429: 20}
    assert (client.stats["requests"], client.stats["refused"]) == (25, 65)


def test_few_requests_a_minute(serve: Serve, clock: Clock) -> None:
    client = Client(serve(Simulator(requests_per_minute=6).app()))
    found = []
    for _ in range(4):
        found.append(statuses(client, 2)[200])
        clock.now += 5.01
    assert found == [1, 0, 1, 0]


def test_tokens_a_minute_count_what_may_come(serve: Serve, clock: Clock) -> None:
    client = Client(serve(Simulator(tokens_per_minute=60_000).app()))
    prompt = client(body())[0][1]["usage"]["prompt_tokens"]
    clock.now += 1  # full again: a thousand

    def ask(**more: int) -> int:
        return client(body(**more))[0][0]

    assert ask(max_tokens=1000 - 2 * prompt) == 200
    assert ask(max_completion_tokens=1) == 429
    assert ask() == 200  # exactly what is left
    clock.now += 0.999
    assert ask(max_tokens=5000) == 429
    clock.now += 0.002
    assert ask(max_tokens=5000) == 200  # the bucket is full; there is a debt now
    clock.now += (4000 + prompt) / 1000
    assert ask() == 429
    clock.now += prompt / 1000 + 0.001
    assert ask() == 200


def test_a_refusal_for_tokens_takes_no_request(serve: Serve, clock: Clock) -> None:
    simulator = Simulator(requests_per_minute=120, tokens_per_minute=300_000)
    client = Client(serve(simulator.app()))
    replies = [client(body(max_tokens=most))[0] for most in (4000, 4000, 0)]
    assert [status for status, _ in replies] == [200, 429, 200]
    assert replies[1][1]["error"]["type"] == "tokens"


def test_headers_tell_what_is_left(serve: Serve, clock: Clock) -> None:
    simulator = Simulator(requests_per_minute=120, tokens_per_minute=600_000)
    with OpenAI(base_url=serve(simulator.app()), api_key="none", max_retries=0) as client:
        found = client.chat.completions.with_raw_response.create(**body(max_tokens=5000))
        usage = found.parse().usage
        assert usage
        assert [found.headers[f"x-ratelimit-limit-{kind}"] for kind in KINDS] == ["120", "600000"]
        left = str(5000 - usage.prompt_tokens)
        assert found.headers["x-ratelimit-remaining-requests"] == "1"
        assert found.headers["x-ratelimit-remaining-tokens"] == left
        assert found.headers["x-ratelimit-reset-requests"] == "500ms"
        wanted = (5000 + usage.prompt_tokens) / 10
        assert abs(_milliseconds(found.headers["x-ratelimit-reset-tokens"]) - wanted) <= 1
        client.chat.completions.create(**body())
        with pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(**body())
        headers = caught.value.response.headers
        assert headers["x-ratelimit-remaining-requests"] == "0"
        assert headers["x-ratelimit-reset-requests"] == "1s"
        assert headers["retry-after"] == "0.500"
        clock.now += 0.5
        client.chat.completions.create(**body())
        other = client.models.with_raw_response.list()
        assert other.headers["x-ratelimit-limit-requests"] == "120"


def _milliseconds(text: str) -> float:
    assert text.endswith("ms")
    return float(text.removesuffix("ms"))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0121, "13ms"),
        (0.9999, "1s"),
        (1.5, "1.5s"),
        (59.9999, "1m0s"),
        (360, "6m0s"),
        (7201.25, "120m1.25s"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_steps() -> None:
    assert steps_of("64@0, 8@5,64@10.5") == [(0, 64), (5, 8), (10.5, 64)]
    assert steps_of("") == []


@pytest.mark.parametrize("text", ["8", "8@", "@5", "8@x", "8@0,", "-1@0", "8@-1"])
def test_steps_that_are_none_are_said(text: str) -> None:
    with pytest.raises(ConfigError, match="64@0,8@5"):
        steps_of(text)


def test_no_limit_is_the_usual(serve: Serve) -> None:
    assert statuses(Client(serve(Simulator(latency=0.05).app())), 80) == {200: 80}
