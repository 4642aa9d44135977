"""What goes wrong with batches: it passes, is asked for singly, or is told in a sentence."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from batch_world import (
    CREATE,
    KEY,
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
    warnings_of,
)
from conftest import Serve

from mcu.backends import batch
from mcu.errors import BackendError


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)


@pytest.mark.parametrize(
    ("fault", "live"), [("batch_expired", 3), ("batch_failed", 6), ("batch_line", 6)]
)
def test_unanswered_requests_go_singly(
    fault: str, live: int, serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = serve(Provider(fault={fault: 1.0}).app())
    with warnings_of(caplog) as told:
        replies = asked(settings(url), tmp_path, *range(6))
    assert [reply.text for reply in replies] == texts(*range(6))
    assert sum(reply.tier != "batch" for reply in replies) == live
    assert any(f"{live} of 6 requests have no answer" in line for line in told)
    caplog.clear()
    # After a restart they go singly again: no batch is made for them.
    asked(settings(url), tmp_path, *range(6))
    assert stats(url)["batches"] == 1


def test_a_model_that_is_not_there_is_told_of_as_in_live_calls(
    serve: Serve, tmp_path: Path
) -> None:
    url = serve(Provider(models=("other",)).app())
    with pytest.raises(BackendError, match=r"404, check chat.model.*does not exist"):
        asked(settings(url), tmp_path, *range(5))
    assert stats(url)["requests"] <= 1


def test_a_refused_key(serve: Serve, tmp_path: Path) -> None:
    url = serve(Provider(key="another").app())
    with pytest.raises(BackendError, match="answered 401, check the API key") as told:
        asked(settings(url), tmp_path, *range(5))
    assert KEY not in str(told.value)


@pytest.mark.parametrize("page", [UPLOAD, CREATE])
@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (404, 'this server has no batches .* use chat.mode = "live"'),
        (405, 'this server has no batches .* use chat.mode = "live"'),
        (403, "the key may not use files and batches"),
        (400, "answered 400"),
    ],
)
def test_a_server_without_batches(
    page: str, status: int, sentence: str, serve: Serve, tmp_path: Path
) -> None:
    provider = Provider()
    provider.wrong[page] = [status] * 9
    url = serve(provider.app())
    with pytest.raises(BackendError, match=sentence) as told:
        asked(settings(url), tmp_path, *range(5))
    assert KEY not in str(told.value)
    assert provider.seen[page] == 1


@pytest.mark.parametrize("page", [UPLOAD, CREATE])
@pytest.mark.parametrize("wrong", ["lost", "dropped", 500, 503, 429])
def test_passing_failures_make_no_second_batch(
    page: str, wrong: Any, serve: Serve, tmp_path: Path
) -> None:
    provider = Provider()
    provider.wrong[page] = [wrong, wrong]
    url = serve(provider.app())
    assert [r.tier for r in asked(settings(url), tmp_path, *range(3))] == ["batch"] * 3
    seen = stats(url)
    assert (seen["batches"], seen["batch_inputs_repeated"]) == (1, 0)


def test_a_server_that_answers_nothing_but_errors(serve: Serve, tmp_path: Path) -> None:
    provider = Provider()
    provider.wrong[UPLOAD] = [500] * 9
    with pytest.raises(BackendError, match=r"takes no batches at present .*status 500.*resume"):
        asked(settings(serve(provider.app())), tmp_path, 1)
    assert provider.seen[UPLOAD] == 4


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="cannot be reached"):
        asked(settings("http://127.0.0.1:9/v1", retries=1), tmp_path, 1)


def test_looks_at_a_batch_outlast_a_server_that_is_away(serve: Serve, tmp_path: Path) -> None:
    provider = Provider(batch_latency=0.5)
    url = serve(provider.app())

    async def work() -> None:
        async with opened(settings(url, retries=0), tmp_path) as chat:
            task = asyncio.create_task(chat.complete(*question(1)))
            await until(lambda: any("/batches/" in page for page in provider.seen))
            page = next(page for page in provider.seen if "/batches/" in page)
            provider.wrong[page] = ["dropped", 502, 429, "dropped"]
            assert (await task).tier == "batch"

    asyncio.run(work())


def test_answers_that_are_gone_are_asked_for_singly(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Forgetful(Provider):
        @web.middleware
        async def _meddle(self, request: web.Request, handler: Any) -> web.StreamResponse:
            if request.path.endswith("/content"):
                raise web.HTTPNotFound
            return await super()._meddle(request, handler)

    url = serve(Forgetful().app())
    with warnings_of(caplog) as told:
        assert [r.text for r in asked(settings(url), tmp_path, 1, 2)] == texts(1, 2)
    assert any("the server has its answers no more" in line for line in told)


def test_too_many_tokens_waiting(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches get smaller, and go one after the other, until the account may have them."""
    monkeypatch.setattr(batch, "_FEWEST", 1)
    running: list[str] = []

    class Narrow(Provider):
        """Takes one batch of three requests at a time."""

        @web.middleware
        async def _meddle(self, request: web.Request, handler: Any) -> web.StreamResponse:
            what = f"{request.method} {request.path}"
            if what == CREATE:
                made = json.loads((await handler(request)).body)
                lines = len(self._simulator._batches._batches[made["id"]].lines)
                assert lines <= 3 or made["id"] not in running
                if lines > 3:
                    running.append(made["id"])
                return web.json_response(made)
            answer: Any = await handler(request)
            if request.path.rpartition("/")[2] in running:
                limit = {"code": "token_limit_exceeded", "message": "Enqueued token limit reached"}
                facts = {"status": "failed", "errors": {"data": [limit]}}
                return web.json_response({**json.loads(answer.body), **facts})
            assert isinstance(answer, web.StreamResponse)
            return answer

    url = serve(Narrow().app())
    replies = asked(settings(url), tmp_path, *range(10))
    assert [reply.text for reply in replies] == texts(*range(10))
    assert {reply.tier for reply in replies} == {"batch"}
    assert len(running) == 2  # of ten, then of five; the next hold two
