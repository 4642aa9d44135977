"""The starter set's index: made once, kept in the user's cache, not trusted when damaged."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from index_folders import Spread
from PIL.Image import Image

from mcu.indexes.search import open_starter


def test_first_use_builds_and_second_use_reads(tmp_path: Path) -> None:
    first, second = Spread(), Spread()
    built = open_starter(first, tmp_path)
    read = open_starter(second, tmp_path)
    assert first.texts > 300 > second.texts
    assert built.search(["dog"], 9) == read.search(["dog"], 9)
    (folder,) = tmp_path.iterdir()
    meta = json.loads((folder / "meta.json").read_text())
    assert (meta["encoder"], meta["width"]) == ("spread", 8)
    assert meta["count"] == len(read._rows)


def test_each_encoder_has_its_own_cache(tmp_path: Path) -> None:
    other = Spread()
    other.name = "other"
    open_starter(Spread(), tmp_path)
    open_starter(other, tmp_path)
    assert other.texts > 300
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("harm", ["torn", "empty", "other", "meta"])
def test_a_damaged_cache_is_not_used(tmp_path: Path, harm: str) -> None:
    whole = open_starter(Spread(), tmp_path).search(["dog"], 3)
    (folder,) = tmp_path.iterdir()
    file = folder / "index.faiss"
    if harm == "torn":
        file.write_bytes(file.read_bytes()[:100])
    elif harm == "empty":
        file.write_bytes(b"")
    elif harm == "other":
        faiss.write_index(faiss.IndexFlatIP(8), str(file))
    else:
        (folder / "meta.json").write_text("{")
    assert open_starter(Spread(), tmp_path).search(["dog"], 3) == whole


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert open_starter(Spread(), tmp_path / "file" / "cache").search(["dog"], 1)[0]


def test_the_cache_is_in_the_users_cache_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    open_starter(Spread())
    assert len(list((tmp_path / "mcu" / "indexes").glob("starter-*/index.faiss"))) == 1


def test_two_processes_can_be_the_first(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; sys.stdin.readline()\n"
        "from mcu.indexes.encoders import CaptionEncoder\n"
        "from mcu.indexes.search import open_starter\n"
        "print(open_starter(CaptionEncoder(), Path(sys.argv[1])).search(['a cat'], 5))"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(tmp_path)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, **pipes) for _ in range(2)]
    for process in both:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said[0] == said[1] != ""
    assert [path.name.startswith("starter-") for path in tmp_path.iterdir()] == [True]


class Seeing(Spread):
    """One that reads pictures: their mean colour."""

    name = "seeing"
    sees = True

    def pictures(self, images: list[Image]) -> Any:
        assert all(image.mode == "RGB" for image in images)
        rows = np.zeros((len(images), 8), dtype=np.float32)
        for row, image in zip(rows, images, strict=True):
            row[:3] = np.asarray(image.resize((1, 1))).ravel() + 1.0
            row /= np.linalg.norm(row)
        return rows


def test_an_encoder_that_sees_is_shown_the_pictures(tmp_path: Path) -> None:
    encoder = Seeing()
    index = open_starter(encoder, tmp_path)
    assert encoder.texts == 0
    scores, places = index.vectors.nearest(np.eye(1, 8, dtype=np.float32), 5)  # the reddest
    assert len({index.read(place)["file"] for place in places[0].tolist()}) == 5
    assert scores[0, 0] > 0.8
