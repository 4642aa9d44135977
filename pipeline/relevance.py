"""How well pictures fit what their slot describes, and which of them is taken."""

from collections.abc import Iterable, Sequence

import numpy as np
from PIL.Image import Image

from mcu.backends import Encoder, Hit


def relevance(
    encoder: Encoder, description: str, caption: str = "", image: Image | None = None
) -> float | None:
    """The fit of one picture; see `relevances`."""
    return relevances(encoder, description, [(caption, image)])[0]


def relevances(
    encoder: Encoder, description: str, shown: Sequence[tuple[str | Sequence[str], Image | None]]
) -> list[float | None]:
    """The fit of many pictures with one description, each a caption and what is to be seen.

    It is the cosine of the whole description, not of a query cut from it, with the picture where
    the encoder sees pictures (CLIPScore without its factor, Hessel et al. 2021), else with the
    caption; of several texts about a picture the mean, which beats each of them
    (`benchmarks/relevance.py`). None is a picture of which the encoder knows nothing: a drawn one
    has no caption.
    """
    images = [image for _, image in shown if image is not None and encoder.sees]
    texts = [[one for one in _listed(about) if one and not encoder.sees] for about, _ in shown]
    if not images and not any(texts):
        return [None] * len(shown)
    vectors = np.asarray(
        encoder.encode([description, *(text for some in texts for text in some)]), dtype=np.float64
    )
    told_of, seen = iter(vectors[1:]), iter(np.empty(0))
    if images:
        seen = iter(np.asarray(encoder.pictures(images), dtype=np.float64))
    found: list[float | None] = []
    for (_, image), some in zip(shown, texts, strict=True):
        if encoder.sees and image is not None:
            found.append(float(vectors[0] @ next(seen)))
        else:
            fits = [float(vectors[0] @ next(told_of)) for _ in some]
            found.append(sum(fits) / len(fits) if fits else None)
    return found


def told(hit: Hit) -> tuple[str, str]:
    """The texts about a picture that was found."""
    return hit.caption, hit.about


def _listed(texts: str | Sequence[str]) -> Sequence[str]:
    return [texts] if isinstance(texts, str) else texts


def pooled(found: Iterable[Sequence[Hit]]) -> list[Hit]:
    """What one place found for several queries as one list, each picture once, first come first.

    A slot's query has two to ten words, and its subject may not be among them; its description has
    it, with much else. Asked both, a place has the right picture among its hits far more often
    than asked more hits for one of them (`benchmarks/relevance.py`).
    """
    first: dict[tuple[str, str], Hit] = {}
    for hits in found:
        for hit in hits:
            first.setdefault((hit.source, hit.file), hit)
    return list(first.values())


def rank(hits: Sequence[Hit], fits: Sequence[float | None]) -> list[tuple[Hit, float | None]]:
    """Hits with their fits, the best first; equal ones stay in order, unknown ones come last."""
    pairs = list(zip(hits, fits, strict=True))
    return sorted(pairs, key=lambda pair: -np.inf if pair[1] is None else pair[1], reverse=True)


def passing(ranked: Iterable[tuple[Hit, float | None]], bar: float) -> list[Hit]:
    """Those that may be taken: at or above the bar, or of unknown fit."""
    return [hit for hit, fit in ranked if fit is None or fit >= bar]
