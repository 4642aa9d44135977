"""Reading what is scored: a set's items as questions, and rows of answers from a user's file."""

import csv
import json
import types
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel

from mcu.errors import ConfigError, StoreError
from mcu.items import Item, Question

if TYPE_CHECKING:
    from mcu.derive import Task

_ROWS = 500
Model = TypeVar("Model", bound=BaseModel)


def items_of(folder: Path, task: "Task", splits: Iterable[str]) -> Iterator[Item]:
    """The items of a set, split by split in the order of its files.

    Args:
        folder: of the set, such as `release/stark-coref`.
        task: what made it.
        splits: a split without a file has no items.

    Raises:
        ConfigError: the folder has none of these splits.
        StoreError: a file cannot be read, or is not of this task.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    paths = [folder / f"{split}.parquet" for split in splits]
    found = [path for path in paths if path.is_file()]
    if not found:
        names = " or ".join(path.name for path in paths)
        raise ConfigError(f"{folder} has no {names}; `mcu derive {task.name}` makes the set")
    for path in found:
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(_ROWS):
                    yield from (restored(task.makes, row) for row in batch.to_pylist())
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            said = str(error).splitlines()[0]
            raise StoreError(f"{path} is no {task.name} set that mcu wrote: {said}") from error


def questions_of(folder: Path, task: "Task", splits: Iterable[str]) -> Iterator[Question]:
    """The same items as questions without their views, which take much memory.

    Raises:
        ConfigError: as `items_of`, or the task asks nothing.
        StoreError: as `items_of`.
    """
    if task.question is None:
        raise ConfigError(f"{task.name} has no options to choose from, so it has no scores here")
    for item in items_of(folder, task, splits):
        yield replace(task.question(item), views={})


def restored(model: type[Model], row: dict[str, Any]) -> Model:
    """A model from a row of `mcu.release.arrow.Columns`."""
    return model.model_validate(_fields(model, row))


def _fields(model: type[BaseModel], row: dict[str, Any]) -> dict[str, Any]:
    return {name: _value(f.annotation, row[name]) for name, f in model.model_fields.items()}


def _value(annotation: Any, value: Any) -> Any:
    """A value as its annotation wants it; what has no fixed fields was kept as JSON."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if value is None or annotation in (str, int, float, bool) or origin is Literal:
        return value
    if origin is Annotated:
        return _value(arguments[0], value)
    if origin in (Union, types.UnionType):
        inner = [a for a in arguments if a is not type(None)]
        return _value(inner[0], value) if len(inner) == 1 else json.loads(value)
    if origin is list or (origin is tuple and arguments[1:] == (...,)):
        return [_value(arguments[0], one) for one in value]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _fields(annotation, value)
    return json.loads(value)


def rows_of(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a .jsonl, .json, .csv or .parquet file, each with where it stands.

    Raises:
        ConfigError: the file cannot be read, or a line of it is torn.
    """
    read = {".jsonl": _jsonl, ".json": _json, ".csv": _csv, ".parquet": _parquet}.get(path.suffix)
    if read is None:
        raise ConfigError(f"{path} must end in .jsonl, .json, .csv or .parquet")
    try:
        for number, row in read(path):
            where = f"{path}, {'line' if path.suffix == '.jsonl' else 'row'} {number}"
            if not isinstance(row, dict):
                raise ConfigError(f"{where} is no object with named fields")
            yield where, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error


def text_of(row: dict[str, Any], name: str, where: str) -> str:
    """A field that must be text.

    Raises:
        ConfigError: it is not there, or is something else; names the fields that are.
    """
    if name not in row:
        has = ", ".join(map(str, row)) or "none"
        raise ConfigError(f"{where} has no {name!r}; its fields are {has}")
    if not isinstance(row[name], str):
        raise ConfigError(f"{where}: {name!r} must be text, not {row[name]!r}")
    return str(row[name])


def _jsonl(path: Path) -> Iterator[tuple[int, Any]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                yield number, json.loads(line)
            except ValueError as error:
                raise ConfigError(f"{path}, line {number} is not JSON: {error}") from error


def _json(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        rows = json.loads(path.read_text("utf-8-sig"))
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}") from error
    if not isinstance(rows, list):
        raise ConfigError(f"{path} must hold a list of objects")
    yield from enumerate(rows, 1)


def _csv(path: Path) -> Iterator[tuple[int, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        for number, row in enumerate(reader, 2):  # the first row has the names
            if None in row or None in row.values():
                raise ConfigError(f"{path}, row {number} has not as many fields as the first row")
            yield number, row


def _parquet(path: Path) -> Iterator[tuple[int, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except pa.ArrowException as error:
        raise ConfigError(f"{path} is no parquet file: {error}") from error
