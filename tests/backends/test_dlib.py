"""dlib's check on real photographs: how many faces, and whose."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from mcu.backends.dlib import SHARE, DlibFaces, weights
from mcu.errors import BackendError
from mcu.sections import ChecksSection

FOLDER = Path(__file__).parents[1] / "data" / "faces"
BAR = ChecksSection().identity_bar
OWN = ("a/2.jpg", "a/3.jpg", "a/partial-1.jpg", "a/partial-2.jpg")
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "CMYK", "YCbCr", "LAB", "HSV")
DEEP = ("I", "I;16", "I;16B", "F")


def photo(name: str) -> Image.Image:
    return Image.open(FOLDER / name).convert("RGB")


def scene(size: tuple[int, int] = (1024, 1024)) -> Image.Image:
    """Soft noise over a gradient, which shows nobody."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    return Image.blend(Image.fromarray(noise).resize(size), Image.new("RGB", size, "#7799bb"), 0.6)


def placed(share: float, on: Image.Image | None = None, at: tuple[int, int] = (40, 60)) -> Any:
    """A picture with a face that is about so wide, as a share of the picture."""
    picture = on or scene()
    face = photo("a/1.jpg")  # its face is 0.36 as wide as it is itself
    width = round(share / 0.36 * picture.width)
    face = face.resize((width, round(width * face.height / face.width)))
    picture.paste(face, at)
    return picture


@pytest.fixture(scope="module")
def check() -> DlibFaces:
    return DlibFaces()


@pytest.mark.parametrize("name", sorted(str(p.relative_to(FOLDER)) for p in FOLDER.glob("*/*.jpg")))
def test_a_photograph_of_a_person_has_one_face(check: DlibFaces, name: str) -> None:
    assert check.count(photo(name)) == 1


@pytest.mark.parametrize("side", [120, 300, 800, 1024, 1500])
def test_the_count_does_not_depend_on_the_size(check: DlibFaces, side: int) -> None:
    assert check.count(ImageOps.contain(photo("a/1.jpg"), (side, side))) == 1


def test_the_same_person_passes_and_others_do_not(check: DlibFaces) -> None:
    portrait = photo("a/1.jpg")
    own = [check.distance(photo(name), portrait) for name in OWN]
    others = [check.distance(photo(name), portrait) for name in ("b/1.jpg", "c/1.jpg")]
    assert all(distance is not None and 0.1 < distance <= BAR for distance in own), own
    assert all(distance is not None and distance > BAR + 0.1 for distance in others), others
    assert check.distance(portrait, portrait) == 0


def test_the_likest_of_several_faces_counts(check: DlibFaces) -> None:
    both = Image.new("RGB", (800, 480), "white")
    both.paste(photo("b/1.jpg"), (0, 0))
    both.paste(photo("a/2.jpg"), (400, 0))
    assert check.count(both) == 2
    assert check.encodings(both).shape == (2, 128)
    for name in ("a/1.jpg", "b/1.jpg"):
        distance = check.distance(both, photo(name))
        assert distance is not None and distance <= BAR
    assert (check.distance(both, photo("c/1.jpg")) or 0) > BAR


def test_photographs_of_things_have_no_face(check: DlibFaces) -> None:
    paths = sorted((Path(__file__).parents[2] / "indexes" / "starter" / "photo").glob("*.jpg"))
    assert len(paths) > 5
    found = {path.name: check.count(Image.open(path)) for path in paths}
    assert {name for name, count in found.items() if count} == {"astronaut.jpg"}


def test_no_face(check: DlibFaces) -> None:
    assert check.count(scene()) == 0
    assert check.distance(scene(), photo("a/1.jpg")) is None
    assert check.distance(photo("a/1.jpg"), scene()) is None


def test_a_small_face_is_none_of_a_portrait_but_is_compared(check: DlibFaces) -> None:
    assert check.count(placed(1.5 * SHARE)) == 1
    small = placed(0.7 * SHARE)
    assert check.count(small) == 0
    distance = check.distance(small, photo("a/1.jpg"))
    assert distance is not None and distance <= BAR


def test_a_passer_by_does_not_count(check: DlibFaces) -> None:
    picture = placed(0.2, at=(450, 300))
    assert check.count(placed(0.6 * SHARE, picture, (20, 20))) == 1
    assert check.count(placed(1.3 * SHARE, picture, (20, 400))) == 2


def test_a_crowd_is_cut_off(check: DlibFaces, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = Image.new("RGB", (1600, 1200), "white")
    face = photo("a/1.jpg").crop((60, 20, 320, 380)).resize((290, 400))
    for number in range(12):
        crowd.paste(face, (number % 4 * 400, number // 4 * 400))
    assert check.count(crowd) == 12
    monkeypatch.setattr("mcu.backends.dlib.FACES", 3)
    assert check.encodings(crowd).shape == (3, 128)


@pytest.mark.parametrize("mode", MODES + DEEP)
@pytest.mark.parametrize("size", [(1, 1), (0, 5), (3000, 2), (1, 3000), (40, 30)])
def test_any_picture_can_be_asked_about(check: DlibFaces, mode: str, size: tuple[int, int]) -> None:
    blank = Image.new(mode, size)
    assert check.count(blank) == 0
    assert check.distance(blank, blank) is None


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "I;16"])
def test_a_face_is_found_in_any_mode(check: DlibFaces, mode: str) -> None:
    image = photo("a/1.jpg")
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L"), np.uint16) * 257)
    image = image.convert(mode)
    before = image.tobytes()
    assert check.count(image) == 1
    distance = check.distance(image, photo("a/1.jpg"))
    assert distance is not None and distance < 0.3
    assert image.mode == mode and image.tobytes() == before


def test_a_huge_picture(check: DlibFaces) -> None:
    assert check.count(photo("a/1.jpg").convert("L").resize((7680, 9600))) == 1


class Counting:
    """An encoder that counts its calls."""

    def __init__(self, encoder: Any) -> None:
        self.encoder = encoder
        self.calls = 0

    def compute_face_descriptor(self, *arguments: Any) -> Any:
        self.calls += 1
        return self.encoder.compute_face_descriptor(*arguments)


def test_a_portrait_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    check = DlibFaces()
    encoder = check._encoder = Counting(check._encoder)
    first = check.distance(photo("a/2.jpg"), photo("a/1.jpg"))
    assert encoder.calls == 2
    assert check.distance(photo("a/2.jpg"), photo("a/1.jpg")) == first
    assert encoder.calls == 3
    monkeypatch.setattr("mcu.backends.dlib.KEPT", 1)
    check.distance(photo("a/2.jpg"), photo("b/1.jpg"))  # pushes the other out
    check.distance(photo("a/2.jpg"), photo("a/1.jpg"))
    assert encoder.calls == 7


def test_threads_share_a_check() -> None:
    shared, names = DlibFaces(), [*OWN[:2], "b/1.jpg", "c/1.jpg"]
    portrait = photo("a/1.jpg")
    alone = [shared.distance(photo(name), portrait) for name in names]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda name: shared.distance(photo(name), portrait), names))
        counts = list(pool.map(lambda name: shared.count(photo(name)), names))
    assert together == alone
    assert counts == [1] * len(names)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BackendError, match=r"weights nothing\.dat .* 'mcu\[checks\]'"):
        weights("nothing.dat")
    with monkeypatch.context() as patch:
        patch.setattr("mcu.backends.dlib.find_spec", lambda name: None)
        with pytest.raises(BackendError, match=r"5_face_landmarks.* pip install 'mcu\[checks\]'"):
            DlibFaces()
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(BackendError, match=r"dlib is not installed; pip install 'mcu\[checks\]'"):
        DlibFaces()
