"""Calibrating: the bars of checks, from pictures of one's own."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcu.cli.terminal import OUTPUTS, Json, Outputs, app, put, put_json, say
from mcu.errors import ConfigError

if TYPE_CHECKING:
    from mcu.calibrate import Pairs

calibrate_app = typer.Typer(no_args_is_help=True, help="Bars of checks, from your own pictures.")
app.add_typer(calibrate_app, name="calibrate")

_QUIET = 2.0  # seconds that need no progress
_LINE_EVERY = 10.0
_FEW = 100


@calibrate_app.command()
def faces(
    folder: Annotated[
        Path | None, typer.Argument(help="A folder of photographs with a folder for each person.")
    ] = None,
    run: Annotated[str, typer.Option("--run", help="Take the pictures of a run instead.")] = "",
    limit: Annotated[int, typer.Option(min=2, help="Most pictures of a run.")] = 500,
    passing: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Take the highest bar that at most this share of wrong pairs passes.",
        ),
    ] = None,
    write: Annotated[
        Path | None, typer.Option("--write", metavar="FILE", help="Set the bar in a mcu.toml.")
    ] = None,
    outputs: Outputs = OUTPUTS,
    as_json: Json = False,
) -> None:
    """Find checks.identity_bar: how unlike two faces of one person may be."""
    if bool(folder) == bool(run):
        raise ConfigError("calibrate faces takes a folder of people, or --run with a run's name")
    from mcu.calibrate import report
    from mcu.toml_edit import set_number

    facts = report(_pairs(folder, outputs / run, limit), passing)
    if as_json:
        put_json(facts)
    else:
        put("\n".join(_lines(facts)))
    if min(facts[kind]["pairs"] for kind in ("genuine", "impostor")) < _FEW:
        say(f"fewer than {_FEW} pairs of a kind: the bar is rough")
    if write:
        set_number(write, "checks", "identity_bar", facts["bar"])
        say(f"set checks.identity_bar = {facts['bar']:g} in {write}; checks.faces = 'dlib' uses it")


def _pairs(folder: Path | None, run: Path, limit: int) -> "Pairs":
    from mcu.backends.dlib import DlibFaces
    from mcu.calibrate import of_folder, of_run
    from mcu.run import Run

    if folder:
        with _progress() as seen:
            return of_folder(folder, DlibFaces(), seen)
    made = Run.open(run)
    with _progress() as seen:
        return of_run(made, DlibFaces(), limit, seen)


def _lines(facts: dict[str, Any]) -> list[str]:
    quantiles = list(facts["genuine"]["quantiles"])
    head = "".join(f"{float(one):>8.0%}" for one in quantiles)
    lines = [
        f"{facts['people']:,} people, {facts['pictures']:,} pictures, "
        f"{len(facts['faceless']):,} without a face",
        *(f"  no face: {name}" for name in facts["faceless"][:10]),
        f"{'distance of':<14}{'pairs':>10}{head}",
    ]
    for kind, name in (("genuine", "one person"), ("impostor", "two people")):
        values = "".join(f"{value:>8.3f}" for value in facts[kind]["quantiles"].values())
        lines.append(f"{name:<14}{facts[kind]['pairs']:>10,}{values}")
    lines.append(f"equal-error rate {facts['equal_error_rate']:.2%}; bar {facts['bar']:g}")
    lines += [
        f"  at {one['bar']:<5g} {one['wrong_passing']:7.2%} of wrong pairs pass, "
        f"{one['right_refused']:7.2%} of right ones are refused"
        for one in facts["bars"]
    ]
    return lines


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Shows how many pictures were looked at: a bar in a terminal, plain lines elsewhere."""
    from rich.console import Console
    from rich.progress import Progress

    terminal = sys.stderr.isatty()
    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task("pictures", start=False)
    began = told = time.monotonic()

    def seen(done: int, total: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - began < _QUIET:
            return
        if terminal:
            bar.start()
            bar.start_task(task)
            bar.update(task, completed=done, total=total)
        elif now - told >= _LINE_EVERY:
            told = now
            say(f"{done:,} of {total:,} pictures")

    try:
        yield seen
    finally:
        bar.stop()
