"""Yield: what each stage was given, made and lost, from the marks of its units."""

from typing import TYPE_CHECKING, Any

from mcu.store import Unit

if TYPE_CHECKING:
    from mcu.run import Run


def yields(run: "Run") -> list[dict[str, Any]]:
    """A row a stage: inputs, records, rejects by reason, calls."""
    from mcu.stages import STAGES

    found = []
    for stage in STAGES:
        marks = [run.store.mark(Unit(stage, shard)) or {} for shard in range(run.config.shards)]
        rejects: dict[str, int] = {}
        for mark in marks:
            for code, number in mark.get("rejects", {}).items():
                rejects[code] = rejects.get(code, 0) + number
        row = {key: sum(m.get(key, 0) for m in marks) for key in ("inputs", "records", "calls")}
        found.append({"stage": stage.name, **row, "rejects": dict(sorted(rejects.items()))})
    return found
