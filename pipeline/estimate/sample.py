"""A sample: the first episodes of a run, made for real before the rest, and kept for it."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from mcu.config import Config
from mcu.errors import Incomplete, StoreError
from mcu.estimate.figures import Measured
from mcu.estimate.measure import Work, measured, remembered, timing
from mcu.journal import UnitJournal, Writer
from mcu.run import Run, Watch
from mcu.status import dollars, status
from mcu.store import Store, Unit

_COLUMNS = (
    "key, kind, record, request, answer, model, prompt_tokens, completion_tokens, cached_tokens, "
    "usd, seconds, ended"
)


def sample(
    root: Path, config: Config, episodes: int, last: int = 8, watch: Watch | None = None
) -> Measured:
    """Make the first episodes of a run in `sample/` of its folder, and count what they took.

    What a stage asks depends on the seed, the stage and the record alone, so that the run will
    ask the same for its first personas. It gets the answers and the pictures, and the sample those
    that the run has already.

    Args:
        root: folder of the run, which need not exist.
        config: of the run.
        episodes: how many to make, at most; five a persona.
        last: the last stage.
        watch: as for `Run.execute`.

    Raises:
        ConfigError: the run exists with other settings, or a key is missing.
        Incomplete: too many rejects, or the cap on dollars is reached.
    """
    run, folder = Run.create(root, config), root / "sample"
    small = _opened(run, folder, _first(config, min(episodes, config.run.episodes)))
    for unit in _units(small.config):
        _share(run.store, small.store, unit, "chat")
    work = Work()
    try:
        Run(folder, _capped(run, small)).execute((1, last), watch=timing(work, watch))
    finally:
        _give(small, run)
    return measured(small, remembered(small.store, work))


def _first(config: Config, episodes: int) -> Config:
    """The run cut off after some episodes: what depends on its size stays that of the whole."""
    fixed = {"shard_size": config.shard_size, "personas_per_call": config.personas_per_call}
    chat = config.chat.model_copy(update={"keep_replies": True})
    return config.with_run(episodes=episodes, **fixed).model_copy(update={"chat": chat})


def _opened(run: Run, folder: Path, config: Config) -> Run:
    """The sample's run. One of other settings gives its answers away first, and makes room."""
    if (folder / "run.toml").is_file():
        old = Run.open(folder)
        if old.config.rows() != config.rows():
            _give(old, run)
            shutil.rmtree(folder)
    return Run.create(folder, config)


def _units(config: Config) -> Iterator[Unit]:
    from mcu.stages import STAGES

    yield Unit(STAGES[0], 0)
    for stage in STAGES[1:]:
        for shard in range(config.shards):
            yield Unit(stage, shard)


def _capped(run: Run, sample: Run) -> Config:
    """The sample's configuration with what is left of the cap; its own answers count as spent."""
    config, cap = sample.config, run.config.run.max_usd
    if not cap:
        return config
    elsewhere = (status(run)["usd"] or 0.0) - (status(sample)["usd"] or 0.0)
    if elsewhere >= cap:
        raise Incomplete(
            f"the run has spent {dollars(elsewhere)} of {dollars(cap)}; sample it with a higher "
            "--max-usd"
        )
    return config.with_run(max_usd=cap - max(0.0, elsewhere))


def _give(small: Run, run: Run) -> None:
    """Give the answers and pictures of a sample to the run."""
    for unit in _units(small.config):
        _share(small.store, run.store, unit, "%")
    _link(small.store, run.store)


def _share(source: Store, target: Store, unit: Unit, kind: str) -> None:
    """Copy the answers for a unit that the other store lacks; `%` stands for every kind.

    Raises:
        StoreError: a journal cannot be read or written.
    """
    there, here = source.journal_path(unit), target.journal_path(unit)
    if not there.is_file():
        return
    writer = Writer()
    try:
        for path in (there, here):
            UnitJournal(path, writer).close()  # makes it, or brings its columns up to date
    finally:
        writer.close()
    try:
        with closing(sqlite3.connect(here, timeout=30)) as database, database:
            database.execute("ATTACH ? AS other", (str(there),))
            database.execute(
                f"INSERT OR IGNORE INTO answers ({_COLUMNS}) "
                f"SELECT {_COLUMNS} FROM other.answers WHERE kind LIKE ?",
                (kind,),
            )
    except sqlite3.Error as error:
        raise StoreError(f"{there} cannot be copied to {here}: {error}") from error


def _link(source: Store, target: Store) -> None:
    """Give the pictures of one store to another, without a second copy where that can be."""
    for path in source.root.glob("images/*/*.jpg"):
        there = target.image_path(path.stem)
        if there.exists():
            continue
        there.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, there)
        except OSError:
            target.add_image(path.read_bytes())
