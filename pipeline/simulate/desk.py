"""What live calls and lines of batches share: reading, faults, answers, counts and the log."""

import json
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any, TextIO

from mcu.simulate.ask import Ask, ask_of
from mcu.simulate.faults import Faults
from mcu.simulate.stats import Stats
from mcu.simulate.writer import Answer, Writer


class Desk:
    """Where every request passes, however it came.

    Args:
        models: names that are served; empty for all.
        faults: draws what goes wrong.
        writer: writes the answers.
        log: file that gets a line for each request and each batch.
    """

    def __init__(
        self, models: Collection[str], faults: Faults, writer: Writer, log: Path | None
    ) -> None:
        self._models = models
        self._faults = faults
        self._writer = writer
        self._log: TextIO | None = log.open("a", encoding="utf-8") if log else None
        self.stats = Stats()

    def read(self, body: Any) -> Ask:
        """A request's JSON as an Ask; Refused when it is none."""
        return ask_of(body, self._models)

    def enter(self, ask: Ask) -> tuple[str, float]:
        """Let a live call in; gives its fault, and the time for `leave`."""
        started = time.time()
        self.stats.enter(ask.key, started)
        return self._count(self._faults.of_call(ask)), started

    def leave(self, ask: Ask, started: float) -> None:
        """A live call is over."""
        # Not the object of the start: a reset may have put another in its place.
        self.stats.leave(time.time())
        self.note(key=ask.key, start=started, end=self.stats.last)

    def write(self, ask: Ask, fault: str, tier: str) -> Answer:
        """Answer a request, and bill it."""
        answer = self._writer.write(ask, fault, tier)
        self.stats.bill(answer)
        return answer

    def line(self, ask: Ask) -> Answer | None:
        """Answer a line of a batch; None when that failed, which costs nothing."""
        started = time.time()
        fault = self._count(self._faults.of_line(ask))
        answer = None if fault == "batch_line" else self.write(ask, fault, "batch")
        self.stats.batch_line(ask.key, started)
        self.note(key=ask.key, start=started, end=time.time())
        return answer

    def batch(self) -> str:
        """Count a batch that was submitted; gives its fault."""
        self.stats.batches += 1
        return self._count(self._faults.of_batch())

    def reset(self) -> None:
        """Count from nothing again; what is in flight stays so."""
        in_flight = self.stats.in_flight
        self.stats = Stats(in_flight=in_flight, max_in_flight=in_flight)

    def note(self, **facts: Any) -> None:
        """Write a line of the log, if there is one."""
        if self._log:
            self._log.write(json.dumps(facts) + "\n")
            self._log.flush()

    def close(self) -> None:
        """Close the log."""
        if self._log:
            self._log.close()

    def _count(self, fault: str) -> str:
        if fault:
            self.stats.faults[fault] += 1
        return fault
