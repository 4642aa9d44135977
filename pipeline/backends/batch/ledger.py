"""The ledger of batches: which request was sent in which batch, and its answer; all durable."""

import json
import sqlite3
import threading
import time
import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mcu.backends import ChatReply
from mcu.errors import StoreError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS batches (
    id TEXT PRIMARY KEY, endpoint TEXT, model TEXT, requests INTEGER, most REAL, noted REAL,
    file TEXT DEFAULT '', batch TEXT DEFAULT '', status TEXT DEFAULT '',
    over INTEGER DEFAULT 0, cancelled INTEGER DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS requests (
    key TEXT PRIMARY KEY, batch TEXT, usd REAL, reply BLOB
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS requests_of ON requests (batch);
"""
_FIND = (
    "SELECT batches.id, over, reply FROM requests JOIN batches ON batches.id = requests.batch "
    "WHERE key = ?"
)
_ENTRY = "SELECT id, endpoint, model, requests, most, noted, file, batch, cancelled FROM batches "
_REPLY = "UPDATE requests SET usd = ?, reply = ? WHERE key = ? AND batch = ?"

Replies = Iterable[tuple[str, ChatReply]]


@dataclass(frozen=True)
class Entry:
    """A batch.

    Attributes:
        id: our own, which the provider keeps in the batch's metadata.
        most: dollars that it can cost at most.
        noted: when it was noted, in seconds since 1970.
        file: the provider's id of its input file; empty before that was uploaded.
        batch: the provider's id; empty while nobody knows whether it was created.
        cancelled: the user asked for its end.
    """

    id: str
    endpoint: str
    model: str
    requests: int
    most: float = 0.0
    noted: float = 0.0
    file: str = ""
    batch: str = ""
    cancelled: bool = False


@dataclass(frozen=True)
class Place:
    """Where a request is: its batch, whether that is over, and the answer if there is one."""

    batch: str
    over: bool
    reply: ChatReply | None


def path_of(folder: Path) -> Path:
    """The ledger's file in a run's journal folder."""
    return folder / "batches.sqlite"


class Ledger:
    """What a run has sent in batches, over all interruptions.

    A batch is noted before anything of it is sent, then the id of its file, then its own: a
    process that is killed in between leaves a note of what has to be looked for. Several processes
    may have the ledger open, and threads may share it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = path_of(folder)
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._database = self._connect()
            self._database.executescript(_SCHEMA)
            self._reader = self._connect()
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"the ledger {self._path} cannot be opened: {error}") from error

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, check_same_thread=False, timeout=30)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        return database

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it is on disk afterwards, or nothing."""
        try:
            with self._lock, self._database:
                yield self._database
        except sqlite3.Error as error:
            raise StoreError(f"the ledger {self._path} cannot be written: {error}") from error

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._reader
        except (sqlite3.Error, zlib.error, ValueError, TypeError) as error:
            raise StoreError(f"the ledger {self._path} cannot be read: {error}") from error

    def note(self, entry: Entry, keys: Collection[str]) -> None:
        """Note a batch that is about to be sent."""
        head = (entry.id, entry.endpoint, entry.model, len(keys), entry.most, time.time())
        columns = "id, endpoint, model, requests, most, noted"
        with self._writing() as database:
            database.execute(f"INSERT INTO batches ({columns}) VALUES (?,?,?,?,?,?)", head)
            database.executemany(
                "INSERT OR REPLACE INTO requests (key, batch) VALUES (?,?)",
                ((key, entry.id) for key in keys),
            )

    def uploaded(self, id_: str, file: str) -> None:
        """Note the provider's id of a batch's input file: from now on it may be created."""
        with self._writing() as database:
            database.execute("UPDATE batches SET file = ? WHERE id = ?", (file, id_))

    def created(self, id_: str, batch: str) -> None:
        """Note the provider's id of a batch."""
        with self._writing() as database:
            database.execute("UPDATE batches SET batch = ? WHERE id = ?", (batch, id_))

    def settle(self, id_: str, status: str, replies: Replies, release: bool) -> tuple[int, float]:
        """Take in the answers of a batch that has ended, all or none of them.

        Args:
            id_: the batch.
            status: how the provider says that it ended.
            replies: by key.
            release: forget the requests without an answer, so that they can be sent in another
                batch; they are else known as unanswered.

        Returns:
            How many requests have an answer, and what those cost.
        """
        with self._writing() as database:
            database.executemany(
                _REPLY, ((reply.usd, _pack(reply), key, id_) for key, reply in replies)
            )
            if release:
                query = "DELETE FROM requests WHERE batch = ? AND reply IS NULL"
                database.execute(query, (id_,))
            database.execute("UPDATE batches SET over = 1, status = ? WHERE id = ?", (status, id_))
            query = "SELECT count(reply), total(usd) FROM requests WHERE batch = ?"
            answered, usd = database.execute(query, (id_,)).fetchone()
        return answered, usd

    def forget(self, id_: str) -> None:
        """Drop a batch that the provider never worked on; its requests can be sent again."""
        with self._writing() as database:
            database.execute("DELETE FROM requests WHERE batch = ?", (id_,))
            database.execute("DELETE FROM batches WHERE id = ?", (id_,))

    def cancel(self) -> list[Entry]:
        """Note that the user wants all batches ended that have not ended, and give them."""
        with self._writing() as database:
            database.execute("UPDATE batches SET cancelled = 1 WHERE NOT over")
            found = database.execute(_ENTRY + "WHERE NOT over ORDER BY noted").fetchall()
        return [Entry(*row) for row in found]

    def cancelled(self) -> set[str]:
        """The batches that the user wanted ended at any time."""
        with self._reading() as database:
            return {row[0] for row in database.execute("SELECT id FROM batches WHERE cancelled")}

    def find(self, key: str) -> Place | None:
        """Where a request is; None when it is in no batch."""
        with self._reading() as database:
            row = database.execute(_FIND, (key,)).fetchone()
            return Place(row[0], bool(row[1]), _unpack(row[2]) if row[2] else None) if row else None

    def entry(self, id_: str) -> Entry | None:
        """A batch by our own id."""
        with self._reading() as database:
            row = database.execute(_ENTRY + "WHERE id = ?", (id_,)).fetchone()
            return Entry(*row) if row else None

    def close(self) -> None:
        """Give the file back, once what is being written is."""
        with self._lock:
            self._reader.close()
            self._database.close()


def _pack(reply: ChatReply) -> bytes:
    text = json.dumps(vars(reply), ensure_ascii=False)
    return zlib.compress(text.encode("utf-8", "surrogatepass"), 1)


def _unpack(blob: bytes) -> ChatReply:
    return ChatReply(**json.loads(zlib.decompress(blob).decode("utf-8", "surrogatepass")))
