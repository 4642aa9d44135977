"""The starter set: every picture is what its row says, free to use, and small enough to ship."""

import hashlib
import io
import json
import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mcu.indexes import STARTER, catalogue

ROWS: list[dict[str, Any]] = [
    json.loads(line) for line in (STARTER / "pictures.jsonl").read_text("utf-8").splitlines()
]
FIELDS = [
    *("file", "caption", "keywords", "subject", "kind", "source", "title", "author"),
    *("page", "licence", "width", "height", "sha256"),
]
FOLDERS = {"clipart": "clip", "photo": "photo", "chart": "chart", "diagram": "diagram"}


def test_every_picture_opens_and_agrees_with_its_row() -> None:
    for row in ROWS:
        data = (STARTER / row["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == row["sha256"], row["file"]
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            assert image.size == (row["width"], row["height"]), row["file"]
        assert 120 <= max(image.size) <= 640, row["file"]


def test_rows_are_complete_and_well_named() -> None:
    for row in ROWS:
        assert list(row) == FIELDS
        folder = FOLDERS.get(row["kind"], "math")
        assert re.fullmatch(rf"{folder}/[a-z0-9_-]+\.(webp|jpg)", row["file"])
        assert len(row["caption"].split()) >= 3 and not row["caption"].endswith(".")
        assert row["subject"] and len(row["keywords"]) >= 1
        assert row["licence"] in ("CC0-1.0", "public-domain")


@pytest.mark.parametrize("field", ["file", "caption", "sha256"])
def test_no_two_pictures_share(field: str) -> None:
    assert [
        value for value, count in Counter(row[field] for row in ROWS).items() if count > 1
    ] == []


def test_subjects_are_lookup_keys() -> None:
    counts = Counter(row["subject"].casefold() for row in ROWS)
    assert [subject for subject, count in counts.items() if count > 1] == []


def test_there_are_enough_of_each_source_and_kind() -> None:
    sources = Counter(row["source"] for row in ROWS)
    assert sources["openclipart"] >= 215
    assert sources["scikit-image"] >= 10
    assert sources["mcu"] >= 65
    kinds = Counter(row["kind"] for row in ROWS)
    assert min(kinds["chart"], kinds["diagram"], kinds["math"]) >= 20
    assert len(ROWS) >= 330
    assert catalogue()[0]["pictures"] == len(ROWS)


def test_the_folder_holds_nothing_else_and_is_small() -> None:
    files = {p for p in STARTER.rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    pictures = {path for path in files if path.parent != STARTER}
    assert pictures == {STARTER / row["file"] for row in ROWS}
    assert sum(path.stat().st_size for path in files) < 12_000_000


def test_clip_art_can_be_used_as_sprites() -> None:
    clips = [row for row in ROWS if row["kind"] == "clipart"]
    clear = 0
    for row in clips:
        with Image.open(STARTER / row["file"]) as image:
            clear += image.mode == "RGBA"
    assert clear > 0.9 * len(clips)


def test_drawn_figures_are_those_of_their_descriptions() -> None:
    drawn = {row["file"]: row["caption"] for row in ROWS if row["source"] == "mcu"}
    described = {}
    for kind in ("chart", "diagram", "math"):
        for spec in tomllib.loads((STARTER / f"{kind}s.toml").read_text("utf-8"))[kind]:
            described[f"{kind}/{spec['name']}.jpg"] = spec["caption"]
    assert drawn == described


def test_captions_of_bar_charts_tell_numbers_that_are_drawn() -> None:
    charts = tomllib.loads((STARTER / "charts.toml").read_text("utf-8"))["chart"]
    for spec in charts:
        if spec["kind"] in ("bar", "barh", "pie") and spec["name"] != "hours-of-my-day":
            allowed = {str(value) for value in spec["y"]} | {str(spec.get("line_at"))}
            told = set(re.findall(r"\d+(?:\.\d+)?", spec["caption"]))
            assert told <= allowed, spec["name"]


def test_the_maintainer_script_finds_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    from mcu.indexes.starter import make

    assert list(make.faults(ROWS)) == []
    first = ROWS[0] | {"licence": "proprietary", "sha256": "0" * 64}
    found = "\n".join(make.faults([first, *ROWS[1:-1]]))
    assert "proprietary" in found
    assert "another size or hash" in found
    assert "only on disk" in found
    assert "redraw" not in found
    kind, spec = next(make.specs())
    assert make.figure(kind, spec).axes
