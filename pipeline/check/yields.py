"""Yield: what each stage was given, made and lost, from the marks of its units."""

from typing import TYPE_CHECKING, Any

from mcu.store import Unit, rejects_of

if TYPE_CHECKING:
    from mcu.run import Run


def yields(run: "Run") -> list[dict[str, Any]]:
    """A row a stage: inputs, records, rejects by reason, calls."""
    from mcu.stages import STAGES

    found = []
    for stage in STAGES:
        marks = [run.store.mark(Unit(stage, shard)) or {} for shard in range(run.config.shards)]
        row = {key: sum(m.get(key, 0) for m in marks) for key in ("inputs", "records", "calls")}
        found.append({"stage": stage.name, **row, "rejects": rejects_of(marks)})
    return found
