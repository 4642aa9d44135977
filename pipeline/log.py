"""The run's log: one JSON object a line in `log.jsonl`."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

logger = logging.getLogger("mcu")


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": when, "level": record.levelname.lower(), "message": record.getMessage()}
        return json.dumps(line, ensure_ascii=False)


@contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Append what mcu logs to a file while the block runs; a disk that is full stops no run."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(_Lines())
    handler.handleError = lambda record: None  # type: ignore[method-assign]
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
