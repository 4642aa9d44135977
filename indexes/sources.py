"""Sources of pictures for an index: folders and WebDataset tars, as streams in a fixed order."""

import hashlib
import json
import os
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from mcu.errors import Reject

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")
_OTHERS = (".svg", ".tif", ".tiff", ".heic", ".avif", ".jxl")  # listed, so that they are told of
_MOST = 20_000_000  # bytes of a file
_MOST_TEXT = 2_000  # characters of a caption or an address
_NAMES = {
    "caption": ("caption", "text", "title", "description", "alt_text", "alt", "question", "query"),
    "url": ("url", "image_url", "img_url", "contenturl"),
    "page": ("page", "permalink", "foreign_landing_url", "page_url"),
    "licence": ("licence", "license"),
    "author": ("author", "creator", "artist"),
}
_OPEN = re.compile(r"cc0|pdm|public[ -]?domain|cc[ -]by([ -]sa)?([ -]\d|$)", re.I)


@dataclass(frozen=True)
class Found:
    """What a source knows of one picture.

    Attributes:
        data: the file's bytes; None where only the address is known.
        place: where the bytes begin in a tar, and how many they are.
    """

    data: bytes | None
    facts: Mapping[str, str]
    place: tuple[int, int] | None = None

    @property
    def copy(self) -> bool:
        """Whether the bytes may be published: one's own, or an open licence says so."""
        return not self.facts.get("url") or bool(_OPEN.match(self.facts.get("licence", "")))


@dataclass(frozen=True)
class Item:
    """One picture of a source, not yet read.

    Attributes:
        file: its name below the source's base; a member of a tar as `x.tar/name`, a row of a table
            as `x.parquet#7`, or an address.
        open: reads it, in a worker thread; raises Reject.
    """

    file: str
    open: Callable[[], Found]


class Source(Protocol):
    """Pictures in a fixed order, cut into shards.

    Attributes:
        name: of the collection, kept with each picture.
        base: the folder that its files' names begin at.
    """

    name: str
    base: Path

    def plan(self, size: int) -> dict[str, Any]:
        """`shards` of about `size` pictures, and a `digest` that changes when the source does."""
        ...

    def read(self, shard: int, size: int) -> Iterator[Item]:
        """The pictures of a shard. Shards that are read in order cost no second look."""
        ...


@dataclass
class Listed:
    """A source that can be listed quickly, cut into shards of equal size."""

    name: str
    base: Path
    rows: Callable[[], Iterator[Item]]
    _left: Iterator[Item] = field(default_factory=lambda: iter(()))
    _next: int = -1

    def plan(self, size: int) -> dict[str, Any]:
        """One look at all names."""
        digest, count = hashlib.sha256(), 0
        for item in self.rows():
            digest.update(item.file.encode("utf-8", "surrogateescape") + b"\n")
            count += 1
        return {"shards": -(-count // size), "pictures": count, "digest": digest.hexdigest()}

    def read(self, shard: int, size: int) -> Iterator[Item]:
        """The next shard goes on where the last one ended; any other begins anew and skips."""
        if shard != self._next:
            self._left = islice(self.rows(), shard * size, None)
        self._next = shard + 1
        return islice(self._left, size)


@dataclass
class Tars:
    """WebDataset tars, a shard each: files of one picture lie together and differ in their ends."""

    name: str
    base: Path
    files: list[Path]

    def plan(self, size: int) -> dict[str, Any]:
        """Names and sizes of the tars; they are not opened."""
        digest = hashlib.sha256()
        for path in self.files:
            digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        return {"shards": len(self.files), "pictures": 0, "digest": digest.hexdigest()}

    def read(self, shard: int, size: int) -> Iterator[Item]:
        """All pictures of one tar."""
        path = self.files[shard]
        return members(path, path.relative_to(self.base).as_posix())


def folder(path: Path) -> Listed:
    """Pictures in a folder and those below it, with captions in .txt or .json files beside them."""
    base = path.resolve()
    return Listed(base.name, base, partial(_walk, base, base))


def _walk(base: Path, path: Path) -> Iterator[Item]:
    """By name; hidden ones and folders that are links are passed over."""
    try:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    except OSError as error:
        yield refused(f"{path.relative_to(base)}", "no_file", f"cannot be read: {error.strerror}")
        return
    for entry in entries:
        here = Path(entry.path)
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(base, here)
        elif here.suffix.lower() in PICTURES + _OTHERS:
            yield Item(here.relative_to(base).as_posix(), partial(_beside, base, here))


def _beside(base: Path, path: Path) -> Found:
    data = read(base, path)
    text, row = path.with_suffix(".txt"), path.with_suffix(".json")
    facts: dict[str, str] = {}
    if row.is_file():
        facts = facts_of(_json(read(base, row)))
    if text.is_file():
        facts["caption"] = tidy(read(base, text).decode("utf-8", "replace"))
    return Found(data, facts)


def read(base: Path, path: Path) -> bytes:
    """A file of a source.

    Raises:
        Reject: it is not there, is too large, or is a link that leads out of the base.
    """
    try:
        if not path.resolve().is_relative_to(base):
            raise Reject("outside", f"the file lies outside of {base.name}")
        if (size := path.stat().st_size) > _MOST:
            raise Reject("bad_image", f"the file has {size} bytes")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise Reject("no_file", f"the file cannot be read: {said}") from error


def members(path: Path, name: str) -> Iterator[Item]:
    """The pictures of a tar; where it breaks off, a last item says so."""
    made = 0
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for item in _samples(tar, name):
                made += 1
                yield item
            file.seek(tar.offset)
            if file.read(512) != bytes(512):  # tarfile ends in silence where a header is damaged
                raise tarfile.ReadError("it has no end")
    except (OSError, tarfile.TarError, EOFError) as error:
        yield refused(name, "bad_tar", f"the tar breaks off after {made} pictures: {error}")


def _samples(tar: tarfile.TarFile, name: str) -> Iterator[Item]:
    key, parts = "", dict[str, tarfile.TarInfo]()
    loaded: dict[str, bytes] = {}
    for member in tar:
        tar.members = []  # type: ignore[attr-defined]  # else it would remember every one
        if not member.isreg():
            continue
        place = PurePosixPath(member.name)
        stem, _, end = place.name.partition(".")
        if (mine := f"{place.parent}/{stem}") != key:
            yield from _sample(name, parts, loaded)
            key, parts, loaded = mine, {}, {}
        end = f".{end.lower()}"
        if end in (".txt", ".json", ".caption", *PICTURES, *_OTHERS) and len(parts) < 8:
            parts[end] = member
            if member.size <= _MOST and (file := tar.extractfile(member)):
                loaded[end] = file.read()
    yield from _sample(name, parts, loaded)


def _sample(
    name: str, parts: dict[str, tarfile.TarInfo], loaded: dict[str, bytes]
) -> Iterator[Item]:
    end = next((end for end in (*PICTURES, *_OTHERS) if end in parts), "")
    if end:
        member = parts[end]
        yield Item(f"{name}/{member.name}", partial(_member, member, end, loaded))


def _member(member: tarfile.TarInfo, end: str, loaded: dict[str, bytes]) -> Found:
    if end not in loaded:
        raise Reject("bad_image", f"the file has {member.size} bytes")
    facts = facts_of(_json(loaded[".json"])) if ".json" in loaded else {}
    for text in (".txt", ".caption"):
        if text in loaded:
            facts["caption"] = tidy(loaded[text].decode("utf-8", "replace"))
            break
    return Found(loaded[end], facts, (member.offset_data, member.size))


def facts_of(row: Mapping[str, Any], caption: str = "") -> dict[str, str]:
    """Caption, url, page, licence and author of a row, by the usual names of such columns."""
    lower = {str(key).lower(): value for key, value in row.items()}
    names = {**_NAMES, "caption": (caption.lower(),) if caption else _NAMES["caption"]}
    found = {}
    for fact, columns in names.items():
        for value in (lower.get(column) for column in columns):
            if isinstance(value, list) and value:
                value = value[0]
            if isinstance(value, str) and value.strip():
                found[fact] = tidy(value)
                break
    if found.get("page", "").startswith("/r/"):  # RedCaps
        found["page"] = f"https://www.reddit.com{found['page']}"
    return found


def tidy(text: str) -> str:
    """One line of valid Unicode, of a bounded length."""
    whole = " ".join(text.encode("utf-8", "replace").decode().split())
    return "".join(sign for sign in whole if sign.isprintable())[:_MOST_TEXT]


def refused(file: str, code: str, reason: str) -> Item:
    """An item that stands for what a source could not read."""

    def fail() -> Found:
        raise Reject(code, reason)

    return Item(file, fail)


def _json(data: bytes) -> dict[str, Any]:
    """An object; an empty one for anything else, since a picture is good without its notes."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
