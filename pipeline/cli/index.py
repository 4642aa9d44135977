"""Indexes: building picture indexes, and looking into them."""

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mcu.cli.terminal import ConfigFile, Json, Profile, Setting, app, put, put_json, say, settle
from mcu.errors import ConfigError

if TYPE_CHECKING:
    from mcu.config import Config
    from mcu.indexes.embed import Fetch, Meter
    from mcu.sections import WebSection

index_app = typer.Typer(no_args_is_help=True, help="Picture indexes for retrieval.")
app.add_typer(index_app, name="index")

_LINE_EVERY = 10.0  # seconds
_OPTIONS = typer.Option


@index_app.command(name="build")
def index_build(
    name: Annotated[str, typer.Argument(help="Name of the index, a folder in indexes/.")],
    sources: Annotated[
        list[Path], typer.Argument(metavar="SOURCE...", help="Folders, tars, tables; see the docs.")
    ],
    config: ConfigFile = None,
    profile: Profile = "offline",
    set_: Setting = None,
    shards: Annotated[
        str, _OPTIONS(metavar="A-B", help="Embed these shards alone, on this machine.")
    ] = "",
    finish: Annotated[bool, _OPTIONS("--finish", help="Embed nothing, only merge.")] = False,
    memory: Annotated[str, _OPTIONS(help="Most that a large index may take.")] = "4GB",
    latency: Annotated[str, _OPTIONS(help="Most that a query of a large index takes.")] = "10ms",
    exact: Annotated[bool, _OPTIONS("--exact", help="Exact search whatever the size.")] = False,
    image_column: Annotated[str, _OPTIONS(help="Column of the picture in tables.")] = "",
    caption_column: Annotated[str, _OPTIONS(help="Column of the caption in tables.")] = "",
    shard_size: Annotated[int, _OPTIONS(min=1, help="Pictures a shard.")] = 10_000,
    workers: Annotated[int, _OPTIONS(min=0, help="Decoding threads; 0 chooses.")] = 0,
    as_json: Json = False,
) -> None:
    """Build an index of pictures, or go on with one; `--set encoder.backend=open_clip` sees them.

    Bad files are kept in rejects.jsonl with their reasons. The same command goes on after a kill.
    """
    from mcu.backends.build import open_encoder
    from mcu.indexes import built
    from mcu.indexes.build import Order, build
    from mcu.indexes.finish import Budgets

    folder = built(name)
    if shards and finish:
        raise ConfigError("--shards embeds and --finish merges; give one of them")
    budgets = Budgets(*_budgets(memory, latency), exact)
    settings = settle(profile, config, set_)
    order = Order(folder, sources, image_column, caption_column, shard_size, budgets)
    with _progress() as seen:
        facts = build(
            order,
            open_encoder(settings),
            fetch=_fetch(settings),
            workers=workers,
            only=_span(shards) if shards else None,
            embed=not finish,
            seen=seen,
        )
    if as_json:
        put_json({"folder": str(folder), **facts})
    elif shards:
        put(f"{facts['shards'] - facts['missing']} of {facts['shards']} shards are embedded")
    else:
        put(
            f"{folder}: {facts['count']:,} pictures, {facts['rejected']:,} rejected, "
            f"{facts['index']}, recall@10 {facts['recall_at_10']:.3f}"
        )


@index_app.command(name="stats")
def index_stats(
    name: Annotated[str, typer.Argument(help="Name of the index, or its folder.")],
    as_json: Json = False,
) -> None:
    """Tell how far an index is, what it lost and why, and how well it finds."""
    from mcu.indexes.finish import stats
    from mcu.indexes.folder import find_folder

    facts = stats(find_folder(name))
    if as_json:
        put_json(facts)
        return
    put(
        f"{facts['name']}: {facts['encoder']}, {facts['shards_done']} of {facts['shards']} shards, "
        f"{facts['pictures']:,} pictures, {facts['bytes'] / 1e6:,.1f} MB"
    )
    for code, count in facts["rejects"].items():
        put(f"  rejected {count:,}: {code}")
    if meta := facts["meta"]:
        mean, spread = meta["background"]["mean"], meta["background"]["std"]
        kind = "exact search" if meta["exact"] else meta["index"]
        put(f"{kind}, recall@10 {meta['recall_at_10']:.3f}")
        put(f"scores of pictures with unrelated texts: {mean:.3f} ± {spread:.3f}")
    else:
        put("not finished; the same `mcu index build` goes on")


@index_app.command(name="list")
def index_list(as_json: Json = False) -> None:
    """List the indexes that can be searched."""
    from mcu.indexes import catalogue

    facts = catalogue()
    if as_json:
        put_json(facts)
        return
    for fact in facts:
        put(f"{fact['name']:<12} {fact['pictures']:>8} pictures  {fact['about']}")


@index_app.command(name="search")
def index_search(
    query: Annotated[str, typer.Argument(help="What the picture shows.")],
    name: Annotated[
        list[str] | None, _OPTIONS(help="`starter`, a name or a folder; repeatable.")
    ] = None,
    k: Annotated[int, _OPTIONS("--k", "-k", min=1, help="How many.")] = 5,
    config: ConfigFile = None,
    profile: Profile = "offline",
    set_: Setting = None,
    as_json: Json = False,
) -> None:
    """Search one index or several for pictures."""
    from dataclasses import asdict

    from mcu.backends.build import open_encoder, open_indexes

    settings = settle(profile, config, set_)
    if name:
        index = settings.index.model_copy(update={"names": tuple(name)})
        settings = settings.model_copy(update={"index": index})
    hits = open_indexes(settings, open_encoder(settings)).search([query], k)[0]
    if as_json:
        put_json([asdict(hit) for hit in hits])
        return
    for hit in hits:
        put(f"{hit.score:.3f}  {hit.caption}  ({hit.file}, {hit.licence or 'no licence known'})")


def _span(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", text.strip())
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if first > last:
        raise ConfigError(f"--shards {text!r} must be like 0-99 or 7")
    return first, last


def _budgets(memory: str, latency: str) -> tuple[str, float]:
    size = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([MG])B?", memory.strip(), re.I)
    time_ = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:ms)?", latency.strip(), re.I)
    if not size or not float(size[1]):
        raise ConfigError(f"--memory {memory!r} must be like 4GB or 500MB")
    if not time_ or not float(time_[1]):
        raise ConfigError(f"--latency {latency!r} must be like 10ms")
    return f"{size[1]}{size[2].upper()}B", float(time_[1])


def _fetch(settings: "Config") -> "Fetch":
    return partial(_fetched, settings.web)


def _fetched(section: "WebSection", url: str) -> bytes:
    from mcu.backends.web.fetch import fetch_url

    found: bytes = fetch_url(url, section)
    return found


@contextmanager
def _progress() -> Iterator[Callable[[int, int, "Meter"], None]]:
    """Shows how far a build is: a line that is redrawn in a terminal, plain lines elsewhere."""
    from rich.console import Console
    from rich.status import Status

    terminal = sys.stderr.isatty()
    status = Status("reading", console=Console(stderr=True))
    told = time.monotonic()

    def seen(done: int, total: int, meter: "Meter") -> None:
        nonlocal told
        lost = f", {meter.rejected:,} rejected" if meter.rejected else ""
        text = f"{done} of {total} shards, {meter.pictures:,} pictures, {meter.rate:,.0f}/s{lost}"
        if terminal:
            status.update(text)
        elif time.monotonic() - told >= _LINE_EVERY:
            told = time.monotonic()
            say(text)

    if terminal:
        status.start()
    try:
        yield seen
    finally:
        status.stop()
