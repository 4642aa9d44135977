"""ArcFace embeddings: the face is put in place, and only ArcFace's shapes are taken."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tiny_arcface import network

from mcu.backends.arcface import _TEMPLATE, CROP, WIDTH, ArcFace, similarity
from mcu.errors import BackendError, Reject
from mcu.pictures import plain

FOLDER = Path(__file__).parents[1] / "data" / "faces"


def photo(name: str) -> Image.Image:
    return Image.open(FOLDER / name).convert("RGB")


@pytest.fixture(scope="module")
def arcface(tmp_path_factory: pytest.TempPathFactory) -> ArcFace:
    return ArcFace(network(tmp_path_factory.mktemp("arcface") / "tiny.onnx"))


def test_the_embedding_is_that_of_the_crop(arcface: ArcFace) -> None:
    raw = arcface.embed(photo("a/1.jpg"), normalised=False)
    assert raw.shape == (WIDTH,) and raw.dtype == np.float32
    crop = (np.asarray(arcface.crop(photo("a/1.jpg")), np.float32) - 127.5) / 127.5
    cells = crop.reshape(7, 16, 7, 16, 3).mean(axis=(1, 3)).transpose(2, 0, 1).reshape(-1)
    table = np.random.default_rng(0).normal(size=(147, WIDTH)).astype(np.float32)
    assert raw == pytest.approx(cells @ table, abs=1e-3)


def test_a_normalised_embedding_has_length_one(arcface: ArcFace) -> None:
    raw = arcface.embed(photo("a/1.jpg"), normalised=False)
    unit = arcface.embed(photo("a/1.jpg"), normalised=True)
    assert unit.dtype == np.float32
    assert np.linalg.norm(unit) == pytest.approx(1, abs=1e-6)
    assert unit == pytest.approx(raw / np.linalg.norm(raw), abs=1e-6)


@pytest.mark.parametrize("name", ["a/1.jpg", "a/2.jpg", "b/1.jpg", "c/1.jpg"])
def test_features_lie_where_the_template_has_them(arcface: ArcFace, name: str) -> None:
    crop = arcface.crop(photo(name))
    assert crop.size == (CROP, CROP)
    framed = Image.new("RGB", (224, 224))
    framed.paste(crop, (56, 56))
    [box] = arcface._finder.faces(framed, (800,))
    assert arcface._five(framed, box) - 56 == pytest.approx(_TEMPLATE, abs=6)


def test_the_crop_is_that_of_opencv(arcface: ArcFace) -> None:
    """InsightFace fits the same transform and looks pixels up with cv2.warpAffine."""
    picture = plain(photo("b/1.jpg"), 1600)
    [box] = arcface._finder.faces(picture, (800,))
    turn, move = similarity(arcface._five(picture, box), _TEMPLATE)
    matrix = np.array([[turn.real, -turn.imag, move.real], [turn.imag, turn.real, move.imag]])
    theirs = cv2.warpAffine(np.asarray(picture), matrix, (CROP, CROP))
    ours = np.asarray(arcface.crop(picture))
    assert np.abs(theirs.astype(int) - ours.astype(int)).mean() < 1


def test_a_turned_head_is_set_upright(arcface: ArcFace) -> None:
    upright = np.asarray(arcface.crop(photo("a/1.jpg")), int)
    turned = photo("a/1.jpg").rotate(20, Image.Resampling.BICUBIC, expand=True)
    assert np.abs(np.asarray(arcface.crop(turned), int) - upright).mean() < 20
    assert np.abs(np.asarray(arcface.crop(photo("b/1.jpg")), int) - upright).mean() > 30


def test_the_largest_face_is_embedded(arcface: ArcFace) -> None:
    both = Image.new("RGB", (1000, 480), "white")
    both.paste(photo("a/1.jpg"), (0, 0))
    small = photo("c/1.jpg").resize((300, 300))
    both.paste(small, (600, 90))
    alone = arcface.embed(photo("a/1.jpg"), normalised=True)
    other = arcface.embed(photo("c/1.jpg"), normalised=True)
    found = arcface.embed(both, normalised=True)
    assert np.dot(found, alone) > 0.95 > np.dot(found, other)


@pytest.mark.parametrize("mode", ["1", "L", "RGBA", "I;16"])
def test_no_face(arcface: ArcFace, mode: str) -> None:
    for size in ((1, 1), (2000, 3), (300, 300)):
        with pytest.raises(Reject, match="shows no face") as caught:
            arcface.embed(Image.new(mode, size), normalised=True)
        assert caught.value.code == "no_face"


def test_only_files_of_arcface_are_taken(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"there is no model file .*missing\.onnx"):
        ArcFace(tmp_path / "missing.onnx")
    (tmp_path / "text.onnx").write_text("a cat")
    with pytest.raises(BackendError, match="cannot be opened as an ONNX model"):
        ArcFace(tmp_path / "text.onnx")
    for side, width in ((96, WIDTH), (CROP, 128)):
        with pytest.raises(BackendError, match=rf"is no ArcFace network: .*{side}.* and .*{width}"):
            ArcFace(network(tmp_path / "other.onnx", side, width))


@given(
    st.floats(0.05, 20),
    st.floats(-3.1, 3.1),
    st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
)
def test_a_similarity_is_found_again(scale: float, angle: float, move: tuple[float, float]) -> None:
    turn = scale * np.exp(1j * angle)
    end = turn * (_TEMPLATE @ (1, 1j)) + complex(*move)
    found, shift = similarity(_TEMPLATE, np.stack([end.real, end.imag], axis=1))
    assert found == pytest.approx(turn, abs=1e-9)
    assert shift == pytest.approx(complex(*move), abs=1e-6)
