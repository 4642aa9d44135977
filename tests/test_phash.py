"""Perceptual hashes: versions of one picture are near, the starter set's pictures are not."""

import io
import itertools
import json
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from mcu.indexes import STARTER
from mcu.phash import NEAR, near, phash
from mcu.pictures import plain

FILES = [json.loads(line)["file"] for line in (STARTER / "pictures.jsonl").read_text().splitlines()]


def image(file: str) -> Image.Image:
    return plain(Image.open(STARTER / file), 2048)


def distance(one: int | None, other: int | None) -> int:
    assert one is not None and other is not None
    return (one ^ other).bit_count()


@pytest.fixture(scope="module")
def hashes() -> dict[str, int | None]:
    return {file: phash(Image.open(STARTER / file)) for file in FILES}


def saved(picture: Image.Image, quality: int, size: float) -> Image.Image:
    buffer = io.BytesIO()
    width, height = (max(1, round(side * size)) for side in picture.size)
    picture.resize((width, height)).save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "recompressed": lambda picture: saved(picture, 40, 1),
    "smaller": lambda picture: saved(picture, 85, 0.25),
    "larger": lambda picture: saved(picture, 85, 2),
    "fainter": lambda picture: ImageEnhance.Contrast(picture).enhance(0.8),
    "grey": lambda picture: picture.convert("L"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_versions_of_a_picture_are_near(hashes: dict[str, int | None], change: str) -> None:
    files = FILES[::6]
    found = [near(hashes[file], phash(CHANGES[change](image(file)))) for file in files]
    assert np.mean(found) >= 0.95


def test_different_pictures_are_not_near(hashes: dict[str, int | None]) -> None:
    assert None not in hashes.values()
    pairs = itertools.combinations(hashes.values(), 2)
    assert min(distance(one, other) for one, other in pairs) > NEAR


def test_a_hash_does_not_depend_on_mode_or_what_is_under_clear_pixels() -> None:
    picture = image("clip/trumpet.webp").resize((100, 80))
    layer = picture.convert("RGBA")
    layer.putalpha(Image.new("L", layer.size, 255))
    hidden = Image.new("RGBA", (100, 80), (10, 200, 30, 0))
    hidden.paste(picture.crop((20, 20, 80, 60)), (20, 20))
    bare = Image.new("RGB", (100, 80), "white")
    bare.paste(picture.crop((20, 20, 80, 60)), (20, 20))
    assert phash(layer) == phash(picture)
    assert phash(hidden) == phash(bare)
    assert 0 <= (phash(picture) or -1) < 2**64


@pytest.mark.parametrize("colour", ["white", "black", "#808080"])
@pytest.mark.parametrize("size", [(1, 1), (7, 300), (640, 480)])
def test_a_picture_without_contrast_has_no_hash(size: tuple[int, int], colour: str) -> None:
    assert phash(Image.new("RGB", size, colour)) is None


def test_an_empty_picture_has_no_hash() -> None:
    assert phash(Image.new("RGB", (0, 5))) is None


def test_a_missing_hash_is_near_nothing() -> None:
    assert not near(None, None)
    assert not near(5, None)
    assert near(5, 5) and near(0, 2**NEAR - 1) and not near(0, 2 ** (NEAR + 1) - 1)
