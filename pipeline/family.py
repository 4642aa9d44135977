"""Relatives of a record: its ancestors and their other descendants, read from finished units."""

from collections.abc import Iterable
from functools import lru_cache

from mcu.contract import Stage
from mcu.errors import Gone
from mcu.records import Record
from mcu.store import Rows


class Family:
    """Finds relatives inside one shard, by record type.

    A relative of a record is an ancestor, or a descendant of it or of one of its ancestors; the
    nearest ancestor that has such descendants counts.
    """

    def __init__(self, stages: Iterable[Stage], rows: dict[type[Record], Rows]) -> None:
        self._taken = {stage.makes: stage.takes for stage in stages}
        self._rows = rows
        self._read = lru_cache(maxsize=512)(self._read_line)

    def records(self, kind: type[Record]) -> Iterable[Record]:
        """All records of a type, in order of the file."""
        for offset in self._rows[kind].ids.values():
            yield self._read_line(kind, offset)

    def of(self, record: Record, kind: type[Record]) -> list[Record]:
        """The relatives of a type, nearest branch first; empty when they were rejected."""
        line = self._line(record)
        for ancestor in line:
            if type(ancestor) is kind:
                return [ancestor]
        rows = self._rows[kind]
        for ancestor in line:
            if offsets := rows.children.get(ancestor.id):
                return [self._read(kind, offset) for offset in offsets]
        return []

    def _line(self, record: Record) -> list[Record]:
        line = [record]
        kind = self._taken.get(type(record))
        while kind in self._rows:
            offset = self._rows[kind].ids.get(line[-1].parent)
            if offset is None:
                raise Gone(f"the {kind.__name__} of this {type(record).__name__} is gone")
            line.append(self._read(kind, offset))
            kind = self._taken.get(kind)
        return line

    def _read_line(self, kind: type[Record], offset: int) -> Record:
        return kind.model_validate_json(self._rows[kind].line(offset))

    def close(self) -> None:
        """Give the files back."""
        for rows in self._rows.values():
            rows.close()
