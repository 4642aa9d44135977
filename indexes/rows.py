"""Rows: an index's metadata, one row a picture, read by row from a file mapped into memory."""

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from mcu.errors import ConfigError

Row = Mapping[str, Any]

_REMEMBERED = 65_536  # files whose places are kept in memory


class Rows:
    """The rows of an index in its order. Safe to use from many threads."""

    def __init__(self, batches: Iterable[Any]) -> None:
        """`batches` are pyarrow record batches with the same columns; `file` is one of them.

        Raises:
            ConfigError: there are no files or captions among the columns.
        """
        held = [batch for batch in batches if batch.num_rows]
        self._batches = [batch.columns for batch in held]
        self._ends = list(accumulate(batch.num_rows for batch in held))
        names = list(held[0].schema.names) if held else ["file", "caption"]
        self._columns = {("file" if n == "image_path" else n): i for i, n in enumerate(names)}
        if len(self._columns) < len(names) or not {"file", "caption"} <= self._columns.keys():
            raise ConfigError("rows of an index need the columns file (or image_path) and caption")
        self._places: dict[str, int] = {}

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[Row]:
        return (self.row(place) for place in range(len(self)))

    def row(self, place: int, columns: Sequence[str] = ()) -> Row:
        """One row; of these columns alone where some are named, None for one that is not there."""
        number = bisect_right(self._ends, place)
        batch = self._batches[number]
        inside = place - (self._ends[number - 1] if number else 0)
        found = {
            name: batch[self._columns[name]][inside].as_py() if name in self._columns else None
            for name in columns or self._columns
        }
        if "file" in found:
            self._remember(str(found["file"]), place)
        return found

    def place(self, file: str) -> int | None:
        """Where the row of a file is, None when there is none; quick for rows read lately."""
        known = self._places.get(file)
        return self._look_up(file) if known is None else known

    def _look_up(self, file: str) -> int | None:
        import pyarrow.compute

        for start, batch in zip((0, *self._ends), self._batches, strict=False):
            try:
                found = pyarrow.compute.index(batch[self._columns["file"]], file).as_py()
            except UnicodeEncodeError:  # lone surrogates, which no file here has
                return None
            if found >= 0:
                self._remember(file, start + found)
                return int(start + found)
        return None

    def _remember(self, file: str, place: int) -> None:
        if len(self._places) >= _REMEMBERED:
            self._places.clear()
        self._places[file] = place


def read_rows(folder: Path) -> Rows:
    """The rows of an index folder: `rows.arrow`, or `*.jsonl` or `*.parquet` of other builders.

    The Arrow file is mapped into memory, so that only the pages of rows that are read take any;
    the others are read as a whole, from the folder or from its `metadata/`.

    Raises:
        ConfigError: there are none, or they cannot be read.
    """
    import pyarrow
    from pyarrow import ipc, parquet

    place = folder
    try:
        if (folder / "rows.arrow").is_file():
            file = ipc.open_file(pyarrow.memory_map(str(folder / "rows.arrow")))
            return Rows(file.get_batch(i) for i in range(file.num_record_batches))
        for place in (folder, folder / "metadata"):
            lines = [path for path in place.glob("*.jsonl") if path.name != "rejects.jsonl"]
            if lines:
                return rows_of(row for path in sorted(lines) for row in _objects(path))
            if files := sorted(place.glob("*.parquet")):
                tables = [parquet.read_table(path) for path in files]
                table = pyarrow.concat_tables(tables, promote_options="default")
                return Rows(table.combine_chunks().to_batches())
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(f"the rows in {place} cannot be read: {error}") from error
    raise ConfigError(f"{folder} has no rows of metadata: rows.arrow, *.jsonl or *.parquet")


def rows_of(rows: Iterable[Row]) -> Rows:
    """Rows that are in memory."""
    import pyarrow

    return Rows(pyarrow.Table.from_pylist(list(rows)).to_batches())


def _objects(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_bytes().splitlines() if line.strip()]
