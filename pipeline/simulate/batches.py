"""Batches, as the batch pages of the OpenAI API: many requests now, their answers later."""

import asyncio
import json
import random
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from mcu.simulate.ask import Ask
from mcu.simulate.batch_file import ENDPOINT, Line, Wrong, read_lines
from mcu.simulate.desk import Desk
from mcu.simulate.files import File, Files
from mcu.simulate.wire import Refused, abort, page, page_of

_WINDOW, _SECONDS = "24h", 86_400
_EDGE = 0.1  # share of its latency that a batch is validated for, finalized for, and cancelled in
_STAMPS = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
_UNDONE = {
    "expired": "This request could not be executed before the completion window expired.",
    "cancelled": "This request was not executed because the batch was cancelled before it ran.",
}


@dataclass
class Batch:
    """A batch, its lines and what became of them."""

    input_file: str
    metadata: dict[str, str] | None
    lines: list[Line]
    errors: list[dict[str, Any]]
    expires: bool = False
    id: str = field(default_factory=lambda: f"batch_{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))
    status: str = "validating"
    stamps: dict[str, int] = field(default_factory=dict)
    completed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    output_file: str | None = None
    error_file: str | None = None

    def become(self, status: str) -> None:
        """Change the status."""
        self.status = status
        self.stamps[status] = int(time.time())

    def as_json(self) -> dict[str, Any]:
        """The batch object."""
        begun = self.status not in ("validating", "failed")
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": ENDPOINT,
            "errors": {"object": "list", "data": self.errors} if self.status == "failed" else None,
            "input_file_id": self.input_file,
            "completion_window": _WINDOW,
            "status": self.status,
            "output_file_id": self.output_file,
            "error_file_id": self.error_file,
            "created_at": self.created,
            "expires_at": self.created + _SECONDS,
            **{f"{status}_at": self.stamps.get(status) for status in _STAMPS},
            "request_counts": {
                "total": len(self.lines) if begun else 0,
                "completed": len(self.completed),
                "failed": len(self.failed),
            },
            "metadata": self.metadata,
        }


class Batches:
    """All batches, the oldest first.

    Args:
        desk: answers their lines.
        files: where their input is, and their output goes.
        latency: seconds until a batch is done.
    """

    def __init__(self, desk: Desk, files: Files, latency: float) -> None:
        self._desk = desk
        self._files = files
        self._latency = latency
        self._random = random.Random(0)
        self._batches: dict[str, Batch] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def routes(self) -> list[web.RouteDef]:
        """The pages."""
        return [
            web.post("/v1/batches", page_of(self._create)),
            web.get("/v1/batches", page_of(self._list)),
            web.get("/v1/batches/{id}", page_of(self._show)),
            web.post("/v1/batches/{id}/cancel", page_of(self._cancel)),
        ]

    async def close(self) -> None:
        """Leave all work where it is."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _create(self, request: web.Request) -> Any:
        file, metadata = _checked(await request.read())
        data = self._files.get(file).data
        lines, errors = await asyncio.to_thread(read_lines, data, self._desk)
        fault = self._desk.batch()
        if fault == "batch_failed":
            errors = [Wrong("server_error", "simulated failure of the whole batch").error]
        batch = Batch(file, metadata, lines, errors, fault == "batch_expired")
        self._batches[batch.id] = batch
        if not errors:
            self._accept(batch)
        self._start(batch, self._work(batch))
        if fault == "batch_drop":
            abort(request)
        return batch.as_json()

    def _accept(self, batch: Batch) -> None:
        keys = [line.ask.key for line in batch.lines if isinstance(line.ask, Ask)]
        self._desk.stats.submitted(keys)
        ids = [line.custom_id for line in batch.lines]
        self._desk.note(batch=batch.id, metadata=batch.metadata, custom_ids=ids, start=time.time())

    async def _list(self, request: web.Request) -> Any:
        rows = [batch.as_json() for batch in self._batches.values()]
        return page(rows, request.query, 20, 100)

    async def _show(self, request: web.Request) -> Any:
        return self._get(request).as_json()

    async def _cancel(self, request: web.Request) -> Any:
        batch = self._get(request)
        if batch.status not in ("validating", "in_progress", "finalizing"):
            raise Refused(409, f"Cannot cancel a batch with status '{batch.status}'.")
        batch.become("cancelling")
        self._start(batch, self._end_early(batch))
        return batch.as_json()

    def _get(self, request: web.Request) -> Batch:
        if found := self._batches.get(request.match_info["id"]):
            return found
        raise Refused(404, f"No batch found with id '{request.match_info['id']}'.")

    def _start(self, batch: Batch, work: Any) -> None:
        if before := self._tasks.get(batch.id):
            before.cancel()
        self._tasks[batch.id] = asyncio.create_task(work)

    async def _work(self, batch: Batch) -> None:
        """Take a batch through its life; answers come one after the other until it is done."""
        await asyncio.sleep(self._latency * _EDGE)
        if batch.errors:
            batch.become("failed")
            return
        batch.become("in_progress")
        begun, pace = time.monotonic(), self._latency * (1 - 2 * _EDGE) / len(batch.lines)
        most = len(batch.lines) // 2 if batch.expires else len(batch.lines)
        for number, line in enumerate(batch.lines[:most], 1):
            await asyncio.sleep(max(0.0, begun + number * pace - time.monotonic()))
            self._answer(batch, line)
        if batch.expires:
            self._finish(batch, "expired", most)
            return
        batch.become("finalizing")
        await asyncio.sleep(self._latency * _EDGE)
        self._finish(batch, "completed", most)

    async def _end_early(self, batch: Batch) -> None:
        await asyncio.sleep(self._latency * _EDGE)
        self._finish(batch, "cancelled", len(batch.completed) + len(batch.failed))

    def _answer(self, batch: Batch, line: Line) -> None:
        if isinstance(line.ask, Refused):
            batch.failed.append(_row(line, (line.ask.status, line.ask.body)))
        elif answer := self._desk.line(line.ask):
            batch.completed.append(_row(line, (200, answer.body)))
        else:
            failure = Refused(500, "simulated failure of a line", kind="server_error")
            batch.failed.append(_row(line, (500, failure.body)))

    def _finish(self, batch: Batch, status: str, done: int) -> None:
        """Write the output files, in an order of their own, and end the batch."""
        error = {"code": f"batch_{status}", "message": _UNDONE.get(status, "")}
        undone = [_row(line, None, error) for line in batch.lines[done:]]
        self._random.shuffle(batch.completed)
        batch.output_file = self._keep(f"{batch.id}_output.jsonl", batch.completed)
        batch.error_file = self._keep(f"{batch.id}_error.jsonl", batch.failed + undone)
        batch.become(status)

    def _keep(self, name: str, rows: list[str]) -> str | None:
        data = "".join(row + "\n" for row in rows).encode()
        return self._files.add(File(name, data, "batch_output")).id if rows else None


def _row(line: Line, answer: tuple[int, Any] | None, error: dict[str, str] | None = None) -> str:
    """A line of an output file: the status and the body of an answer, or why there is none."""
    response = None
    if answer:
        status, body = answer
        response = {"status_code": status, "request_id": uuid.uuid4().hex, "body": body}
    row = {"custom_id": line.custom_id, "response": response, "error": error}
    return json.dumps({"id": f"batch_req_{uuid.uuid4().hex}", **row})


def _checked(data: bytes) -> tuple[str, dict[str, str] | None]:
    """The input file and the metadata that a request for a batch names."""
    try:
        body = json.loads(data)
        file, metadata = str(body["input_file_id"]), body.get("metadata")
        wanted = (body["endpoint"], body["completion_window"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Refused(400, f"not a request for a batch: {error!r}") from error
    if wanted != (ENDPOINT, _WINDOW):
        raise Refused(400, f"'endpoint' and 'completion_window' must be {ENDPOINT} and {_WINDOW}")
    fits = metadata is None or (
        isinstance(metadata, dict)
        and len(metadata) <= 16
        and all(len(k) <= 64 and isinstance(v, str) and len(v) <= 512 for k, v in metadata.items())
    )
    if not fits:
        raise Refused(400, "'metadata' may hold 16 pairs of short text", param="metadata")
    return file, metadata
