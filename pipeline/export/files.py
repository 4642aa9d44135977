"""The files of an export: chat records, a JSONL file a split, and pictures beside them."""

import shutil
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from mcu.errors import ConfigError, StoreError
from mcu.items import SPLITS, Split
from mcu.store import dump

_MARK = "export.json"


class ExportFiles:
    """A folder of records that appears whole or not at all, in place of an earlier export.

    `<split>.jsonl` for each split that has records, `images/<key>.jpg` once each, and last
    `export.json`, which tells what the records are. Nothing but an export is ever replaced.

    Raises:
        ConfigError: the folder holds something else.
        StoreError: the disk is full or the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.counts: Counter[Split] = Counter()
        self.pictures = 0
        self._part = folder.with_name(f".{folder.name}.tmp")
        self._stack = ExitStack()
        self._files: dict[Split, BinaryIO] = {}
        if folder.exists() and not _is_replaceable(folder):
            raise ConfigError(f"{folder} holds something that is no export; choose another --out")

    def __enter__(self) -> Self:
        try:
            shutil.rmtree(self._part, ignore_errors=True)
            self._part.mkdir(parents=True)
        except OSError as error:
            raise self._error(error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()
        shutil.rmtree(self._part, ignore_errors=True)
        if isinstance(error, OSError):
            raise self._error(error) from error

    def add(self, split: Split, record: dict[str, Any]) -> None:
        """Append a record."""
        if split not in self._files:
            file = (self._part / f"{split}.jsonl").open("wb")
            self._files[split] = self._stack.enter_context(file)
        self._files[split].write(dump(record))
        self.counts[split] += 1

    def has_picture(self, name: str) -> bool:
        """Whether a picture was added."""
        return (self._part / name).is_file()

    def add_picture(self, name: str, data: bytes) -> None:
        """Keep a picture under a path below the folder."""
        path = self._part / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        self.pictures += 1

    def finish(self, about: dict[str, Any]) -> dict[str, Any]:
        """Put the folder in place; gives what its `export.json` tells."""
        self._stack.close()
        records = {split: self.counts[split] for split in SPLITS if self.counts[split]}
        facts = {**about, "records": records, "pictures": self.pictures}
        (self._part / _MARK).write_bytes(dump(facts, indent=1))
        if self.folder.exists():
            shutil.rmtree(self.folder)
        self._part.rename(self.folder)
        return facts

    def _error(self, error: OSError) -> StoreError:
        return StoreError(f"{self.folder} cannot be written: {error.strerror or error}")


def _is_replaceable(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    return (folder / _MARK).is_file() or not any(folder.iterdir())
