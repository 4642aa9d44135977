"""Perceptual hashes by the million: which of them are near one of a set."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mcu.phash import NEAR

Array = NDArray[np.uint64]
Places = NDArray[np.intp]
_BITS = 64
_PAIRS = 2_000_000  # compared at once
_COUNTS = np.array([bin(byte).count("1") for byte in range(256)], dtype=np.uint8)


class Hashes:
    """A set of 64-bit hashes that finds those within `phash.NEAR` bits of another.

    Cut into one band more than bits may differ, two near hashes have a band in common (the
    pigeonhole principle), so that only hashes with an equal band are compared.
    """

    def __init__(self, hashes: Array) -> None:
        self.hashes = np.unique(hashes)
        edges = [_BITS * n // (NEAR + 1) for n in range(NEAR + 2)]
        self._bands = list(pairwise(edges))
        self._order, self._keys = [], []
        for low, high in self._bands:
            keys = _band(self.hashes, low, high)
            order = np.argsort(keys, kind="stable")
            self._order.append(order)
            self._keys.append(keys[order])

    def near(self, hashes: Array, least: int = 0) -> NDArray[np.bool_]:
        """For each of some hashes whether the set has one near it, at least so many bits away."""
        found = np.zeros(hashes.size, dtype=np.bool_)
        for asked, known in self.pairs(hashes):
            if least:
                bits = differing(hashes[asked], self.hashes[known])
                asked = asked[bits >= least]
            found[asked] = True
        return found

    def pairs(self, hashes: Array) -> Iterator[tuple[Places, Places]]:
        """All pairs of one of some hashes and one of the set near it, by their places.

        They come a few million at a time; a pair comes once for each band that it has in common.
        """
        if not self.hashes.size:
            return
        for band, (order, keys) in enumerate(zip(self._order, self._keys, strict=True)):
            own = _band(hashes, *self._bands[band])
            first = np.searchsorted(keys, own, "left")
            counts = np.searchsorted(keys, own, "right") - first
            ends, start = np.cumsum(counts), 0
            while start < hashes.size:
                before = ends[start - 1] if start else 0
                stop = max(start + 1, int(np.searchsorted(ends, before + _PAIRS, "right")))
                asked, steps = _expanded(counts[start:stop])
                known = order[first[start:stop][asked] + steps]
                near = differing(hashes[start:stop][asked], self.hashes[known]) <= NEAR
                yield asked[near] + start, known[near]
                start = stop


def _expanded(counts: Places) -> tuple[Places, Places]:
    """For counts 2, 0, 3: whose each is, 0 0 2 2 2, and which of his, 0 1 0 1 2."""
    whose = np.repeat(np.arange(counts.size), counts)
    return whose, np.arange(whose.size) - np.repeat(np.cumsum(counts) - counts, counts)


def differing(one: Array, other: Array) -> NDArray[np.int64]:
    """The number of bits in which hashes differ, pair by pair."""
    differences = np.ascontiguousarray(one ^ other).view(np.uint8)
    bits: NDArray[np.int64] = _COUNTS[differences].reshape(-1, _BITS // 8).sum(1, dtype=np.int64)
    return bits


def _band(hashes: Array, low: int, high: int) -> Array:
    return (hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
