"""Perceptual hashes: 64 bits of a picture that survive resizing, recompression and small edits."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mcu.pictures import plain

NEAR = 4  # most differing bits of two versions of one picture
_SIDE = 32  # pixels a side of the grey picture that is transformed
_KEPT = 8  # lowest frequencies kept a direction; 8 x 8 are the 64 bits
_FAINT = 2.0  # least contrast, in grey levels of 255, that a hash says something about


def phash(image: Image.Image) -> int | None:
    """The DCT hash of a picture, on white where it is clear; None of one without any contrast.

    The picture, made grey and 32 x 32, is transformed by a two-dimensional cosine transform; a bit
    tells whether one of the 8 x 8 lowest frequencies is above their median (Zauner,
    "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010, section 3.2.1).
    The brightness as a whole, which is no frequency, is left out of the median.
    """
    grey = plain(image, max(image.size)).convert("L")
    small = grey.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS, reducing_gap=3)
    pixels = np.asarray(small, dtype=np.float64)
    if pixels.std() < _FAINT:
        return None
    waves = _waves()
    low = (waves @ pixels @ waves.T).ravel()
    bits: NDArray[Any] = low > np.median(low[1:])
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def near(one: int | None, other: int | None) -> bool:
    """Whether two hashes are those of versions of one picture; never where one is missing."""
    return one is not None and other is not None and (one ^ other).bit_count() <= NEAR


@cache
def _waves() -> NDArray[np.float64]:
    """The lowest rows of the orthonormal cosine transform (DCT-II), [8, 32]."""
    rows, places = np.arange(_KEPT)[:, None], np.arange(_SIDE)[None]
    waves = np.cos(np.pi * rows * (2 * places + 1) / (2 * _SIDE)) * np.sqrt(2 / _SIDE)
    waves[0] /= np.sqrt(2)
    return np.asarray(waves)
