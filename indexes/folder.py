"""An index folder as it is on disk: where a name is, its meta.json, its vectors, what must agree.

`index.faiss` (or one other file that ends in .faiss or .index) holds the vectors; `rows.arrow`, or
`*.jsonl` or `*.parquet` in the folder or its `metadata/`, a row a picture in the same order: `file`
(or `image_path`) and `caption`, and what is known of source, url, page, licence, author, copy,
sha256 and phash. `meta.json` is optional: format, encoder, width, count, metric, root (where the
files are, relative to the folder, which it is by default) and background (see `calibration.py`).
"""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcu.backends import Encoder
from mcu.errors import BackendError, ConfigError
from mcu.indexes import built, home
from mcu.indexes.rows import Row, Rows, read_rows

FORMAT = 2  # the newest layout of a folder that is read here


@dataclass(frozen=True)
class Folder:
    """What an index folder holds.

    Attributes:
        index: the faiss index.
        root: the folder of the pictures' files.
    """

    meta: Row
    index: Any
    rows: Rows
    root: Path


def find_folder(name: str) -> Path:
    """The folder of an index: by its name under `$MCU_INDEXES` or ./indexes, or by its path.

    Raises:
        ConfigError: there is none.
    """
    places = [Path(name).expanduser()] if name else []
    with suppress(ConfigError):  # not a name that an index can be built under, perhaps a path
        places.insert(0, built(name))
    for path in places:
        with suppress(OSError, ValueError):  # not a name that a file can have
            if path.is_dir():
                return path
    raise ConfigError(
        f"there is no index {name!r}: neither a folder of that path nor one in {home()}; "
        "`mcu index list` shows those there are"
    )


def read_folder(folder: Path, encoder: Encoder) -> Folder:
    """What an index folder holds, whoever built it; vectors and rows are mapped into memory.

    Raises:
        ConfigError: there is no index, it cannot be read, or it does not fit its rows or the
            encoder.
        BackendError: faiss is not installed.
    """
    meta = read_meta(folder)
    files = [folder / "index.faiss"] if (folder / "index.faiss").is_file() else []
    files = files or sorted([*folder.glob("*.faiss"), *folder.glob("*.index")])
    if len(files) != 1:
        raise ConfigError(f"{folder} must hold one index.faiss, it has {len(files)}")
    index = read_vectors(files[0])
    rows = read_rows(folder)
    check(folder, meta, index, len(rows), encoder)
    return Folder(meta, index, rows, folder / meta.get("root", ""))


def read_vectors(file: Path) -> Any:
    """A faiss index, mapped into memory where faiss can, so that processes share it.

    Raises:
        ConfigError: it cannot be read.
    """
    faiss = load_faiss()
    try:
        return faiss.read_index(str(file), getattr(faiss, "IO_FLAG_MMAP_IFC", 0))
    except (RuntimeError, MemoryError) as error:
        raise ConfigError(f"{file} is not a faiss index that can be read") from error


def read_meta(folder: Path) -> dict[str, Any]:
    """The folder's meta.json; empty where there is none.

    Raises:
        ConfigError: it is no JSON object, or of a later format.
    """
    file = folder / "meta.json"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error
    if not isinstance(found, dict) or not isinstance(found.get("root", ""), str):
        raise ConfigError(f"{file} must hold one JSON object")
    if isinstance(made := found.get("format", 1), int) and made > FORMAT:
        raise ConfigError(f"{file} is of format {made}, and this mcu reads {FORMAT}: update it")
    return found


def check(folder: Path, meta: Row, index: Any, rows: int, encoder: Encoder) -> None:
    """Compare what an index folder says of itself, what it holds, and the encoder.

    Raises:
        ConfigError: they do not agree.
    """
    if meta.get("encoder", encoder.name) != encoder.name:
        raise ConfigError(
            f"{folder} was built with the encoder {meta['encoder']}, not with {encoder.name}"
        )
    if not index.ntotal == meta.get("count", rows) == rows:
        raise ConfigError(f"{folder} has {index.ntotal} vectors, but {rows} rows of metadata")
    if not index.d == meta.get("width", index.d) == encoder.width:
        raise ConfigError(
            f"{folder} has vectors of width {index.d}, the encoder makes {encoder.width}"
        )


def cache_folder() -> Path:
    """Where indexes are kept that are computed at first use."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mcu" / "indexes"


def load_faiss() -> Any:
    """The package faiss.

    Raises:
        BackendError: it is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise BackendError("searching an index needs faiss: pip install faiss-cpu") from error
    return faiss
