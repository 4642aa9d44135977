"""MinHash: texts that share most of their words in a row, found in a flat array of signatures."""

import hashlib
import zlib
from array import array

import numpy as np
from numpy.typing import NDArray

ROWS = 4
BANDS = 32
SIZE = ROWS * BANDS
NEAR = 0.8  # shared part of the runs of words from which two texts are one
_RUN = 3  # words
_PAIRS = 10_000  # compared at once
_MOST_WORDS = 500_000  # hashes of words kept at once

# Odd factors and offsets of the permutations, the same in every process.
_FACTORS = np.random.default_rng(20240704).integers(0, 2**63, SIZE, dtype=np.uint64) * np.uint64(
    2
) + np.uint64(1)
_OFFSETS = np.random.default_rng(20240705).integers(0, 2**63, SIZE, dtype=np.uint64)


class MinHash:
    """Signatures of 128 numbers a text, 512 bytes (Broder 1997; banding: Rajaraman and Ullman).

    The share of equal numbers of two signatures estimates the part of their runs of three words
    that two texts have in common (Jaccard), within 0.04 or so at 0.8.
    """

    def __init__(self) -> None:
        self._signatures = bytearray()
        self._exact = array("Q")
        self._words: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._exact)

    def add(self, text: str) -> None:
        """Append a text; case and space do not count."""
        known, words = self._words, text.casefold().split()
        if not known.keys() >= set(words):
            self._learn(words)
        hashes = np.array([known[word] for word in words], dtype=np.uint64)
        runs = max(len(hashes) - _RUN + 1, 1)
        mixed = np.zeros(runs, dtype=np.uint64)
        for place in range(min(_RUN, len(hashes))):
            mixed = (mixed * np.uint64(0x9E3779B97F4A7C15)) + hashes[place : place + runs]
            mixed ^= mixed >> np.uint64(29)
        mixed = np.unique(mixed)
        permuted = mixed[:, None] * _FACTORS[None] + _OFFSETS[None]
        self._signatures += (permuted.min(axis=0) >> np.uint64(32)).astype(np.uint32).tobytes()
        self._exact.append(_fold(hashes))

    def _learn(self, words: list[str]) -> None:
        if len(self._words) >= _MOST_WORDS:
            self._words.clear()
        for word in words:
            raw = word.encode("utf-8", "surrogatepass")
            self._words[word] = zlib.crc32(raw) << 32 | zlib.crc32(raw, 0xFFFF)

    def exact(self) -> NDArray[np.bool_]:
        """Which texts are word for word one that came before."""
        found = np.array(self._exact, dtype=np.uint64)
        first = np.unique(found, return_index=True)[1]
        repeats = np.ones(len(found), dtype=bool)
        repeats[first] = False
        return repeats

    def near(self) -> tuple[NDArray[np.bool_], list[tuple[int, int]]]:
        """Which texts are near one that came before, and a few such pairs.

        Texts that agree in one of 32 bands of four numbers are compared: of those alike by 0.8
        all but one in 10,000 do. Inside a band each is compared with the first and with the one
        before it, which keeps the work linear in the texts.
        """
        signatures = np.frombuffer(bytes(self._signatures), dtype=np.uint32).reshape(-1, SIZE)
        earlier = np.full(len(signatures), -1, dtype=np.int64)
        for band in range(BANDS):
            part = np.ascontiguousarray(signatures[:, band * ROWS : (band + 1) * ROWS])
            keys = part.view(np.dtype((np.void, 4 * ROWS))).ravel()
            order = np.argsort(keys, kind="stable")
            same = np.concatenate([[False], keys[order][1:] == keys[order][:-1]])
            starts = np.maximum.accumulate(np.where(same, 0, np.arange(len(order))))
            for place in (starts[same], np.flatnonzero(same) - 1):
                _compare(signatures, order[same], order[place], earlier)
        found = earlier >= 0
        first = np.flatnonzero(found)[:5].tolist()
        return found, [(text, int(earlier[text])) for text in first]


def _compare(
    signatures: NDArray[np.uint32],
    texts: NDArray[np.int64],
    others: NDArray[np.int64],
    earlier: NDArray[np.int64],
) -> None:
    """Note for each text the other one, if their signatures say that they are near."""
    for at in range(0, len(texts), _PAIRS):
        left, right = texts[at : at + _PAIRS], others[at : at + _PAIRS]
        close = (signatures[left] == signatures[right]).mean(axis=1) >= NEAR
        earlier[left[close]] = right[close]


def _fold(hashes: NDArray[np.uint64]) -> int:
    """One number of all words in their order."""
    return int.from_bytes(hashlib.blake2b(hashes.tobytes(), digest_size=8).digest(), "big")
