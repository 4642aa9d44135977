"""Progress of work that is counted: a bar in a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from mcu.cli.terminal import say

_QUIET = 2.0  # seconds that need no progress
_LINE_EVERY = 10.0


class Seen(Protocol):
    """Is told how many things are done, of how many (0 where nobody knows), and of what."""

    def __call__(self, done: int, total: int = 0, what: str = "", /) -> None:
        """Take how far it is."""
        ...


@contextmanager
def counting(what: str) -> Iterator[Seen]:
    """Shows how far work is that counts things of a name; what it is told may name others."""
    from rich.console import Console
    from rich.progress import Progress

    terminal = sys.stderr.isatty()
    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task(what, start=False)
    began = told = 0.0  # when the first thing was done: what went before was shown by others

    def seen(done: int, total: int = 0, of: str = "", /) -> None:
        nonlocal began, told
        named = of or what
        now = time.monotonic()
        if not began:
            began = told = now
        if now - began < _QUIET:
            return
        if terminal:
            if not bar.live.is_started:
                bar.start()
                bar.start_task(task)
            bar.update(task, description=named, completed=done, total=total or None)
        elif now - told >= _LINE_EVERY:
            told = now
            say(f"{done:,} of {total:,} {named}" if total else f"{done:,} {named}")

    try:
        yield seen
    finally:
        if bar.live.is_started:
            bar.stop()
