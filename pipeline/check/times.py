"""Time consistency by pure code: dates, intervals, causes, the last date allowed (A.4)."""

from datetime import date
from typing import get_args

from mcu.check.findings import Finding, Tally
from mcu.check.rows import Row, Talk
from mcu.records import Unit
from mcu.stages.events import days_of

GATE = "time"
_UNITS = get_args(Unit)


class Times:
    """Goes through the sessions of each row.

    Dates are real and increase, two on one day only hours apart; an interval agrees with the dates
    within what its unit may span; causes are earlier sessions, so that they have no cycle; only
    the first session has none, nor an interval or an operation.
    """

    def __init__(self, last: date) -> None:
        self._last = last
        names = ("dates", "order", "intervals", "causes", "operations", "last")
        self._found = {name: Tally() for name in names}

    def add(self, row: Row) -> None:
        """Check an episode."""
        before: date | None = None
        for talk in row.talks:
            for tally in self._found.values():
                tally.of += 1
            where = f"{row.index}, session {talk.number}"
            day = day_of(talk.scalars["date"])
            if day is None:
                self._found["dates"].note(f"{where}: {talk.scalars['date']!r}")
            else:
                if day > self._last:
                    self._found["last"].note(f"{where}: {day} is after {self._last}")
                if before is not None:
                    self._step(where, talk, before, day)
            self._graph(where, talk, f"session{talk.number}:caused_by" in row.values)
            before = day or before

    def _step(self, where: str, talk: Talk, before: date, day: date) -> None:
        text = talk.scalars["time_interval"]
        span = interval_of(text)
        passed = (day - before).days
        if passed < 0 or (passed == 0 and span is not None and span[1] != "hour"):
            self._found["order"].note(f"{where}: {day} comes after {before}")
        elif text and span is None:
            self._found["intervals"].note(f"{where}: {text!r}")
        elif span is not None:
            low, high = days_of(*span)
            if not low <= passed <= high:
                self._found["intervals"].note(f"{where}: {text}, but {passed} days have passed")

    def _graph(self, where: str, talk: Talk, with_causes: bool) -> None:
        wrong = [c for c in talk.caused_by if not isinstance(c, int) or not 1 <= c < talk.number]
        if wrong:
            self._found["causes"].note(f"{where}: caused by {wrong}")
        elif with_causes and talk.number > 1 and not talk.caused_by:
            self._found["causes"].note(f"{where}: it has no cause")
        op = talk.scalars["experience_op"]
        if with_causes and op not in (("",) if talk.number == 1 else ("add", "update")):
            self._found["operations"].note(f"{where}: {op!r}")

    def findings(self) -> list[Finding]:
        """What broke a rule of time."""
        names = {
            "dates": "dates that are none",
            "order": "sessions dated before the one before",
            "intervals": "intervals that disagree with the dates",
            "causes": "causes that are not earlier",
            "operations": "operations other than add or update",
            "last": "sessions after run.last_date",
        }
        return [self._found[key].finding(GATE, name) for key, name in names.items()]


def day_of(text: str) -> date | None:
    """A date written YYYY.MM.DD, or with dashes or slashes; None for anything else."""
    parts = text.replace("/", ".").replace("-", ".").split(".")
    if [len(part) for part in parts] != [4, 2, 2] or not all(p.isdecimal() for p in parts):
        return None
    try:
        return date(*map(int, parts))
    except ValueError:
        return None


def interval_of(text: str) -> tuple[int, Unit] | None:
    """`2 weeks` as a number and a unit; None for anything else."""
    value, _, unit = text.partition(" ")
    unit = unit.removesuffix("s")
    if not value.isdecimal() or len(value) > 4 or unit not in _UNITS:
        return None
    return int(value), unit  # type: ignore[return-value]
