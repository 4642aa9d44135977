"""Index folders for tests, as other builders and ours write them, and an encoder that counts."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
from pyarrow import ipc

from mcu.indexes.encoders import CaptionEncoder

CAPTIONS = ["a brown guitar", "a red bicycle", "a bowl of soup", "a snowy mountain", "a grey cat"]


class Spread:
    """An encoder that counts its calls: the text's hash, or a number in it, picks the direction."""

    name = "spread"
    width = 8
    sees = False
    bar = 0.0

    def __init__(self) -> None:
        self.texts = 0

    def encode(self, texts: Sequence[str]) -> Any:
        self.texts += len(texts)
        rows = np.zeros((len(texts), 8), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[sum(text.encode()) % 8] = 1
        return rows


def rows(captions: Sequence[str] = CAPTIONS) -> list[dict[str, Any]]:
    return [{"file": f"{i}.jpg", "caption": text} for i, text in enumerate(captions)]


def write_rows(folder: Path, table: list[dict[str, Any]]) -> None:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table))


def write_index(
    folder: Path, kind: type = faiss.IndexFlatIP, captions: Sequence[str] = CAPTIONS
) -> None:
    index = kind(CaptionEncoder.width)
    index.add(CaptionEncoder().encode(captions))
    faiss.write_index(index, str(folder / "index.faiss"))


_KINDS = {"copy": pa.bool_(), "phash": pa.uint64()}


def write_arrow(folder: Path, table: list[dict[str, Any]], size: int = 2) -> None:
    """`rows.arrow` as `mcu index build` makes it, in batches of so many rows."""
    schema = pa.schema([(name, _KINDS.get(name, pa.string())) for name in table[0]])
    with ipc.new_file(str(folder / "rows.arrow"), schema) as file:
        file.write_table(pa.Table.from_pylist(table, schema), max_chunksize=size)


def make(folder: Path, table: list[dict[str, Any]], **meta: Any) -> Path:
    """A whole index folder as `mcu index build` makes it, for the caption encoder."""
    folder.mkdir(parents=True)
    write_arrow(folder, table)
    write_index(folder, captions=[row["caption"] for row in table])
    facts = {"format": 2, "encoder": CaptionEncoder.name, "count": len(table), **meta}
    (folder / "meta.json").write_text(json.dumps(facts))
    return folder
