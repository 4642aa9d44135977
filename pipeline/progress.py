"""Progress of a run: bars in a terminal, plain lines elsewhere, both on standard error."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mcu.engine import Engine
from mcu.services import Services

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_TICK = 0.5
_LINE_EVERY = 10.0
# Model calls an input, about: what makes one stage's share of the time larger than another's.
_WEIGHT = {"dialogue": 5.0, "align": 15.0}


@contextmanager
def watch(engine: Engine, services: Services) -> Iterator[None]:
    """Show progress while the block runs."""
    stop = threading.Event()
    show = _bars if sys.stderr.isatty() else _lines
    thread = threading.Thread(target=show, args=(engine, services, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _lines(engine: Engine, services: Services, stop: threading.Event) -> None:
    began, start = time.monotonic(), _share(engine)
    share = start
    while not stop.wait(_LINE_EVERY):
        share = max(share, _share(engine))  # read while units close, it may seem to fall
        left = _left(time.monotonic() - began, start, share)
        sys.stderr.write(f"mcu: {share:4.0%}  {_totals(engine, services)}  {left}\n")
        sys.stderr.flush()


def _bars(engine: Engine, services: Services, stop: threading.Event) -> None:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.text import Text

    note = TextColumn("{task.fields[note]}")
    bars = Progress(TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), note)
    tasks = {name: bars.add_task(name, note="") for name in engine.progress()}
    # The totals have a line of their own: in the table they would squeeze the bars.
    line = Text(no_wrap=True, overflow="ellipsis")
    began, start = time.monotonic(), _share(engine)
    console, ended, share = Console(stderr=True), False, start
    with Live(
        Group(bars, line), console=console, auto_refresh=False, redirect_stdout=False
    ) as all_:
        while not ended:
            ended = stop.wait(_TICK)
            _update(bars, tasks, engine)
            share = max(share, _share(engine))
            left = _left(time.monotonic() - began, start, share)
            line.plain = f"{share:4.0%}  {_totals(engine, services)}  {left}"
            all_.refresh()


def _update(bars: "Progress", tasks: dict[str, "TaskID"], engine: Engine) -> None:
    for name, (done, expected, lost) in engine.progress().items():
        note = f"{lost} rejects" if lost else ""
        bars.update(tasks[name], completed=done, total=expected, note=note)


def _share(engine: Engine) -> float:
    done = whole = 0.0
    for name, (inputs, expected, _) in engine.progress().items():
        weight = _WEIGHT.get(name, 1.0)
        done += weight * min(inputs, expected)
        whole += weight * expected
    return done / whole if whole else 1.0


def _left(seconds: float, start: float, share: float) -> str:
    if share <= start or seconds < 1:
        return ""
    left = seconds / (share - start) * (1 - share)
    minutes, rest = divmod(round(left), 60)
    return f"about {minutes} min {rest:02d} s left" if minutes else f"about {rest} s left"


def _totals(engine: Engine, services: Services) -> str:
    meter = services.meter
    tokens = meter.prompt_tokens + meter.completion_tokens
    rejects = sum(lost for _, _, lost in engine.progress().values())
    return f"{meter.calls:,} calls  {tokens:,} tokens  {rejects:,} rejects"
