"""stark-dialogue: one parquet file, a row an episode, written in groups so that memory is flat."""

from pathlib import Path
from typing import Any

from mcu.release.episodes import columns

_GROUP = 100  # rows


class DialogueFile:
    """`stark.parquet`, in the released columns and ours after them."""

    def __init__(self, folder: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        folder.mkdir(parents=True)
        fields = [(c, pa.int64() if c == "number_of_session" else pa.string()) for c in columns()]
        self._schema = pa.schema(fields)
        self._writer = pq.ParquetWriter(folder / "stark.parquet", self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []
        self._count = 0

    def add(self, row: dict[str, Any]) -> None:
        """Append an episode."""
        self._rows.append(row)
        self._count += 1
        if len(self._rows) == _GROUP:
            self._flush()

    def close(self) -> int:
        """End the file; gives the number of rows."""
        self._flush()
        self._writer.close()
        return self._count

    def _flush(self) -> None:
        import pyarrow as pa

        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
            self._rows = []
