"""The simulator's files, and the batches that it refuses for what is in theirs."""

import json
from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai import OpenAI
from test_simulate_batches import Open, ended, lines, opened, rows_of, stats, submit

from mcu.simulate import batch_file

__all__ = ["opened"]


def upload(client: OpenAI, data: bytes) -> str:
    return client.files.create(file=("in.jsonl", data), purpose="batch").id


def test_files_are_kept_listed_and_deleted(opened: Open) -> None:
    client = opened()
    data = b'{"a": 1}\n\r\nB\xff' * 1000
    first = client.files.create(file=("one.jsonl", data), purpose="batch")
    second = upload(client, b"")
    assert (first.bytes, first.filename, first.purpose) == (len(data), "one.jsonl", "batch")
    assert first.id != second
    assert client.files.retrieve(first.id) == first
    assert client.files.content(first.id).read() == data
    assert client.files.content(second).read() == b""
    assert [file.id for file in client.files.list()] == [second, first.id]
    assert [file.id for file in client.files.list(order="asc", limit=1)] == [first.id, second]
    assert not client.files.list(purpose="batch_output").data
    assert client.files.delete(first.id).deleted
    for call in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError):
            call(first.id)
    assert [file.id for file in client.files.list()] == [second]


def test_what_is_no_file_is_refused(opened: Open) -> None:
    client = opened()
    with pytest.raises(openai.BadRequestError, match="purpose"):
        client.files.create(file=("a", b"x"), purpose="vision")
    with pytest.raises(openai.BadRequestError, match="multipart"):
        client.post("/files", cast_to=object, body={"purpose": "batch"})
    with pytest.raises(openai.BadRequestError, match="'file'"):
        client.post(
            "/files",
            cast_to=object,
            files=[("other", ("a", b"x"))],
            options={"headers": {"Content-Type": "multipart/form-data"}},
        )
    assert not client.files.list().data


REQUESTS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "no file": lambda good: {**good, "input_file_id": "file-0"},
    "no name of a file": lambda good: {k: v for k, v in good.items() if k != "input_file_id"},
    "a list for a file": lambda good: {**good, "input_file_id": []},
    "another endpoint": lambda good: {**good, "endpoint": "/v1/embeddings"},
    "another window": lambda good: {**good, "completion_window": "1h"},
    "much metadata": lambda good: {**good, "metadata": {str(n): "" for n in range(17)}},
    "long metadata": lambda good: {**good, "metadata": {"a": "x" * 513}},
    "numbers as metadata": lambda good: {**good, "metadata": {"a": 1}},
}


@pytest.mark.parametrize("name", REQUESTS)
def test_what_is_no_request_for_a_batch_is_refused(opened: Open, name: str) -> None:
    client = opened()
    good = {
        "input_file_id": upload(client, b"x"),
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        "metadata": {"a": "b"},
    }
    with pytest.raises((openai.BadRequestError, openai.NotFoundError)):
        client.post("/batches", cast_to=object, body=REQUESTS[name](good))
    assert stats(client)["batches"] == 0
    assert not client.batches.list().data
    client.post("/batches", cast_to=object, body=good)
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("batch_0")


def _without(name: str) -> str:
    return json.dumps({k: v for k, v in rows_of(1)[0].items() if k != name})


def _with(custom: str = "x", **more: Any) -> str:
    return json.dumps({**rows_of(1)[0], "custom_id": custom, **more})


GOOD = json.dumps(rows_of(1)[0])
WRONG = {
    "no JSON": ([GOOD, "{"], "invalid_json_line", 2),
    "deep": (["[" * 100_000, GOOD], "invalid_json_line", 1),
    "a list": (["[]"], "missing_required_parameter", 1),
    "no custom_id": ([_without("custom_id")], "missing_required_parameter", 1),
    "no body": ([GOOD, _without("body")], "missing_required_parameter", 2),
    "one id twice": ([GOOD, _with("x"), GOOD], "duplicate_custom_id", 3),
    "another page": ([GOOD, _with(url="/v1/embeddings")], "url_mismatch", 2),
    "another method": ([_with(method="GET")], "url_mismatch", 1),
    "two models": (
        [GOOD, _with(body={**rows_of(1)[0]["body"], "model": "m"})],
        "model_mismatch",
        2,
    ),
    "nothing": ([], "empty_file", None),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_batch_with_a_wrong_file_fails(opened: Open, name: str) -> None:
    rows, code, line = WRONG[name]
    client = opened(batch_latency=0.02)
    file = upload(client, "".join(row + "\n" for row in rows).encode())
    made = client.batches.create(
        input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h"
    )
    assert made.status == "validating" and made.errors is None
    batch = ended(client, made)
    assert batch.status == "failed" and batch.output_file_id is None
    assert batch.errors and batch.errors.data
    error = batch.errors.data[0]
    assert (error.code, error.line) == (code, line) and error.message
    assert stats(client)["requests"] == 0


@pytest.mark.parametrize("limit", ["MOST_LINES", "MOST_BYTES"])
def test_a_batch_that_is_too_large_fails(
    opened: Open, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rows_of(3)
    size = {"MOST_LINES": 3, "MOST_BYTES": sum(len(json.dumps(row)) + 1 for row in rows)}[limit]
    client = opened(batch_latency=0.02)
    monkeypatch.setattr(batch_file, limit, size)
    assert ended(client, submit(client, rows)).status == "completed"
    monkeypatch.setattr(batch_file, limit, size - 1)
    batch = ended(client, submit(client, rows))
    assert batch.status == "failed" and batch.errors and batch.errors.data
    assert batch.errors.data[0].code in ("too_many_tasks", "file_too_large")
    assert len(batch.errors.data) == 1


def test_a_request_that_the_model_refuses_fails_alone(opened: Open) -> None:
    client = opened(batch_latency=0.02)
    rows = rows_of(3, model="gpt-5-mini")
    rows[1]["body"]["max_tokens"] = 100
    batch = ended(client, submit(client, rows))
    (wrong,) = lines(client, batch.error_file_id)
    assert (wrong["custom_id"], wrong["response"]["status_code"]) == ("r1", 400)
    assert wrong["response"]["body"]["error"]["code"] == "unsupported_parameter"
    assert wrong["error"] is None
    assert len(lines(client, batch.output_file_id)) == 2


def test_a_model_that_is_not_served_fails_the_batch(opened: Open) -> None:
    client = opened(batch_latency=0.02, models=["other"])
    batch = ended(client, submit(client, rows_of(2)))
    assert batch.errors and batch.errors.data
    assert [(e.code, e.line) for e in batch.errors.data] == [
        ("model_not_found", 1),
        ("model_not_found", 2),
    ]


def test_files_of_twenty_megabytes_pass(opened: Open) -> None:
    client = opened()
    data = b"x" * 20_000_000
    assert client.files.content(upload(client, data)).read() == data
