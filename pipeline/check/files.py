"""The files of a release: which there are, read in order, hashed as they are read."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from mcu.ids import sha256_of
from mcu.items import SPLITS

CHECKS = "checks"  # the folder of the report, which is no set
_BLOCK = 512
_CHUNK = 1 << 20


class Torn(Exception):
    """A file that ends too soon, or is not of its kind."""


@dataclass
class Files:
    """The files of a release but for the report, and the hashes of those that were read."""

    folder: Path
    hashes: dict[str, str] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Every file, by its path from the release's folder."""
        paths = (path for path in sorted(self.folder.rglob("*")) if path.is_file())
        names = (path.relative_to(self.folder).as_posix() for path in paths)
        # Folders that begin with a dot are of programs that work here, such as an upload.
        return [n for n in names if n.split("/")[0] != CHECKS and "/." not in f"/{n}"]

    def tables(self, name: str = "stark-dialogue", stem: str = "stark") -> list[tuple[str, Path]]:
        """The parquet files of a set with their splits, in the order of the splits."""
        found = {"train": f"{stem}.parquet"} if stem else {"train": "train.parquet"}
        joint = f"{stem}-" if stem else ""
        found |= {split: f"{joint}{split}.parquet" for split in SPLITS[1:]}
        paths = [(split, self.folder / name / found[split]) for split in SPLITS]
        return [(split, path) for split, path in paths if path.is_file()]

    def derived(self) -> list[str]:
        """The sets of derived tasks, which have a parquet file a split."""
        sets = {path.parent.name for path in self.folder.glob("*/*.parquet")}
        return sorted(name for name in sets if self.tables(name, "") and name != CHECKS)

    def tars(self, name: str) -> list[tuple[str, Path]]:
        """The tars of a set with their splits, in order."""
        paths = [
            (next((s for s in SPLITS if path.name.startswith(f"stark-{s}-")), "train"), path)
            for path in sorted((self.folder / name).glob("*.tar"))
        ]
        return sorted(paths, key=lambda pair: (SPLITS.index(pair[0]), pair[1].name))

    def info(self, name: str) -> dict[str, Any]:
        """The splits of a set as `dataset_info.json` tells; empty where it cannot be read."""
        try:
            found = json.loads((self.folder / name / "dataset_info.json").read_bytes())["splits"]
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        return found if isinstance(found, dict) else {}

    def samples(self, path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
        """The samples of a tar: key, and its files by extension.

        Raises:
            Torn: the tar ends too soon, or holds what is no plain file.
        """
        with path.open("rb") as file:
            hashing = _Hashing(file)
            key, parts = "", dict[str, bytes]()
            for name, data in members(hashing):
                stem, _, extension = name.partition(".")
                if stem != key:
                    if parts:
                        yield key, parts
                    key, parts = stem, {}
                parts[extension] = data
            if parts:
                yield key, parts
        self.hashes[path.relative_to(self.folder).as_posix()] = hashing.hash.hexdigest()

    def sizes(self) -> dict[str, dict[str, Any]]:
        """Size and SHA-256 of every file; those that were not read yet are read now."""
        told = {}
        for name in self.names():
            path = self.folder / name
            digest = self.hashes.get(name) or sha256_of(path)
            told[name] = {"bytes": path.stat().st_size, "sha256": digest}
        return told


class _Hashing:
    """A file that is hashed while it is read from begin to end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._ahead, self._at = b"", 0
        self.hash = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """The next bytes; fewer at the end."""
        if self._at + size > len(self._ahead):
            more = self._file.read(max(_CHUNK, size))  # few calls: each gives up Python's lock
            self.hash.update(more)
            self._ahead, self._at = self._ahead[self._at :] + more, 0
        data = self._ahead[self._at : self._at + size]
        self._at += len(data)
        return data


def members(file: _Hashing) -> Iterator[tuple[str, bytes]]:
    """The plain files of a ustar archive, in order; ten times as fast as `tarfile`.

    Raises:
        Torn: a header is damaged, of another kind, or the archive has no end.
    """
    while True:
        head = file.read(_BLOCK)
        if len(head) < _BLOCK:
            raise Torn("it has no end")
        if not any(head):
            break
        blank = head[:148] + b" " * 8 + head[156:]
        try:
            checksum, size = _octal(head[148:156]), _octal(head[124:136])
        except ValueError:
            raise Torn("a header is damaged") from None
        if sum(blank) != checksum:
            raise Torn("a header is damaged")
        if head[156:157] not in (b"0", b"\0"):
            raise Torn(f"a member is of type {head[156:157]!r}")
        data = file.read(-(-size // _BLOCK) * _BLOCK)
        if len(data) < size:
            raise Torn("it has no end")
        prefix = head[345:500].rstrip(b"\0")
        name = (prefix + b"/" if prefix else b"") + head[:100].rstrip(b"\0")
        yield name.decode("utf-8", "backslashreplace"), data[:size]
    while file.read(_CHUNK):
        pass  # the zeros at the end belong to the file's hash


def _octal(field_: bytes) -> int:
    return int(field_.strip(b" \0"), 8)
