"""Relevance: the fit of pictures with a description, and what choosing by it gains."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled import BANDS, Finder, in_band, share, wanted
from PIL import Image

from mcu.backends import Hit
from mcu.indexes.encoders import CaptionEncoder
from mcu.relevance import passing, pooled, rank, relevance, relevances

COLOURS = ("red", "green", "blue")


class Colours:
    """An encoder that sees: a text is the colour that it names, a picture its mean colour."""

    name, width, sees, bar = "colours", 3, True, 0.5

    def encode(self, texts: Sequence[str]) -> Any:
        return np.array([[colour in text for colour in COLOURS] for text in texts], np.float32)

    def pictures(self, images: Sequence[Image.Image]) -> Any:
        means = np.array([np.asarray(image, np.float32).mean((0, 1)) for image in images])
        return means / np.linalg.norm(means, axis=1, keepdims=True)


def plain(colour: str) -> Image.Image:
    return Image.new("RGB", (8, 8), {"red": "#f00", "green": "#0f0", "blue": "#00f"}[colour])


def hit(file: str, source: str = "starter") -> Hit:
    return Hit(file=file, caption=file, source=source)


def test_an_encoder_that_sees_looks_at_pictures_alone() -> None:
    shown = [("a red ball", plain("blue")), ("a red ball", None), ("", plain("red"))]
    assert relevances(Colours(), "something red", shown) == [0.0, None, 1.0]
    assert relevances(Colours(), "something red", [("red", None)]) == [None]


def test_an_encoder_of_captions_reads_captions_alone() -> None:
    encoder = CaptionEncoder()
    text = "A golden trumpet on a table"
    trumpet, nothing, car = relevances(
        encoder,
        text,
        [("a golden trumpet with three valves", plain("red")), ("", plain("red")), ("a car", None)],
    )
    assert nothing is None and trumpet is not None and car is not None
    assert trumpet > 0.6 > 0.3 > car
    assert relevance(encoder, text, "a car") == car
    assert relevance(encoder, text, text) == pytest.approx(1, abs=1e-6)
    assert relevance(encoder, text, "", plain("red")) is None
    assert relevances(encoder, text, []) == []


def test_a_fit_does_not_depend_on_its_batch() -> None:
    encoder = CaptionEncoder()
    captions = [f"a {thing} by the sea" for thing in ("dog", "boat", "lamp", "dog", "")]
    together = relevances(encoder, "A boat", [(caption, None) for caption in captions])
    assert together == [relevance(encoder, "A boat", caption) for caption in captions]


def test_pools_keep_a_picture_once() -> None:
    a, b, c = hit("a"), hit("b"), hit("c")
    elsewhere = hit("a", "other")
    assert pooled([[a, b], [], [c, a, elsewhere]]) == [a, b, c, elsewhere]
    assert pooled([]) == []


FITS = st.lists(st.none() | st.floats(-1, 1), max_size=12)


@given(FITS)
def test_the_best_come_first_and_the_unknown_last(fits: list[float | None]) -> None:
    hits = [hit(str(n)) for n in range(len(fits))]
    ranked = rank(hits, fits)
    assert sorted(one.file for one, _ in ranked) == sorted(one.file for one in hits)
    assert [fit for one, fit in ranked] == [fits[int(one.file)] for one, _ in ranked]
    for (one, fit), (other, worse) in pairwise(ranked):
        if fit is None:
            assert worse is None
        elif worse is not None:
            assert fit >= worse
        if fit == worse:
            assert int(one.file) < int(other.file)


@given(FITS, st.floats(-1, 1))
def test_what_passes(fits: list[float | None], bar: float) -> None:
    ranked = rank([hit(str(n)) for n in range(len(fits))], fits)
    good = [int(one.file) for one in passing(ranked, bar)]
    known = {n: fit for n, fit in enumerate(fits) if fit is not None}
    assert set(good) == {n for n in range(len(fits)) if known.get(n, 1) >= bar}


def test_verification_raises_relevance() -> None:
    """Also without the descriptions for which the starter set has nothing, and at every length."""
    finder, right = Finder(), wanted()
    assert len(right) >= 200
    first = {text: finder.first(text) for text in right}
    verified = {text: finder.verified(text) for text in right}

    def gain(texts: Sequence[str]) -> float:
        return share(verified, right, texts) - share(first, right, texts)

    some = [text for text in right if right[text]]
    assert gain(list(right)) >= 0.2
    assert gain(some) >= 0.15
    for band in BANDS:
        assert gain([text for text in some if in_band(text, band)]) >= 0.03
    assert share(verified, right, [text for text in right if not right[text]]) >= 0.4


def test_what_verification_owes_to_the_whole_description() -> None:
    """Without asking for it, the right picture is often not among the candidates at all."""
    finder = Finder()
    right = {text: files for text, files in wanted().items() if files}
    by_query = {text: finder.verified(text, whole=False) for text in right}
    by_both = {text: finder.verified(text) for text in right}
    assert share(by_both, right, right) >= share(by_query, right, right) + 0.05
