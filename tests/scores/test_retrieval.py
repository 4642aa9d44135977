"""The PhotoChat protocol: ranks by hand and by sorting, ties, encoders that see and that read."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from mcu import make_run
from mcu.cli import app
from mcu.errors import ConfigError
from mcu.indexes import STARTER
from mcu.indexes.encoders import CaptionEncoder
from mcu.pictures import clean
from mcu.records import Picture
from mcu.scores import retrieval
from mcu.scores.retrieval import Pair, files_of, ranks_of, read_pairs, retrieve
from tiny import torch_ready

RUNNER = CliRunner()


class Alike:
    """Tells nothing apart."""

    name, width, sees, bar = "alike", 4, False, 0.0

    def encode(self, texts: Sequence[str]) -> Any:
        rows = np.zeros((len(texts), 4), np.float32)
        rows[:, 0] = 1
        return rows

    def pictures(self, images: Sequence[Image.Image]) -> Any:
        raise AssertionError("it does not see")


def rows(n: int) -> list[Pair]:
    lines = (STARTER / "pictures.jsonl").read_text("utf-8").splitlines()[:n]
    found = [json.loads(line) for line in lines]
    return [Pair(row["file"], row["caption"], row["file"], row["caption"]) for row in found]


def unit(values: Any) -> Any:
    array = np.asarray(values, np.float32)
    return array / np.linalg.norm(array, axis=1, keepdims=True)


def test_ranks_by_hand() -> None:
    gallery = unit([[1, 0], [0, 1], [1, 1], [1, 1]])
    queries = unit([[1, 0], [1, 0.1], [1, 1], [0, 1]])
    targets = np.array([0, 1, 2, 0])
    assert ranks_of(queries, gallery, targets).tolist() == [1, 4, 2, 4]  # a tie counts as before


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 5), st.randoms())
def test_ranks_as_by_sorting(queries: int, gallery: int, width: int, random_: Any) -> None:
    def some(n: int) -> Any:
        return unit([[random_.choice([-2, -1, 1, 3]) for _ in range(width)] for _ in range(n)])

    asked, shown = some(queries), some(gallery)
    targets = np.array([random_.randrange(gallery) for _ in range(queries)])
    found = ranks_of(asked, shown, targets)
    for at, (query, target) in enumerate(zip(asked.astype(float), targets, strict=True)):
        scores = shown.astype(float) @ query
        before = sum(score >= scores[target] - 1e-6 for score in scores)
        assert found[at] == before


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = rows(40)
    whole = retrieve(pairs, CaptionEncoder())
    monkeypatch.setattr(retrieval, "_CELLS", 30)
    monkeypatch.setattr(retrieval, "_TEXTS", 7)
    monkeypatch.setattr(retrieval, "_IMAGES", 3)
    assert retrieve(pairs, CaptionEncoder()) == whole


def test_a_caption_finds_itself_and_a_stranger_does_not() -> None:
    pairs = rows(30)
    facts = retrieve(pairs, CaptionEncoder())
    assert {name: own["value"] for name, own in facts["scores"].items()} == {
        "R@1": 1.0,
        "R@5": 1.0,
        "R@10": 1.0,
        "MRR": 1.0,
    }
    assert (facts["items"], facts["gallery"]) == (30, 30)
    assert facts["scores"]["R@1"]["low"] < 1
    moved = [
        Pair(a.id, b.description, a.image, a.caption)
        for a, b in zip(pairs, pairs[1:] + pairs[:1], strict=True)
    ]
    assert retrieve(moved, CaptionEncoder())["scores"]["R@1"]["value"] == 0


def test_what_tells_nothing_apart_gets_nothing() -> None:
    facts = retrieve(rows(20), Alike())
    assert facts["scores"]["R@10"]["value"] == 0
    assert facts["scores"]["MRR"]["value"] == pytest.approx(1 / 20)
    assert facts["chance"]["R@5"] == 0.25
    assert facts["chance"]["MRR"] == pytest.approx(sum(1 / k for k in range(1, 21)) / 20, abs=1e-6)


def test_one_picture_in_several_rows_is_one() -> None:
    first = rows(10)[0]
    pairs = [*rows(10), Pair("again", first.description, first.image, "other")]
    facts = retrieve(pairs, CaptionEncoder())
    assert (facts["items"], facts["gallery"]) == (11, 10)


def test_equal_captions_of_different_pictures_are_a_tie() -> None:
    pairs = [Pair("a", "a red car", "1.jpg", "a red car"), Pair("b", "x", "2.jpg", "a red car")]
    assert retrieve(pairs, CaptionEncoder())["scores"]["R@1"]["value"] == 0


def test_an_encoder_that_sees_opens_the_files(tmp_path: Path) -> None:
    torch_ready()
    from tiny_clip import MODEL, write_clip

    from mcu.indexes.open_clip import OpenClipEncoder
    from mcu.sections import EncoderSection

    weights = write_clip(tmp_path / "clip")
    encoder = OpenClipEncoder(EncoderSection(model=MODEL, pretrained=str(weights), device="cpu"))
    pairs = [Pair(p.id, p.description, p.image) for p in rows(6)]
    told: list[tuple[int, int]] = []
    facts = retrieve(
        pairs, encoder, lambda name: STARTER / name, lambda done, of: told.append((done, of))
    )
    data = [clean((STARTER / p.image).read_bytes()) for p in pairs]
    images = [Image.open(io.BytesIO(one)) for one in data]
    direct = encoder.encode([p.description for p in pairs]) @ encoder.pictures(images).T
    ranks = [(row >= row[at] - 1e-6).sum() for at, row in enumerate(direct)]
    assert facts["scores"]["MRR"]["value"] == pytest.approx(
        np.mean([1 / r for r in ranks]), abs=0.2
    )
    assert facts["looks"] == "sees the pictures"
    assert told[-1] == (12, 12)
    with pytest.raises(ConfigError, match=r"'nowhere\.jpg' cannot be read"):
        retrieve([Pair("a", "b", "nowhere.jpg")], encoder)
    with pytest.raises(ConfigError, match="has no 'image'"):
        retrieve([Pair("a", "b", caption="c")], encoder)


def test_an_encoder_that_reads_needs_captions() -> None:
    with pytest.raises(ConfigError, match=r"has no 'caption'.*open_clip"):
        retrieve([Pair("a", "b", "c.jpg")], CaptionEncoder())


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"id": "a", "image": "x.jpg"}, "has no 'description'; its fields are id, image"),
        ({"id": "a", "description": "x"}, "neither 'image' nor 'caption'"),
        ({"id": 3, "description": "x", "caption": "y"}, "'id' must be text"),
        ({"id": "a", "description": "x", "caption": 5}, "'caption' must be text"),
    ],
)
def test_files_with_faults(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps(row))
    with pytest.raises(ConfigError, match=said):
        read_pairs(path)


def test_the_command(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    lines = [
        json.dumps({"id": p.id, "description": p.description, "caption": p.caption, "image": None})
        for p in rows(12)
    ]
    path.write_text("\n".join(lines))
    found = RUNNER.invoke(app, ["score", "retrieval", str(path), "--json"], catch_exceptions=False)
    assert json.loads(found.stdout)["scores"]["R@1"]["value"] == 1
    shown = RUNNER.invoke(app, ["score", "retrieval", str(path)], catch_exceptions=False).stdout
    assert "12 descriptions, a gallery of 12 pictures" in shown
    assert "MRR" in shown
    path.write_text("\n".join([*lines, lines[0]]))
    with pytest.raises(ConfigError, match="comes a second time"):
        read_pairs(path)
    path.write_text("")
    with pytest.raises(ConfigError, match="has no rows"):
        read_pairs(path)


def test_images_may_be_keys_of_a_run(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", run={"episodes": 5, "sessions": [1, 1], "turns": 4})
    run.execute()
    shown = [picture for picture in run.records(Picture) if picture.image]
    pairs = [Pair(p.id, p.description, p.key, p.description) for p in shown]
    pairs.append(Pair("linked", "x", f"url:{shown[0].key}"))
    files = files_of(run, pairs)
    assert {pair.image for pair in pairs} <= files.keys()
    assert files[pairs[-1].image] == files[pairs[0].image]
    assert all(path.is_file() for path in files.values())
    with pytest.raises(ConfigError, match="the run has no picture 'lost'"):
        files_of(run, [*pairs, Pair("a", "x", "lost")])
