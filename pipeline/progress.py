"""Progress of a run: bars in a terminal, plain lines elsewhere, both on standard error."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mcu.engine import Engine
from mcu.services import Services
from mcu.status import dollars

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
    share, told, stopping = start, began, False
    while not stop.wait(min(_TICK, _LINE_EVERY)):
        share = max(share, _share(engine))  # read while units close, it may seem to fall
        now = time.monotonic()
        if now - told < _LINE_EVERY and stopping == services.stopping:
            continue
        told, stopping = now, services.stopping
        parts = (_totals(engine, services), _details(services))
        left = _left(now - began, start, share)
        said = "  ".join(part for part in (f"{share:4.0%}", *parts, left) if part)
        sys.stderr.write(f"mcu: {said}\n")
        sys.stderr.flush()


def _bars(engine: Engine, services: Services, stop: threading.Event) -> None:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.text import Text

    note = TextColumn("{task.fields[note]}")
    bars = Progress(TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), note)
    tasks = {name: bars.add_task(name, note="") for name in engine.progress()}
    # The totals have lines of their own: in the table they would squeeze the bars.
    lines = [Text(no_wrap=True, overflow="ellipsis") for _ in range(2)]
    began, start = time.monotonic(), _share(engine)
    console, ended, share = Console(stderr=True), False, start
    with Live(
        Group(bars, *lines), console=console, auto_refresh=False, redirect_stdout=False
    ) as all_:
        while not ended:
            ended = stop.wait(_TICK)
            _update(bars, tasks, engine)
            share = max(share, _share(engine))
            left = _left(time.monotonic() - began, start, share)
            lines[0].plain = f"{share:4.0%}  {_totals(engine, services)}  {left}"
            lines[1].plain = f"      {_details(services)}"
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
    """What was done and what it cost."""
    meter = services.meter
    tokens = meter.prompt_tokens + meter.completion_tokens
    rejects = sum(lost for _, _, lost in engine.progress().values())
    return f"{meter.calls:,} calls  {tokens:,} tokens  {_spent(services)}  {rejects:,} rejects"


def _spent(services: Services) -> str:
    """Dollars: of this process, or with a cap of the whole run, as the cap counts."""
    if services.meter.unpriced:
        return dollars(None)
    if services.budget.capped:
        return f"{dollars(services.budget.spent)} of {dollars(services.config.run.max_usd)}"
    return dollars(services.meter.usd)


def _details(services: Services) -> str:
    """How busy the model is, and what was had for nothing, or for less."""
    meter, said = services.meter, [services.chat_load()]
    if services.stopping:
        said[0] = f"stopping: {said[0]}" if said[0] else "stopping"
    if meter.replayed:
        said.append(f"{meter.replayed:,} from the journal")
    if meter.cached_tokens:
        said.append(
            f"{meter.cached_tokens / max(meter.prompt_tokens, 1):.0%} of the prompts cached"
        )
    return "  ".join(part for part in said if part)
