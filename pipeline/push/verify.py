"""Hashes: of the files here, and whether the Hub has the same ones."""

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mcu.errors import BackendError, StoreError
from mcu.ids import sha256_of
from mcu.push.hub import Held
from mcu.push.plan import File, human

_PIECE = 1 << 20
_THREADS = 4
_LINE_EVERY = 10.0  # seconds


def hashes(files: Iterable[File], tell: Callable[[str], None]) -> dict[File, str]:
    """The SHA-256 of each file, read once.

    Raises:
        StoreError: a file cannot be read.
    """
    asked, found = list(files), dict[File, str]()
    total, done, told = sum(file.size for file in asked), 0, time.monotonic()
    try:
        with ThreadPoolExecutor(_THREADS) as pool:
            sums = pool.map(sha256_of, [file.local for file in asked])
            for file, sha256 in zip(asked, sums, strict=True):
                found[file] = sha256
                done += file.size
                if time.monotonic() - told > _LINE_EVERY:
                    told = time.monotonic()
                    tell(f"read {human(done)} of {human(total)}")
    except OSError as error:
        raise StoreError(f"the release cannot be read: {error}") from error
    return found


def same(file: File, sha256: str, held: Held | None) -> bool:
    """Whether the Hub holds exactly this file.

    Of a large file it tells the SHA-256, of a small one the hash of its git blob.
    """
    if held is None or held.size != file.size:
        return False
    return held.sha256 == sha256 if held.sha256 else held.blob == _git_blob(file.local)


def verify(repo: str, files: Mapping[File, str], there: Mapping[str, Held]) -> None:
    """Compare what was sent with what the Hub says it has.

    Raises:
        BackendError: a file is missing there, or is another; the message names the first ones.
    """
    wrong = [
        file.path for file, sha256 in files.items() if not same(file, sha256, there.get(file.path))
    ]
    if wrong:
        raise BackendError(
            f"{repo} does not hold what was sent ({some(wrong)}); another push sends it again"
        )


def some(paths: Iterable[str]) -> str:
    """The first few of some paths, for a message."""
    few = sorted(paths)
    return ", ".join(few[:3]) + (f" and {len(few) - 3} more" if len(few) > 3 else "")


def _git_blob(path: Path) -> str:
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
