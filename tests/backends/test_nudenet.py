"""NudeNet's model on photographs, drawings and hostile pictures."""

import re
import sys
from pathlib import Path

import nudenet
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from mcu.backends.nudenet import _CLASSES, BAR, NudeNet, _pixels
from mcu.errors import BackendError

FOLDER = Path(__file__).parents[1] / "data" / "faces"
STARTER = Path(__file__).parents[2] / "indexes" / "starter"
PHOTOS = sorted(FOLDER.glob("*/*.jpg"))
REASON = re.compile(r"exposed [a-z ]+, score 0\.\d\d")


def drawn(part: str, skin: str) -> Image.Image:
    """A crude drawing of a bare part of a body, or the same shapes in grey."""
    picture = Image.new("RGB", (512, 512), "#8899aa")
    draw = ImageDraw.Draw(picture)
    if part == "buttocks":
        draw.ellipse((90, 140, 280, 400), fill=skin)
        draw.ellipse((232, 140, 422, 400), fill=skin)
        draw.line((256, 170, 256, 380), fill="#b07a5a", width=6)
    else:
        draw.rectangle((120, 40, 392, 512), fill=skin)
        for x in (200, 312):
            draw.ellipse((x - 60, 180, x + 60, 310), fill="#f0c0a0")
            draw.ellipse((x - 14, 240, x + 14, 268), fill="#8a4a3a")
    return picture.filter(ImageFilter.GaussianBlur(3))


@pytest.fixture(scope="module")
def check() -> NudeNet:
    return NudeNet()


@pytest.mark.parametrize("part", ["buttocks", "female breast"])
@pytest.mark.parametrize("skin", ["#e0ac8c", "#c68a64"])
def test_what_is_bare_is_refused_with_a_reason(check: NudeNet, part: str, skin: str) -> None:
    reason = check.unsafe(drawn(part, skin))
    assert REASON.fullmatch(reason) and part in reason
    assert float(reason[-4:]) >= BAR
    assert check.unsafe(drawn(part, skin).convert("RGBA").resize((900, 900))).startswith("exposed")


@pytest.mark.parametrize("path", PHOTOS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_portraits_pass(check: NudeNet, path: Path) -> None:
    assert check.unsafe(Image.open(path)) == ""


def test_the_starter_set_passes(check: NudeNet) -> None:
    paths = [path for path in STARTER.rglob("*") if path.suffix in (".jpg", ".png")]
    assert len(paths) > 100
    assert not [(path.name, why) for path in paths if (why := check.unsafe(Image.open(path)))]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "CMYK", "I;16", "F"])
@pytest.mark.parametrize("size", [(1, 1), (0, 5), (3000, 2), (1, 3000), (40, 30)])
def test_any_picture_can_be_asked_about(check: NudeNet, mode: str, size: tuple[int, int]) -> None:
    assert check.unsafe(Image.new(mode, size)) == ""


def test_the_classes_are_those_of_the_package() -> None:
    labels = [one.lower() for one in vars(nudenet.nudenet)["__labels"]]
    exposed = [label.removesuffix("_exposed").replace("_", " ") for label in labels]
    assert len(labels) == len(_CLASSES)
    assert [(name, label) for name, label in zip(_CLASSES, exposed, strict=True) if name] == [
        (label, label) for name, label in zip(_CLASSES, exposed, strict=True) if name
    ]
    assert {labels[n] for n, name in enumerate(_CLASSES) if name} == {
        "buttocks_exposed",
        "female_breast_exposed",
        "female_genitalia_exposed",
        "male_genitalia_exposed",
        "anus_exposed",
    }


@pytest.mark.parametrize("part", ["buttocks", "female breast"])
def test_the_score_is_that_of_the_package_with_red_first(check: NudeNet, part: str) -> None:
    """Its own code turns red and blue around, unless it is given them turned around already."""
    picture = drawn(part, "#c68a64")
    found = nudenet.NudeDetector().detect(np.asarray(picture))
    name = f"{part.upper().replace(' ', '_')}_EXPOSED"
    theirs = max(one["score"] for one in found if one["class"] == name)
    assert float(check.unsafe(picture)[-4:]) == pytest.approx(theirs, abs=0.1)


def test_pixels_lie_red_first_in_the_upper_left() -> None:
    pixels = _pixels(Image.new("RGB", (200, 100), (255, 51, 0)))
    assert pixels.shape == (3, 320, 320) and pixels.dtype == np.float32
    assert pixels[:, :160].mean(axis=(1, 2)) == pytest.approx([1, 0.2, 0], abs=1e-3)
    assert not pixels[:, 160:].any()


def test_a_call_takes_one_thread(check: NudeNet) -> None:
    options = check._session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("mcu.backends.nudenet.find_spec", lambda name: None)
        with pytest.raises(BackendError, match=r"nudenet is not .* pip install 'mcu\[checks\]'"):
            NudeNet()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BackendError, match=r"onnxruntime is not .* pip install 'mcu\[checks\]'"):
        NudeNet()
