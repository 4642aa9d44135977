"""Batches given up."""

from typing import Annotated

import typer

from mcu.cli.terminal import OUTPUTS, Json, Outputs, Setting, app, put, put_json, say


@app.command()
def cancel(
    name: Annotated[str, typer.Argument(help="The run.")],
    set_: Setting = None,
    outputs: Outputs = OUTPUTS,
    as_json: Json = False,
) -> None:
    """Cancel the batches that a run has out; what is answered already is kept."""
    from dataclasses import asdict

    from mcu.backends.batch.cancel import cancel as cancel_batches
    from mcu.config import load_config
    from mcu.run import Run

    run = Run.open(outputs / name)
    settings = load_config("offline", run.root / "run.toml", set_ or ())
    found = cancel_batches(settings, run.root / "journal")
    if as_json:
        put_json({"name": name, "batches": [asdict(one) for one in found]})
        return
    for one in found:
        put(f"{one.batch or 'a batch':<40} {one.requests:>7,} requests  {one.status}")
    if any(one.status.startswith("cancel") for one in found):
        say(f"`mcu resume {name}` goes on, with what was answered before")
    else:
        say(f"nothing to cancel: run {name} has no batches out")
