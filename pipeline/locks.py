"""Who may work on a run: one caller of this process, and one process for each shard."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mcu.errors import ConfigError, StoreError

_AT_WORK: dict[Path, object] = {}  # a file's lock does not tell threads of one process apart


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Hold a run against other threads of this process.

    Raises:
        ConfigError: another one works on it.
    """
    root, me = root.resolve(), object()
    if _AT_WORK.setdefault(root, me) is not me:
        raise ConfigError(f"run {root.name!r} is being worked on by this process already")
    try:
        yield
    finally:
        del _AT_WORK[root]


@contextmanager
def lock(root: Path, name: str, first: int = 0, count: int = 1) -> Iterator[None]:
    """Hold bytes of a lock file against other processes: array jobs share a run by shards.

    Each lock has a file of its own, for closing one gives up all that a process holds on it.

    Raises:
        ConfigError: another process holds some of them.
        StoreError: the folder cannot be written.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        file = (root / f".{name}.lock").open("a+b")
    except OSError as error:
        raise StoreError(f"{root} cannot be written: {error.strerror}") from error
    with file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, count, first)
        except BlockingIOError:
            raise ConfigError(
                f"the {name} of run {root.name!r} are being worked on by another process; "
                f"array jobs need `mcu run --stages 1` to be done first"
            ) from None
        yield
