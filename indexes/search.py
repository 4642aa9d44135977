"""Search: pictures by meaning, in one faiss index or in several as if they were one."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from mcu.backends import Encoder, Hit
from mcu.errors import ConfigError, Reject
from mcu.indexes.calibration import QUERIES, Calibration, common, measured, stored
from mcu.indexes.folder import Folder, find_folder, read_folder
from mcu.indexes.originals import original
from mcu.indexes.rows import Row
from mcu.indexes.shipped import passage, read_starter
from mcu.indexes.vectors import DIGITS, MOST, Ranked, Vectors
from mcu.phash import near

Get = Callable[[str], bytes]
Scored = tuple[float, "FaissIndex", int]
Scale = Callable[[Any], Any]  # scores to those on another scale

_WORDS = ("url", "page", "licence", "author")
_COLUMNS = ("file", "caption", "copy", "phash", "sha256", "subject", "keywords", *_WORDS)
_SPARE = 6  # candidates more than asked for; where they do not do, more are looked for
_WIDER = 8
_BLUR = 1e-5  # most that faiss's float32 arithmetic is off by


class FaissIndex:
    """A faiss index with its rows. Safe to use from many threads."""

    def __init__(
        self,
        held: Folder,
        encoder: Encoder,
        source: str = "index",
        get: Get | None = None,
    ) -> None:
        """`get` fetches a picture that the index knows by its address alone."""
        self.source = source
        self.calibration = stored(held.meta)
        self.vectors = Vectors(held.index)
        self._rows = held.rows
        self._root = held.root
        self._encoder = encoder
        self._get = get

    def __len__(self) -> int:
        return len(self._rows)

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """At most k hits a query: by score (cosine, 6 digits), highest first, then by file.

        Of near-duplicates, by their perceptual hashes where the index has some, the best is kept.
        """
        if not queries or k < 1:
            return [[] for _ in queries]
        return _merged([self], [_as_it_is], _encoded(self._encoder, queries), k, False)

    def row(self, file: str) -> Row | None:
        """The metadata of a file, None when the index does not have it."""
        place = self._rows.place(file)
        return None if place is None else self._rows.row(place)

    def read(self, place: int) -> Row:
        """What is read of a row to rank and show it."""
        return self._rows.row(place, _COLUMNS)

    def fetch(self, hit: Hit) -> bytes:
        """The file of a hit, or what is at its address where the index has no files.

        Raises:
            Reject: the index has no such file, or it lies outside the index's root, or is gone.
        """
        row = self.row(hit.file)
        if row is None:
            raise Reject("not_indexed", f"the index has no picture {hit.file!r}")
        try:
            return original(self._root, row)
        except Reject as loss:
            if self._get is None or not row.get("url") or loss.code != "no_file":
                raise
        return self._get(str(row["url"]))


class Indexes:
    """Several indexes behind one search. Safe to use from many threads.

    A hit's source is the name of its index, its file `name/file`. Scores are put on one scale, the
    mean of the indexes' own (see `Calibration`), so that they look like cosines; within an index
    their order stays.
    """

    def __init__(self, members: Sequence[FaissIndex], encoder: Encoder) -> None:
        """All `members` were built with this encoder, and each has a name of its own as source.

        Raises:
            ConfigError: two have the same name.
        """
        counts = Counter(member.source for member in members)
        if twice := [name for name, count in counts.items() if count > 1]:
            raise ConfigError(f"index.names has two indexes that are called {twice[0]!r}")
        self._members = {member.source: member for member in members}
        self._encoder = encoder
        own = _calibrations(members, encoder)
        self._scales = [partial(one.onto, common(own)) for one in own]

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """At most k hits a query in all: by score, highest first, then by index and file.

        The queries are encoded once, and each index is asked for all of them at once. Of
        near-duplicates, by their perceptual hashes where both have one, the best is kept.
        """
        if not queries or k < 1:
            return [[] for _ in queries]
        vectors = _encoded(self._encoder, queries)
        return _merged(list(self._members.values()), self._scales, vectors, k, True)

    def fetch(self, hit: Hit) -> bytes:
        """The file of a hit.

        Raises:
            Reject: no index has such a file, or it lies outside the index's root, or is gone.
        """
        name, _, file = hit.file.partition("/")
        if name not in self._members:
            raise Reject("not_indexed", f"no index has the picture {hit.file!r}")
        return self._members[name].fetch(replace(hit, file=file))


def open_indexes(
    names: Sequence[str], encoder: Encoder, get: Get | None = None
) -> FaissIndex | Indexes:
    """The indexes of these names, as one search.

    Args:
        names: `starter`, names under `$MCU_INDEXES` or ./indexes, or paths of folders.
        encoder: the one that they were built with.
        get: fetches a picture that an index knows by its address alone, and raises Reject.

    Raises:
        ConfigError: there is none of that name, or it does not fit its rows or the encoder.
        BackendError: faiss is not installed.
    """
    members = [
        open_starter(encoder) if name == "starter" else open_index(find_folder(name), encoder, get)
        for name in names
    ]
    return members[0] if len(members) == 1 else Indexes(members, encoder)


def open_index(folder: Path, encoder: Encoder, get: Get | None = None) -> FaissIndex:
    """The index in a folder, whoever built it; see `read_folder`."""
    return FaissIndex(read_folder(folder, encoder), encoder, folder.resolve().name, get)


def open_starter(encoder: Encoder, cache: Path | None = None) -> FaissIndex:
    """The starter set; see `read_starter`."""
    return FaissIndex(read_starter(encoder, cache), encoder, "starter")


def _merged(
    members: Sequence[FaissIndex], scales: Sequence[Scale], vectors: Any, k: int, prefixed: bool
) -> list[list[Hit]]:
    """The best k of all indexes for each vector.

    More candidates are asked for where those at hand do not settle it: because too many of them
    are near-duplicates, or those that were not seen may be as good.
    """
    hits: list[list[Hit]] = [[] for _ in vectors]
    asked, many = list(range(len(vectors))), k + _SPARE
    while asked:
        found = [member.vectors.nearest(vectors[asked], many) for member in members]
        unseen = np.max(
            [_unseen(*one, many) for one in zip(members, scales, found, strict=True)], 0
        )
        again = []
        pooled = zip(asked, _pooled(members, scales, found), unseen.tolist(), strict=True)
        for number, pool, most in pooled:
            hits[number] = _distinct(pool, k, prefixed)
            settled = len(hits[number]) == k and hits[number][-1].score > most
            if not settled and most > -np.inf:
                again.append(number)
        if many >= MOST:
            break
        asked, many = again, min(many * _WIDER, MOST)
    return hits


def _unseen(member: FaissIndex, scale: Scale, ranked: Ranked, many: int) -> Any:
    """The most that a row can score, for each query, which is not among these best."""
    scores, _ = ranked
    if scores.shape[1] < min(many, len(member)) or scores.shape[1] == len(member):
        return np.full(len(scores), -np.inf)
    return scale(scores[:, -1] + _BLUR)


def _pooled(
    members: Sequence[FaissIndex], scales: Sequence[Scale], found: Sequence[Ranked]
) -> Iterator[Iterator[Scored]]:
    """For each query the rows of all indexes, on one scale, best first."""
    scaled = [scale(scores) for scale, (scores, _) in zip(scales, found, strict=True)]
    scores = np.round(np.concatenate(scaled, axis=1), DIGITS) + 0.0  # no negative zero
    places = np.concatenate([places for _, places in found], axis=1)
    owners = np.repeat(np.arange(len(found)), [one.shape[1] for one in scaled])
    for row, order in enumerate(np.argsort(-scores, axis=1, kind="stable")):
        ranked = zip(
            scores[row, order].tolist(),
            owners[order].tolist(),
            places[row, order].tolist(),
            strict=True,
        )
        yield ((score, members[owner], place) for score, owner, place in ranked if place >= 0)


def _distinct(pool: Iterator[Scored], k: int, prefixed: bool) -> list[Hit]:
    """The best k of some rows, without near-duplicates."""
    hits: list[Hit] = []
    kept: list[Row] = []
    for score, tied in groupby(pool, key=lambda one: one[0]):
        group = [(member.source, member.read(place)) for _, member, place in tied]
        for source, row in sorted(group, key=lambda one: (one[0], one[1]["file"])):
            if not any(_alike(row, other) for other in kept):
                kept.append(row)
                hits.append(_hit(row, source, score, prefixed))
            if len(hits) == k:
                return hits
    return hits


def _alike(one: Row, other: Row) -> bool:
    if one["sha256"] and one["sha256"] == other["sha256"]:
        return True
    return near(one["phash"], other["phash"])


def _hit(row: Row, source: str, score: float, prefixed: bool) -> Hit:
    return Hit(
        file=f"{source}/{row['file']}" if prefixed else str(row["file"]),
        caption=str(row["caption"] or ""),
        source=source,
        score=score,
        about=passage(row) if row["subject"] and row["keywords"] else "",
        copy=row["copy"] is not False,
        **{name: str(row[name] or "") for name in _WORDS},
    )


def _as_it_is(scores: Any) -> Any:
    return scores


def _encoded(encoder: Encoder, texts: Sequence[str]) -> Any:
    return np.ascontiguousarray(encoder.encode(texts), dtype=np.float32)


def _calibrations(members: Sequence[FaissIndex], encoder: Encoder) -> list[Calibration]:
    """Those that were stored, if every index has one; else all anew, with the same queries."""
    known = [member.calibration for member in members if member.calibration is not None]
    if len(known) == len(members):
        return known
    queries = _encoded(encoder, QUERIES)
    return [measured(member.vectors.background(queries)) for member in members]
