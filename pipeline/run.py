"""A run: its folder opened or made, locked, done, and its records read back."""

import asyncio
import gc
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, TypeVar

from mcu.budget import Budget
from mcu.config import Config, read_config
from mcu.contract import Stage
from mcu.engine import Engine
from mcu.errors import ConfigError, Incomplete, McuError, StoreError
from mcu.locks import alone, lock
from mcu.log import logging_to
from mcu.records import Record
from mcu.services import Services
from mcu.store import Store, Unit, dump

R = TypeVar("R", bound=Record)

Watch = Callable[[Engine, Services], AbstractContextManager[None]]


class Run:
    """One data set being made, a folder under `outputs/`."""

    def __init__(self, root: Path, config: Config) -> None:
        self.root = root
        self.config = config
        self.store = Store(root)

    @classmethod
    def open(cls, root: Path) -> "Run":
        """An existing run.

        Raises:
            ConfigError: there is no run in that folder.
        """
        if not (root / "run.toml").is_file():
            raise ConfigError(f"there is no run in {root}; `mcu status` lists the runs")
        return cls(root, read_config(root / "run.toml"))

    @classmethod
    def create(cls, root: Path, config: Config) -> "Run":
        """A new run, or the one that is there if it is of the same configuration.

        Raises:
            ConfigError: the run there has other settings; the message names them.
            StoreError: the folder cannot be written.
        """
        if (root / "run.toml").is_file() and _has_work(root):
            old, new = cls.open(root).config.rows(), config.rows()
            differing = [
                f"{key} (is {old.get(key)!r}, asked for {new.get(key)!r})"
                for key in sorted(old.keys() | new.keys())
                if old.get(key) != new.get(key)
            ]
            if differing:
                raise ConfigError(
                    f"run {root.name!r} exists with other settings: {', '.join(differing)}; "
                    f"choose another --name, or the same settings"
                )
        run = cls(root, config)
        run.store.write(root / "run.toml", config.to_toml().encode())
        return run

    @property
    def state(self) -> dict[str, Any]:
        """What `run.json` tells; empty for a run that never started."""
        try:
            state = json.loads((self.root / "run.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}

    def execute(
        self,
        stages: tuple[int, int] = (1, 8),
        shards: tuple[int, int] | None = None,
        watch: Watch | None = None,
        tell: Callable[[int, int], None] | None = None,
    ) -> dict[str, Any]:
        """Do what is not done of some stages, and the release after the last.

        Args:
            stages: first and last stage, 1-8.
            shards: first and last shard, for array jobs; None for all.
            watch: called with the engine before it starts, returns a context manager that shows
                progress.
            tell: told how many episodes of the release are written, and of how many.

        Returns:
            The run's state as `run.json` keeps it.

        Raises:
            Incomplete: too many rejects, or nothing was left to release.
            McuError: see the class of the error.
        """
        from mcu.stages import STAGES

        _refuse_in_a_loop()
        chosen = tuple(s for s in STAGES if stages[0] <= s.number <= stages[1])
        if not chosen:
            raise ConfigError(f"there are no stages {stages[0]}-{stages[1]}; they are 1-8")
        first, last = shards or (0, self.config.shards - 1)
        if not 0 <= first <= last < self.config.shards:
            raise ConfigError(f"--shards must lie within 0-{self.config.shards - 1}")
        numbers = list(range(first, last + 1))
        with alone(self.root), lock(self.root, "shards", first, len(numbers)), self._state(stages):
            if shards is None:
                self.store.sweep()
            with logging_to(self.root / "log.jsonl"), _rare_collections():
                asyncio.run(self._work(STAGES, chosen, numbers, watch, tell))
        return self.state

    async def _work(
        self,
        stages: tuple[Stage, ...],
        chosen: tuple[Stage, ...],
        shards: list[int],
        watch: Watch | None,
        tell: Callable[[int, int], None] | None,
    ) -> None:
        from mcu.release import build, is_current
        from mcu.release.sign import open_signer

        last = chosen[-1] is stages[-1]
        if last:
            open_signer(self.config.release)  # a bad certificate is told before all the work
        await self._make_records(stages, chosen, shards, watch)
        everything = len(shards) == self.config.shards and last
        if everything and not is_current(self):
            episodes = await asyncio.to_thread(build, self, tell)
            if not episodes:
                raise Incomplete(
                    "no episode survived, so that there is nothing to release; "
                    "`mcu status` counts the rejects by reason"
                )

    async def _make_records(
        self,
        stages: tuple[Stage, ...],
        chosen: tuple[Stage, ...],
        shards: list[int],
        watch: Watch | None,
    ) -> None:
        """Do what is not done of some stages."""
        engine = Engine(self.config, self.store, stages, chosen, shards)
        if missing := engine.missing():
            stage, other = missing
            raise ConfigError(
                f"stage {stage.number} ({stage.name}) needs stage {other.number} ({other.name}), "
                f"which is not done; run --stages {other.number}-{stages[-1].number}"
            )
        engine.judge()
        if engine.pending:
            # Stage 1 makes all shards at once, whichever are asked for.
            first = lock(self.root, "personas") if engine.makes_personas else nullcontext()
            services = Services(self.config, self.store, self._budget())
            try:
                services.open({use for stage in chosen for use in stage.uses})
                with first, watch(engine, services) if watch else nullcontext():
                    await engine.run(services)
            finally:
                await services.close()

    def check_complete(self) -> None:
        """See that the release is that of the units as they are.

        Raises:
            ConfigError: it is not, or there is none; the message says what to do.
        """
        from mcu.release import is_current

        if not is_current(self):
            raise ConfigError(
                f"run {self.root.name!r} is not complete; `mcu resume {self.root.name}` ends it"
            )

    def derive(self, further: tuple[Stage, ...], watch: Watch | None = None) -> None:
        """Do what is not done of some derived stages, on all shards of a finished run.

        Raises:
            ConfigError: the run is not finished.
            McuError: see the class of the error.
        """
        from mcu.stages import STAGES

        _refuse_in_a_loop()
        self.check_complete()
        if not further:
            return
        shards = list(range(self.config.shards))
        with alone(self.root), lock(self.root, "shards", 0, len(shards)):
            self.store.sweep()
            with logging_to(self.root / "log.jsonl"), _rare_collections():
                work = self._make_records((*STAGES, *further), further, shards, watch)
                asyncio.run(work)

    def _budget(self) -> Budget:
        """What may still be spent: the cap counts all that the run has cost so far."""
        from mcu.status import status

        if not (cap := self.config.run.max_usd):
            return Budget()
        facts = status(self)
        if facts["usd"] is None:
            raise ConfigError(
                f"run.max_usd cannot be kept: calls of {', '.join(facts['unpriced'])} were made "
                f"without a known price; go on without a cap"
            )
        return Budget(cap, facts["usd"])

    @contextmanager
    def _state(self, stages: tuple[int, int]) -> Iterator[None]:
        """Keep `run.json` true: running now, and at the end how it ended and how long it took.

        A run is complete when its release is that of the units as they are.
        """
        from mcu.release import is_current

        before = self.state.get("seconds", 0.0)
        started = time.monotonic()

        def note(state: str, reason: str = "") -> None:
            seconds = round(before + time.monotonic() - started, 3)
            value: dict[str, Any] = {"state": state, "reason": reason, "stages": list(stages)}
            value |= {"seconds": seconds, "pid": os.getpid()}
            self.store.write(self.root / "run.json", dump(value, indent=1))

        note("running")
        try:
            yield
        except Incomplete as error:
            note("incomplete", str(error))
            raise
        except (KeyboardInterrupt, asyncio.CancelledError):
            note("interrupted")
            raise
        except Exception as error:
            with suppress(StoreError):  # the disk that is full cannot take this either
                note("failed", str(error))
            raise
        note("complete" if is_current(self) else "partial")

    def records(self, kind: type[R]) -> Iterator[R]:
        """The records of one type, of all finished units, in order."""
        from mcu.stages import STAGES
        from mcu.stages.derive import FURTHER

        stage = next((s for s in (*STAGES, *FURTHER) if s.makes is kind), None)
        if stage is None:
            made = ", ".join(s.makes.__name__ for s in (*STAGES, *FURTHER))
            raise ConfigError(f"no stage makes {kind.__name__} records; there are {made}")
        for shard in range(self.config.shards):
            if self.store.mark(Unit(stage, shard)) is not None:
                with self.store.rows_path(Unit(stage, shard)).open("rb") as file:
                    for line in file:
                        yield kind.model_validate_json(line)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Look for garbage in cycles less often: with many calls in flight it takes a fifth of a core.

    Nothing here makes many cycles; `benchmarks/memory.py` shows that memory stays flat.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(5_000, 10, 10)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _has_work(root: Path) -> bool:
    """Whether anything was made or paid for in a run's folder."""
    return any(root.glob("journal/*.sqlite")) or any(root.glob("s*_*/*.done.json"))


def _refuse_in_a_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise McuError(
        "a run cannot be executed inside a running event loop, such as a notebook's; "
        "use `await asyncio.to_thread(run.execute)`"
    )
