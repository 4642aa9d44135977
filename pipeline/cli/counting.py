"""Progress of work that is counted: a bar in a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mcu.cli.terminal import say

_QUIET = 2.0  # seconds that need no progress
_LINE_EVERY = 10.0


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """Gives what is told how many things are done, and of how many; 0 where nobody knows."""
    from rich.console import Console
    from rich.progress import Progress

    terminal = sys.stderr.isatty()
    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task(what, start=False)
    began = told = 0.0  # when the first thing was done: what went before was shown by others

    def seen(done: int, total: int = 0) -> None:
        nonlocal began, told
        now = time.monotonic()
        if not began:
            began = told = now
        if now - began < _QUIET:
            return
        if terminal:
            if not bar.live.is_started:
                bar.start()
                bar.start_task(task)
            bar.update(task, completed=done, total=total or None)
        elif now - told >= _LINE_EVERY:
            told = now
            say(f"{done:,} of {total:,} {what}" if total else f"{done:,} {what}")

    try:
        yield seen
    finally:
        if bar.live.is_started:
            bar.stop()
