"""One unit at work: its inputs in, its rows and rejects out in order, its mark last."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from mcu.context import Context
from mcu.contract import Stage
from mcu.errors import Gone, Incomplete, McuError, Reject, StoreError
from mcu.family import Family
from mcu.journal import UnitJournal, Writer
from mcu.records import Record
from mcu.services import Services
from mcu.store import Rows, Store, Unit, dump

Outcome = tuple[list[bytes], list[dict[str, str]]]


class Output:
    """A unit's files while it is written. Nothing has its final name before `finish`."""

    def __init__(self, unit: Unit, store: Store) -> None:
        self.unit = unit
        self.records = 0
        self.lost: Counter[str] = Counter()
        self._store = store
        self._stack = ExitStack()
        self._rows = self._stack.enter_context(store.writing(store.rows_path(unit)))
        self._rejects = self._stack.enter_context(store.writing(store.rejects_path(unit)))
        self._digest = sha256()
        self._bytes = 0
        self._started = time.monotonic()

    def add(self, records: list[bytes], losses: list[dict[str, str]]) -> None:
        """Append one input's rows and rejects.

        Raises:
            StoreError: the disk is full.
        """
        try:
            self._rows.writelines(records)
            self._rejects.writelines(
                dump({"stage": self.unit.stage.name, **loss}) for loss in losses
            )
        except OSError as error:
            raise StoreError(f"{self.unit.name} cannot be written: {error.strerror}") from error
        for line in records:
            self._digest.update(line)
            self._bytes += len(line)
        self.records += len(records)
        self.lost.update(loss["code"] for loss in losses)

    def finish(self, origin: dict[str, Any], inputs: int, counts: dict[str, Any]) -> None:
        """Put the files in place, then the mark, which begins with what the rows come from."""
        self._stack.close()
        stage = self.unit.stage
        self._store.write_mark(
            self.unit,
            {
                "stage": stage.name,
                "shard": self.unit.shard,
                "version": stage.version,
                **origin,
                "inputs": inputs,
                "records": self.records,
                "rejects": dict(sorted(self.lost.items())),
                "bytes": self._bytes,
                "sha256": self._digest.hexdigest(),
                **counts,
                "seconds": round(time.monotonic() - self._started, 3),
                "ended": datetime.now(UTC).isoformat(timespec="seconds"),
            },
        )

    def abandon(self) -> None:
        """Drop the files; what was paid for stays in the journal."""
        reason = Incomplete("abandoned")
        with suppress(StoreError):  # a full disk has been told of already
            self._stack.__exit__(type(reason), reason, None)


class UnitRun:
    """A unit that the engine has opened: hands out inputs, takes outcomes in any order."""

    def __init__(self, unit: Unit, stages: tuple[Stage, ...], services: Services, writer: Writer):
        self.unit = unit
        store = services.store
        kinds = _kinds(unit.stage, stages)
        self.family = Family(stages, {s.makes: _rows(Unit(s, unit.shard), store) for s in kinds})
        self.journal = UnitJournal(store.journal_path(unit), writer)
        self.output = Output(unit, store)
        self._inputs: Iterator[Record] = iter(self.family.records(unit.stage.takes))
        self._waiting: dict[int, Outcome] = {}
        self._given = self.written = 0
        self._keep = services.config.chat.keep_replies
        self.exhausted = False

    def take(self) -> tuple[int, Record] | None:
        """The next input and its number, or None when there are no more."""
        record = next(self._inputs, None)
        if record is None:
            self.exhausted = True
            return None
        self._given += 1
        return self._given - 1, record

    async def work(self, number: int, record: Record, services: Services) -> None:
        """Run the stage on one input; its rows are written once all before them are."""
        stage, shard = self.unit.stage, self.unit.shard
        context = Context(services, stage, shard, record, self.family, self.journal)
        self._waiting[number] = await attempt(stage, record, context)
        while self.written in self._waiting:
            self.output.add(*self._waiting.pop(self.written))
            self.written += 1

    @property
    def complete(self) -> bool:
        """Whether every input has its outcome."""
        return self.exhausted and self.written == self._given

    def finish(self, origin: dict[str, Any]) -> None:
        """Commit the unit. Only then may its replies be deleted, where they are not to be kept."""
        counts = {**self.journal.totals(), "replayed": self.journal.replayed}
        try:
            self.output.finish(origin, self._given, counts)
        except BaseException:
            self.abandon()
            raise
        self.journal.close(self._keep)
        self.family.close()

    def abandon(self) -> None:
        """Close without committing."""
        self.output.abandon()
        self.journal.close()
        self.family.close()


async def attempt(stage: Stage, record: Record, context: Context) -> Outcome:
    """Run a stage on one record: its rows as JSON lines, and what was lost with the reasons.

    A Reject becomes a row of the rejects; a missing ancestor, rejected earlier, nothing at all.

    Raises:
        McuError: the stage failed in a way that nobody foresaw; names the stage and the record.
    """
    try:
        made = list(await stage.run(record, context))
    except Reject as loss:
        context.reject(loss.code, str(loss), loss.raw)
        made = []
    except Gone:
        made = []
    except McuError:
        raise
    except Exception as error:
        name = f"stage {stage.name} failed on record {record.id}"
        raise McuError(f"{name}: {error!r}; --debug shows where") from error
    return [item.model_dump_json().encode() + b"\n" for item in made], context.losses


def _kinds(stage: Stage, stages: tuple[Stage, ...]) -> list[Stage]:
    """The stages whose records this one reads: upstream, needs and the line between them."""
    wanted = {stage.takes, *stage.needs}
    by_type = {s.makes: s for s in stages}
    for kind in list(wanted):
        while kind in by_type:
            wanted.add(kind)
            kind = by_type[kind].takes
    return [by_type[kind] for kind in by_type if kind in wanted]


def _rows(unit: Unit, store: Store) -> Rows:
    mark = store.mark(unit)
    return Rows(store.rows_path(unit), mark["sha256"] if mark else "")
