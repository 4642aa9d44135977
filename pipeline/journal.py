"""The journal: every paid reply is on disk, in its unit's SQLite file, before it is used."""

import asyncio
import json
import queue
import sqlite3
import threading
import time
import zlib
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

from mcu.errors import StoreError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, kind TEXT, record TEXT, request BLOB, answer BLOB, model TEXT,
    prompt_tokens INTEGER, completion_tokens INTEGER, cached_tokens INTEGER, usd REAL,
    seconds REAL, ended REAL
) WITHOUT ROWID
"""
_INSERT = "INSERT OR REPLACE INTO answers VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
TOTALS = ("calls", "prompt_tokens", "completion_tokens", "cached_tokens", "usd", "unpriced")

Answer = dict[str, Any]
_Entry = tuple[
    "UnitJournal", tuple[Any, ...], tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]
]


class Writer:
    """One thread that commits the answers of all open units, many to a transaction."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[_Entry | threading.Event | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    async def commit(self, unit: "UnitJournal", row: tuple[Any, ...]) -> None:
        """Return once the row is safe on disk; raises StoreError when it cannot be."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._queue.put((unit, row, (loop, done)))
        await done

    def flush(self) -> None:
        """Return once everything handed over before is written; nothing after `close`."""
        if self._thread.is_alive():
            written = threading.Event()
            self._queue.put(written)
            written.wait()

    def close(self) -> None:
        """Commit what is waiting and end the thread."""
        self._queue.put(None)
        self._thread.join()
        while not self._queue.empty():  # a flush that came too late waits for nothing
            if isinstance(late := self._queue.get(), threading.Event):
                late.set()

    def _work(self) -> None:
        open_ = True
        while open_:
            batch = [self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get())
            open_ = None not in batch
            by_unit: dict[UnitJournal, list[_Entry]] = {}
            for entry in batch:
                if isinstance(entry, tuple):
                    by_unit.setdefault(entry[0], []).append(entry)
            for unit, entries in by_unit.items():
                error = unit.write([row for _, row, _ in entries])
                for _, _, (loop, done) in entries:
                    _settle(loop, done, error)
            for entry in batch:
                if isinstance(entry, threading.Event):
                    entry.set()


def _settle(
    loop: asyncio.AbstractEventLoop, done: asyncio.Future[None], error: Exception | None
) -> None:
    def settle() -> None:
        if done.cancelled():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(StoreError(f"the journal cannot be written: {error}"))

    # A loop that was closed by an interruption has nobody left to tell.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(settle)


class UnitJournal:
    """The answers that one unit has been given, by the hash of the request."""

    def __init__(self, path: Path, writer: Writer) -> None:
        self._writer = writer
        self._path = path
        self._pending: dict[str, asyncio.Future[Answer]] = {}
        self._closed = False
        self.replayed = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = _connect(path)
            self._database.execute(_SCHEMA)
            _widen(self._database)
            self._database.execute("PRAGMA synchronous=FULL")
            self._reader = _connect(path)
            self._empty = not self._reader.execute("SELECT 1 FROM answers LIMIT 1").fetchone()
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"the journal {path} cannot be opened: {error}") from error

    async def once(
        self,
        key: str,
        kind: str,
        record: str,
        request: Any,
        make: Callable[[], Awaitable[Answer]],
        good: Callable[[Answer], bool] = lambda answer: True,
    ) -> Answer:
        """The journalled answer to a request, or a new one that is journalled first.

        Equal requests under way at the same time are made once. An answer that is `good` no
        more, such as a picture whose file is gone, is made anew.
        """
        if self._closed:
            raise StoreError(f"the journal {self._path} is closed")
        while (pending := self._pending.get(key)) is not None:
            await asyncio.wait([pending])
            if not pending.cancelled():
                return pending.result()
            # Whoever made it was cancelled, this caller was not: it makes the request itself.
        if (known := self._get(key)) is not None and good(known):
            self.replayed += 1
            return known
        task = asyncio.ensure_future(self._make((key, kind, record, request), make))
        self._pending[key] = task
        task.add_done_callback(partial(self._forget, key))
        # A caller that is stopped does not take the call with it, which is paid for.
        return await asyncio.shield(task)

    async def _make(
        self, head: tuple[str, str, str, Any], make: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        answer = await make()
        self._empty = False
        await self._writer.commit(self, (*head, answer, time.time()))
        return answer

    def _forget(self, key: str, task: asyncio.Task[Answer]) -> None:
        del self._pending[key]
        if not task.cancelled():
            task.exception()  # whoever waited was told; nobody else need have

    async def settle(self) -> None:
        """Return once every answer under way is on disk, or failed."""
        while self._pending:
            await asyncio.wait(self._pending.values())

    def _get(self, key: str) -> Answer | None:
        if self._empty:
            return None
        query = "SELECT answer FROM answers WHERE key = ?"
        try:
            row = self._reader.execute(query, (key,)).fetchone()
            return _unpack(row[0]) if row else None
        except (sqlite3.Error, zlib.error, ValueError) as error:
            raise StoreError(f"the journal {self._path} cannot be read: {error}") from error

    def write(self, rows: list[tuple[Any, ...]]) -> Exception | None:
        """Commit rows in one transaction; called by the writer's thread alone."""
        try:
            with self._database:
                self._database.executemany(_INSERT, map(_packed, rows))
        except Exception as error:  # one that got away would end the thread, and hang the run
            return error
        return None

    def totals(self) -> dict[str, Any]:
        """Calls, tokens and dollars paid for this unit, over all interruptions."""
        return _totals(self._reader)

    def close(self, keep: bool = True) -> None:
        """Write what is waiting, fold the log into the file; without `keep`, delete it."""
        self._closed = True
        self._writer.flush()
        self._reader.close()
        with suppress(sqlite3.Error):  # on a full disk the log stays, and is read the next time
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._database.close()
        if not keep:
            for path in self._path.parent.glob(self._path.name + "*"):
                path.unlink(missing_ok=True)


def read_totals(path: Path) -> dict[str, Any]:
    """Calls, tokens and dollars in a journal that may be in use by another process."""
    nothing = dict.fromkeys(TOTALS, 0)
    if not path.is_file():
        return nothing
    try:
        with _reading(path) as database:
            return _totals(database)
    except sqlite3.Error:
        return nothing


def read_answers(path: Path, record: str) -> list[tuple[Answer, Answer, float]]:
    """The requests and answers of one input record's model calls, and when they were answered.

    In that order. The journal may be in use by another process.

    Raises:
        StoreError: the journal cannot be read.
    """
    query = (
        "SELECT request, answer, ended FROM answers WHERE kind = 'chat' AND record = ? "
        "ORDER BY ended"
    )
    try:
        with _reading(path) as database:
            rows = database.execute(query, (record,)).fetchall()
        return [(_unpack(asked), _unpack(answer), ended or 0.0) for asked, answer, ended in rows]
    except (sqlite3.Error, zlib.error, ValueError) as error:
        raise StoreError(f"the journal {path} cannot be read: {error}") from error


def _reading(path: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True))


def _totals(database: sqlite3.Connection) -> dict[str, Any]:
    """`unpriced` counts the calls whose price nobody knows; they are no part of `usd`."""
    row = database.execute(
        "SELECT count(*), total(prompt_tokens), total(completion_tokens), total(cached_tokens), "
        "total(usd), count(*) - count(usd) FROM answers WHERE kind = 'chat'"
    ).fetchone()
    found = dict(zip(TOTALS, row, strict=True))
    return {name: value if name == "usd" else int(value) for name, value in found.items()}


def _widen(database: sqlite3.Connection) -> None:
    """Add the columns that a journal of an earlier version lacks."""
    known = {row[1] for row in database.execute("PRAGMA table_info(answers)")}
    for name in ("cached_tokens", "usd", "seconds", "ended"):
        if name not in known:
            database.execute(f"ALTER TABLE answers ADD COLUMN {name} REAL")


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, check_same_thread=False, timeout=30)
    database.execute("PRAGMA synchronous=OFF")  # nothing is lost until there are answers
    database.execute("PRAGMA journal_mode=WAL")
    return database


def _packed(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The columns of a row, made in the writer's thread, where compressing holds up nobody."""
    key, kind, record, request, answer, ended = row
    tokens = [answer.get(f"{name}_tokens", 0) for name in ("prompt", "completion", "cached")]
    facts = (*tokens, answer.get("usd"), answer.get("seconds", 0.0), ended)
    return key, kind, record, _pack(request), _pack(answer), answer.get("model", ""), *facts


def _pack(value: Any) -> bytes:
    """A value, or its JSON text, compressed."""
    if not isinstance(value, bytes):
        value = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return zlib.compress(value, 1)


def _unpack(blob: bytes) -> Answer:
    answer: Answer = json.loads(zlib.decompress(blob).decode("utf-8", "surrogatepass"))
    return answer
