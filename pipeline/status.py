"""What a run has done so far, read from its marks and journals."""

import os
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from mcu.errors import ConfigError
from mcu.journal import TOTALS, read_totals
from mcu.run import Run
from mcu.store import Unit



def status(run: Run) -> dict[str, Any]:
    """State and counts of a run, and of each stage; the JSON form is part of the interface.

    `repeated` counts the answers that came from the journal instead of being paid for again.
    """
    from mcu.stages import STAGES

    total: Counter[str] = Counter(dict.fromkeys((*TOTALS, "repeated"), 0))
    stages = []
    # What is paid for a unit under way is in its journal alone; the shards of stage 1 share one.
    unfinished: set[Path] = set()
    paid: dict[Path, Counter[str]] = {}
    for stage in STAGES:
        rejects: Counter[str] = Counter()
        done = records = 0
        for shard in range(run.config.shards):
            unit = Unit(stage, shard)
            mark = run.store.mark(unit)
            journal = run.store.journal_path(unit)
            if mark is None:
                unfinished.add(journal)
                continue
            done += 1
            records += mark["records"]
            rejects.update(mark["rejects"])
            paid.setdefault(journal, Counter()).update({key: mark.get(key, 0) for key in TOTALS})
            total["repeated"] += mark["replayed"]
        stages.append(
            {
                "number": stage.number,
                "name": stage.name,
                "shards": run.config.shards,
                "shards_done": done,
                "records": records,
                "rejects": dict(sorted(rejects.items())),
            }
        )
    for path in unfinished | paid.keys():
        total.update(read_totals(path) if path in unfinished else paid[path])
    if total.pop("unpriced"):
        total["usd"] = None  # part of it is not known
    return {
        "name": run.root.name,
        "folder": str(run.root),
        "state": _state(run),
        "reason": run.state.get("reason", ""),
        "episodes": run.config.run.episodes,
        **total,
        "seconds": run.state.get("seconds", 0.0),
        "stages": stages,
    }


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
