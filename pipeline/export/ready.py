"""What exports are made of: a complete run, with the summaries of its sessions where wanted."""

from dataclasses import replace
from typing import TYPE_CHECKING

from mcu.derive import Material
from mcu.engine import Engine
from mcu.errors import ConfigError

if TYPE_CHECKING:
    from mcu.run import Run


def material(run: "Run", summaries: bool) -> Material:
    """The run's published episodes, with Summary records or without.

    Raises:
        ConfigError: the run is not complete, or its summaries are not; the message says what to do.
    """
    from mcu.stages import STAGES
    from mcu.stages.derive.summary import TASK, summary

    name = run.root.name
    run.check_complete()
    if not summaries:
        return Material(run, replace(TASK, stages=()))
    shards = list(range(run.config.shards))
    if Engine(run.config, run.store, (*STAGES, summary), (summary,), shards).pending:
        raise ConfigError(
            f"run {name!r} has no summaries of its sessions; `mcu derive summary {name}` makes them"
        )
    return Material(run, TASK)
