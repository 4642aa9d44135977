"""Estimates: what a run will take, before it is made."""

from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcu.cli.terminal import (
    OUTPUTS,
    Cap,
    ConfigFile,
    Episodes,
    Json,
    Outputs,
    Profile,
    Seed,
    Setting,
    app,
    named,
    put,
    put_json,
    say,
    settle,
    span,
)

if TYPE_CHECKING:
    from mcu.config import Config
    from mcu.estimate.figures import Estimate, Measured


@app.command()
def estimate(
    config: ConfigFile = None,
    profile: Profile = "auto",
    stages: Annotated[str, typer.Option(help="Stages to count, such as 1-8 or 4.")] = "1-8",
    name: Annotated[str, typer.Option(help="Name of the run, for a sample.")] = "",
    episodes: Episodes = None,
    seed: Seed = None,
    sample: Annotated[
        int, typer.Option(min=0, help="Make so many episodes first; the run keeps them.")
    ] = 0,
    compare: Annotated[
        list[str] | None, typer.Option(metavar="MODEL", help="Dollars of a model, repeatable.")
    ] = None,
    table: Annotated[
        bool, typer.Option("--table", help="Dollars for 1,000, 10,000 and 86,900 episodes.")
    ] = False,
    max_usd: Cap = None,
    set_: Setting = None,
    outputs: Outputs = OUTPUTS,
    as_json: Json = False,
) -> None:
    """Tell calls, tokens, dollars and hours of a run before it is made."""
    from mcu.estimate import TABLE, of_models
    from mcu.estimate import compare as compared
    from mcu.estimate import estimate as estimated
    from mcu.estimate.rehearsal import rehearse

    settings = settle(profile, config, set_, episodes=episodes, seed=seed, max_usd=max_usd)
    limits = span(stages, "--stages", 1, 8)
    found = None
    if sample:
        name = named(name, profile, settings)
        found = _sample(outputs, name, settings, sample, limits[1])
    sizes = [settings.with_run(episodes=number) for number in TABLE] if table else [settings]
    made = [estimated(one, found or rehearse(one), limits) for one in sizes]
    rows = compared(settings, made, compare or []) if compare or table else []
    if as_json:
        put_json(made[0].as_json() | ({"compare": rows} if rows else {}))
        return
    notes = made[0].assumptions + (of_models(settings, compare, bool(found)) if compare else [])
    put("\n".join(_table(rows, notes) if table else _whole(made[0], rows, notes)))


def _sample(outputs: Path, name: str, settings: "Config", episodes: int, last: int) -> "Measured":
    """The sample of a run, whose progress is shown."""
    from mcu.estimate.sample import sample
    from mcu.progress import watch

    number = min(episodes, settings.run.episodes)
    say(f"making {number} episodes with {settings.chat.model}; run {name} will keep them")
    try:
        return sample(outputs / name, settings, episodes, last, watch)
    except KeyboardInterrupt:
        say("interrupted; the same command goes on where it stopped")
        raise SystemExit(130) from None


def _whole(made: "Estimate", rows: list[dict[str, Any]], notes: list[str]) -> list[str]:
    """The figures of each stage and of all, and what they rest on."""
    facts = made.as_json()
    lines = [f"{made.episodes:,} episodes, {'sampled' if made.sampled else 'estimated'}"]
    lines.append(_line("", "model", "calls", "prompt", "cached", "reply", "cost", "time"))
    for row in facts["stages"]:
        lines.append(_line(f"{row['number']} {row['name']}", row["model"], *_figures(row)))
    lines.append(_line("all", "", *_figures(facts["total"])))
    return [*lines, *(_models(rows) if rows else []), *_wrapped(notes)]


def _table(rows: list[dict[str, Any]], notes: list[str]) -> list[str]:
    """Dollars by model and size; hours are those of one size alone."""
    return _models(rows) + _wrapped([note for note in notes if not note.startswith("hours")])


def _line(*cells: str) -> str:
    from mcu.cli.tables import line

    return line((-14, -19, 10, 10, 7, 9, 11, 8), cells)


def _figures(row: dict[str, Any]) -> tuple[str, ...]:
    from mcu.cli.tables import asked

    return *asked(row), _cost(row["usd"]), _time(row["hours"])


def _time(hours: float) -> str:
    seconds = 3600 * hours
    if seconds < 600:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{hours:,.1f} h"


def _cost(usd: float | None) -> str:
    from mcu.status import dollars

    return "unknown" if usd is None else dollars(usd)


def _models(rows: list[dict[str, Any]]) -> list[str]:
    """Dollars by model, a pair of columns for each number of episodes."""
    sizes = list(dict.fromkeys(row["episodes"] for row in rows))
    cells: dict[str, list[str]] = {}
    for row in rows:
        costs = cells.setdefault(row["model"], [])
        costs += [_cost(row["live"]), _cost(row["batch"])]
    width = max(20, *map(len, cells))
    heads = [f"{size:>18,} episodes"[-23:].rjust(23) for size in sizes]
    return [
        f"  {'':<{width}} {' '.join(heads)}",
        f"  {'':<{width}} {' '.join(f'{way:>11}' for _ in sizes for way in ('live', 'batch'))}",
        *(f"  {m:<{width}} {' '.join(f'{c:>11}' for c in costs)}" for m, costs in cells.items()),
    ]


def _wrapped(notes: list[str]) -> list[str]:
    """What the figures rest on."""
    return [
        line
        for note in notes
        for line in wrap(note, 98, initial_indent="  ", subsequent_indent="    ")
    ]
