"""Parquet columns from the fields of a pydantic model, and rows from its instances."""

import json
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

if TYPE_CHECKING:
    import pyarrow as pa

_SCALARS: dict[type, str] = {str: "string", int: "int64", float: "float64", bool: "bool_"}


@dataclass(frozen=True)
class Shape:
    """How a field is kept: its Arrow type, and what a value of it becomes."""

    type: "pa.DataType"
    plain: Callable[[Any], Any]


class Columns:
    """The columns of a model: a struct for a model in it, a list for a list or a tuple, else text.

    What has no fixed fields, such as a dictionary or a union, is a column of JSON texts. Types come
    from the annotations alone, so that a list that is empty in every row still has its own.
    """

    def __init__(self, model: type[BaseModel]) -> None:
        import pyarrow as pa

        self._shapes = {name: _shape(f.annotation) for name, f in model.model_fields.items()}
        self.schema = pa.schema([(name, shape.type) for name, shape in self._shapes.items()])

    def row(self, item: BaseModel) -> dict[str, Any]:
        """An instance as a row of `schema`."""
        return {name: s.plain(getattr(item, name)) for name, s in self._shapes.items()}

    def table(self, rows: list[dict[str, Any]]) -> "pa.Table":
        """Rows as a table."""
        import pyarrow as pa

        return pa.Table.from_pylist(rows, schema=self.schema)


def utf8(text: str) -> str:
    """A text that UTF-8 can hold: half of a surrogate pair becomes its escape."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def json_text(value: Any) -> str:
    """A value as JSON in one line, with non-ASCII letters as they are."""
    return utf8(json.dumps(_jsonable(value), ensure_ascii=False))


def _shape(annotation: Any) -> Shape:
    import pyarrow as pa

    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in _SCALARS:
        type_ = getattr(pa, _SCALARS[annotation])()
        return Shape(type_, _text if annotation is str else _same)
    if origin is Annotated:
        return _shape(arguments[0])
    if origin is Literal and len(kinds := {type(value) for value in arguments}) == 1:
        return _shape(kinds.pop())
    if origin in (Union, types.UnionType):
        inner = [a for a in arguments if a is not type(None)]
        return _shape(inner[0]) if len(inner) == 1 else Shape(pa.string(), _optional_json)
    if origin is list or (origin is tuple and arguments[1:] == (...,)):
        return _list(_shape(arguments[0]))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _struct(Columns(annotation))
    return Shape(pa.string(), _optional_json)


def _list(of: Shape) -> Shape:
    import pyarrow as pa

    return Shape(pa.list_(of.type), lambda v: None if v is None else [of.plain(x) for x in v])


def _struct(columns: Columns) -> Shape:
    import pyarrow as pa

    fields = pa.struct(list(columns.schema))
    return Shape(fields, lambda value: None if value is None else columns.row(value))


def _same(value: Any) -> Any:
    return value


def _text(value: str | None) -> str | None:
    return None if value is None else utf8(value)


def _optional_json(value: Any) -> str | None:
    return None if value is None else json_text(value)


def _jsonable(value: Any) -> Any:
    """What `json.dumps` takes, models inside dictionaries and lists included."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {str(key): _jsonable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(inner) for inner in value]
    return value
