"""Records with a picture tell what that picture's file says of its origin."""

import json
from pathlib import Path

import pytest
from PIL import Image

import mcu
from helpers import mcu as program
from mcu.backends import Origin
from mcu.marks import read, sealed
from mcu.records import Face
from mcu.run import Run
from mcu.show import _marks, rows, text
from mcu.stages import STAGES

DRAWN = sealed(Image.new("RGB", (8, 8)), Origin("lab/\x1b[2Jsdxl\u202e", 7, "algorithmicMedia"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two faces: one with marks in its file, one whose file is gone."""
    made = mcu.make_run(tmp_path_factory.mktemp("o") / "a", run={"episodes": 10})
    made.execute((1, 2))
    first, second = made.records(Face)
    made.store.image_path(first.image).write_bytes(DRAWN)
    made.store.image_path(second.image).unlink()
    return made


def test_marks_are_told_with_the_record(run: Run) -> None:
    first, second = rows(run, STAGES[1], "", False, 9)
    assert first["marks"] == read(DRAWN)
    assert set(first["marks"]) == {"source", "tool", "model", "seed"}
    assert second["marks"] == {}
    assert "marks" not in rows(run, STAGES[0], "", False, 1)[0]


def test_the_program_shows_them(run: Run, tmp_path: Path) -> None:
    outputs = ("--outputs", str(run.root.parent))
    shown = program("show", "a", "face", *outputs, cwd=tmp_path).stdout
    (line,) = [line for line in shown.splitlines() if line.split()[:1] == ["marks"]]
    assert line.isprintable()
    assert json.loads(line.split(maxsplit=1)[1]) == read(DRAWN)
    told = json.loads(program("show", "a", "face", *outputs, "--json", cwd=tmp_path).stdout)
    assert [row["marks"] for row in told] == [read(DRAWN), {}]
    assert text(told[0]).count("\n") == text(told[1]).count("\n") + 1


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "A" * 64, "0" * 63 + "/", "\0", 7])
def test_only_pictures_of_the_store_are_read(name: str, run: Run) -> None:
    (run.root.parent / "secret.jpg").write_bytes(DRAWN)
    assert _marks(run, {"image": name}) == {}
