"""Summariser records: what the summariser is asked for each session, and the summary."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcu import __version__
from mcu.errors import Incomplete
from mcu.export.files import ExportFiles
from mcu.export.templates import Template, own_template, summariser
from mcu.export.ultron import Tell

if TYPE_CHECKING:
    from mcu.run import Run
    from mcu.stages.derive.summary import SummaryItem


def export_summariser(
    run: "Run",
    folder: Path,
    first: Template | None = None,
    following: Template | None = None,
    tell: Tell | None = None,
) -> dict[str, Any]:
    """Write one record a summary of a complete run; gives what `export.json` tells.

    Args:
        run: a run with summaries.
        folder: where the records go.
        first: the user message of first rounds; None for ours.
        following: that of the rounds after it.
        tell: is told how many records there are so far.

    Raises:
        ConfigError: the run is not complete or has no summaries, or the folder will not do.
        Incomplete: there is not one record.
        StoreError: the disk is full.
    """
    from mcu.export.ready import material
    from mcu.stages.derive.summary import items

    first = first or own_template("summary_first")
    following = following or own_template("summary_next")
    found = material(run, summaries=True)
    with ExportFiles(folder) as files:
        for number, item in enumerate(items(found), 1):
            files.add(item.split, _record(item, first, following))
            if tell:
                tell(number, 0)
        if not files.counts:
            raise Incomplete("this run has not one summary, so that there is no record")
        templates = {"first": first.hash, "next": following.hash}
        return files.finish({"kind": "summariser", "templates": templates, "mcu": __version__})


def _record(item: "SummaryItem", first: Template, following: Template) -> dict[str, Any]:
    return {
        "id": item.item_id,
        "unique_id": item.source.unique_id,
        "split_group": item.split_group,
        "session": item.session,
        "round": item.round,
        "messages": summariser(item, first, following),
    }
