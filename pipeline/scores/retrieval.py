"""The PhotoChat protocol: is the picture that a description was written for found among all?"""

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mcu import pictures
from mcu.backends import Encoder
from mcu.errors import ConfigError, Reject
from mcu.records import Picture
from mcu.scores.intervals import Interval, bootstrap, wilson
from mcu.scores.reading import rows_of, text_of

if TYPE_CHECKING:
    from mcu.run import Run

Floats = NDArray[np.float32]
Tell = Callable[[int, int], None]
RECALLS = (1, 5, 10)
_TEXTS = 256
_IMAGES = 32
_CELLS = 1 << 22  # scores in memory at once
_NEAR = 1e-6  # cosines closer than this are a tie: float32 products differ by as much


@dataclass(frozen=True)
class Pair:
    """A description and the picture it was written for: a file or key, its caption, or both."""

    id: str
    description: str
    image: str = ""
    caption: str = ""


def read_pairs(path: Path) -> list[Pair]:
    """The rows of a file: `id`, `description`, and `image` (a file or key), `caption`, or both.

    Raises:
        ConfigError: a field is missing or of another kind, or an id comes twice.
    """
    found: dict[str, Pair] = {}
    for where, row in rows_of(path):
        own = {name: text_of(row, name, where) for name in ("id", "description")}
        more = {n: text_of(row, n, where) for n in ("image", "caption") if row.get(n) is not None}
        if not any(more.values()):
            raise ConfigError(f"{where} has neither 'image' nor 'caption'")
        if own["id"] in found:
            raise ConfigError(f"{where}: id {own['id']!r} comes a second time")
        found[own["id"]] = Pair(**own, **more)
    if not found:
        raise ConfigError(f"{path} has no rows")
    return list(found.values())


def files_of(run: "Run", pairs: Sequence[Pair]) -> dict[str, Path]:
    """The files of a run's pictures by key, of those that the rows name, with or without `url:`.

    Raises:
        ConfigError: a row names no picture of the run.
    """
    wanted = {pair.image.removeprefix("url:") for pair in pairs if pair.image}
    found: dict[str, Path] = {}
    for picture in run.records(Picture):
        if picture.key in wanted and picture.image:
            path = run.store.image_path(picture.image)
            found |= {picture.key: path, f"url:{picture.key}": path}
    if lost := wanted - found.keys():
        raise ConfigError(f"the run has no picture {min(lost)!r}, one of {len(lost):,} such keys")
    return found


def retrieve(
    pairs: Sequence[Pair],
    encoder: Encoder,
    file: Callable[[str], Path] = Path,
    tell: Tell | None = None,
) -> dict[str, Any]:
    """Recall at 1, 5 and 10 and the mean reciprocal rank, with 95 % intervals, as plain data.

    The gallery is the pictures of all rows, each row's target its own; vectors have length 1 and
    are compared by their product; the rank is that among the whole gallery (arXiv 2407.03958,
    Table 3). A picture that is as near as the target (to 1e-6) ranks before it, so that
    an encoder that tells nothing apart gets nothing. The same `image` (the same caption, where
    rows have none) is one picture, however many rows it stands in.

    Args:
        pairs: what is scored.
        encoder: looks at the files where it sees pictures, else at the captions alone.
        file: where the picture of a row's `image` is.
        tell: told how many of how many rows are done.

    Raises:
        ConfigError: a picture cannot be read, or a row lacks what the encoder looks at.
    """
    for pair in pairs:
        _check(pair, encoder)
    names = [pair.image or pair.caption for pair in pairs]
    shown = {name: pair for name, pair in zip(names, pairs, strict=True)}
    steps = len(shown) + len(pairs)
    gallery = _gallery(list(shown.values()), encoder, file, lambda at: tell and tell(at, steps))
    place = {name: at for at, name in enumerate(shown)}
    targets = np.array([place[name] for name in names])
    ranks = []
    for start in range(0, len(pairs), _TEXTS):
        texts = [pair.description for pair in pairs[start : start + _TEXTS]]
        queries = np.asarray(encoder.encode(texts), dtype=np.float32)
        ranks.append(ranks_of(queries, gallery, targets[start : start + _TEXTS]))
        if tell:
            tell(len(shown) + start + len(texts), steps)
    return report(np.concatenate(ranks), len(shown), encoder)


def ranks_of(queries: Floats, gallery: Floats, targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rank of each query's target among the whole gallery, from 1; the worst of a tie."""
    exact = (queries * gallery[targets]).sum(axis=1, keepdims=True) - _NEAR
    ranks = np.zeros(len(queries), dtype=np.int64)
    step = max(1, _CELLS // max(len(queries), 1))
    for start in range(0, len(gallery), step):
        block = gallery[start : start + step]
        ranks += (queries @ block.T >= exact).sum(axis=1)
    return ranks


def report(ranks: NDArray[np.int64], gallery: int, encoder: Encoder) -> dict[str, Any]:
    """The figures of ranks: Wilson's intervals for recalls, a bootstrap's for the mean."""
    n = len(ranks)
    scores = {f"R@{k}": wilson(int((ranks <= k).sum()), n) for k in RECALLS}
    scores["MRR"] = bootstrap(1 / ranks, range(n))
    chance = {f"R@{k}": min(1.0, k / gallery) for k in RECALLS}
    chance["MRR"] = math.fsum(1 / rank for rank in range(1, gallery + 1)) / gallery
    return {
        "items": n,
        "gallery": gallery,
        "encoder": encoder.name,
        "looks": "sees the pictures" if encoder.sees else "reads their captions",
        "scores": {name: _plain(own) for name, own in scores.items()},
        "chance": {name: round(own, 6) for name, own in chance.items()},
    }


def _check(pair: Pair, encoder: Encoder) -> None:
    if encoder.sees and not pair.image:
        raise ConfigError(f"{pair.id!r} has no 'image', and encoder {encoder.name} sees pictures")
    if not encoder.sees and not pair.caption:
        raise ConfigError(
            f"{pair.id!r} has no 'caption', and encoder {encoder.name} sees no pictures; "
            f"one that does is chosen with --set encoder.backend=open_clip"
        )


def _gallery(
    shown: Sequence[Pair],
    encoder: Encoder,
    file: Callable[[str], Path],
    seen: Callable[[int], object],
) -> Floats:
    """Vectors of the pictures, or of their captions, in order."""
    vectors = np.empty((len(shown), encoder.width), dtype=np.float32)
    for start in range(0, len(shown), _IMAGES):
        own = shown[start : start + _IMAGES]
        if encoder.sees:
            rows = encoder.pictures([_opened(pair.image, file) for pair in own])
        else:
            rows = encoder.encode([pair.caption for pair in own])
        vectors[start : start + len(own)] = rows
        seen(start + len(own))
    return vectors


def _opened(name: str, file: Callable[[str], Path]) -> Image.Image:
    try:
        return Image.open(io.BytesIO(pictures.clean(file(name).read_bytes())))
    except (OSError, Reject) as error:
        raise ConfigError(f"picture {name!r} cannot be read: {error}") from error


def _plain(interval: Interval) -> dict[str, float]:
    return {name: round(value, 5) for name, value in interval._asdict().items()}
