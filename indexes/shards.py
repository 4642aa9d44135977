"""Shards: embeddings, rows and losses of a part of the sources, each file whole or not there.

- embeddings/img_emb_07.npy: vectors, as autofaiss and clip-retrieval read them
- metadata/metadata_07.parquet: their rows, with `image_path` and `caption`
- shards/07.rejects.jsonl: what was lost
- shards/07.json, written last: the shard is done
"""

import json
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mcu.errors import StoreError
from mcu.indexes.embed import Lost, Ready

_ROWS = 2_000  # rows a group of the parquet file, whatever the batches
_HEADER = 128  # bytes before the vectors


@dataclass(frozen=True)
class Shards:
    """The shards of an index that is being built.

    Attributes:
        folder: the index's.
        count: shards in all, which sets how many digits their numbers have.
        plan: digest of what is built; marks of another plan do not count.
        dtype: of the vectors that are kept.
    """

    folder: Path
    count: int
    plan: str
    dtype: Any = np.float32

    def _number(self, shard: int) -> str:
        return str(shard).zfill(len(str(max(self.count - 1, 0))))

    def vectors(self, shard: int) -> Path:
        """The file of a shard's vectors."""
        return self.folder / "embeddings" / f"img_emb_{self._number(shard)}.npy"

    def rows(self, shard: int) -> Path:
        """The file of a shard's rows."""
        return self.folder / "metadata" / f"metadata_{self._number(shard)}.parquet"

    def rejects(self, shard: int) -> Path:
        """The file of what a shard lost."""
        return self.folder / "shards" / f"{self._number(shard)}.rejects.jsonl"

    def mark(self, shard: int) -> dict[str, Any] | None:
        """What a finished shard says of itself; None while it is not, or a file was changed."""
        try:
            mark: dict[str, Any] = json.loads(self._mark(shard).read_bytes())
            if mark["plan"] != self.plan:
                return None
            for name, size in mark["bytes"].items():
                if (self.folder / name).stat().st_size != size:
                    return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return mark

    def _mark(self, shard: int) -> Path:
        return self.folder / "shards" / f"{self._number(shard)}.json"

    @contextmanager
    def writing(self, shard: int, width: int) -> Iterator["Writer"]:
        """Write a shard: the files get their names, and the shard its mark, when all is on disk.

        Raises:
            StoreError: the disk is full, or the folder may not be written.
        """
        paths = [self.vectors(shard), self.rows(shard), self.rejects(shard)]
        try:
            with ExitStack() as stack:
                vectors, rows, lost = (stack.enter_context(written(path)) for path in paths)
                writer = Writer(vectors, rows, lost, width, np.dtype(self.dtype))
                yield writer
                writer.end()
            kept = paths if writer.count else paths[2:]
            for path in paths[:2]:
                if not writer.count:  # readers of such folders do not expect empty files
                    path.unlink()
            sizes = {str(p.relative_to(self.folder)): p.stat().st_size for p in kept}
            mark = {"plan": self.plan, "count": writer.count, "rejected": writer.lost}
            put(self._mark(shard), {**mark, "bytes": sizes})
        except OSError as error:
            raise StoreError(f"{self.folder} cannot be written: {error.strerror}") from error


@dataclass
class Writer:
    """The open files of one shard; memory does not grow with what is written."""

    vectors: BinaryIO
    rows: BinaryIO
    rejects: BinaryIO
    width: int
    dtype: Any
    count: int = 0
    lost: int = 0
    _kept: list[dict[str, Any]] = field(default_factory=list)
    _table: Any = None

    def __post_init__(self) -> None:
        self.vectors.write(bytes(_HEADER))

    def add(self, group: Sequence[Ready | Lost], vectors: NDArray[np.float32]) -> None:
        """Write a batch: rows and losses in order, and the rows' vectors."""
        self.vectors.write(np.ascontiguousarray(vectors, dtype=self.dtype).tobytes())
        for one in group:
            if isinstance(one, Ready):
                self._kept.append(one.row)
                self.count += 1
            else:
                self.rejects.write(dump(asdict(one)))
                self.lost += 1
        while len(self._kept) >= _ROWS:
            self._write(self._kept[:_ROWS])
            self._kept = self._kept[_ROWS:]

    def _write(self, rows: list[dict[str, Any]]) -> None:
        import pyarrow
        from pyarrow import parquet

        table = pyarrow.Table.from_pylist(rows, schema())
        table = table.rename_columns(["image_path", *table.column_names[1:]])
        if self._table is None:
            self._table = parquet.ParquetWriter(self.rows, table.schema, compression="zstd")
        self._table.write_table(table)

    def end(self) -> None:
        """Write what is left, and the header, which tells how many vectors there are."""
        if self._kept:
            self._write(self._kept)
        if self._table is not None:
            self._table.close()
        shape = (self.count, self.width)
        facts = repr({"descr": self.dtype.str, "fortran_order": False, "shape": shape}).encode()
        self.vectors.seek(0)
        self.vectors.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", _HEADER - 10))
        self.vectors.write(facts.ljust(_HEADER - 11) + b"\n")


def schema() -> Any:
    """The columns of an index's rows, as pyarrow has them."""
    import pyarrow

    text, number = pyarrow.string(), pyarrow.int64()
    names = ("file", "caption", "source", "url", "page", "licence", "author")
    return pyarrow.schema(
        [
            *((name, text) for name in names),
            ("copy", pyarrow.bool_()),
            ("width", pyarrow.int32()),
            ("height", pyarrow.int32()),
            ("sha256", text),
            ("phash", pyarrow.uint64()),
            ("offset", number),
            ("size", number),
        ]
    )


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes its name when it is complete and on disk."""
    with placed(path) as temporary, temporary.open("wb") as file:
        yield file


@contextmanager
def placed(path: Path) -> Iterator[Path]:
    """Where to write a file that takes its name when it is complete and on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.uname().nodename}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        sync(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink()


def put(path: Path, value: Any) -> None:
    """Write JSON whole."""
    with written(path) as file:
        file.write(json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n")


def dump(value: Any) -> bytes:
    """One line of JSON."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def sync(folder: Path) -> None:
    """Have a folder's names on disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
