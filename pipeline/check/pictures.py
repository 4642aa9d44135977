"""The tars of a release: every sample read, its hash compared, pictures opened in threads."""

import hashlib
import io
import json
import os
from array import array
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mcu.check.files import Files, Torn
from mcu.check.findings import Finding, Tally
from mcu.check.references import LINKS, SETS, Keys
from mcu.ids import key_bytes, sha256
from mcu.items import SPLITS
from mcu.phash import phash

GATE = "integrity"
_WAITING = 256  # pictures at most that wait for a thread
Seen = tuple[str, int | None]  # why it does not open, and its perceptual hash


@dataclass
class Pictures:
    """What was read of one set: a key, a hash of the file and a split for each sample.

    Attributes:
        files: the first 16 bytes of each file's SHA-256; zeros where there is none.
        places: of the samples that `looks` is of.
        looks: perceptual hashes of the pictures opened, and of those whose JSON tells it.
    """

    name: str
    keys: Keys = field(default_factory=Keys)
    files: Keys = field(default_factory=Keys)
    sides: bytearray = field(default_factory=bytearray)
    places: "array[int]" = field(default_factory=lambda: array("q"))
    looks: "array[int]" = field(default_factory=lambda: array("Q"))
    opened: Tally = field(default_factory=Tally)
    hashes: Tally = field(default_factory=Tally)
    fields: Tally = field(default_factory=Tally)
    tars: Tally = field(default_factory=Tally)

    def side(self) -> NDArray[np.uint8]:
        """The split of each sample, by its number."""
        return np.frombuffer(bytes(self.sides), dtype=np.uint8)

    def findings(self) -> list[Finding]:
        """What is wrong with the set by itself."""
        keys = self.keys.array()
        repeated = len(keys) - len(np.unique(keys))
        name = self.name
        return [
            self.tars.finding(GATE, f"{name}: tars that are torn or not as told"),
            self.opened.finding(GATE, f"{name}: pictures that do not open"),
            self.hashes.finding(GATE, f"{name}: files that differ from their hash"),
            self.fields.finding(GATE, f"{name}: samples whose files or fields are wrong"),
            Finding(GATE, f"{name}: keys that come twice", repeated, 0, f"of {len(keys):,}"),
        ]


def read(files: Files, sample: int, tell: Callable[[int, int], None]) -> dict[str, Pictures]:
    """Read all sets of pictures; `tell` hears how many samples of how many are read.

    Args:
        files: of the release.
        sample: pictures opened at most, about, chosen by their keys; all the others are hashed.
        tell: called often.
    """
    told = {name: files.info(name) for name in SETS}
    total = sum(sum(_lengths(told[name])) for name in SETS)
    pictures = sum(sum(_lengths(told[name])) for name in SETS if name != LINKS)
    share = min(1.0, sample / max(pictures, 1))
    found, done = {}, 0
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
    with ThreadPoolExecutor(min(threads, 16), "check") as pool:
        for name in SETS:
            reader = _Reader(Pictures(name), share, pool)
            _check_names(files, name, told[name], reader.set)
            for split, path in files.tars(name):
                done = reader.tar(files, split, path, lambda n: tell(n, total), done)
                _check_length(told[name], split, path, reader)
            reader.settle(0)
            found[name] = reader.set
    return found


class _Reader:
    """Reads the samples of one set."""

    def __init__(self, pictures: Pictures, share: float, pool: ThreadPoolExecutor) -> None:
        self.set = pictures
        self.count = 0  # of the tar read last
        self._bar = int(share * 2**64)
        self._pool = pool
        self._waiting: deque[tuple[int, str, Future[Seen]]] = deque()

    def tar(
        self, files: Files, split: str, path: Path, tell: Callable[[int], None], done: int
    ) -> int:
        self.count = 0
        self.set.tars.of += 1
        try:
            for key, parts in files.samples(path):
                self._sample(SPLITS.index(split), key, parts)
                self.count += 1
                if self.count % 500 == 0:
                    tell(done + self.count)
        except (Torn, OSError) as error:
            self.set.tars.note(f"{path.name}: {error}")
        tell(done + self.count)
        return done + self.count

    def _sample(self, side: int, key: str, parts: dict[str, bytes]) -> None:
        found, place = self.set, len(self.set.keys)
        found.keys.add(key)
        found.sides.append(side)
        found.fields.of += 1
        fields = _fields(parts.get("json"))
        wanted = {"json"} if found.name == LINKS else {"json", "jpg"}
        if parts.keys() != wanted:
            found.fields.note(f"{key}: files {', '.join(sorted(parts))}")
        if fields.get("index") != key:
            found.fields.note(f"{key}: the JSON's index is {fields.get('index')!r}")
        hash_, data = str(fields.get("image_sha256") or ""), parts.get("jpg")
        if data is not None:
            real = sha256(data)
            found.hashes.of += bool(hash_)
            if hash_ and hash_ != real:
                found.hashes.note(f"{key}: image_sha256 is {hash_}, the file's is {real}")
            hash_ = real
        found.files.append(_first_half(hash_))
        if data is None or _place(key) >= self._bar:
            self._keep(place, _look(fields.get("image_phash")))
        else:
            found.opened.of += 1
            self._waiting.append((place, key, self._pool.submit(_open, data)))
            self.settle(_WAITING)

    def settle(self, most: int) -> None:
        """Take what the threads found, until at most so many are waiting."""
        while len(self._waiting) > most:
            place, key, seen = self._waiting.popleft()
            fault, look = seen.result()
            if fault:
                self.set.opened.note(f"{key}: {fault}")
            self._keep(place, look)

    def _keep(self, place: int, look: int | None) -> None:
        if look is not None:
            self.set.places.append(place)
            self.set.looks.append(look)


def _open(data: bytes) -> Seen:
    """Decode a picture wholly."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.format != "JPEG":
                return f"it is a {image.format}", None
            image.load()
            return "", phash(image)
    except Exception as error:  # decoders stumble over torn bytes in many ways
        return f"{type(error).__name__}: {error}".partition(" <")[0], None


def _check_names(files: Files, name: str, told: dict[str, Any], found: Pictures) -> None:
    """Whether the tars that there are and those of `dataset_info.json` are the same."""
    there = {path.name for _, path in files.tars(name)}
    named = {str(n) for part in told.values() for n in part.get("filenames", [])}
    for missing in sorted(named - there):
        found.tars.note(f"{missing}: dataset_info.json names it, and it is not there")
    for extra in sorted(there - named):
        found.tars.note(f"{extra}: dataset_info.json does not name it")


def _check_length(told: dict[str, Any], split: str, path: Path, reader: _Reader) -> None:
    part = told.get(split, {})
    names = [str(name) for name in part.get("filenames", [])]
    if path.name in names:
        lengths = list(part.get("shard_lengths", []))
        place = names.index(path.name)
        length = lengths[place] if place < len(lengths) else None
        if length != reader.count:
            reader.set.tars.note(f"{path.name}: {reader.count} samples, {length} are told")


def _lengths(told: dict[str, Any]) -> list[int]:
    return [int(n) for part in told.values() for n in part.get("shard_lengths", [])]


def _fields(data: bytes | None) -> dict[str, Any]:
    try:
        found = json.loads(data or b"")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _first_half(digest: str) -> bytes:
    try:
        return bytes.fromhex(digest[:32]).ljust(16, b"\0")
    except ValueError:
        return bytes(16)


def _look(text: Any) -> int | None:
    try:
        return int(text, 16) if isinstance(text, str) and len(text) == 16 else None
    except ValueError:
        return None


def _place(key: str) -> int:
    """A number below 2**64 that nothing but the key decides, to sample by."""
    return int.from_bytes(hashlib.blake2b(key_bytes(key), digest_size=8).digest(), "big")
