"""Training exports: records for Ultron, which shares pictures, and for its summariser."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from mcu.cli.counting import counting
from mcu.cli.terminal import OUTPUTS, Json, Outputs, app, finished, put, put_json
from mcu.transcript import MARKER

export_app = typer.Typer(no_args_is_help=True, help="Records to train models on.")
app.add_typer(export_app, name="export")

Name = Annotated[str, typer.Argument(help="The run; the newest complete by default.")]
Out = Annotated[
    Path | None, typer.Option("--out", help="Folder of the export; one in the run's by default.")
]


@export_app.command()
def ultron(
    name: Name = "",
    negatives: Annotated[
        bool, typer.Option(help="Turns without a picture, too: share, or go on in words.")
    ] = False,
    summaries: Annotated[
        bool, typer.Option("--summaries", help="Summaries of earlier sessions in the prompt.")
    ] = False,
    history: Annotated[
        Literal["turns", "merged"],
        typer.Option(help="A line a turn, or what one speaker says in a row on one line."),
    ] = "turns",
    marker: Annotated[
        str, typer.Option(help="Stands for an earlier picture; {description} is the picture's.")
    ] = MARKER,
    template: Annotated[
        Path | None,
        typer.Option(
            "--template", metavar="FILE", help="Your own: {name} {date} {dialogue} {summary}."
        ),
    ] = None,
    out: Out = None,
    outputs: Outputs = OUTPUTS,
    as_json: Json = False,
) -> None:
    """Write a record for each shared picture: portrait and chat up to it, and its description."""
    from mcu.export.templates import ULTRON, read_template
    from mcu.export.ultron import Options, export_ultron

    run = finished(outputs, name)
    own = read_template(template, ULTRON) if template else None
    options = Options(negatives, summaries, history, marker, own)
    folder = out or run.root / "exports" / "ultron"
    with counting("episodes") as tell:
        facts = export_ultron(run, folder, options, tell)
    _put(folder, facts, as_json)


@export_app.command()
def summariser(
    name: Name = "",
    first: Annotated[
        Path | None,
        typer.Option("--first", metavar="FILE", help="Your template of first rounds."),
    ] = None,
    following: Annotated[
        Path | None,
        typer.Option("--next", metavar="FILE", help="Your template of the rounds after it."),
    ] = None,
    out: Out = None,
    outputs: Outputs = OUTPUTS,
    as_json: Json = False,
) -> None:
    """Write a record for each session: what was said and known before it, and its summary."""
    from mcu.export.summariser import export_summariser
    from mcu.export.templates import FIRST, NEXT, read_template

    run = finished(outputs, name)
    opening = read_template(first, FIRST) if first else None
    later = read_template(following, NEXT) if following else None
    folder = out or run.root / "exports" / "summariser"
    with counting("records") as tell:
        facts = export_summariser(run, folder, opening, later, tell)
    _put(folder, facts, as_json)


def _put(folder: Path, facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        put_json({"folder": str(folder), **facts})
        return
    records = facts["records"]
    splits = ", ".join(f"{number:,} {split}" for split, number in records.items())
    pictures = f", {facts['pictures']:,} portraits" if facts["pictures"] else ""
    put(f"{sum(records.values()):,} records ({splits}){pictures} in {folder}")
