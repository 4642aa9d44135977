"""Stage 8: the pictures behind the chosen one, and what is known of each."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_align import Planner, Shelf, paint, shared

from mcu.indexes.encoders import CaptionEncoder
from mcu.phash import phash
from mcu.store import Store


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def test_an_encoder_that_sees_leaves_ranked_pictures_behind_the_chosen_one(
    tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All hits were looked at before one was chosen: those that pass are kept, best first."""

    def pictures(encoder: CaptionEncoder, images: Sequence[Image.Image]) -> Any:
        rows = [np.asarray(image.resize((16, 16)).convert("L"), np.float32) for image in images]
        flat = np.stack(rows).reshape(len(images), -1) - 100
        return flat / np.linalg.norm(flat, axis=1, keepdims=True)

    monkeypatch.setattr(CaptionEncoder, "sees", True)
    monkeypatch.setattr(CaptionEncoder, "pictures", pictures, raising=False)
    plans = Planner(tall="retrieval:a golden trumpet")
    slot, every = shared("a tall golden-brown harp"), {"relevance_bar": -0.9}
    made, _ = paint(plans, tmp_path, shelf, slot, checks=every, index={"hits": 8})
    found = made[-1]
    assert len(found.further) == 4
    scores = [one.verification["relevance"] for one in found.ranked]
    assert scores == sorted(scores, reverse=True)
    assert len({one.image for one in found.ranked}) == len({one.key for one in found.ranked}) == 5
    for one in found.ranked:
        kept = Image.open(io.BytesIO(Store(tmp_path).image(one.image)))
        assert one.phash == f"{phash(kept):016x}"
        assert one.licence and one.source == "starter"
    reasons = [one.reason for one in found.candidates]
    assert reasons[0] == "" and "outranked" in reasons
    assert all(one.image for one in found.candidates), "each was looked at"


def test_an_encoder_of_captions_fetches_no_picture_that_is_not_needed(
    tmp_path: Path, shelf: Shelf
) -> None:
    plans = Planner(tall="retrieval:a golden trumpet")
    made, _ = paint(plans, tmp_path, shelf, shared("a tall golden-brown concert harp"))
    assert not made[-1].further
    for one in made:
        kept = Image.open(io.BytesIO(Store(tmp_path).image(one.image)))
        assert one.phash == f"{phash(kept):016x}", "of the file, not of what was drawn"
