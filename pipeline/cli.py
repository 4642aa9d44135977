"""The command line; the only module that prints."""

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn
from urllib.parse import urlsplit

import typer

from mcu.errors import ConfigError, Incomplete, McuError

if TYPE_CHECKING:
    from mcu.config import Config

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Make long-term, multi-session, multi-modal conversation data.",
    epilog="Any command takes --debug, which shows tracebacks.",
)
index_app = typer.Typer(no_args_is_help=True, help="Picture indexes for retrieval.")
app.add_typer(index_app, name="index")

Outputs = Annotated[
    Path, typer.Option("--outputs", envvar="MCU_OUTPUTS", help="Folder of the runs.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Setting = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting, repeatable.")
]
_OUTPUTS = Path("outputs")


@app.command()
def run(
    config: Annotated[Path | None, typer.Option(help="A mcu.toml; ./mcu.toml if present.")] = None,
    profile: Annotated[str, typer.Option(help="offline or openai; auto looks for a key.")] = "auto",
    stages: Annotated[str, typer.Option(help="Stages to do, such as 1-8 or 4.")] = "1-8",
    name: Annotated[str, typer.Option(help="Name of the run and its folder.")] = "",
    episodes: Annotated[int | None, typer.Option(help="Episodes to ask for.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    shards: Annotated[str, typer.Option(help="Only these shards, such as 0-99.")] = "",
    set_: Setting = None,
    outputs: Outputs = _OUTPUTS,
    as_json: Json = False,
) -> None:
    """Make a data set, or go on with it: what is done already is not done again."""
    from mcu.config import load_config
    from mcu.run import Run

    if profile == "auto":
        profile = "openai" if os.environ.get("OPENAI_API_KEY") else "offline"
    if config is None and Path("mcu.toml").is_file():
        config = Path("mcu.toml")
    asked = {"episodes": episodes, "seed": seed}
    values = {"run": {key: value for key, value in asked.items() if value is not None}}
    settings = load_config(profile, config, set_ or (), values=values)
    name = name or f"{profile}-{settings.run.episodes}-seed{settings.run.seed}"
    if not re.fullmatch(r"[\w][\w.-]{0,99}", name):
        raise ConfigError(f"--name {name!r} may hold letters, digits, dots, dashes and underscores")
    limits = _span(stages, "--stages", 1, 8)
    chosen = _span(shards, "--shards", 0, settings.shards - 1) if shards else None
    _announce(settings)
    _execute(Run.create(outputs / name, settings), limits, chosen, as_json)


def _announce(settings: "Config") -> None:
    """One line on who writes: it may cost money, or nothing."""
    chat = settings.chat
    if chat.backend == "scripted":
        reason = "" if os.environ.get("OPENAI_API_KEY") else "no OPENAI_API_KEY: "
        _say(f"{reason}running the offline profile (scripted text, drawn pictures)")
    else:
        host = urlsplit(chat.base_url or "https://api.openai.com").netloc
        _say(f"writing with {chat.model} at {host}")


@app.command()
def resume(
    name: Annotated[str, typer.Argument(help="The run; the newest unfinished by default.")] = "",
    set_: Setting = None,
    outputs: Outputs = _OUTPUTS,
    as_json: Json = False,
) -> None:
    """Go on with a run that was interrupted; nothing that is paid for is paid for twice."""
    from mcu.config import load_config
    from mcu.run import Run
    from mcu.status import newest_unfinished

    found = Run.open(outputs / name) if name else newest_unfinished(outputs)
    if not name:
        _say(f"resuming {found.root.name}")
    settings = load_config("offline", found.root / "run.toml", set_ or ())
    first, last = found.state.get("stages", (1, 8))
    if found.state.get("state") == "partial":
        first, last = 1, 8  # of those stages nothing is left to do
    _execute(Run.create(found.root, settings), (first, last), None, as_json)


def _execute(
    run: Any, stages: tuple[int, int], shards: tuple[int, int] | None, as_json: bool
) -> None:
    from mcu.progress import watch
    from mcu.status import status

    try:
        run.execute(stages, shards, watch)
    except KeyboardInterrupt:
        _say(f"interrupted; `mcu resume {run.root.name}` goes on where it stopped")
        raise SystemExit(130) from None
    finally:
        if as_json:
            _print(json.dumps(status(run), ensure_ascii=False, indent=1))
    if not as_json:
        _summary(status(run))


def _summary(facts: dict[str, Any]) -> None:
    count = {stage["name"]: stage["records"] for stage in facts["stages"]}
    lost = sum(sum(stage["rejects"].values()) for stage in facts["stages"])
    _print(
        f"{facts['name']}: {facts['state']} in {facts['seconds']:.1f} s; "
        f"{count['persona']} personas, {count['events']} episodes, {count['dialogue']} sessions, "
        f"{count['align']} pictures; {facts['calls']} calls, {lost} rejects"
    )
    release = Path(facts["folder"]) / "release"
    if release.is_dir():
        _print(f"release: {release}")


@app.command(name="status")
def status_(
    name: Annotated[str, typer.Argument(help="The run; all runs by default.")] = "",
    outputs: Outputs = _OUTPUTS,
    as_json: Json = False,
) -> None:
    """Tell how far a run is."""
    from mcu.run import Run
    from mcu.status import runs, status

    found = [Run.open(outputs / name)] if name else runs(outputs)
    facts = [status(one) for one in found]
    if as_json:
        _print(json.dumps(facts[0] if name else facts, ensure_ascii=False, indent=1))
    elif name:
        _table(facts[0])
    else:
        for fact in facts:
            _print(f"{fact['name']:<32} {fact['state']:<12} {fact['episodes']} episodes")


def _table(facts: dict[str, Any]) -> None:
    _print(f"{facts['name']}: {facts['state']} {facts['reason']}".rstrip())
    for stage in facts["stages"]:
        lost = ", ".join(f"{code} {number}" for code, number in stage["rejects"].items())
        done = f"{stage['shards_done']}/{stage['shards']}"
        _print(
            f"  {stage['number']} {stage['name']:<12} {done:>9} shards  "
            f"{stage['records']:>8} records  {lost}".rstrip()
        )
    _print(
        f"  {facts['calls']} calls, {facts['prompt_tokens']} + {facts['completion_tokens']} "
        f"tokens, {facts['repeated']} answers from the journal, {facts['seconds']:.1f} s"
    )


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="The run.")],
    stage: Annotated[str, typer.Argument(help="Stage by name or number.")],
    id_: Annotated[str, typer.Option("--id", help="A record's id, or its parent's.")] = "",
    rejects: Annotated[bool, typer.Option("--rejects", help="What was lost, and why.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 3,
    outputs: Outputs = _OUTPUTS,
    as_json: Json = False,
) -> None:
    """Show records of a stage."""
    from mcu.run import Run
    from mcu.show import as_json as json_of
    from mcu.show import find_stage, rows, text

    found = rows(Run.open(outputs / name), find_stage(stage), id_, rejects, limit)
    if as_json:
        _print(json_of(found))
        return
    if not found:
        _say("nothing to show")
    for row in found:
        _print(text(row) + "\n")


@app.command()
def simulate(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 8900,
    latency: Annotated[float, typer.Option(help="Seconds before each answer.")] = 0.0,
    max_in_flight: Annotated[int, typer.Option(help="More than these get 429; 0: no limit.")] = 0,
    faults: Annotated[float, typer.Option(help="Share of answers bad on purpose.")] = 0.0,
    log: Annotated[Path | None, typer.Option(help="File that gets a line a request.")] = None,
) -> None:
    """Serve the scripted author as an OpenAI-compatible server, for trials and load tests."""
    from mcu.simulate import Simulator, serve

    serve(Simulator(latency, max_in_flight, faults, log), port, _say)


@index_app.command(name="list")
def index_list(as_json: Json = False) -> None:
    """List the indexes that can be searched."""
    from mcu.indexes import catalogue

    facts = catalogue()
    if as_json:
        _print(json.dumps(facts, ensure_ascii=False, indent=1))
        return
    for fact in facts:
        _print(f"{fact['name']:<12} {fact['pictures']:>8} pictures  {fact['about']}")


@index_app.command(name="search")
def index_search(
    query: Annotated[str, typer.Argument(help="What the picture shows.")],
    name: Annotated[str, typer.Option(help="`starter`, or the folder of an index.")] = "starter",
    k: Annotated[int, typer.Option(help="How many.")] = 5,
    as_json: Json = False,
) -> None:
    """Search an index for pictures."""
    from dataclasses import asdict

    from mcu.backends.build import open_index

    hits = open_index(name).search([query], k)[0]
    if as_json:
        _print(json.dumps([asdict(hit) for hit in hits], ensure_ascii=False, indent=1))
        return
    for hit in hits:
        _print(f"{hit.score:.3f}  {hit.caption}  ({hit.file}, {hit.licence})")


@app.command()
def doctor(outputs: Outputs = _OUTPUTS, as_json: Json = False) -> None:
    """Tell what can run here, and list all settings."""
    from mcu.doctor import examine, report

    facts = examine(os.environ, outputs)
    _print(json.dumps(facts, indent=1) if as_json else "\n".join(report(facts)))


def _span(text: str, flag: str, low: int, high: int) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", text.strip())
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if not low <= first <= last <= high:
        raise ConfigError(f"{flag} {text!r} must be like {low}-{high} or {low}")
    return first, last


def _print(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Whoever read has enough, as `head` does; at its end the interpreter flushes once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None


def _say(text: str) -> None:
    print(f"mcu: {text}", file=sys.stderr)


def main() -> NoReturn:
    """Run the command line: errors are one sentence, with a traceback on --debug alone."""
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    try:
        app()
    except McuError as error:
        if debug:
            raise
        kind = "incomplete" if isinstance(error, Incomplete) else "error"
        print(f"mcu: {kind}: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except Exception as error:
        if debug:
            raise
        print(f"mcu: unforeseen error: {error!r}; --debug shows where", file=sys.stderr)
        raise SystemExit(1) from None
    raise SystemExit(0)
