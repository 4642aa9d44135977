"""A Hub on loopback: what its client was seen to ask for, on disk, with faults on request."""

import hashlib
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

LARGE = (".parquet", ".tar", ".jpg", ".bin")  # as the .gitattributes of a new data set has it
PART = 5_000_000  # bytes of a part, for files that are larger


@dataclass(frozen=True)
class Entry:
    """A file of a repository: its bytes on disk, its git blob, its SHA-256 if it is large."""

    path: str
    size: int
    blob: str
    sha256: str
    large: bool

    @property
    def oid(self) -> str:
        return self.sha256 if self.large else self.blob

    def json(self) -> dict[str, Any]:
        fact: dict[str, Any] = {
            "type": "file",
            "path": self.path,
            "size": self.size,
            "oid": self.blob,
        }
        if self.large:
            fact["lfs"] = {"oid": self.sha256, "size": self.size, "pointerSize": 130}
        return fact


@dataclass(frozen=True)
class Commit:
    """What one commit did, and the files after it."""

    sha: str
    title: str
    added: tuple[str, ...]
    deleted: tuple[str, ...]
    files: dict[str, Entry]


@dataclass
class Repo:
    """A data set's repository."""

    name: str
    private: bool
    commits: list[Commit] = field(default_factory=list)

    @property
    def head(self) -> Commit:
        return self.commits[-1]

    def at(self, revision: str) -> Commit | None:
        if revision == "main":
            return self.head
        return next((c for c in self.commits if c.sha == revision), None)

    def commit(self, title: str, added: list[Entry], deleted: list[str]) -> Commit:
        files = dict(self.head.files) if self.commits else {}
        for path in deleted:
            del files[path]
        files |= {entry.path: entry for entry in added}
        named = f"{self.name} {len(self.commits)} {title}"
        sha = hashlib.sha1(named.encode()).hexdigest()
        done = Commit(sha, title, tuple(e.path for e in added), tuple(deleted), files)
        self.commits.append(done)
        return done


@dataclass
class Fault:
    """What goes wrong at the n-th request of a kind, such as put, batch, commit, tree or info.

    `status` 0 cuts the connection after `cut` bytes of the body. `late` lets the request have its
    effect before the connection is cut, so that only the answer is lost. `times` follow in a row.
    """

    what: str
    nth: int = 1
    status: int = 0
    cut: int = 0
    late: bool = False
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "out of order"
    call: Callable[[], None] | None = None  # instead of hanging up, such as to kill the client

    def hits(self, number: int) -> bool:
        return self.nth <= number < self.nth + self.times


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that were killed."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Hub:
    """The server's state; `url` is what HF_ENDPOINT is set to."""

    def __init__(self, folder: Path) -> None:
        from hub_http import Handler

        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.repos: dict[str, Repo] = {}
        self.role = "write"
        self.token = "hf_" + "x" * 34
        self.owners = {"ada"}
        self.faults: list[Fault] = []
        self.seen: Counter[str] = Counter()  # requests by kind
        self.fired: list[Fault] = []
        self.stored: Counter[str] = Counter()  # complete uploads of a SHA-256
        self.requests: list[str] = []
        self.lies: set[str] = set()  # paths whose hash the listing tells wrongly
        self.lock = threading.RLock()
        self.server = _Server(("127.0.0.1", 0), Handler)
        self.server.hub = self  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def fault(self, what: str) -> Fault | None:
        """Count a request, and give what is to go wrong with it."""
        with self.lock:
            self.seen[what] += 1
            for fault in self.faults:
                if fault.what == what and fault.hits(self.seen[what]):
                    self.fired.append(fault)
                    return fault
        return None

    def blob(self, sha256: str) -> Path:
        return self.folder / sha256

    def keep(self, path: str, data: bytes) -> Entry:
        """Store a small file."""
        sha256 = hashlib.sha256(data).hexdigest()
        self.blob(sha256).write_bytes(data)
        blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        return Entry(path, len(data), blob, sha256, large=False)

    def large(self, path: str, sha256: str) -> Entry:
        """A large file whose bytes came before."""
        size = self.blob(sha256).stat().st_size
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"
        named = b"blob %d\0" % len(pointer) + pointer.encode()
        return Entry(path, size, hashlib.sha1(named).hexdigest(), sha256, large=True)

    def create(self, name: str, private: bool) -> Repo:
        repo = self.repos[name] = Repo(name, private)
        rules = "".join(f"*{end} filter=lfs diff=lfs merge=lfs -text\n" for end in LARGE)
        repo.commit("initial commit", [self.keep(".gitattributes", rules.encode())], [])
        return repo

    def put(self, name: str, files: dict[str, bytes], title: str = "by hand") -> None:
        """Commit small files to a repository, as someone else would."""
        repo = self.repos[name]
        repo.commit(title, [self.keep(path, data) for path, data in files.items()], [])

    def files(self, name: str) -> dict[str, str]:
        """SHA-256 of each file of a repository, without .gitattributes."""
        entries = self.repos[name].head.files.values()
        return {e.path: e.sha256 for e in entries if e.path != ".gitattributes"}


@contextmanager
def serving(folder: Path) -> Iterator[Hub]:
    """A Hub that answers until the end of the block."""
    hub = Hub(folder)
    thread = threading.Thread(target=hub.server.serve_forever, args=(0.05,), name="hub")
    thread.start()
    try:
        yield hub
    finally:
        hub.server.shutdown()
        hub.server.server_close()
        thread.join()
