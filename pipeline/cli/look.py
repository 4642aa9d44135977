"""Looking: at the records of a run, and at this machine."""

import os
from pathlib import Path
from typing import Annotated

import typer

from mcu.cli.terminal import OUTPUTS, Json, Outputs, app, put, put_json, say
from mcu.errors import ConfigError


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="The run.")] = "",
    stage: Annotated[str, typer.Argument(help="Stage by name or number.")] = "",
    id_: Annotated[str, typer.Option("--id", help="A record's id, or its parent's.")] = "",
    rejects: Annotated[bool, typer.Option("--rejects", help="What was lost, and why.")] = False,
    replies: Annotated[
        bool, typer.Option("--replies", help="What the model was asked for them, and said.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 3,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="A JPEG anywhere: what it says of its origin.")
    ] = None,
    outputs: Outputs = OUTPUTS,
    as_json: Json = False,
) -> None:
    """Show records of a stage, or what a picture says of its origin."""
    from mcu import replies as asked
    from mcu import show as kept
    from mcu.run import Run

    if bool(name and stage) == bool(picture) or bool(name) != bool(stage):
        raise ConfigError("show takes a run and a stage, or --picture with a JPEG file")
    source, text = (asked.replies, asked.text) if replies else (kept.rows, kept.text)
    if picture:
        found = [kept.picture(picture)]
        if not found[0]["marks"]:
            say("the picture bears no marks")
    else:
        found = source(Run.open(outputs / name), kept.find_stage(stage), id_, rejects, limit)
    if as_json:
        put(kept.as_json(found))
        return
    if not found:
        say("nothing to show")
    for row in found:
        put(text(row) + "\n")


@app.command()
def doctor(outputs: Outputs = OUTPUTS, as_json: Json = False) -> None:
    """Tell what can run here, and list all settings."""
    from mcu.doctor import examine, report

    facts = examine(os.environ, outputs)
    if as_json:
        put_json(facts)
    else:
        put("\n".join(report(facts)))
