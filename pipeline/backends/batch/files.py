"""The files of a batch: a line a request on the way out, a line an answer on the way back."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from mcu.backends import ChatReply
from mcu.backends.openai_wire import reply_of
from mcu.errors import StoreError
from mcu.store import dump

PAGE = "/v1/chat/completions"
MOST_REQUESTS = 50_000  # of a file, as OpenAI limits it
MOST_BYTES = 195_000_000  # 200 MB with a little room


class Spool:
    """Requests gathered for one batch: their lines on disk, their keys in memory."""

    def __init__(self, folder: Path) -> None:
        self.id = uuid4().hex
        self.keys: dict[str, None] = {}  # in order
        self.most = 0.0
        self._bytes = 0
        self.file = scratch(folder)

    def fits(self, line: bytes, most: int) -> bool:
        """Whether a line can be added, of so many at most."""
        return len(self.keys) < most and self._bytes + len(line) <= MOST_BYTES

    def add(self, key: str, line: bytes, most: float) -> None:
        """Add a request that can cost so many dollars.

        Raises:
            StoreError: the disk is full.
        """
        try:
            self.file.write(line)
        except OSError as error:
            raise StoreError(f"a batch cannot be written: {error.strerror}") from error
        self.keys[key] = None
        self.most += most
        self._bytes += len(line)

    def close(self) -> None:
        """Give the file back."""
        self.file.close()


def scratch(folder: Path) -> IO[bytes]:
    """A file without a name, so that it goes with the process however that ends.

    Raises:
        StoreError: the folder cannot be written.
    """
    try:
        return tempfile.TemporaryFile(dir=folder)
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {error.strerror}") from error


def line_of(key: str, body: Mapping[str, Any]) -> bytes:
    """A request as a line of an input file."""
    return dump({"custom_id": key, "method": "POST", "url": PAGE, "body": body})


def replies_of(file: IO[bytes]) -> Iterator[tuple[str, ChatReply]]:
    """The answers in an output file, by key; lines without a good one are passed over.

    Their requests stay unanswered: a live call then tells what is wrong with each.
    """
    file.seek(0)
    for line in file:
        try:
            row = json.loads(line)
            response = row["response"]
            if response["status_code"] == 200:
                yield str(row["custom_id"]), reply_of(response["body"])
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
