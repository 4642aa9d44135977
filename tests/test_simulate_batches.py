"""The simulator's batches through the real client: their life, their answers and their price."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from conftest import Serve
from openai import OpenAI
from openai.types import Batch
from test_simulate import Client, body, text

from mcu.backends.scripted import answer
from mcu.simulate import Simulator

Open = Callable[..., OpenAI]
LATENCY = 0.25


@pytest.fixture
def opened(serve: Serve) -> Iterator[Open]:
    """Opens a client of a simulator with these settings."""
    clients = []

    def work(**settings: Any) -> OpenAI:
        url = serve(Simulator(**{"batch_latency": LATENCY, **settings}).app())
        clients.append(OpenAI(base_url=url, api_key="none", max_retries=0))
        return clients[-1]

    yield work
    for client in clients:
        client.close()


def rows_of(number: int, **more: Any) -> list[dict[str, Any]]:
    """Lines of an input file."""
    return [
        {"custom_id": f"r{n}", "method": "POST", "url": "/v1/chat/completions", "body": one}
        for n, one in ((n, body(n, **more)) for n in range(number))
    ]


def submit(client: OpenAI, rows: list[dict[str, Any]], **more: Any) -> Batch:
    """Upload lines and start their batch."""
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    file = client.files.create(file=("in.jsonl", data), purpose="batch")
    return client.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        **more,
    )


def ended(client: OpenAI, batch: Batch, *also: str) -> Batch:
    """The batch when it has ended, or has one of these states."""
    for _ in range(400):
        batch = client.batches.retrieve(batch.id)
        if batch.status in ("completed", "failed", "expired", "cancelled", *also):
            return batch
        time.sleep(0.01)
    raise AssertionError(f"still {batch.status}")


def lines(client: OpenAI, file: str | None) -> list[dict[str, Any]]:
    """An output file's lines; none where there is no file."""
    return [json.loads(line) for line in client.files.content(file).iter_lines()] if file else []


def stats(client: OpenAI) -> dict[str, Any]:
    return Client(str(client.base_url).rstrip("/")).stats


def counts(batch: Batch) -> tuple[int, int, int]:
    assert batch.request_counts
    return batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed


def test_a_batch_gives_the_answers_of_live_calls_in_another_order(opened: Open) -> None:
    client = opened()
    begun = time.time()
    batch = submit(client, rows_of(12), metadata={"run": "a"})
    assert (batch.status, counts(batch)) == ("validating", (0, 0, 0))
    batch = ended(client, batch)
    assert time.time() - begun >= LATENCY
    assert (batch.status, counts(batch)) == ("completed", (12, 12, 0))
    assert batch.metadata == {"run": "a"}
    assert batch.errors is None and batch.error_file_id is None
    found = lines(client, batch.output_file_id)
    ids = [line["custom_id"] for line in found]
    assert sorted(ids) == sorted(f"r{n}" for n in range(12)) and ids != sorted(ids)
    for line in found:
        number = int(line["custom_id"][1:])
        assert line["error"] is None
        said = text((line["response"]["status_code"], line["response"]["body"]))
        assert said == answer(body(number)["messages"], number)
    assert len({line["id"] for line in found}) == 12


def test_a_batch_passes_through_its_states(opened: Open) -> None:
    client = opened()
    batch = submit(client, rows_of(3))
    seen = [batch.status]
    while batch.status != "completed":
        batch = client.batches.retrieve(batch.id)
        if batch.status != seen[-1]:
            seen.append(batch.status)
    assert seen == ["validating", "in_progress", "finalizing", "completed"]
    times = (batch.created_at, batch.in_progress_at, batch.finalizing_at, batch.completed_at)
    stamps = [stamp for stamp in times if stamp]
    assert len(stamps) == 4 and stamps == sorted(stamps)
    assert batch.expires_at == batch.created_at + 24 * 3600
    assert batch.failed_at is batch.cancelled_at is batch.expired_at is None


def test_a_batch_costs_half_and_counts_as_its_live_calls(opened: Open, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    client = opened(log=log, batch_latency=0.05)
    rows = rows_of(3, model="gpt-4o-mini")
    for row in rows:
        client.post("/chat/completions", cast_to=object, body=row["body"])
    live = stats(client)
    assert live["usd"] > 0
    batch = ended(client, submit(client, rows, metadata={"unit": "7"}))
    both = stats(client)
    assert both["usd"] == pytest.approx(1.5 * live["usd"])
    assert (both["requests"], both["unique"], both["repeated"]) == (6, 3, 3)
    assert (both["batches"], both["batch_requests"], both["batch_inputs_repeated"]) == (1, 3, 0)
    assert both["completion_tokens"] == 2 * live["completion_tokens"]
    ended(client, submit(client, rows[:2]))
    assert stats(client)["batch_inputs_repeated"] == 2
    noted = [json.loads(line) for line in log.read_text().splitlines()]
    first, second = (line for line in noted if "batch" in line)
    assert (first["batch"], first["metadata"]) == (batch.id, {"unit": "7"})
    assert first["custom_ids"] == ["r0", "r1", "r2"] and second["custom_ids"] == ["r0", "r1"]
    keys = [line["key"] for line in noted if "key" in line]
    assert len(keys) == 8 and len(set(keys)) == 3


def test_the_same_body_twice_in_one_batch_is_no_repeated_input(opened: Open) -> None:
    client = opened(batch_latency=0.0)
    row = rows_of(1)[0]
    ended(client, submit(client, [row, {**row, "custom_id": "again"}]))
    found = stats(client)
    assert (found["batch_requests"], found["repeated"], found["batch_inputs_repeated"]) == (2, 1, 0)


def test_batches_are_listed_page_by_page_the_newest_first(opened: Open) -> None:
    client = opened()
    made = [submit(client, rows_of(1), metadata={"n": str(n)}).id for n in range(5)]
    shown = client.batches.list(limit=2)
    assert [batch.id for batch in shown.data] == [made[4], made[3]]
    assert shown.has_more
    rest = client.batches.list(limit=3, after=made[3])
    assert [batch.id for batch in rest.data] == made[2::-1] and not rest.has_more
    assert [batch.id for batch in client.batches.list(limit=2)] == made[::-1]
    with pytest.raises(openai.NotFoundError):
        client.batches.list(after="batch_0")
    with pytest.raises(openai.BadRequestError):
        client.batches.list(limit=1000)


def test_a_cancelled_batch_keeps_what_is_answered(opened: Open) -> None:
    client = opened(batch_latency=0.8)
    batch = submit(client, rows_of(40, model="gpt-4o"))
    while counts(batch)[1] < 3:
        batch = client.batches.retrieve(batch.id)
    assert client.batches.cancel(batch.id).status == "cancelling"
    usd = stats(client)["usd"]
    batch = ended(client, batch)
    assert batch.status == "cancelled" and batch.cancelled_at and batch.cancelling_at
    done, left = (lines(client, file) for file in (batch.output_file_id, batch.error_file_id))
    assert 3 <= len(done) < 40 and len(done) + len(left) == 40
    assert {line["error"]["code"] for line in left} == {"batch_cancelled"}
    assert counts(batch) == (40, len(done), 0)
    assert stats(client)["usd"] == usd > 0
    assert stats(client)["batch_requests"] == len(done)
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(batch.id)


def test_a_batch_expires_half_done(opened: Open) -> None:
    client = opened(fault={"batch_expired": 1.0}, batch_latency=0.1)
    batch = ended(client, submit(client, rows_of(9)))
    assert batch.status == "expired" and batch.expired_at and not batch.completed_at
    done, left = (lines(client, file) for file in (batch.output_file_id, batch.error_file_id))
    assert (len(done), len(left)) == (4, 5)
    assert all(line["response"] is None for line in left)
    assert {line["error"]["code"] for line in left} == {"batch_expired"}
    assert len({line["custom_id"] for line in done + left}) == 9
    assert stats(client)["faults"] == {"batch_expired": 1}


def test_a_batch_fails_as_a_whole(opened: Open) -> None:
    client = opened(fault={"batch_failed": 1.0}, batch_latency=0.1)
    batch = ended(client, submit(client, rows_of(4)))
    assert batch.status == "failed" and batch.failed_at and counts(batch) == (0, 0, 0)
    assert batch.errors and batch.errors.data and batch.errors.data[0].code == "server_error"
    found = stats(client)
    assert (found["batches"], found["batch_requests"], found["requests"]) == (1, 0, 0)


def test_a_batch_is_accepted_though_its_answer_is_lost(opened: Open) -> None:
    client = opened(fault={"batch_drop": 1.0}, batch_latency=0.05)
    with pytest.raises(openai.APIConnectionError):
        submit(client, rows_of(2), metadata={"unit": "3"})
    (batch,) = client.batches.list()
    assert batch.metadata == {"unit": "3"}
    assert ended(client, batch).status == "completed"
    assert stats(client)["batches"] == 1


def test_lines_fail_alone_and_cost_nothing(opened: Open) -> None:
    client = opened(fault={"batch_line": 0.5}, batch_latency=0.1)
    batch = ended(client, submit(client, rows_of(20, model="gpt-4o")))
    done, left = (lines(client, file) for file in (batch.output_file_id, batch.error_file_id))
    assert batch.status == "completed" and counts(batch) == (20, len(done), len(left))
    assert 4 < len(left) < 16 and len(done) + len(left) == 20
    assert all(line["response"]["status_code"] == 500 for line in left)
    assert all("simulated" in line["response"]["body"]["error"]["message"] for line in left)
    found = stats(client)
    assert found["batch_requests"] == 20 and found["faults"] == {"batch_line": len(left)}
    usage = [line["response"]["body"]["usage"]["completion_tokens"] for line in done]
    assert found["completion_tokens"] == sum(usage)


def test_lines_have_bad_content_but_no_fault_of_a_connection(opened: Open) -> None:
    client = opened(fault={"keys": 0.5, "drop": 0.5}, batch_latency=0.05)
    batch = ended(client, submit(client, rows_of(20)))
    found = lines(client, batch.output_file_id)
    bad = [line for line in found if "unexpected" in text((200, line["response"]["body"]))]
    assert len(found) == 20 and 3 < len(bad) < 17
    assert stats(client)["faults"] == {"keys": len(bad)} and stats(client)["lost_usd"] == 0
