"""The plan of a push: which set goes to which repository, and the order of the commits."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcu.errors import ConfigError

CARD = "README.md"
_PREFIX = "stark-"
_NOT_SETS = ("checks",)
_FILES = 100  # a commit
_BYTES = 5_000_000_000
# The Hub takes small files inside of the commit's own request, so that their sum is kept small.
_SMALL = 10_000_000
_SMALL_BYTES = 64_000_000


@dataclass(frozen=True)
class File:
    """A file of a set: its path in the repository, where it lies, its size in bytes."""

    path: str
    local: Path
    size: int


@dataclass(frozen=True)
class Part:
    """One set of a release and its repository."""

    name: str
    repo: str
    data: tuple[File, ...]
    card: File

    @property
    def files(self) -> tuple[File, ...]:
        """The data, then the card."""
        return (*self.data, self.card)

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class Plan:
    """What goes where, before anything is sent."""

    run: str
    private: bool
    parts: tuple[Part, ...]

    @property
    def bytes(self) -> int:
        """Size of all files of all sets."""
        return sum(part.bytes for part in self.parts)

    @property
    def commits(self) -> list[tuple[Part, tuple[File, ...]]]:
        """In order: the data of all sets, then their cards, which name each other's sets."""
        data = [(part, batch) for part in self.parts for batch in batches(part.data)]
        return [*data, *((part, (part.card,)) for part in self.parts)]

    def json(self) -> dict[str, Any]:
        """The plan for programs."""
        return {
            "run": self.run,
            "private": self.private,
            "bytes": self.bytes,
            "sets": [
                {
                    "set": part.name,
                    "repo": part.repo,
                    "bytes": part.bytes,
                    "files": [{"path": file.path, "bytes": file.size} for file in part.files],
                }
                for part in self.parts
            ],
            "commits": [
                {"repo": part.repo, "files": [file.path for file in batch]}
                for part, batch in self.commits
            ],
        }

    def lines(self) -> list[str]:
        """The plan for people."""
        sight = "private" if self.private else "public"
        width = max(len(part.name) for part in self.parts)
        wide = max(len(part.repo) for part in self.parts)
        lines = [f"run {self.run}: {len(self.parts)} {sight} data sets, {human(self.bytes)}"]
        lines += [
            f"  {part.name:<{width}}  {part.repo:<{wide}}  "
            f"{len(part.files):>5,} files {human(part.bytes):>9}"
            for part in self.parts
        ]
        lines.append("commits, in order (data first, cards last):")
        for number, (part, batch) in enumerate(self.commits, 1):
            size = human(sum(file.size for file in batch))
            what = batch[0].path + (f" and {len(batch) - 1} more" if len(batch) > 1 else "")
            lines.append(f"  {number:>3}. {part.repo:<{wide}}  {size:>9}  {what}")
        return lines


def plan(run: str, release: Path, repo: str, sets: list[str], public: bool) -> Plan:
    """Read a release's folder: each folder with a card is a set.

    Set `stark-image` goes to `OWNER/PREFIX-image`. Sets of pictures come first, for the others name
    their keys. Hidden files stay here.

    Args:
        run: its name.
        release: the folder that holds the sets.
        repo: `OWNER/PREFIX`.
        sets: names, with or without `stark-`; none means all.
        public: whether everybody may read the repositories.

    Raises:
        ConfigError: the name cannot be one of the Hub's, or there is no such set.
    """
    found = {
        folder.name: folder
        for folder in sorted(release.iterdir())
        if (folder / CARD).is_file() and folder.name not in _NOT_SETS
    }
    names = [_named(name, found) for name in sets] or list(found)
    if not names:
        raise ConfigError(f"run {run!r} has no set with a card; `mcu resume {run}` makes them")
    order = sorted(set(names), key=lambda name: ("image" not in name, name))
    parts = [_part(name, found[name], repository(repo, name)) for name in order]
    return Plan(run, not public, tuple(parts))


def repository(repo: str, name: str) -> str:
    """The repository of a set: `OWNER/PREFIX-` and the set's name without `stark-`.

    Raises:
        ConfigError: the Hub does not take such a name.
    """
    owner, _, prefix = repo.partition("/")
    full = f"{prefix}-{name.removeprefix(_PREFIX)}"
    good = re.fullmatch(r"[A-Za-z0-9][\w.-]{0,95}", full, re.ASCII) and prefix
    if not good or not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,95}", owner, re.ASCII):
        raise ConfigError(
            f"--repo {repo!r} must be OWNER/PREFIX of letters, digits, '-', '_' and '.', and make "
            f"names of at most 96 characters, such as {full!r}"
        )
    if ".." in full or "--" in full:
        raise ConfigError(f"--repo {repo!r}: the Hub takes no name with '..' or '--'")
    return f"{owner}/{full}"


def batches(files: tuple[File, ...] | list[File]) -> Iterator[tuple[File, ...]]:
    """Cut files into commits that are neither many nor large."""
    batch: list[File] = []
    size = small = 0
    for file in files:
        little = file.size if file.size <= _SMALL else 0
        full = len(batch) == _FILES or size + file.size > _BYTES or small + little > _SMALL_BYTES
        if batch and full:
            yield tuple(batch)
            batch, size, small = [], 0, 0
        batch.append(file)
        size += file.size
        small += little
    if batch:
        yield tuple(batch)


def human(size: float) -> str:
    """A number of bytes for people, in powers of 1,000."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _named(name: str, found: dict[str, Path]) -> str:
    for full in (name, _PREFIX + name):
        if full in found:
            return full
    raise ConfigError(f"--set {name!r}: the release has {', '.join(found) or 'no set'}")


def _part(name: str, folder: Path, repo: str) -> Part:
    files = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and not any(piece.startswith(".") for piece in inside.parts):
            files.append(File(inside.as_posix(), path, path.stat().st_size))
    card = next(file for file in files if file.path == CARD)
    return Part(name, repo, tuple(file for file in files if file is not card), card)
