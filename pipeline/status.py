"""What a run has done so far and what it cost, read from its marks and journals."""

import math
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcu.contract import Stage
from mcu.errors import ConfigError
from mcu.journal import TOTALS, read_totals
from mcu.run import Run
from mcu.store import Unit, rejects_of

Paid = dict[str, Any]  # by the names of TOTALS


@dataclass
class Part:
    """One shard of a stage: whether it is done, and what was paid for it up to now."""

    shard: int
    mark: dict[str, Any] | None
    paid: Paid


def status(run: Run, shards: bool = False) -> dict[str, Any]:
    """State and counts of a run, and of each stage; the JSON form is part of the interface.

    `repeated` counts the answers that came from the journal instead of being paid for again.
    `usd` is None where the price of a call is not known; `unpriced` names the models. With
    `shards` each shard of each stage has a row, too.
    """
    stages = _stages(run)
    parts = {stage: _parts(run, stage) for stage in stages}
    paid = {stage: _sum(part.paid for part in parts[stage]) for stage in stages}
    marks = [part.mark for stage in stages for part in parts[stage] if part.mark]
    unpriced = {str(run.config.chat.of(s.name).model) for s in stages if paid[s]["unpriced"]}
    total = _cost(_sum(paid.values()))
    found = {
        "name": run.root.name,
        "folder": str(run.root),
        "state": _state(run),
        "reason": run.state.get("reason", ""),
        "episodes": run.config.run.episodes,
        "repeated": sum(mark["replayed"] for mark in marks),
        **total,
        "cache_share": round(total["cached_tokens"] / max(total["prompt_tokens"], 1), 4),
        "unpriced": sorted(unpriced),
        "seconds": run.state.get("seconds", 0.0),
        "stages": [_stage(stage, parts[stage], paid[stage]) for stage in stages],
    }
    if shards:
        found["shards"] = [_shard(stage, part) for stage in stages for part in parts[stage]]
    return found


def _stages(run: Run) -> tuple[Stage, ...]:
    """The eight stages, and the derived ones of which the run has something."""
    from mcu.stages import STAGES

    begun = {path.name.rpartition("-")[0] for path in run.root.glob("journal/*.sqlite")}
    begun |= {path.name for path in run.root.glob("s*_*")}
    if begun <= {stage.folder for stage in STAGES}:
        return STAGES
    from mcu.stages.derive import FURTHER

    return (*STAGES, *(stage for stage in FURTHER if stage.folder in begun))


def _parts(run: Run, stage: Stage) -> list[Part]:
    """The shards of a stage. What is paid for one under way is in its journal alone."""
    parts = []
    for shard in range(run.config.shards):
        unit = Unit(stage, shard)
        if mark := run.store.mark(unit):
            # A mark that tells of no prices is of a time when nobody knew any.
            paid = {"unpriced": mark.get("calls", 0), **mark}
            parts.append(Part(shard, mark, {key: paid.get(key, 0) for key in TOTALS}))
        else:
            own = stage.number > 1
            paid = read_totals(run.store.journal_path(unit)) if own else dict.fromkeys(TOTALS, 0)
            parts.append(Part(shard, None, paid))
    if stage.number == 1 and not all(part.mark for part in parts):
        _deal(read_totals(run.store.journal_path(Unit(stage, 0))), parts)
    return parts


def _deal(left: Paid, parts: list[Part]) -> None:
    """Part what the journal of stage 1 holds among its shards.

    They share it, and are made one after the other: what no mark tells of was paid for the first
    that is not done. A resume writes all marks anew, and the first then has what is in the old
    ones of the others as well: no more is told than was paid.
    """
    for part in sorted(parts, key=lambda part: part.mark is None):
        if part.mark:
            part.paid = {key: min(value, left[key]) for key, value in part.paid.items()}
            left = {key: left[key] - value for key, value in part.paid.items()}
        else:
            part.paid = left
            return


def _sum(paid: Iterable[Paid]) -> Paid:
    rows = list(paid)
    return {key: sum(row[key] for row in rows) for key in TOTALS}


def _cost(paid: Paid) -> dict[str, Any]:
    """Calls, tokens and dollars as they are told: None where a part of the price is unknown."""
    usd = None if paid["unpriced"] else round(float(paid["usd"]), 9)
    counts = {key: value for key, value in paid.items() if key not in ("usd", "unpriced")}
    return {**counts, "usd": usd}


def _stage(stage: Stage, parts: list[Part], paid: Paid) -> dict[str, Any]:
    marks = [part.mark for part in parts if part.mark]
    return {
        "number": stage.number,
        "name": stage.name,
        "shards": len(parts),
        "shards_done": len(marks),
        "records": sum(mark["records"] for mark in marks),
        "rejects": rejects_of(marks),
        **_cost(paid),
    }


def _shard(stage: Stage, part: Part) -> dict[str, Any]:
    records = part.mark["records"] if part.mark else 0
    head = {"stage": stage.name, "shard": part.shard, "done": part.mark is not None}
    return {**head, "records": records, **_cost(part.paid)}


def dollars(usd: float | None) -> str:
    """An amount as a person reads it: cents, or two digits of less; `$?` when it is not known."""
    if usd is None:
        return "$?"
    places = 2 if usd == 0 or usd >= 0.01 else min(1 - math.floor(math.log10(usd)), 8)
    return f"${usd:,.{places}f}"


def runs(outputs: Path) -> list[Run]:
    """All runs of a folder, the newest first."""
    found = sorted(outputs.glob("*/run.toml"), key=lambda path: path.stat().st_mtime, reverse=True)
    opened = []
    for path in found:
        # A run that this version cannot read must not hide the others; naming it tells why.
        with suppress(ConfigError):
            opened.append(Run.open(path.parent))
    return opened


def newest_unfinished(outputs: Path) -> Run:
    """The run to resume when none is named.

    Raises:
        ConfigError: every run is complete, or there is none.
    """
    for run in runs(outputs):
        if _state(run) != "complete":
            return run
    raise ConfigError(f"there is no unfinished run in {outputs}")


def newest_complete(outputs: Path) -> Run:
    """The run to derive from, check or publish when none is named.

    Raises:
        ConfigError: no run is complete.
    """
    for run in runs(outputs):
        if _state(run) == "complete":
            return run
    raise ConfigError(f"there is no complete run in {outputs}; `mcu status` lists the runs")


def _state(run: Run) -> str:
    state = run.state
    if state.get("state") == "running" and not _alive(int(state.get("pid", 0))):
        return "interrupted"
    return str(state.get("state", "new"))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return pid > 0
