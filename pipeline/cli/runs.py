"""Runs: make one, go on with it, tell how far it is."""

import os
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

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
from mcu.errors import Incomplete

if TYPE_CHECKING:
    from mcu.config import Config
    from mcu.run import Run


@app.command()
def run(
    config: ConfigFile = None,
    profile: Profile = "auto",
    stages: Annotated[str, typer.Option(help="Stages to do, such as 1-8 or 4.")] = "1-8",
    name: Annotated[str, typer.Option(help="Name of the run and its folder.")] = "",
    episodes: Episodes = None,
    seed: Seed = None,
    shards: Annotated[str, typer.Option(help="Only these shards, such as 0-99.")] = "",
    max_usd: Cap = None,
    set_: Setting = None,
    outputs: Outputs = OUTPUTS,
    as_json: Json = False,
) -> None:
    """Make a data set, or go on with it: what is done already is not done again."""
    from mcu.run import Run

    settings = settle(profile, config, set_, episodes=episodes, seed=seed, max_usd=max_usd)
    name = named(name, profile, settings)
    limits = span(stages, "--stages", 1, 8)
    chosen = span(shards, "--shards", 0, settings.shards - 1) if shards else None
    _announce(settings)
    _execute(Run.create(outputs / name, settings), limits, chosen, as_json)


def _announce(settings: "Config") -> None:
    """A line each on who writes and draws: it may cost money, or nothing."""
    chat, image = settings.chat, settings.image
    if image.backend != "avatar":
        routes = dict.fromkeys((image.face.route, image.persona.route, image.scene.route))
        say(f"drawing with {', '.join(routes)}")
    if chat.backend == "scripted":
        reason = "" if os.environ.get("OPENAI_API_KEY") else "no OPENAI_API_KEY: "
        pictures = ", drawn pictures" if image.backend == "avatar" else ""
        say(f"{reason}running the offline profile (scripted text{pictures})")
    else:
        urls = [server.base_url for server in chat.endpoints.values()] or [chat.base_url]
        hosts = ", ".join(urlsplit(url or "https://api.openai.com").netloc for url in urls)
        models = {chat.model: None} | {stage.model: None for stage in chat.stages.values()}
        cap = f", for ${settings.run.max_usd:g} at most" if settings.run.max_usd else ""
        say(f"writing with {', '.join(filter(None, models))} at {hosts}{cap}")


@app.command()
def resume(
    name: Annotated[str, typer.Argument(help="The run; the newest unfinished by default.")] = "",
    max_usd: Cap = None,
    set_: Setting = None,
    outputs: Outputs = OUTPUTS,
    as_json: Json = False,
) -> None:
    """Go on with a run that was interrupted; nothing that is paid for is paid for twice."""
    from mcu.config import load_config
    from mcu.run import Run
    from mcu.status import newest_unfinished

    found = Run.open(outputs / name) if name else newest_unfinished(outputs)
    if not name:
        say(f"resuming {found.root.name}")
    cap = {} if max_usd is None else {"run": {"max_usd": max_usd}}
    settings = load_config("offline", found.root / "run.toml", set_ or (), values=cap)
    first, last = found.state.get("stages", (1, 8))
    if found.state.get("state") == "partial":
        first, last = 1, 8  # of those stages nothing is left to do
    _execute(Run.create(found.root, settings), (first, last), None, as_json)


def _execute(
    run: "Run", stages: tuple[int, int], shards: tuple[int, int] | None, as_json: bool
) -> None:
    from mcu.cli.counting import counting
    from mcu.cli.tables import summary
    from mcu.progress import watch
    from mcu.status import status

    try:
        with counting("episodes of the release") as tell:
            run.execute(stages, shards, watch, tell)
    except KeyboardInterrupt:
        say(f"interrupted; `mcu resume {run.root.name}` goes on where it stopped")
        raise SystemExit(130) from None
    except Incomplete:
        if not as_json:
            put(summary(status(run)))
        raise
    finally:
        if as_json:
            put_json(status(run))
    if not as_json:
        put(summary(status(run)))


@app.command(name="status")
def status_(
    name: Annotated[str, typer.Argument(help="The run; all runs by default.")] = "",
    shards: Annotated[bool, typer.Option("--shards", help="A row for each shard, too.")] = False,
    outputs: Outputs = OUTPUTS,
    as_json: Json = False,
) -> None:
    """Tell how far a run is, and what it cost."""
    from mcu.cli.tables import table
    from mcu.run import Run
    from mcu.status import runs, status

    found = [Run.open(outputs / name)] if name else runs(outputs)
    facts = [status(one, shards) for one in found]
    if as_json:
        put_json(facts[0] if name else facts)
    elif name:
        put("\n".join(table(facts[0])))
    else:
        for fact in facts:
            put(f"{fact['name']:<32} {fact['state']:<12} {fact['episodes']} episodes")
