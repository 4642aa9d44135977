"""What the rows say of pictures: their keys, where they are used, and which turns are torn."""

import re
import uuid
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcu.check.findings import Finding, Tally
from mcu.check.rows import Row, Talk, flat
from mcu.ids import key_bytes
from mcu.items import SPLITS

IMAGES, FACES, LINKS = SETS = ("stark-image", "stark-face-image", "stark-image-url")
KEY = np.dtype("V16")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PREFIXES = {"url:": LINKS, "face:": FACES}


class Keys:
    """Keys of 16 bytes each, in order; a million take 16 MB."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def __len__(self) -> int:
        return len(self._bytes) // 16

    def add(self, key: str) -> None:
        """Append one."""
        self._bytes += key_bytes(key)

    def append(self, raw: bytes) -> None:
        """Append 16 bytes that are known already."""
        self._bytes += raw

    def array(self) -> NDArray[Any]:
        """All of them, as an array to sort and compare."""
        return np.frombuffer(bytes(self._bytes), dtype=KEY)


class References:
    """The keys that rows name, by set and split, and the faults of the rows themselves."""

    gate = "integrity"

    def __init__(self) -> None:
        self.keys: dict[tuple[str, str], Keys] = {
            (name, split): Keys() for name in SETS for split in SPLITS
        }
        self.groups: dict[str, Keys] = {split: Keys() for split in SPLITS}
        self.unfound = Tally()  # moments whose picture was not found, which the format allows
        self._faults = {kind: Tally() for kind in ("lists", "parallel", "sessions")}
        self._keys, self._modules, self._names = Tally(), Tally(), Tally()
        self._indexes = Keys()
        self._in_row: set[str] = set()  # an album's keys come again in every session

    def add(self, row: Row) -> None:
        """Take what a row refers to."""
        for kind, fault in row.faults:
            self._faults[kind].note(fault)
        self._indexes.add(row.index)
        self._in_row.clear()
        self.groups[row.split].add(row.group)
        face = row.text("human_face_image_key")
        self._names.of += 1
        if not face.startswith("face:"):
            self._names.note(f"{row.index}: human_face_image_key is {face!r}")
        else:
            self._refer(row, face)
        for talk in row.talks:
            self._talk(row, talk)

    def _talk(self, row: Row, talk: Talk) -> None:
        for key in flat(talk.devices["device_images_key"]):
            if key:
                self._refer(row, key)
        lists = talk.lists
        for turn, element in enumerate(lists["images_key"]):
            keys = [key for key in flat(element) if key]
            shared = bool(_at(lists["image_descriptions"], turn))
            where = f"{row.index}, session {talk.number}, turn {turn + 1}"
            self.unfound.of += shared
            if shared and not keys:
                self.unfound.note(where)
            if keys and not shared:
                self._modules.note(f"{where}: a key where no picture is shared")
            elif bool(keys) != bool(_at(lists["images_module_name"], turn)):
                self._modules.note(f"{where}: a key without a module's name, or a name without one")
            for key in keys:
                self._refer(row, key)

    def _refer(self, row: Row, key: str) -> None:
        if key in self._in_row:
            return
        self._in_row.add(key)
        prefix = next((p for p in _PREFIXES if key.startswith(p)), "")
        bare = key[len(prefix) :]
        self._keys.of += 1
        if not _UUID.fullmatch(bare):
            self._keys.note(f"{row.index}: {key!r}")
        self.keys[_PREFIXES.get(prefix, IMAGES), row.split].add(bare)

    def named(self, name: str) -> bool:
        """Whether any row names a picture of that set."""
        return any(len(keys) for (of, _), keys in self.keys.items() if of == name)

    def findings(self) -> list[Finding]:
        """What is wrong with the rows by themselves."""
        rows = len(self._indexes)
        repeated = rows - len(np.unique(self._indexes.array()))
        return [
            self._faults["lists"].finding(self.gate, "lists that do not decode"),
            self._faults["parallel"].finding(self.gate, "sessions whose lists differ in length"),
            self._faults["sessions"].finding(self.gate, "sessions that are told wrong"),
            self._names.finding(self.gate, "faces without the prefix face:"),
            self._keys.finding(self.gate, "keys that are no UUID"),
            self._modules.finding(self.gate, "keys that do not fit their turn"),
            Finding(self.gate, "rows whose index is another's", repeated, 0, f"of {rows:,}"),
        ]


def told(keys: NDArray[Any]) -> tuple[str, ...]:
    """The first few keys as texts; one that is no UUID shows as the hash that stands for it."""
    return tuple(str(uuid.UUID(bytes=key.tobytes())) for key in keys[:5])


def together(parts: Iterable[NDArray[Any]]) -> NDArray[Any]:
    """All keys of some arrays, each once and in order."""
    found = list(parts)
    return np.unique(np.concatenate(found)) if found else np.empty(0, dtype=KEY)


def _at(values: list[Any], place: int) -> Any:
    return values[place] if place < len(values) else ""
