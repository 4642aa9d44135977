"""The check's work, in order: the rows in one pass, the pictures in another, then the sums."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu.check import duplicates, items, pictures, splits
from mcu.check.diversity import Diversity
from mcu.check.duplicates import Duplicates
from mcu.check.files import Files
from mcu.check.findings import Finding, Tally
from mcu.check.persona import Contradictions
from mcu.check.pictures import Pictures
from mcu.check.references import SETS, References, together, told
from mcu.check.rows import Row, read_row
from mcu.check.safety import Private, Safety
from mcu.check.shape import Shape
from mcu.check.times import Times
from mcu.check.yields import yields
from mcu.release.rows import columns

if TYPE_CHECKING:
    from mcu.check import Tell
    from mcu.run import Run

_GATE = "integrity"
_BATCH = 50  # rows


def examine(
    run: "Run", files: Files, sample: int, tell: "Tell"
) -> tuple[list[Finding], dict[str, Any]]:
    """All findings, gate by gate, and all figures by subject."""
    refs, safety, private, personas = References(), Safety(), Private(), Contradictions()
    times, twice, diversity, shape = _times(run), Duplicates(), Diversity(), Shape()
    tables = Tally()
    parts = (refs, times, safety, private, personas, twice, diversity, shape)
    for row in _rows(files, tables, lambda done, total: tell("episodes", done, total)):
        for part in parts:
            part.add(row)
    sets = pictures.read(files, sample, lambda done, total: tell("pictures", done, total))
    found = [
        tables.finding(_GATE, "parquet files that are torn or have other columns"),
        *_resolved(refs, sets),
        *(finding for one in sets.values() for finding in one.findings()),
        *items.findings(files, refs, sets),
        *splits.findings(refs, sets),
    ]
    # A set that nothing is in and nothing names has no folder.
    absent = tuple(f"{n}:" for n in SETS if not sets[n].tars.of and not refs.named(n))
    found = [finding for finding in found if not finding.name.startswith(absent)]
    found += [finding for part in parts for finding in part.findings()]
    order = list(dict.fromkeys(finding.gate for finding in found))
    found.sort(key=lambda finding: order.index(finding.gate))
    people = {"episodes": safety.named.count, "examples": safety.named.examples}
    return found, {
        "sets": _sizes(refs, sets, sample),
        "shape": shape.figures(),
        "diversity": diversity.figures(),
        "duplicates": {"word for word": twice.figures(), "pictures": duplicates.pictures(sets)},
        "contradictions": personas.figures(),
        "real people spoken of": people,
        "yield": yields(run),
    }


def _times(run: "Run") -> Times:
    return Times(run.config.run.last_date)


def _rows(files: Files, tables: Tally, tell: Callable[[int, int], None]) -> Iterator[Row]:
    """Every row of stark-dialogue, train first."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    paths = files.tables()
    seen: set[bytes] = set()
    done, total = 0, 0
    if not paths:
        tables.note("stark-dialogue: there is no stark.parquet")
    for _, path in paths:
        tables.of += 1
        try:
            total += pq.read_metadata(path).num_rows
        except (OSError, pa.ArrowException):
            continue  # told of below
    for split, path in paths:
        try:
            with pq.ParquetFile(path) as file:
                _check_columns(path, file.schema_arrow.names, tables)
                for batch in file.iter_batches(batch_size=_BATCH):
                    for values in batch.to_pylist():
                        yield read_row(split, values, seen)
                    done += batch.num_rows
                    tell(done, total)
        except (OSError, pa.ArrowException) as error:
            tables.note(f"{path.name}: {error}")


def _check_columns(path: Path, names: list[str], tables: Tally) -> None:
    """Whether the released columns, and ours after them, stand in their order."""
    wanted = columns()
    if names == wanted:
        return
    missing = [name for name in wanted if name not in names]
    extra = [name for name in names if name not in wanted]
    told = "; ".join(
        part
        for part in (
            f"missing {', '.join(missing[:5])}" if missing else "",
            f"unknown {', '.join(extra[:5])}" if extra else "",
            "" if missing or extra else "in another order",
        )
        if part
    )
    tables.note(f"{path.name}: columns {told}")


def _resolved(refs: References, sets: dict[str, Pictures]) -> Iterator[Finding]:
    """Keys that lead nowhere, and pictures that no row names."""
    for name in SETS:
        named = together(keys.array() for (of, _), keys in refs.keys.items() if of == name)
        there = np.unique(sets[name].keys.array())
        lost = np.setdiff1d(named, there, assume_unique=True)
        orphans = np.setdiff1d(there, named, assume_unique=True)
        of = f"of {len(named):,}"
        yield Finding(_GATE, f"{name}: keys that lead nowhere", len(lost), 0, of, told(lost))
        of = f"of {len(there):,}"
        yield Finding(_GATE, f"{name}: pictures without a row", len(orphans), 0, of, told(orphans))


def _sizes(refs: References, sets: dict[str, Pictures], sample: int) -> dict[str, Any]:
    rows = {split: len(keys) for split, keys in refs.groups.items()}
    return {
        "episodes": rows,
        "personas": {s: len(np.unique(keys.array())) for s, keys in refs.groups.items()},
        "moments without a picture": {"count": refs.unfound.count, "of": refs.unfound.of},
        **{
            name: {"samples": len(one.keys), "opened": one.opened.of, "hashed": one.hashes.of}
            for name, one in sets.items()
        },
        "sample": sample,
    }
