"""Building: sources are cut into shards and embedded; any kill costs the shard under way alone."""

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mcu.backends import Encoder
from mcu.errors import ConfigError, StoreError
from mcu.indexes.embed import Embedder, Fetch, Meter
from mcu.indexes.finish import FORMAT, Budgets, finish
from mcu.indexes.layouts import open_source
from mcu.indexes.shards import Shards, dump, put
from mcu.indexes.sources import Source

SIZE = 10_000  # pictures a shard, where the source does not set it
Seen = Callable[[int, int, Meter], None]  # shards done, shards in all, pictures of this process


@dataclass(frozen=True)
class Order:
    """What to build.

    Attributes:
        folder: of the index.
        sources: files and folders, see `open_source`.
        image: column of the picture in tables; empty for a guess.
        caption: column of the caption in tables; empty for a guess.
        size: pictures a shard; a tar is a shard of its own.
        budgets: of the finished index.
    """

    folder: Path
    sources: Sequence[Path]
    image: str = ""
    caption: str = ""
    size: int = SIZE
    budgets: Budgets = field(default_factory=Budgets)


@dataclass(frozen=True)
class _Part:
    """A shard, numbered among all sources' and within its own."""

    number: int
    source: Source
    own: int


@dataclass(frozen=True)
class _Plan:
    parts: list[_Part]
    root: Path
    shards: Shards
    facts: dict[str, Any]


def build(
    order: Order,
    encoder: Encoder,
    *,
    fetch: Fetch | None = None,
    workers: int = 0,
    only: tuple[int, int] | None = None,
    embed: bool = True,
    seen: Seen = lambda done, total, meter: None,
) -> dict[str, Any]:
    """Build an index, or go on with it; gives its meta.json, or with `only` how far it is.

    The same sources, encoder and packages give the same bytes whatever the kills in between, save
    for a graph index that several threads made. Pictures that only have an address may answer
    otherwise another time.

    Args:
        order: what to build.
        encoder: makes the vectors.
        fetch: gets a picture from its address.
        workers: threads that read and decode; 0 chooses.
        only: first and last shard to embed, and nothing else: for several machines.
        embed: False merges what others embedded.
        seen: told after every batch.

    Raises:
        ConfigError: a source, or what is in the folder, does not fit.
        StoreError: the folder cannot be written.
        BackendError: a package is missing.
    """
    with _alone(order.folder, shared=only is not None):
        plan = _planned(order, encoder)
        total = len(plan.parts)
        if embed:
            first, last = only or (0, total - 1)
            embedder = Embedder(encoder, fetch, workers)
            _embed_all(plan, plan.parts[first : last + 1], embedder, order.size, seen)
        missing = [p.number for p in plan.parts if plan.shards.mark(p.number) is None]
        if only:
            return {"shards": total, "missing": len(missing)}
        if missing:
            some = ", ".join(map(str, missing[:10]))
            raise ConfigError(f"{len(missing)} of {total} shards are not embedded yet: {some}")
        return finish(plan.shards, encoder, plan.facts, order.budgets)


def _planned(order: Order, encoder: Encoder) -> _Plan:
    """The shards of all sources, as they were when the build began.

    Raises:
        ConfigError: there is nothing in the sources, or the folder holds another build.
    """
    sources = [s for path in order.sources for s in open_source(path, order.image, order.caption)]
    plans = [{"name": s.name, **s.plan(order.size)} for s in sources]
    parts = [
        (source, own)
        for source, plan in zip(sources, plans, strict=True)
        for own in range(plan["shards"])
    ]
    if not parts:
        raise ConfigError(f"no picture was found in {', '.join(map(str, order.sources))}")
    plan = {
        "format": FORMAT,
        "encoder": encoder.name,
        "width": encoder.width,
        "size": order.size,
        "columns": [order.image, order.caption],
        "sources": plans,
    }
    _agree(order.folder, plan)
    root = Path(os.path.commonpath([source.base for source in sources]))
    shards = Shards(
        order.folder,
        len(parts),
        hashlib.sha256(dump(plan)).hexdigest(),
        np.float16 if getattr(encoder, "half", False) else np.float32,
    )
    facts = {
        "encoder": encoder.name,
        "width": encoder.width,
        "root": os.path.relpath(root, order.folder.resolve()),
        "sources": list(dict.fromkeys(source.name for source in sources)),
    }
    return _Plan([_Part(n, *part) for n, part in enumerate(parts)], root, shards, facts)


def _agree(folder: Path, plan: dict[str, Any]) -> None:
    """Compare the plan with the one that the folder was begun with; write it where there is none.

    Raises:
        ConfigError: they differ, and the message says in what.
    """
    try:
        begun = json.loads((folder / "plan.json").read_bytes())
    except FileNotFoundError:
        put(folder / "plan.json", plan)
        return
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder / 'plan.json'} cannot be read: {error}") from error
    for key, value in plan.items():
        if not isinstance(begun, dict) or begun.get(key) != value:
            what = "the source has changed, or another is meant" if key == "sources" else key
            raise ConfigError(
                f"{folder} was begun otherwise ({what}): take another name, or delete it"
            )


def _embed_all(
    plan: _Plan, parts: Sequence[_Part], embedder: Embedder, size: int, seen: Seen
) -> None:
    done = sum(plan.shards.mark(part.number) is not None for part in parts)
    for part in parts:
        if plan.shards.mark(part.number) is not None:
            continue
        prefix = "".join(f"{one}/" for one in part.source.base.relative_to(plan.root).parts)
        items = part.source.read(part.own, size)
        with plan.shards.writing(part.number, embedder.encoder.width) as writer:
            for group, vectors in embedder.run(items, part.source.name, prefix):
                writer.add(group, vectors)
                seen(done, len(parts), embedder.meter)
        done += 1
        seen(done, len(parts), embedder.meter)


@contextmanager
def _alone(folder: Path, shared: bool) -> Iterator[None]:
    """Keep two builds of one index apart; those of several shards may go on side by side.

    Raises:
        ConfigError: another build is under way.
        StoreError: the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("a")
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(f"another build of {folder} is under way") from error
        yield
