"""Which source a path is: tars, tables, Hugging Face data sets, and three published layouts."""

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from mcu.errors import ConfigError, Reject
from mcu.indexes.sources import PICTURES, Found, Item, Listed, Source, Tars, folder, read, tidy
from mcu.indexes.tables import ENDS, rows_of, table

_FEW = 3  # questions that a chart's caption takes in


def open_source(path: Path, image: str = "", caption: str = "") -> list[Source]:
    """The sources that a path holds.

    A file is a tar or a table. A folder is, by what lies in it: a data set that `datasets` saved,
    WebDataset tars, ChartQA, AI2D, tables that name pictures (`metadata.jsonl`, MathVision,
    RedCaps), or simply pictures.

    Args:
        path: a file or a folder.
        image: column of the picture in tables and data sets; empty for a guess.
        caption: column of the caption there; empty for a guess.

    Raises:
        ConfigError: there is nothing of that name, or nothing that is known.
    """
    if path.is_file():
        if path.suffix.lower() == ".tar":
            return [Tars(path.stem, path.resolve().parent, [path.resolve()])]
        if path.suffix.lower() in ENDS:
            return [table(path, image, caption)]
        raise ConfigError(f"{path} is neither a folder nor one of: .tar, {', '.join(ENDS)}")
    if not path.is_dir():
        raise ConfigError(f"there is no source {str(path)!r}")
    path = path.resolve()
    if any((path / name).is_file() for name in ("dataset_dict.json", "state.json")):
        from mcu.indexes.saved import saved

        return [saved(path, image, caption)]
    if tars := sorted(path.glob("*.tar")):
        return [Tars(path.name, path, tars)]
    if chartqa := sorted(path.glob("*/png")):
        return [Listed(path.name, path, partial(_charts, path, chartqa))]
    if (path / "images").is_dir() and (path / "annotations").is_dir():
        return [Listed(path.name, path, partial(_diagrams, path))]
    if tables := _tables(path):
        return [table(one, image, caption, path) for one in tables]
    return [folder(path)]


def _tables(path: Path) -> list[Path]:
    """The tables of a folder; those without pictures beside them must say what they are."""
    named = [path / f"metadata{end}" for end in ENDS if (path / f"metadata{end}").is_file()]
    if named:
        return named
    places = (path, path / "data", path / "annotations")
    found = [one for place in places for end in ENDS for one in sorted(place.glob(f"*{end}"))]
    if any(one.suffix.lower() in PICTURES for one in path.iterdir()):
        return []  # their notes
    return found if found and ((path / "images").is_dir() or not _below(path)) else []


def _below(path: Path) -> bool:
    return any(one.suffix.lower() in PICTURES for one in path.rglob("*"))


def _charts(base: Path, folders: list[Path]) -> Iterator[Item]:
    """ChartQA: `<split>/png/*.png`, with questions in `<split>/*.json`."""
    for charts in folders:
        questions: dict[str, list[str]] = {}
        for path in sorted(charts.parent.glob("*.json")):
            for row in rows_of(path):
                asked = questions.setdefault(str(row.get("imgname")), [])
                if len(asked) < _FEW and isinstance(query := row.get("query"), str):
                    asked.append(query)
        for path in sorted(charts.glob("*.png")):
            said = " ".join(questions.get(path.name, []))
            file = path.relative_to(base).as_posix()
            yield Item(file, partial(_chart, base, path, said))


def _chart(base: Path, path: Path, questions: str) -> Found:
    title = ""
    notes = _notes(path.parent.parent / "annotations" / f"{path.stem}.json")
    if isinstance(info := notes.get("general_figure_info"), dict):
        title = _text(info.get("title"))
    about = f"a chart: {title}." if title else "a chart."
    return Found(read(base, path), {"caption": tidy(f"{about} {questions}")})


def _diagrams(base: Path) -> Iterator[Item]:
    """AI2D: `images/0.png`, its labels in `annotations/0.png.json`, `categories.json`."""
    kinds = _notes(base / "categories.json")
    for path in sorted((base / "images").iterdir()):
        if path.suffix.lower() in PICTURES:
            kind = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", str(kinds.get(path.name) or "")).lower()
            yield Item(path.relative_to(base).as_posix(), partial(_diagram, base, path, kind))


def _diagram(base: Path, path: Path, kind: str) -> Found:
    notes = _notes(base / "annotations" / f"{path.name}.json")
    text = notes.get("text")
    labels = [_text(one.get("value")) for one in text.values()] if isinstance(text, dict) else []
    about = f"a diagram of {kind}" if kind else "a diagram"
    shown = ", ".join(label for label in labels if len(label) > 1)
    return Found(read(base, path), {"caption": tidy(f"{about}: {shown}" if shown else about)})


def _notes(path: Path) -> dict[str, Any]:
    """A JSON object beside a picture; an empty one where there is none that can be read."""
    try:
        found = json.loads(read(path.parent.resolve(), path))
    except (Reject, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str:
    """A label, which ChartQA and AI2D keep as a text or as an object with one."""
    if isinstance(value, dict):
        value = value.get("text")
    return tidy(value) if isinstance(value, str) else ""
