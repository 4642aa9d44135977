"""Sets of derived tasks: ids once, groups on one side, sources that exist, texts that are safe."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mcu.backends.checks import WordLists
from mcu.check.files import Files
from mcu.check.findings import Finding, Tally
from mcu.check.pictures import Pictures
from mcu.check.references import FACES, IMAGES, LINKS, Keys, References, told
from mcu.check.rows import flat
from mcu.check.safety import private
from mcu.items import SPLITS

_ENVELOPE = frozenset(
    ("item_id", "task", "language", "split", "split_group", "source", "provenance", "checks")
)
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")  # may look like a card's number


@dataclass
class _Set:
    """What was read of one set."""

    ids: Keys = field(default_factory=Keys)
    groups: dict[str, Keys] = field(default_factory=lambda: {split: Keys() for split in SPLITS})
    keys: dict[str, Keys] = field(
        default_factory=lambda: {name: Keys() for name in (IMAGES, FACES, LINKS)}
    )
    sides: Tally = field(default_factory=Tally)
    unread: Tally = field(default_factory=Tally)
    words: Tally = field(default_factory=Tally)
    private: Tally = field(default_factory=Tally)


def findings(files: Files, refs: References, sets: dict[str, Pictures]) -> list[Finding]:
    """Check every set that has a parquet file a split, after the rows and the pictures."""
    return [found for name in files.derived() for found in _findings(files, name, refs, sets)]


def _findings(
    files: Files, name: str, refs: References, sets: dict[str, Pictures]
) -> Iterator[Finding]:
    read, lists = _Set(), WordLists()
    for split, path in files.tables(name, ""):
        try:
            for row in _rows(path):
                _take(read, split, row, lists)
        except (OSError, ValueError) as error:
            read.unread.note(f"{path.name}: {error}")
    repeated = len(read.ids) - len(np.unique(read.ids.array()))
    lost = [np.setdiff1d(keys.array(), sets[n].keys.array()) for n, keys in read.keys.items()]
    nowhere = np.concatenate(lost)
    sides = [(a, b) for a in SPLITS for b in SPLITS if a != b]
    moved = np.concatenate(
        [np.intersect1d(read.groups[a].array(), refs.groups[b].array()) for a, b in sides]
    )
    yield read.unread.finding("integrity", f"{name}: files that cannot be read")
    yield Finding("integrity", f"{name}: ids that come twice", repeated, 0, f"of {len(read.ids):,}")
    where = f"{name}: pictures that are nowhere"
    yield Finding("integrity", where, len(nowhere), 0, "", told(nowhere))
    yield read.sides.finding("splits", f"{name}: items in another side's file")
    yield Finding("splits", f"{name}: personas on another side", len(moved), 0, "", told(moved))
    yield read.words.finding("safety", f"{name}: texts that the word lists refuse")
    yield read.private.finding("pii", f"{name}: private data")


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=500):
            yield from batch.to_pylist()


def _take(read: _Set, split: str, row: dict[str, Any], lists: WordLists) -> None:
    item = str(row.get("item_id"))
    read.ids.add(item)
    read.groups[split].add(str(row.get("split_group")))
    for tally in (read.sides, read.words, read.private):
        tally.of += 1
    if row.get("split", split) != split:
        read.sides.note(f"{item}: of {row['split']} in the file of {split}")
    for key in _keys(row):
        of = LINKS if key.startswith("url:") else FACES if key.startswith("face:") else IMAGES
        read.keys[of].add(key.rpartition(":")[2])
    texts = (value for name, value in row.items() if name not in _ENVELOPE)
    text = _UUID.sub(" ", "\n".join(value for value in texts if isinstance(value, str)))
    if lists.signs(text) and (reason := lists.text(text)):
        read.words.note(f"{item}: {reason}")
    for kind, found in private(text):
        read.private.note(f"{item}: {kind}, {found}")


def _keys(row: dict[str, Any]) -> Iterator[str]:
    source = row.get("source")
    if isinstance(source, str):
        source = json.loads(source)
    if isinstance(source, dict):
        yield from filter(None, flat(source.get("image_keys", [])))
