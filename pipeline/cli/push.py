"""Pushing: a release's sets to the Hugging Face Hub."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcu.cli.terminal import OUTPUTS, Json, Outputs, app, put, put_json, say

if TYPE_CHECKING:
    from mcu.push import Tell

_STILL = 30.0  # seconds between signs of life
_RETRIES = 5.0  # seconds between words on retries


@app.command()
def push(
    name: Annotated[str, typer.Argument(help="The run.")],
    repo: Annotated[
        str,
        typer.Option("--repo", metavar="OWNER/PREFIX", help="Set stark-X goes to OWNER/PREFIX-X."),
    ],
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME", help="Only this set, repeatable.")
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="Everybody may read it.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace other files that are there.")
    ] = False,
    allow: Annotated[
        list[str] | None,
        typer.Option("--allow", metavar="GATE", help="A gate of the check that may have failed."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would go where, and touch nothing.")
    ] = False,
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds after which a failing Hub is given up.")
    ] = 1800,
    outputs: Outputs = OUTPUTS,
    as_json: Json = False,
) -> None:
    """Put a checked release on the Hugging Face Hub; a push that was stopped goes on.

    The token is that of HF_TOKEN or of `hf auth login`. Repositories are private by default.
    """
    from mcu.push import admit, prepare
    from mcu.push import push as send
    from mcu.run import Run

    run = Run.open(outputs / name)
    plan = prepare(run, repo, sets or (), public)
    if dry_run:
        if as_json:
            put_json(plan.json())
        else:
            put("\n".join(plan.lines()))
        admit(run, allow or ())
        return
    admit(run, allow or ())
    with _live(name) as tell:
        pushed = send(plan, overwrite=overwrite, patience=patience, tell=tell)
    if as_json:
        put_json({"run": name, "private": plan.private, "sets": [one.json() for one in pushed]})
        return
    for one in pushed:
        what = f"{one.sent:,} of {one.files:,} files sent" if one.sent else "was there already"
        put(f"{one.url}  {what}, all verified")


class _Retries(logging.Handler):
    """What the client says of its own retries, now and then and without signed addresses."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._told = -_RETRIES

    def emit(self, record: logging.LogRecord) -> None:
        now, text = time.monotonic(), record.getMessage()
        if "thrown while requesting" in text and now - self._told > _RETRIES:
            self._told = now
            say(f"{text.partition(' thrown while')[0]} from the Hub; trying again")


@contextmanager
def _live(name: str) -> Iterator["Tell"]:
    """Lines on what is done, and a sign of life; Ctrl-C ends at once, for nothing is half written.

    In a terminal the client of the Hub shows its own bars as well.
    """
    from huggingface_hub.utils.logging import get_logger
    from huggingface_hub.utils.tqdm import disable_progress_bars

    get_logger("huggingface_hub").handlers = [_Retries()]
    if not sys.stderr.isatty():
        disable_progress_bars()
    last, over = ["starting"], threading.Event()

    def tell(text: str) -> None:
        last[0] = text
        say(text)

    def breathe() -> None:
        while not over.wait(_STILL):
            if not sys.stderr.isatty():
                say(f"still {last[0]}")

    def stop(*_: Any) -> None:
        # The client's threads would first end the files that they are sending.
        # Not by print, whose buffer may be in use at this very moment.
        os.write(2, f"\nmcu: interrupted; the same `mcu push {name}` goes on\n".encode())
        os._exit(130)

    before = signal.signal(signal.SIGINT, stop)
    threading.Thread(target=breathe, daemon=True).start()
    try:
        yield tell
    finally:
        over.set()
        signal.signal(signal.SIGINT, before)
