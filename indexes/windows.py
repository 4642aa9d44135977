"""Long texts for encoders that read a few words: windows that fit, and one vector of them all."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Where a text is cut, the best place first: after sentences, after clauses, between words.
_CUTS = (re.compile(r"(?<=[.!?;。！？])\s*"), re.compile(r"(?<=[,:])\s+"), re.compile(r"\s+"))  # noqa: RUF001


def windows(text: str, fits: Callable[[str], bool]) -> list[str]:
    """Cut a text into as few pieces as fit, in order, and keep all of it.

    Whole sentences are packed together as long as they fit. A sentence that does not fit alone is
    cut after its clauses, then between words, and a word that does not fit is cut in halves.
    """
    if fits(text):
        return [text]
    packed: list[str] = []
    for piece in _pieces(text, fits, 0):
        if packed and fits(joined := f"{packed[-1]} {piece}"):
            packed[-1] = joined
        else:
            packed.append(piece)
    return packed


def _pieces(text: str, fits: Callable[[str], bool], cut: int) -> Iterator[str]:
    text = text.strip()
    if not text:
        return
    if fits(text) or len(text) == 1:
        yield text
    elif cut < len(_CUTS):
        for part in _CUTS[cut].split(text):
            yield from _pieces(part, fits, cut + 1)
    else:
        half = len(text) // 2
        yield from _pieces(text[:half], fits, cut)
        yield from _pieces(text[half:], fits, cut)


def pooled(vectors: NDArray[Any], sizes: Sequence[int]) -> NDArray[np.float32]:
    """One unit vector a text from its windows' unit vectors: their mean, weighted by size.

    Args:
        vectors: [windows, width].
        sizes: tokens of each window; by them the last few words do not weigh as much as the
            seventy before.
    """
    mean = np.average(vectors.astype(np.float64), axis=0, weights=sizes)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), dtype=np.float32)
