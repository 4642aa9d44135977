"""stark-dialogue: a parquet file a split, a row an episode, in groups so that memory is flat."""

from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcu.items import Split
from mcu.release.rows import EPISODE_COLUMNS, columns

if TYPE_CHECKING:
    import pyarrow as pa

_GROUP = 200  # rows in memory, and in a row group
_NAMES: dict[Split, str] = {
    "train": "stark.parquet",
    "validation": "stark-validation.parquet",
    "test": "stark-test.parquet",
}
_NUMBER = "number_of_session"


class DialogueFile:
    """`stark.parquet` and its sisters, in the released columns and ours after them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[Split, _File] = {}
        self.rows: Counter[Split] = Counter()

    def add(self, row: dict[str, Any], split: Split = "train") -> None:
        """Append an episode; columns that are not given are empty."""
        if split not in self._files:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._files[split] = _File(self._folder / _NAMES[split])
        self._files[split].add(row)
        self.rows[split] += 1

    def close(self) -> int:
        """End the files; gives the number of rows."""
        for file in self._files.values():
            file.close()
        return self.rows.total()

    def abandon(self) -> None:
        """Give the open files back; what is in them is worth nothing."""
        for file in self._files.values():
            with suppress(OSError):
                file.close()


class _File:
    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self._schema = schema()
        # A dictionary helps where few values repeat; on texts of their own it is built for nothing.
        repeated = [c for c in columns() if c in _REPEATED or c.partition(":")[2] in _REPEATED]
        self._writer = pq.ParquetWriter(
            path, self._schema, compression="zstd", use_dictionary=repeated
        )
        self._rows: list[dict[str, Any]] = []

    def add(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) == _GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._rows:
            columns = zip(self._schema.names, self._schema.types, strict=True)
            values = [pa.array([row.get(c, "") for row in self._rows], kind) for c, kind in columns]
            self._writer.write_table(pa.Table.from_arrays(values, schema=self._schema))
            self._rows = []


_REPEATED = {
    *EPISODE_COLUMNS[1:7],
    *("persona_category", "persona_entity_key", "persona_commonsense_relation", "provenance"),
    *("split_group", "date", "time_interval", "experience_op", "caused_by"),
}


def schema() -> "pa.Schema":
    """The columns with their types."""
    import pyarrow as pa

    return pa.schema([(c, pa.int64() if c == _NUMBER else pa.string()) for c in columns()])
