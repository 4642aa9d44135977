"""Requests in batches against a provider on loopback: gathered, answered, stopped, paid for."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from batch_world import (
    KEY,
    MODEL,
    UPLOAD,
    Provider,
    asked,
    opened,
    question,
    quick,
    settings,
    stats,
    texts,
    until,
)
from conftest import Serve

from mcu.backends import batch
from mcu.backends.batch import files as batch_files
from mcu.backends.batch.files import replies_of, scratch
from mcu.budget import Budget
from mcu.config import parse_config
from mcu.errors import ConfigError, Incomplete, McuError
from mcu.prices import price_of


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)


def test_requests_are_answered_by_one_batch_at_half_the_price(serve: Serve, tmp_path: Path) -> None:
    url = serve(Provider().app())
    replies = asked(settings(url), tmp_path, *range(5))
    assert [reply.text for reply in replies] == texts(*range(5))
    assert {(reply.tier, reply.finish, reply.endpoint) for reply in replies} == {
        ("batch", "stop", "")
    }
    price = price_of(MODEL, {})
    assert price is not None
    for reply in replies:
        tokens = (reply.prompt_tokens, 0, reply.completion_tokens)
        assert reply.usd == pytest.approx(price.usd(*tokens) / 2)
    seen = stats(url)
    assert (seen["batches"], seen["batch_requests"], seen["requests"]) == (1, 5, 5)
    assert KEY.encode() not in (tmp_path / "batches.sqlite").read_bytes()


def test_each_model_and_each_server_has_batches_of_its_own(serve: Serve, tmp_path: Path) -> None:
    urls = [serve(Provider().app()) for _ in range(2)]
    servers = {f"s{n}": {"base_url": url, "api_key": KEY} for n, url in enumerate(urls)}
    config = settings("", endpoints=servers)

    async def work() -> list[Any]:
        async with opened(config, tmp_path) as chat:
            asks = [question(n, model) for n in range(20) for model in (MODEL, "gpt-4o")]
            return list(await asyncio.gather(*(chat.complete(*one) for one in asks)))

    replies = asyncio.run(work())
    assert [reply.model for reply in replies] == [MODEL, "gpt-4o"] * 20
    assert {reply.endpoint for reply in replies} == {"s0", "s1"}
    assert [stats(url)["batches"] for url in urls] == [2, 2]


def test_a_file_holds_no_more_than_the_provider_takes(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = serve(Provider().app())
    monkeypatch.setattr(batch_files, "MOST_BYTES", 3 * 2500)
    replies = asked(settings(url), tmp_path, *range(7), size=2000)
    assert len(replies) == 7
    assert stats(url)["batches"] == 3


def test_a_request_that_is_asked_twice_is_sent_once(serve: Serve, tmp_path: Path) -> None:
    url = serve(Provider().app())
    assert [reply.text for reply in asked(settings(url), tmp_path, 1, 2, 1)] == texts(1, 2, 1)
    assert stats(url)["batch_requests"] == 2


def test_what_is_asked_again_and_again_does_not_hold_a_batch_up(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "_GATHERING", 0.3)
    url = serve(Provider().app())

    async def work() -> None:
        async with opened(settings(url), tmp_path) as chat:
            tasks = []
            for number in range(20):
                tasks.append(asyncio.create_task(chat.complete(*question(number))))
                await asyncio.sleep(0.05)
            assert stats(url)["batches"] >= 2
            await asyncio.gather(*tasks)

    asyncio.run(work())


def test_stopped_requests_get_the_error_at_once_and_nothing_more_is_sent(
    serve: Serve, tmp_path: Path
) -> None:
    provider = Provider(batch_latency=30)
    url = serve(provider.app())

    async def work() -> None:
        async with opened(settings(url), tmp_path) as chat:
            tasks = [asyncio.create_task(chat.complete(*question(n))) for n in range(3)]
            await until(lambda: chat.load() == "1 batch, 3 requests out")
            tasks += [asyncio.create_task(chat.complete(*question(n))) for n in range(3, 6)]
            await until(lambda: "3 to send" in chat.load())
            chat.stop(McuError("enough"))
            found = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 1)
            assert [str(error) for error in found] == ["enough"] * 6
            with pytest.raises(McuError, match="enough"):
                await chat.complete(*question(7))
            await asyncio.sleep(0.3)

    asyncio.run(work())
    assert (provider.seen[UPLOAD], stats(url)["batches"]) == (1, 1)


def test_only_what_the_budget_has_room_for_is_sent(serve: Serve, tmp_path: Path) -> None:
    url = serve(Provider().app())
    config = settings(url, run={"max_usd": 1.0})
    price = price_of(MODEL, {})
    assert price is not None
    most = price.most(40, 100, "batch")  # of one request, about
    budget = Budget(2.5 * most)

    async def work() -> list[Any]:
        async with opened(config, tmp_path, budget) as chat:
            calls = [chat.complete(*question(number)) for number in range(60)]
            return list(await asyncio.gather(*calls, return_exceptions=True))

    found = asyncio.run(asyncio.wait_for(work(), 30))
    seen = stats(url)
    assert 2 <= seen["batch_requests"] < 60
    assert {type(one) for one in found if isinstance(one, Exception)} == {Incomplete}
    assert seen["usd"] == pytest.approx(budget.spent)
    assert budget.spent <= 2.5 * most


def test_settings_that_do_not_go_with_batches() -> None:
    with pytest.raises(ConfigError, match="mode = 'batch' needs a model"):
        parse_config({"chat": {"mode": "batch"}})
    with pytest.raises(ConfigError, match="leave service_tier out"):
        settings("http://h/v1", service_tier="flex")


def test_lines_that_are_no_answers_are_passed_over(tmp_path: Path) -> None:
    choice = {"message": {"content": "yes"}, "finish_reason": "stop"}
    good = {"status_code": 200, "body": {"choices": [choice], "model": "m"}}
    rows: list[Any] = [
        {"custom_id": "a", "response": good},
        {"custom_id": "b", "response": None, "error": {"code": "batch_expired"}},
        {"custom_id": "c", "response": {"status_code": 400, "body": {"error": {}}}},
        {"custom_id": "d", "response": {"status_code": 200, "body": {"choices": []}}},
        {"custom_id": "e", "response": {"status_code": 200}},
        {"response": good},
        ["f"],
        None,
    ]
    with scratch(tmp_path) as file:
        file.write(b"".join(json.dumps(row).encode() + b"\n" for row in rows) + b'{"torn": ')
        found = list(replies_of(file))
    assert [(key, reply.text) for key, reply in found] == [("a", "yes")]
