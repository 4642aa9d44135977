"""The files of a derived set: parquet, chat records and further forms, streamed split by split."""

from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from mcu.items import SPLITS, Item, Split
from mcu.release.arrow import Columns
from mcu.store import dump

if TYPE_CHECKING:
    from mcu.derive import Task

_GROUP = 1_000  # rows in memory, and in a row group


class ItemSet:
    """`<split>.parquet`, `chat/<split>.jsonl` and `<form>/<split>.json` of one task's items.

    Line n of a chat file, and element n of a form, is row n of the split. A split that has no items
    has no files. Equal items give equal bytes.
    """

    def __init__(self, folder: Path, task: "Task") -> None:
        self._folder = folder
        self._task = task
        self._columns = Columns(task.makes)
        self._splits: dict[Split, _SplitFiles] = {}

    def add(self, item: Item) -> None:
        """Append an item to its split."""
        if item.split not in self._splits:
            self._splits[item.split] = _SplitFiles(
                self._folder, item.split, self._task, self._columns
            )
        self._splits[item.split].add(item)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Give the files back, whole or not."""
        for files in self._splits.values():
            files.discard()

    def close(self) -> Counter[str]:
        """End all files; gives the number of items a split."""
        for files in self._splits.values():
            files.close()
        return Counter({s: self._splits[s].count for s in SPLITS if s in self._splits})


class _SplitFiles:
    def __init__(self, folder: Path, split: Split, task: "Task", columns: Columns) -> None:
        import pyarrow.parquet as pq

        self.count = 0
        self._task = task
        self._columns = columns
        self._rows: list[dict[str, Any]] = []
        self._stack = ExitStack()
        with self._stack as stack:  # what was opened is closed again if the rest cannot be
            file = self._open(folder / f"{split}.parquet")
            self._writer = stack.enter_context(
                pq.ParquetWriter(file, columns.schema, compression="zstd")
            )
            self._chat = self._open(folder / "chat" / f"{split}.jsonl") if task.chat else None
            self._forms = {n: self._open(folder / n / f"{split}.json") for n in sorted(task.forms)}
            self._stack = stack.pop_all()

    def add(self, item: Item) -> None:
        if self._chat is not None and self._task.chat is not None:
            self._chat.write(dump({"messages": self._task.chat(item)}))
        for name, file in self._forms.items():
            file.write(b",\n" if self.count else b"[\n")
            file.write(dump(self._task.forms[name](item)).rstrip(b"\n"))
        self._rows.append(self._columns.row(item))
        self.count += 1
        if len(self._rows) == _GROUP:
            self._flush()

    def close(self) -> None:
        with self._stack:
            self._flush()
            for file in self._forms.values():
                file.write(b"\n]\n")
            self._forms = {}

    def discard(self) -> None:
        self._rows, self._forms = [], {}
        self.close()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(self._columns.table(self._rows))
            self._rows = []

    def _open(self, path: Path) -> BinaryIO:
        path.parent.mkdir(parents=True, exist_ok=True)
        return self._stack.enter_context(path.open("wb"))
