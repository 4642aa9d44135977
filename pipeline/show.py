"""Records as a person reads them: a dialogue as a chat, the rest as labelled lines."""

import json
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from mcu import marks
from mcu.contract import Stage
from mcu.errors import BackendError, ConfigError, StoreError
from mcu.records import Interval
from mcu.run import Run
from mcu.store import Unit


def find_stage(text: str) -> Stage:
    """A stage, one of the eight or a derived one, by name or number.

    Raises:
        ConfigError: there is none.
    """
    from mcu.stages import STAGES
    from mcu.stages.derive import FURTHER

    for stage in (*STAGES, *FURTHER):
        if text in (stage.name, str(stage.number)):
            return stage
    names = ", ".join(f"{s.number} {s.name}" for s in (*STAGES, *FURTHER))
    raise ConfigError(f"there is no stage {text!r}; the stages are {names}")


def rows(run: Run, stage: Stage, id_: str, rejects: bool, limit: int) -> list[dict[str, Any]]:
    """The first few records or rejects of a stage; with an id, those of it or made from it.

    Those with a picture get `marks`: what the picture's file says of its origin.
    """
    found = islice(_rows(run, stage, id_, rejects), limit)
    return [{**row, "marks": _marks(run, row)} if row.get("image") else row for row in found]


def _marks(run: Run, row: dict[str, Any]) -> dict[str, str]:
    name = str(row["image"])
    if not re.fullmatch("[0-9a-f]{64}", name):  # the file may be anybody's, the name any path
        return {}
    try:
        return marks.read(run.store.image(name))
    except StoreError:
        return {}


def picture(path: Path) -> dict[str, Any]:
    """What a JPEG file says of itself: its marks, and its C2PA manifest.

    Raises:
        ConfigError: it cannot be read, or is no JPEG.
    """
    from mcu.release.sign import verify

    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"--picture {str(path)!r} cannot be read: {error.strerror}") from None
    if not data.startswith(b"\xff\xd8"):
        raise ConfigError(f"--picture {str(path)!r} is no JPEG file")
    try:
        manifest = verify(data)
    except BackendError as error:
        manifest = {"state": "unknown", "problems": [str(error)]}
    return {"marks": marks.read(data), "manifest": manifest}


def _rows(run: Run, stage: Stage, id_: str, rejects: bool) -> Iterator[dict[str, Any]]:
    for shard in range(run.config.shards):
        yield from stored(run, Unit(stage, shard), id_, rejects)


def stored(run: Run, unit: Unit, id_: str, rejects: bool) -> Iterator[dict[str, Any]]:
    """The records or rejects of a unit that is done; with an id, those of it or made from it."""
    if run.store.mark(unit) is None:
        return
    path = run.store.rejects_path(unit) if rejects else run.store.rows_path(unit)
    with path.open(encoding="utf-8") as file:
        for line in file:
            row: dict[str, Any] = json.loads(line)
            if not id_ or id_ in (row["id"], row.get("parent")):
                yield row


def text(row: dict[str, Any]) -> str:
    """One row as text."""
    if "turns" in row:
        return _session(row)
    if "slot" in row and "plan" in row:
        return _slot(row)
    lines = []
    for key, value in row.items():
        if value in ("", [], {}, None):
            continue
        if isinstance(value, str):
            shown = value if value.isprintable() else json.dumps(value)
        else:
            shown = plain(json.dumps(value, ensure_ascii=False))
        lines.append(f"{key:>14}  {shown}")
    return "\n".join(lines)


def as_json(found: list[dict[str, Any]]) -> str:
    """Rows as JSON that any terminal may be shown."""
    return "\n".join(map(plain, json.dumps(found, ensure_ascii=False, indent=1).split("\n")))


def plain(line: str) -> str:
    """A line in which what a terminal would obey is spelt out as JSON does."""
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)


def _session(row: dict[str, Any]) -> str:
    since = row["interval"]
    gap = f", {Interval(**since)} later" if since else ""
    lines = [f"Session {row['number']}, {row['date']}{gap}   ({row['parent']})", row["event"]]
    if row["experience"]:
        lines.append(f"[{row['op']}] {row['experience']}")
    for turn in row["turns"]:
        lines.append(f"  {turn['speaker']}: {turn['utterance']}".rstrip())
        if image := turn["image"]:
            where = f"device picture {image['album']}" if image["album"] else image["source"]
            lines.append(f"      [{where}: {image['description']}]")
    return "\n".join(map(plain, lines))


def _slot(row: dict[str, Any]) -> str:
    """A slot and how its picture was found: the plan, every candidate, the choice, the reasons."""
    shown = ", ".join(f"session {p['session']} turn {p['turn']}" for p in row["places"])
    lines = [
        f"{row['slot']}, shown in {shown or 'no session'}   ({row['id']}, of {row['parent']})",
        f"  description: {row['description']}",
        f"  plan: {row['plan']['route']}: {row['plan']['prompt']}",
    ]
    for number, one in enumerate(row["candidates"], 1):
        what = one["file"] or (f"seed {one['seed']}" if one["seed"] else "")
        scores = [f"score {one['score']:.2f}", *(f"{k} {v:g}" for k, v in one["checks"].items())]
        verdict = "taken" if one["image"] == row["image"] else one["reason"] or "not looked at"
        lines.append(f"  {number}. {one['source']} {what} ({', '.join(scores)}): {verdict}")
    lines.append(f"  picture: {row['image']}, {row['caption'] or row['source']}")
    for key in ("licence", "author", "page", "url"):
        if row[key]:
            lines.append(f"  {key}: {row[key]}")
    if marked := row.get("marks"):
        lines.append("  marks: " + ", ".join(f"{key} {value}" for key, value in marked.items()))
    return "\n".join(map(plain, lines))
