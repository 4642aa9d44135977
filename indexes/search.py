"""Search: pictures by meaning, in any folder with a faiss index and one row of metadata a picture.

An index folder holds `index.faiss` (or one other file that ends in .faiss or .index) and the rows
in the index's order, as `*.jsonl` or `*.parquet` in the folder or in its `metadata/`. A row has
`file` (or `image_path`) and `caption`, and may have source, url, page, licence, author and copy.
`meta.json` is optional: encoder (its name), width, count, pictures (a hash of the rows), and root
(where the files are, relative to the folder; the folder itself by default).
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from mcu.backends import Encoder, Hit
from mcu.errors import BackendError, ConfigError, Reject
from mcu.indexes import STARTER

Row = Mapping[str, Any]

_SPARE = 16  # more hits than asked for, so that equal scores at the end are ordered too
_FORMAT = 1  # of the cached starter index; a change of what is embedded needs a higher one


class FaissIndex:
    """A faiss index with its rows. Safe to use from many threads."""

    def __init__(
        self, index: Any, rows: Any, encoder: Encoder, root: Path, source: str = "index"
    ) -> None:
        """`rows` is a pyarrow table in the index's order, `root` the folder of the files."""
        self._index = index
        self._rows = rows
        self._encoder = encoder
        self._root = root
        self._source = source

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """At most k hits a query: by score (cosine, 6 digits), highest first, then by file."""
        if not queries or k < 1:
            return [[] for _ in queries]
        # One by one: faiss takes other paths for batches, and a score must not depend on them.
        vectors = np.ascontiguousarray(self._encoder.encode(queries), dtype=np.float32)
        return [self._nearest(vector, k) for vector in vectors]

    def _nearest(self, vector: Any, k: int) -> list[Hit]:
        many = min(k + _SPARE, self._index.ntotal)
        scores, places = self._index.search(vector[None], many)
        flip = self._index.metric_type != _faiss().METRIC_INNER_PRODUCT
        hits = [
            _hit(self._row(place), 1 - float(score) / 2 if flip else float(score), self._source)
            for score, place in zip(scores[0], places[0].tolist(), strict=True)
            if place >= 0
        ]
        return sorted(hits, key=lambda hit: (-hit.score, hit.file))[:k]

    def row(self, file: str) -> Row | None:
        """The metadata of a file, None when the index does not have it."""
        import pyarrow.compute

        try:
            place = pyarrow.compute.index(self._rows["file"], file).as_py()
        except UnicodeEncodeError:  # lone surrogates, which no file here has
            return None
        return self._row(place) if place >= 0 else None

    def _row(self, place: int) -> Row:
        row: Row = self._rows.slice(place, 1).to_pylist()[0]
        return row

    def fetch(self, hit: Hit) -> bytes:
        """The file of a hit.

        Raises:
            Reject: the index has no such file, or it lies outside the index's root, or is gone.
        """
        if self.row(hit.file) is None:
            raise Reject("not_indexed", f"the index has no picture {hit.file!r}")
        root = self._root.resolve()
        path = (root / hit.file).resolve()
        if not path.is_relative_to(root):
            raise Reject("not_indexed", f"the picture {hit.file!r} lies outside the index")
        try:
            return path.read_bytes()
        except OSError as error:
            raise Reject("no_file", f"{hit.file!r} cannot be read: {error.strerror}") from error


def open_index(folder: Path, encoder: Encoder) -> FaissIndex:
    """The index in a folder, whoever built it.

    Raises:
        ConfigError: there is none, it cannot be read, or it does not fit its rows or the encoder.
        BackendError: faiss is not installed.
    """
    meta = _meta(folder)
    found = [folder / "index.faiss"] if (folder / "index.faiss").is_file() else []
    found = found or sorted([*folder.glob("*.faiss"), *folder.glob("*.index")])
    if len(found) != 1:
        raise ConfigError(f"{folder} must hold one index.faiss, it has {len(found)}")
    try:
        index = _faiss().read_index(str(found[0]))
    except RuntimeError as error:
        raise ConfigError(f"{found[0]} is not a faiss index that can be read") from error
    rows = _table(folder)
    _check(folder, meta, index, len(rows), encoder)
    return FaissIndex(index, rows, encoder, folder / meta.get("root", ""))


def open_starter(encoder: Encoder, cache: Path | None = None) -> FaissIndex:
    """The starter set; its vectors are computed at first use and kept in `cache`.

    `cache` is `$XDG_CACHE_HOME/mcu/indexes` by default, `~/.cache` standing in for the variable.
    Where it cannot be written, the index lives in memory only.
    """
    text = (STARTER / "pictures.jsonl").read_bytes()
    rows = _from_json(text.splitlines())
    key = hashlib.sha256(b"%d %s " % (_FORMAT, _name(encoder).encode()) + text).hexdigest()
    folder = (cache or _cache()) / f"starter-{key[:16]}"
    try:
        index = _faiss().read_index(str(folder / "index.faiss"))
        _check(folder, _meta(folder), index, len(rows), encoder)
    except (RuntimeError, ConfigError):  # none there yet, or it is damaged and stays unused
        index = _flat(encoder, rows.to_pylist())
        with suppress(OSError):
            meta = {"encoder": _name(encoder), "width": index.d, "count": index.ntotal}
            _keep(index, meta | {"pictures": hashlib.sha256(text).hexdigest()}, folder)
    return FaissIndex(index, rows, encoder, STARTER, "starter")


def passage(row: Row) -> str:
    """What is embedded of a starter picture: subject, caption and keywords."""
    return f"{row['subject']}. {row['caption']}, {', '.join(row['keywords'])}"


def _flat(encoder: Encoder, rows: Iterable[Row]) -> Any:
    vectors = np.ascontiguousarray(encoder.encode([passage(row) for row in rows]), np.float32)
    index = _faiss().IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return index


def _keep(index: Any, meta: Row, folder: Path) -> None:
    """Write an index folder in one step, so that nobody ever sees half of it.

    Raises:
        OSError: the disk cannot be written, or another process was first.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    if (folder / "meta.json").is_file():
        shutil.rmtree(folder)  # it was found damaged
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        (made / "index.faiss").write_bytes(_faiss().serialize_index(index).tobytes())
        (made / "meta.json").write_text(json.dumps(meta, indent=1), encoding="utf-8")
        made.rename(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _check(folder: Path, meta: Row, index: Any, rows: int, encoder: Encoder) -> None:
    if meta.get("encoder", _name(encoder)) != _name(encoder):
        raise ConfigError(
            f"{folder} was built with the encoder {meta['encoder']}, not with {_name(encoder)}"
        )
    if not index.ntotal == meta.get("count", rows) == rows:
        raise ConfigError(f"{folder} has {index.ntotal} vectors, but {rows} rows of metadata")
    width = encoder.encode(["a picture"]).shape[1]
    if not index.d == meta.get("width", width) == width:
        raise ConfigError(f"{folder} has vectors of width {index.d}, the encoder makes {width}")


def _meta(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder / 'meta.json'} cannot be read: {error}") from error
    if not isinstance(found, dict) or not isinstance(found.get("root", ""), str):
        raise ConfigError(f"{folder / 'meta.json'} must hold one JSON object")
    return found


def _table(folder: Path) -> Any:
    """The rows of an index folder as one pyarrow table."""
    import pyarrow
    from pyarrow import parquet

    for place in (folder, folder / "metadata"):
        try:
            if files := sorted(place.glob("*.jsonl")):
                return _from_json([row for path in files for row in path.read_bytes().splitlines()])
            if files := sorted(place.glob("*.parquet")):
                tables = [parquet.read_table(path) for path in files]
                return _columns(pyarrow.concat_tables(tables, promote_options="default"))
        except (OSError, ValueError, AttributeError) as error:
            raise ConfigError(f"the rows in {place} cannot be read: {error}") from error
    raise ConfigError(f"{folder} has no rows of metadata: *.jsonl or *.parquet")


def _from_json(lines: Iterable[bytes]) -> Any:
    import pyarrow

    return _columns(pyarrow.Table.from_pylist([json.loads(line) for line in lines if line.strip()]))


def _columns(table: Any) -> Any:
    """The table with its column `file`; ConfigError when it has no files or captions."""
    names = ["file" if name == "image_path" else name for name in table.column_names]
    if names.count("file") != 1 or "caption" not in names:
        raise ConfigError("rows of an index need the columns file (or image_path) and caption")
    return table.rename_columns(names)


def _hit(row: Row, score: float, source: str) -> Hit:
    words = {key: str(row.get(key) or "") for key in ("url", "page", "licence", "author")}
    return Hit(
        file=str(row["file"]),
        caption=str(row["caption"]),
        source=source,
        score=round(score, 6) + 0.0,  # no negative zero
        copy=row.get("copy") is not False,
        **words,
    )


def _name(encoder: Encoder) -> str:
    return str(getattr(encoder, "name", type(encoder).__name__))


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mcu" / "indexes"


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise BackendError("searching an index needs faiss: pip install faiss-cpu") from error
    return faiss
