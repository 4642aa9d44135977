"""What the commands share: the application, its common options, and how to print."""

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcu.errors import ConfigError

if TYPE_CHECKING:
    from mcu.config import Config
    from mcu.run import Run

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Make long-term, multi-session, multi-modal conversation data.",
    epilog="Any command takes --debug, which shows tracebacks.",
)
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="A mcu.toml; ./mcu.toml if present.")
]
Profile = Annotated[str, typer.Option("--profile", help="offline or openai; auto looks for a key.")]
Episodes = Annotated[int | None, typer.Option("--episodes", help="Episodes to ask for.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of everything random.")]
Cap = Annotated[
    float | None, typer.Option("--max-usd", help="Dollars the run may spend in all; 0: no cap.")
]
Outputs = Annotated[
    Path, typer.Option("--outputs", envvar="MCU_OUTPUTS", help="Folder of the runs.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Setting = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting, repeatable.")
]
OUTPUTS = Path("outputs")


def meant(profile: str) -> str:
    """A profile's name; `auto` is the one that a key in the environment allows."""
    if profile != "auto":
        return profile
    return "openai" if os.environ.get("OPENAI_API_KEY") else "offline"


def settle(
    profile: str, config: Path | None, flags: list[str] | None, **run: float | None
) -> "Config":
    """The configuration that options ask for; those of the section `run` have their own.

    Raises:
        ConfigError: names the setting at fault.
    """
    from mcu.config import load_config

    if config is None and Path("mcu.toml").is_file():
        config = Path("mcu.toml")
    values = {"run": {key: value for key, value in run.items() if value is not None}}
    return load_config(meant(profile), config, flags or (), values=values)


def finished(outputs: Path, name: str, flags: list[str] | None = None) -> "Run":
    """A run to derive from, check or publish: by name, or the newest complete one.

    Flags may change how it is published and what is derived from it, which `run.toml` then keeps.

    Raises:
        ConfigError: there is none, or a flag changes what its stages made.
    """
    from mcu.config import load_config
    from mcu.run import Run
    from mcu.status import newest_complete

    found = Run.open(outputs / name) if name else newest_complete(outputs)
    if not name:
        say(f"taking {found.root.name}")
    return Run.create(found.root, load_config("offline", found.root / "run.toml", flags or ()))


def named(name: str, profile: str, settings: "Config") -> str:
    """The name of a run and its folder: as given, or made of what the run is.

    Raises:
        ConfigError: it could be a path, or an option.
    """
    name = name or f"{meant(profile)}-{settings.run.episodes}-seed{settings.run.seed}"
    if not re.fullmatch(r"[\w][\w.-]{0,99}", name):
        raise ConfigError(f"--name {name!r} may hold letters, digits, dots, dashes and underscores")
    return name


def span(text: str, flag: str, low: int, high: int) -> tuple[int, int]:
    """Two numbers such as 3-7, or one twice.

    Raises:
        ConfigError: it is something else, or lies outside of the bounds.
    """
    match = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", text.strip())
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if not low <= first <= last <= high:
        raise ConfigError(f"{flag} {text!r} must be like {low}-{high} or {low}")
    return first, last


def put(text: str) -> None:
    """Print what was asked for, on standard output."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Whoever read has enough, as `head` does; at its end the interpreter flushes once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None


def put_json(value: Any) -> None:
    """Print data for programs."""
    put(json.dumps(value, ensure_ascii=False, indent=1))


def say(text: str) -> None:
    """Print a remark, on standard error."""
    print(f"mcu: {text}", file=sys.stderr)
