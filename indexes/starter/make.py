"""Redraws the drawn figures of the starter set, or checks the whole set: `make.py [--check]`.

Needs the extra `starter` (matplotlib). The clip art and photographs are kept as they are; only
their sizes and hashes are read again. Run it after a change of a figure or of pictures.jsonl.
"""

import argparse
import hashlib
import io
import json
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from PIL import Image

from mcu.indexes.starter import charts, diagrams, maths

HERE = Path(__file__).resolve().parent
TABLE = HERE / "pictures.jsonl"
FIELDS = [
    *("file", "caption", "keywords", "subject", "kind", "source", "title", "author"),
    *("page", "licence", "width", "height", "sha256"),
]
LICENCES = {"CC0-1.0", "public-domain"}
LIMIT = 12_000_000
LONGEST = 640

Row = dict[str, Any]


def rows() -> list[Row]:
    """The present table."""
    return [json.loads(line) for line in TABLE.read_text("utf-8").splitlines()]


def specs() -> Iterator[tuple[str, Row]]:
    """Kind and description of every drawn figure."""
    for kind in ("chart", "diagram", "math"):
        tables = tomllib.loads((HERE / f"{kind}s.toml").read_text("utf-8"))
        for spec in tables[kind]:
            yield kind, spec


def figure(kind: str, spec: Row) -> Figure:
    """Draw one figure."""
    if kind == "chart":
        return charts.draw(spec)
    if kind == "diagram":
        return diagrams.draw(spec)
    drawn = Figure(figsize=(6.2, 4.6), dpi=100, layout="constrained")
    getattr(maths, spec["name"].replace("-", "_"))(drawn.subplots())
    return drawn


def redraw() -> list[Row]:
    """Write every drawn figure as JPEG; returns their rows without size and hash."""
    made = []
    for kind, spec in specs():
        memory = io.BytesIO()
        figure(kind, spec).savefig(memory, format="png", facecolor="white")
        file = f"{kind}/{spec['name']}.jpg"
        (HERE / kind).mkdir(exist_ok=True)
        Image.open(memory).convert("RGB").save(HERE / file, quality=85, optimize=True)
        facts = {"kind": kind, "source": "mcu", "author": "mcu", "licence": "CC0-1.0", "page": ""}
        words = {key: spec[key] for key in ("caption", "keywords", "subject")}
        made.append({"file": file, "title": spec["subject"]} | words | facts)
    return made


def measured(row: Row) -> Row:
    """The row with the size and hash of its file, its keys in their order."""
    data = (HERE / row["file"]).read_bytes()
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        width, height = image.size
    facts = {"width": width, "height": height, "sha256": hashlib.sha256(data).hexdigest()}
    return {key: (row | facts)[key] for key in FIELDS}


def faults(table: list[Row]) -> Iterator[str]:
    """Everything that is wrong with the set, one sentence each."""
    on_disk = {str(path.relative_to(HERE)) for path in HERE.glob("*/*.*") if path.suffix != ".pyc"}
    listed = Counter(row["file"] for row in table)
    for file in sorted(on_disk ^ set(listed)):
        yield f"{file} is either only on disk or only in pictures.jsonl"
    for key in ("file", "caption"):
        for value, count in Counter(row[key] for row in table).items():
            if count > 1:
                yield f"{key} {value!r} occurs {count} times"
    drawn = {f"{kind}/{spec['name']}.jpg": spec for kind, spec in specs()}
    if set(drawn) != {row["file"] for row in table if row["source"] == "mcu"}:
        yield "the drawn pictures are not those of the TOML files; run make.py"
    for row in table:
        yield from faults_of(row, drawn.get(row["file"]))
    if (size := sum(path.stat().st_size for path in HERE.rglob("*.*"))) > LIMIT:
        yield f"the folder has {size} bytes, more than {LIMIT}"


def faults_of(row: Row, spec: Row | None) -> Iterator[str]:
    """What is wrong with one picture."""
    file = row["file"]
    if list(row) != FIELDS:
        yield f"{file} has other fields than {', '.join(FIELDS)}"
    elif (HERE / file).is_file() and measured(row) != row:
        yield f"{file} has another size or hash than its row"
    if row["licence"] not in LICENCES:
        yield f"{file} has the licence {row['licence']!r}"
    if max(row["width"], row["height"]) > LONGEST or len(row["caption"].split()) < 3:
        yield f"{file} is too large or its caption is too short"
    if spec and spec["caption"] != row["caption"]:
        yield f"{file} has another caption than its TOML file"


def main() -> int:
    """Redraw and write the table, or only check; 1 when something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing")
    if not parser.parse_args().check:
        table = [measured(row) for row in [r for r in rows() if r["source"] != "mcu"] + redraw()]
        table.sort(key=lambda row: row["file"])
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in table]
        TABLE.write_text("".join(lines), "utf-8")
    found = list(faults(rows()))
    sys.stdout.write("".join(f"{fault}\n" for fault in found) or f"{len(rows())} pictures, fine\n")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
