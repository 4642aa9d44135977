"""Tables as sources: rows that name a file, an address, or hold the picture, with its caption."""

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from mcu.errors import ConfigError, Reject
from mcu.indexes.sources import Found, Item, Listed, facts_of, read, refused, tidy

ENDS = (".csv", ".tsv", ".jsonl", ".json", ".parquet")
_FILES = ("file_name", "file", "image_path", "filename", "imgname", "image", "img", "path")
_URL = re.compile(r"https?://", re.I)
_FIELD = 1_000_000  # characters of a field of a CSV file
_CHUNK = 1 << 16

Row = Mapping[str, Any]


class BadRow(dict[str, Any]):
    """Stands for a row that cannot be read; `why` says so."""


def table(path: Path, image: str = "", caption: str = "", root: Path | None = None) -> Listed:
    """A CSV, TSV, JSONL, JSON or parquet file.

    A row's picture is in the column `image`, or the first one that is there of the usual names: a
    path beside the table, an address, or the bytes themselves. Without a header, as in CC12M and
    CC3M, the first field that is an address is the address, and the other is the caption. In a
    JSON file the rows are the list itself, or `annotations`, as in RedCaps; they are read as a
    stream.

    Args:
        path: the table.
        image: column of the picture; empty for a guess.
        caption: column of the caption; empty for a guess.
        root: the folder that files are named from, that of the table by default.
    """
    path = path.resolve()
    base = (root or path.parent).resolve()
    name = base.name if root else path.stem
    return Listed(name, base, partial(_items, path, image, caption, root))


def _items(path: Path, image: str, caption: str, root: Path | None) -> Iterator[Item]:
    base = (root or path.parent).resolve()
    name = path.relative_to(base).as_posix()
    for number, row in enumerate(rows_of(path)):
        label = f"{name}#{number}"
        if isinstance(row, BadRow):
            yield refused(label, "bad_row", row["why"])
        else:
            yield _item(base, path.parent, label, row, image, caption)


def _item(base: Path, near: Path, label: str, row: Row, image: str, caption: str) -> Item:
    facts = facts_of(row, caption)
    if image and image not in row:
        return refused(label, "bad_row", f"the row has no column {image!r}")
    columns = (image,) if image else _FILES
    value = next((row[column] for column in columns if row.get(column)), None)
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes):
        return Item(label, partial(Found, value, facts))
    if isinstance(value, str) and _URL.match(value):
        facts["url"], value = tidy(value), None
    if isinstance(value, str):
        path = near / value
        try:
            if near != base and not path.is_file():  # MathVision's tables lie beside its pictures
                path = base / value
            file = path.resolve().relative_to(base).as_posix()
        except (OSError, ValueError):  # out of the base, or not a path at all
            return refused(label, "outside", "the row names a file outside of the table's folder")
        return Item(file, partial(_beside, base, path, facts))
    if _URL.match(facts.get("url", "")):
        return Item(facts["url"], partial(Found, None, facts))
    return refused(label, "bad_row", "the row names no picture")


def _beside(base: Path, path: Path, facts: dict[str, str]) -> Found:
    return Found(read(base, path), facts)


def rows_of(path: Path) -> Iterator[Row]:
    """The rows of a table, one after the other; a bad one as a `BadRow`.

    Raises:
        ConfigError: it is no table of a known kind, or cannot be opened.
    """
    kinds: dict[str, Callable[[Path], Iterator[Row]]] = {
        ".csv": partial(_separated, sign=","),
        ".tsv": partial(_separated, sign="\t"),
        ".jsonl": _lines,
        ".json": _objects,
        ".parquet": _parquet,
    }
    try:
        yield from kinds[path.suffix.lower()](path)
    except KeyError as error:
        raise ConfigError(f"{path.name} is no table: {', '.join(ENDS)}") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error


def _separated(path: Path, sign: str) -> Iterator[Row]:
    csv.field_size_limit(_FIELD)
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        # Tab-separated files of captions are written as they are: a quotation mark is a sign.
        quoted: Any = csv.QUOTE_NONE if sign == "\t" else csv.QUOTE_MINIMAL
        reader = csv.reader(file, delimiter=sign, quoting=quoted)
        first = next(reader, [])
        header: list[str] = first
        lines: Iterator[list[str]] = _safe(reader)
        if any(_URL.match(field) for field in first):
            header = ["url" if _URL.match(field) else "caption" for field in first]
            lines = chain([first], lines)
        for line in lines:
            if len(line) != len(header):
                if line:
                    yield BadRow(why=f"{len(line)} fields where there are {len(header)} columns")
                continue
            yield dict(zip(header, line, strict=True))


def _safe(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield ["", "", "", "a field without an end"]


def _lines(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                yield _parsed(line)


def _parsed(line: bytes) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return BadRow(why="the line is not JSON")
    return row if isinstance(row, dict) else BadRow(why="the line is no JSON object")


def _objects(path: Path) -> Iterator[Row]:
    """Objects of a list, or of the list `annotations`, without the whole file in memory."""
    decoder = json.JSONDecoder()
    with path.open(encoding="utf-8", errors="replace") as file:
        text = file.read(_CHUNK)
        begin = re.compile(r'\A\s*\[|"annotations"\s*:\s*\[')
        while not (found := begin.search(text)):
            if not (more := file.read(_CHUNK)):
                yield BadRow(why="the file holds no list of rows")
                return
            text = text[-100:] + more
        text = text[found.end() :]
        while True:
            text = text.lstrip(" \t\r\n,")
            try:
                row, end = decoder.raw_decode(text)
            except (ValueError, RecursionError):
                if not text.startswith("]") and len(text) < 64 * _CHUNK:
                    if more := file.read(_CHUNK):
                        text += more
                        continue
                    yield BadRow(why="the file breaks off")
                return
            text = text[end:]
            yield row if isinstance(row, dict) else BadRow(why="not a JSON object")


def _parquet(path: Path) -> Iterator[Row]:
    from pyarrow import ArrowException, parquet

    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=256):
                yield from batch.to_pylist()
    except ArrowException as error:
        yield BadRow(why=f"the file cannot be read on: {' '.join(str(error).split())[:200]}")


def row_bytes(path: Path, number: int) -> bytes:
    """The picture in a row of a parquet table, for whoever found it in an index.

    Raises:
        Reject: there is none.
    """
    from pyarrow import ArrowException, parquet

    try:
        with parquet.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if number < rows:
                    row = file.read_row_group(group).slice(number, 1).to_pylist()[0]
                    found = _item(path.parent, path.parent, path.name, row, "", "").open()
                    if found.data is not None:
                        return found.data
                    break
                number -= rows
    except (OSError, ArrowException) as error:
        raise Reject("no_file", f"{path.name} cannot be read") from error
    raise Reject("no_file", f"{path.name} has no picture in that row")
