"""The bar of relevance, found from pairs of a description and a picture whose answer is known."""

import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mcu import pictures
from mcu.backends import Encoder
from mcu.calibrate import Floats, Seen, equal_error, spread
from mcu.errors import ConfigError, Reject
from mcu.relevance import relevances


class Labelled(BaseModel):
    """A line of the file: a description, a picture or its caption, and whether they fit."""

    model_config = ConfigDict(strict=True)

    description: str = Field(min_length=1)
    good: bool
    file: str = ""
    caption: str = ""


@dataclass(frozen=True)
class Pairs:
    """Relevances of labelled pairs.

    Attributes:
        right: of pictures that show what is described.
        wrong: of those that do not.
        descriptions: how many there are.
        unknown: pairs left out, as the encoder has nothing to go by: which, and why.
    """

    right: Floats
    wrong: Floats
    descriptions: int
    unknown: tuple[str, ...]


def read(path: Path) -> list[Labelled]:
    """The pairs of a JSONL file.

    Raises:
        ConfigError: it cannot be read; names the line at fault.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found.append(Labelled.model_validate(json.loads(line)))
        except (ValueError, ValidationError) as error:
            raise ConfigError(
                f"line {number} of {path} must be a JSON object with description, good (true or "
                f"false), and file or caption"
            ) from error
    return found


def measure(rows: list[Labelled], folder: Path, encoder: Encoder, seen: Seen) -> Pairs:
    """The relevance of every pair, as `align` would measure it.

    Args:
        rows: pairs; those of one description need not stand together.
        folder: the files' names are relative to it.
        encoder: looks at the files where it sees pictures, else at the captions alone.
        seen: told how many of how many descriptions were measured.

    Raises:
        ConfigError: there are no pairs left of one of the two kinds.
    """
    ordered = sorted(rows, key=lambda row: row.description)
    groups = [(text, list(own)) for text, own in groupby(ordered, lambda row: row.description)]
    right: list[float] = []
    wrong: list[float] = []
    unknown: list[str] = []
    for number, (description, own) in enumerate(groups):
        seen(number, len(groups))
        shown = [_shown(row, folder, encoder) for row in own]
        fits = relevances(encoder, description, [(caption, image) for caption, image, _ in shown])
        for row, fit, (_, _, fault) in zip(own, fits, shown, strict=True):
            if fit is None:
                unknown.append(f"{row.file or 'a pair'} for {description!r}: {fault}")
            else:
                (right if row.good else wrong).append(fit)
    if not (right and wrong):
        raise ConfigError(
            f"{len(rows)} pairs, {len(unknown)} of them unknown to the encoder, are {len(right)} "
            f"right ones and {len(wrong)} wrong ones; a bar needs both"
            + "".join(f"; {one}" for one in unknown[:1])
        )
    return Pairs(np.array(right), np.array(wrong), len(groups), tuple(unknown))


def report(pairs: Pairs, refusing: float | None = None) -> dict[str, Any]:
    """What the pairs tell, as plain data; shares and quantiles are rounded.

    `bar` is the equal-error point, or the highest that refuses at most a share `refusing` of the
    right pictures, rounded down to three digits. `bars` has both errors there and at the
    equal-error point.
    """
    # Distances are better the lower they are, relevances the higher.
    negative, rate = equal_error((-pairs.right).tolist(), (-pairs.wrong).tolist())
    bar = -negative if refusing is None else bar_refusing(pairs.right, refusing)
    bars = [math.floor(1000 * one) / 1000 for one in (bar, -negative)]
    return {
        "descriptions": pairs.descriptions,
        "unknown": list(pairs.unknown),
        "equal_error_rate": round(rate, 5),
        "bar": bars[0],
        "bars": [_errors(pairs, one) for one in dict.fromkeys(bars)],
        "right": spread(pairs.right),
        "wrong": spread(pairs.wrong),
    }


def bar_refusing(right: Floats, share: float) -> float:
    """The highest of the relevances that as a bar refuses at most a share of the right pairs."""
    ordered = np.sort(right)
    refused = np.searchsorted(ordered, ordered, "left")
    return float(ordered[refused <= share * len(ordered)][-1])


def lines(facts: dict[str, Any]) -> Iterator[str]:
    """A report to be read by people."""
    yield f"{facts['descriptions']:,} descriptions, {len(facts['unknown']):,} pairs left out"
    yield from (f"  {one}" for one in facts["unknown"][:10])
    head = "".join(f"{float(one):>8.0%}" for one in facts["right"]["quantiles"])
    yield f"{'relevance of':<14}{'pairs':>10}{head}"
    for kind in ("right", "wrong"):
        values = "".join(f"{value:>8.3f}" for value in facts[kind]["quantiles"].values())
        yield f"{kind + ' pictures':<14}{facts[kind]['pairs']:>10,}{values}"
    yield f"equal-error rate {facts['equal_error_rate']:.2%}; bar {facts['bar']:g}"
    for one in facts["bars"]:
        yield (
            f"  at {one['bar']:<5g} {one['wrong_passing']:7.2%} of wrong pictures pass, "
            f"{one['right_refused']:7.2%} of right ones are refused"
        )


def _shown(row: Labelled, folder: Path, encoder: Encoder) -> tuple[str, Image.Image | None, str]:
    """What an encoder is shown of a pair, and why it is nothing."""
    if not encoder.sees:
        return row.caption, None, "it has no caption, and this encoder sees no pictures"
    if not row.file:
        return "", None, "it has no file, and this encoder reads pictures"
    try:
        data = pictures.clean((folder / row.file).read_bytes())
    except (OSError, Reject) as error:
        return "", None, str(error)
    return "", Image.open(io.BytesIO(data)), ""


def _errors(pairs: Pairs, bar: float) -> dict[str, float]:
    return {
        "bar": bar,
        "wrong_passing": round(float((pairs.wrong >= bar).mean()), 5),
        "right_refused": round(float((pairs.right < bar).mean()), 5),
    }
