"""The run folder: units written atomically, a mark last, images by their hash."""

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

from mcu.contract import Stage
from mcu.errors import StoreError
from mcu.ids import sha256

# How every record's line begins; telling ids apart needs no JSON parser.
_HEAD = re.compile(rb'\{"id":"([^"\\]+)","parent":"([^"\\]*)"')


@dataclass(frozen=True)
class Unit:
    """One stage on one shard: the unit of scheduling, commit and distribution."""

    stage: Stage
    shard: int

    @property
    def name(self) -> str:
        """How the unit is called in messages and file names."""
        return f"{self.stage.folder}/{self.shard:05d}"

    @property
    def priority(self) -> tuple[int, int]:
        """Lower goes first: the later a stage, the sooner what is paid for becomes whole."""
        return -self.stage.number, self.shard


class Store:
    """Files of one run. Every file appears whole or not at all."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._images = str(root / "images")  # `image` is called a million times a release
        self._writers = count()

    def rows_path(self, unit: Unit) -> Path:
        """The unit's records, one JSON object a line."""
        return self.root / f"{unit.name}.jsonl"

    def rejects_path(self, unit: Unit) -> Path:
        """The unit's rejects, one JSON object a line."""
        return self.root / f"{unit.name}.rejects.jsonl"

    def mark_path(self, unit: Unit) -> Path:
        """The unit's mark, written last."""
        return self.root / f"{unit.name}.done.json"

    def journal_path(self, unit: Unit) -> Path:
        """The unit's journal; stage 1 has one for all shards."""
        shard = "all" if unit.stage.number == 1 else f"{unit.shard:05d}"
        return self.root / "journal" / f"{unit.stage.folder}-{shard}.sqlite"

    def mark(self, unit: Unit) -> dict[str, Any] | None:
        """The unit's mark, or None: absent, torn, or its data are not of the size it tells."""
        try:
            mark: dict[str, Any] = json.loads(self.mark_path(unit).read_bytes())
            if self.rows_path(unit).stat().st_size != mark["bytes"]:
                return None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return mark

    def write_mark(self, unit: Unit, mark: dict[str, Any]) -> None:
        """Say that a unit is done; its data must be on disk."""
        self.write(self.mark_path(unit), dump(mark, indent=1))
        _sync_folder(self.mark_path(unit).parent)

    def write(self, path: Path, data: bytes) -> None:
        """Write a file whole: temporary file, fsync, rename."""
        with self.writing(path) as file:
            file.write(data)

    @contextmanager
    def writing(self, path: Path) -> Iterator[BinaryIO]:
        """A file to write that takes its name when it is complete and on disk.

        Raises:
            StoreError: the disk is full or the folder may not be written.
        """
        # Its own name for each writer: two threads may keep the same picture at once.
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{next(self._writers)}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError as error:
            raise StoreError(f"{path} cannot be written: {error.strerror or error}") from error
        finally:
            with suppress(OSError):  # nothing is there, or what stands in the way was told of
                temporary.unlink()

    def image_path(self, digest: str) -> Path:
        """Where a picture lies; only for digests that this store gave."""
        return self.root / "images" / digest[:2] / f"{digest}.jpg"

    def add_image(self, data: bytes) -> str:
        """Keep a JPEG under its SHA-256, which is returned."""
        digest = sha256(data)
        path = self.image_path(digest)
        if not path.exists():
            self.write(path, data)
        return digest

    def image(self, digest: str) -> bytes:
        """A kept picture's bytes.

        Raises:
            StoreError: it is gone.
        """
        try:
            with open(f"{self._images}/{digest[:2]}/{digest}.jpg", "rb", buffering=0) as file:
                return file.read()
        except OSError as error:
            raise StoreError(f"picture {digest} is missing from the run: {error}") from error

    def sweep(self) -> None:
        """Remove temporary files that a killed process left."""
        for path in self.root.glob("s*_*/.*.tmp"):
            path.unlink(missing_ok=True)
        for pattern in ("images/*/.*.tmp", ".*.json.*.tmp", ".run.toml.*.tmp"):
            for path in self.root.glob(pattern):
                path.unlink(missing_ok=True)


class Rows:
    """A finished unit's records on disk, found by id or by parent; only offsets are in memory."""

    def __init__(self, path: Path, digest: str) -> None:
        self.ids: dict[str, int] = {}
        self.children: dict[str, list[int]] = {}
        self._file = path.open("rb")
        try:
            self._scan(path, digest)
        except BaseException:
            self._file.close()
            raise

    def _scan(self, path: Path, digest: str) -> None:
        check, offset = hashlib.sha256(), 0
        for line in self._file:
            check.update(line)
            if (head := _HEAD.match(line)) is None:
                raise StoreError(f"{path} holds a line that is not a record")
            self.ids[head[1].decode()] = offset
            self.children.setdefault(head[2].decode(), []).append(offset)
            offset += len(line)
        if check.hexdigest() != digest:
            raise StoreError(
                f"{path} was changed after it was finished; delete its .done.json and resume"
            )

    def line(self, offset: int) -> bytes:
        """One record's JSON."""
        self._file.seek(offset)
        return self._file.readline()

    def close(self) -> None:
        """Give the file back."""
        self._file.close()


def rejects_of(marks: Iterable[dict[str, Any]]) -> dict[str, int]:
    """The rejects that units' marks count, by reason, in order of the reasons."""
    found: Counter[str] = Counter()
    for mark in marks:
        found.update(mark.get("rejects", {}))
    return dict(sorted(found.items()))


def dump(value: Any, indent: int | None = None) -> bytes:
    """JSON as files keep it: UTF-8, keys in order of writing, a newline at the end.

    Half of a surrogate pair, which UTF-8 cannot hold, is kept as its JSON escape.
    """
    text = json.dumps(value, ensure_ascii=False, indent=indent) + "\n"
    return text.encode("utf-8", "backslashreplace")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
