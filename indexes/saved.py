"""Data sets that the library `datasets` saved, as sources."""

import re
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from mcu.errors import ConfigError, Reject
from mcu.indexes.sources import Found, Item, Listed, facts_of, tidy


def saved(path: Path, image: str = "", caption: str = "") -> Listed:
    """A data set, or all its splits by name; the picture is in its first column of pictures.

    Raises:
        ConfigError: it cannot be read, or has no pictures.
    """
    splits = [(name, part, _column(part, image)) for name, part in _open(path)]
    base = path.parent

    def rows() -> Iterator[Item]:
        for name, part, column in splits:
            for number in range(len(part)):
                label = f"{path.name}/{name}#{number}" if name else f"{path.name}#{number}"
                yield Item(label, partial(_found, part, number, column, caption))

    return Listed(path.name, base, rows)


@lru_cache(8)
def _open(path: Path) -> list[tuple[str, Any]]:
    import datasets

    try:
        found = datasets.load_from_disk(str(path))
    except Exception as error:  # torn files fail in pyarrow, json and datasets, each in its own way
        said = " ".join(str(error).split())[:200]
        raise ConfigError(f"{path} is no data set that can be read: {said}") from error
    return sorted(found.items()) if isinstance(found, datasets.DatasetDict) else [("", found)]


def _column(part: Any, image: str) -> str:
    import datasets

    if image and image not in part.column_names:
        raise ConfigError(f"the data set has no column {image!r}: {', '.join(part.column_names)}")
    pictures = [n for n, kind in part.features.items() if isinstance(kind, datasets.Image)]
    if not (image or pictures):
        raise ConfigError("the data set has no column of pictures; name one by --image-column")
    return image or str(pictures[0])


def _found(part: Any, number: int, column: str, caption: str) -> Found:
    from datasets import Image

    if isinstance(part.features[column], Image):
        part = part.cast_column(column, Image(decode=False))
    row = part[number]
    facts = facts_of({k: v for k, v in row.items() if k != column}, caption)
    value = row[column]
    if isinstance(value, dict):
        value = value.get("bytes")
    if isinstance(value, str) and re.match(r"https?://", value):
        return Found(None, {**facts, "url": tidy(value)})
    if not isinstance(value, bytes):
        raise Reject("bad_row", "the row holds no picture")
    return Found(value, facts)


def saved_bytes(path: Path, split: str, number: int) -> bytes:
    """The picture in a row of a saved data set, for whoever found it in an index.

    Raises:
        Reject: there is none.
    """
    try:
        part = dict(_open(path))[split]
        found = _found(part, number, _column(part, ""), "")
    except (ConfigError, KeyError, IndexError) as error:
        raise Reject("no_file", f"{path.name} has no picture {number}") from error
    if found.data is None:
        raise Reject("no_file", f"{path.name} has no picture in that row")
    return found.data
