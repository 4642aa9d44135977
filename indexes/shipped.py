"""The starter set as an index, computed at first use and kept in the user's cache."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from mcu.backends import Encoder
from mcu.errors import ConfigError
from mcu.indexes import STARTER
from mcu.indexes.folder import Folder, cache_folder, check, load_faiss, read_meta, read_vectors
from mcu.indexes.rows import Row, Rows, rows_of

_FORMAT = 1  # of the cached index; a change of what is embedded needs a higher one
_BATCH = 32  # pictures


def read_starter(encoder: Encoder, cache: Path | None = None) -> Folder:
    """The starter set; its vectors are computed at first use and kept in `cache`.

    `cache` is `$XDG_CACHE_HOME/mcu/indexes` by default, `~/.cache` standing in for the variable.
    Where it cannot be written, the index lives in memory only.
    """
    text = (STARTER / "pictures.jsonl").read_bytes()
    rows = rows_of(json.loads(line) for line in text.splitlines() if line.strip())
    key = hashlib.sha256(b"%d %s " % (_FORMAT, encoder.name.encode()) + text).hexdigest()
    folder = (cache or cache_folder()) / f"starter-{key[:16]}"
    try:
        index = read_vectors(folder / "index.faiss")
        check(folder, read_meta(folder), index, len(rows), encoder)
    except ConfigError:  # none there yet, or it is damaged and stays unused
        index = _flat(encoder, rows)
        with suppress(OSError):
            meta = {"encoder": encoder.name, "width": index.d, "count": index.ntotal}
            _keep(index, meta | {"pictures": hashlib.sha256(text).hexdigest()}, folder)
    return Folder({}, index, rows, STARTER)


def passage(row: Row) -> str:
    """What is embedded of a starter picture by its caption: subject, caption and keywords."""
    return f"{row['subject']}. {row['caption']}, {', '.join(row['keywords'])}"


def _flat(encoder: Encoder, rows: Rows) -> Any:
    index = load_faiss().IndexFlatIP(encoder.width)
    if encoder.sees:
        for vectors in _seen(encoder, rows):
            index.add(vectors)
    else:
        texts = [passage(row) for row in rows]
        index.add(np.ascontiguousarray(encoder.encode(texts), np.float32))
    return index


def _seen(encoder: Encoder, rows: Rows) -> Iterator[Any]:
    """Vectors of the pictures themselves, a batch at a time."""
    from PIL import Image

    from mcu.pictures import plain

    files = [STARTER / str(row["file"]) for row in rows]
    for start in range(0, len(files), _BATCH):
        images = [plain(Image.open(file), 1024) for file in files[start : start + _BATCH]]
        yield np.ascontiguousarray(encoder.pictures(images), np.float32)


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
        (made / "index.faiss").write_bytes(load_faiss().serialize_index(index).tobytes())
        (made / "meta.json").write_text(json.dumps(meta, indent=1), encoding="utf-8")
        made.rename(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
