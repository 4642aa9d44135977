"""Calibrating: the bars of checks, from pictures of one's own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcu.cli.counting import counting
from mcu.cli.terminal import (
    OUTPUTS,
    ConfigFile,
    Json,
    Outputs,
    Profile,
    Setting,
    app,
    put,
    put_json,
    say,
    settle,
)
from mcu.errors import ConfigError

if TYPE_CHECKING:
    from mcu.calibrate import Pairs

calibrate_app = typer.Typer(no_args_is_help=True, help="Bars of checks, from your own pictures.")
app.add_typer(calibrate_app, name="calibrate")

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


@calibrate_app.command()
def relevance(
    file: Annotated[
        Path,
        typer.Argument(help="JSONL: description, good (true or false), file or caption."),
    ],
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Of the files; that of FILE by default.")
    ] = None,
    refusing: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Take the highest bar that refuses at most this share of right pictures.",
        ),
    ] = None,
    write: Annotated[
        Path | None, typer.Option("--write", metavar="FILE", help="Set the bar in a mcu.toml.")
    ] = None,
    config: ConfigFile = None,
    profile: Profile = "auto",
    set_: Setting = None,
    as_json: Json = False,
) -> None:
    """Find checks.relevance_bar: how well a found picture must fit its description.

    The encoder is that of the configuration; each has a bar of its own.
    """
    from mcu.backends.build import open_encoder
    from mcu.calibrate_relevance import lines, measure, read, report
    from mcu.toml_edit import set_number

    rows = read(file)
    encoder = open_encoder(settle(profile, config, set_))
    with counting("descriptions") as seen:
        pairs = measure(rows, folder or file.parent, encoder, seen)
    facts = {"encoder": encoder.name, **report(pairs, refusing)}
    if as_json:
        put_json(facts)
    else:
        put("\n".join([f"encoder {encoder.name}", *lines(facts)]))
    if min(facts[kind]["pairs"] for kind in ("right", "wrong")) < _FEW:
        say(f"fewer than {_FEW} pairs of a kind: the bar is rough")
    if write:
        set_number(write, "checks", "relevance_bar", facts["bar"])
        say(f"set checks.relevance_bar = {facts['bar']:g} in {write}")


def _pairs(folder: Path | None, run: Path, limit: int) -> "Pairs":
    from mcu.backends.dlib import DlibFaces
    from mcu.calibrate import of_folder, of_run
    from mcu.run import Run

    if folder:
        with counting("pictures") as seen:
            return of_folder(folder, DlibFaces(), seen)
    made = Run.open(run)
    with counting("pictures") as seen:
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
