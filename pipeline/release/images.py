"""stark-image and its sisters: WebDataset tars of pictures, or of links alone."""

import hashlib
import json
import sqlite3
import tarfile
from collections import Counter
from contextlib import suppress
from pathlib import Path

from mcu.ids import key_bytes, sha256
from mcu.items import SPLITS, Split
from mcu.release.sign import Signer
from mcu.store import Store, dump

_BUFFER = 1 << 20
_BLOCK = tarfile.BLOCKSIZE
_SIZE, _CHECKSUM = slice(124, 136), slice(148, 156)  # where a member's header says them
_encode = json.JSONEncoder(ensure_ascii=False).encode


class ImageSet:
    """Tars named `stark-<split>-000000-of-00000N.tar`, each key once, and `dataset_info.json`.

    Without a store there are no pictures: `stark-image-url` holds `<key>.json` alone. With a
    signer those that were drawn are signed. A set that stays empty has no folder, for `datasets`
    cannot load one.
    """

    def __init__(
        self, folder: Path, store: Store | None, per_tar: int, signer: Signer | None = None
    ) -> None:
        self._folder = folder
        self._store = store
        self._per_tar = per_tar
        self._signer = signer
        self._keys = _Keys()
        self._splits: dict[Split, _Split] = {}
        self.rows: Counter[Split] = Counter()
        self.digests: dict[str, str] = {}

    def add(self, key: str, image: str, fields: dict[str, str], split: Split = "train") -> bool:
        """Append a picture unless its key is there already; tells whether it was new."""
        if not self._keys.add(key):
            return False
        if split not in self._splits:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._splits[split] = _Split(self._folder, split, self._per_tar)
        tar = self._splits[split].tar()
        if self._store is not None:
            data = self._store.image(image)
            if self._signer is not None:
                data = self._signer.sign(data)
                if "image_sha256" in fields:  # of the file beside which it stands
                    fields = {**fields, "image_sha256": sha256(data)}
            tar.add(f"{key}.jpg", data)
        tar.add(f"{key}.json", _encode(fields).encode())
        self.rows[split] += 1
        return True

    def close(self) -> int:
        """End all tars and give them their names, now that their number is known."""
        self._keys.close()
        if not self._splits:
            return 0
        parts = {}
        for split in SPLITS:
            if written := self._splits.get(split):
                names, lengths = written.close()
                self.digests |= dict(zip(names, written.digests, strict=True))
                parts[split] = {"name": split, "shard_lengths": lengths, "filenames": names}
        info = {"name": "stark_dataset", "splits": parts}
        (self._folder / "dataset_info.json").write_bytes(dump(info))
        return self.rows.total()

    def abandon(self) -> None:
        """Give the open files back; what is in them is worth nothing."""
        self._keys.close()
        for split in self._splits.values():
            split.abandon()


class _Split:
    """The tars of one split, the last of them open."""

    def __init__(self, folder: Path, split: Split, per_tar: int) -> None:
        self._folder, self._split, self._per_tar = folder, split, per_tar
        self._lengths: list[int] = []
        self._tar: Tar | None = None
        self.digests: list[str] = []

    def tar(self) -> "Tar":
        """The tar for the next sample."""
        if self._tar is None or self._lengths[-1] == self._per_tar:
            self._end()
            self._tar = Tar(self._part(len(self._lengths)))
            self._lengths.append(0)
        self._lengths[-1] += 1
        return self._tar

    def close(self) -> tuple[list[str], list[int]]:
        """The tars' names and lengths."""
        self._end()
        total = len(self._lengths)
        names = [f"stark-{self._split}-{n:06d}-of-{total:06d}.tar" for n in range(total)]
        for number, name in enumerate(names):
            self._part(number).rename(self._folder / name)
        return names, self._lengths

    def abandon(self) -> None:
        """Give the open file back."""
        with suppress(OSError):
            self._end()

    def _end(self) -> None:
        if self._tar is not None:
            tar, self._tar = self._tar, None
            self.digests.append(tar.close())

    def _part(self, number: int) -> Path:
        return self._folder / f"{self._split}-{number:06d}.part"


class Tar:
    """A tar as `tarfile` writes it, of members without owner and time, some five times as fast.

    A member's header is that of the one before with another name, size and checksum.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=_BUFFER)
        self._digest = hashlib.sha256()
        self._size = 0
        plain = tarfile.TarInfo("")
        plain.mode = 0o644
        empty = bytearray(plain.tobuf(tarfile.USTAR_FORMAT))
        empty[_SIZE], empty[_CHECKSUM] = bytes(12), b" " * 8
        self._empty, self._sum = bytes(empty), sum(empty)

    def add(self, name: str, data: bytes) -> None:
        """Append a file; its name is ASCII, of at most 100 signs."""
        title, size = name.encode("ascii"), b"%011o\0" % len(data)
        header = bytearray(self._empty)
        header[: len(title)] = title
        header[_SIZE] = size
        header[_CHECKSUM] = b"%06o\0 " % (self._sum + sum(title) + sum(size))
        self._write(b"".join((header, data, bytes(-len(data) % _BLOCK))))

    def close(self) -> str:
        """End the file; gives its SHA-256."""
        end = 2 * _BLOCK
        with self._file:
            self._write(bytes(end + -(self._size + end) % tarfile.RECORDSIZE))
        return self._digest.hexdigest()

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self._size += len(data)


class _Keys:
    """The keys of a set on disk, so that memory stays flat however many they are."""

    def __init__(self) -> None:
        self._base = sqlite3.connect("", isolation_level=None)  # a file that has no name
        self._base.execute("PRAGMA journal_mode = OFF")
        self._base.execute("PRAGMA synchronous = OFF")
        self._base.execute("CREATE TABLE keys (key BLOB PRIMARY KEY) WITHOUT ROWID")
        self._base.execute("BEGIN")

    def add(self, key: str) -> bool:
        """Note a key; tells whether it is new."""
        row = self._base.execute("INSERT OR IGNORE INTO keys VALUES (?)", (key_bytes(key),))
        return row.rowcount == 1

    def close(self) -> None:
        """Forget them."""
        self._base.close()
