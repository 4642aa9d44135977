"""`mcu check`: a release read as its users read it, measured, and gates for what is wrong."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from mcu.check.files import CHECKS, Files
from mcu.check.findings import Finding, rounded
from mcu.errors import ConfigError, StoreError
from mcu.ids import digest, sha256_of

if TYPE_CHECKING:
    from mcu.check.rows import Row
    from mcu.run import Run

SAMPLE = 20_000  # pictures opened
_VERSION = 1
Tell = Callable[[str, int, int], None]  # what is read, how many are done of how many


class Part(Protocol):
    """One subject of the check: takes each row once, and keeps little of it."""

    def add(self, row: "Row", /) -> None:
        """Take a row."""
        ...

    def findings(self) -> list[Finding]:
        """What was found in all rows."""
        ...


@dataclass(frozen=True)
class Report:
    """What a check found.

    Attributes:
        folder: of `report.json` and `report.html`, inside the release.
        findings: all of them, gate by gate.
        figures: what was measured, by subject.
    """

    folder: Path
    findings: tuple[Finding, ...]
    figures: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """What `report.json` holds but for the run and its files."""
        return {
            "state": "failed" if self.failed else "passed",
            "failed": list(self.failed),
            "gates": [finding.row() for finding in self.findings],
            "figures": self.figures,
        }

    @property
    def failed(self) -> tuple[str, ...]:
        """The gates that are shut."""
        return tuple(sorted({finding.gate for finding in self.findings if not finding.passed}))


@dataclass(frozen=True)
class Verdict:
    """Whether a run's release may be published.

    Attributes:
        state: `missing` when it was never checked, `stale` when it is not what was checked.
        failed: the gates that are shut, when it is `failed`.
    """

    state: Literal["passed", "failed", "missing", "stale"]
    failed: tuple[str, ...] = ()


def check(run: "Run", sample: int = SAMPLE, tell: Tell | None = None) -> Report:
    """Check the release of a finished run, and write the report into it.

    Reads every row and every file once; memory grows by some 2 kB an
    episode, most of it signatures to find duplicates by.

    Args:
        run: a run whose release is that of its units.
        sample: pictures opened, about; of more, those are taken that their keys decide.
        tell: hears how far it is.

    Raises:
        ConfigError: there is no release, or it is an older one.
        StoreError: the report cannot be written.
    """
    from mcu.check.page import write
    from mcu.check.work import examine

    folder = run.root / "release"
    fingerprint = _fingerprint(run)
    files = Files(folder)
    found, figures = examine(run, files, sample, tell or (lambda *_: None))
    report = Report(folder / CHECKS, tuple(found), rounded(figures))
    told = {
        "version": _VERSION,
        "run": run.root.name,
        "fingerprint": fingerprint,
        **report.as_json(),
        "files": files.sizes(),
    }
    try:
        write(run, report.folder, told)
    except OSError as error:
        raise StoreError(f"{report.folder} cannot be written: {error.strerror or error}") from error
    return report


def verdict(run: "Run") -> Verdict:
    """What the last check said, if the release is what it looked at.

    Files that have not changed since the report, by the file system's own clock, are taken for
    what they were; all others are hashed.
    """
    path = run.root / "release" / CHECKS / "report.json"
    try:
        told = json.loads(path.read_bytes())
        state, failed, files = told["state"], tuple(told["failed"]), dict(told["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return Verdict("missing")
    try:
        known = told.get("version") == _VERSION and told.get("fingerprint") == _fingerprint(run)
    except ConfigError:
        return Verdict("stale")
    if not known or not _same(run.root / "release", files, path.stat().st_ctime_ns):
        return Verdict("stale")
    return Verdict("failed", failed) if state == "failed" or failed else Verdict("passed")


def _same(folder: Path, told: dict[str, Any], since: int) -> bool:
    files = Files(folder)
    if set(files.names()) != set(told):
        return False
    for name, was in told.items():
        now = (folder / name).stat()
        if now.st_size != was["bytes"]:
            return False
        if now.st_ctime_ns >= since and sha256_of(folder / name) != was["sha256"]:
            return False
    return True


def _fingerprint(run: "Run") -> str:
    """Of the release, which was made from the units as they are now."""
    from mcu.release import is_current

    if not is_current(run):
        raise ConfigError(
            f"run {run.root.name!r} has no release of its units; `mcu resume {run.root.name}` "
            f"writes it"
        )
    return digest(json.loads((run.root / "release.done.json").read_bytes()))


__all__ = ["Report", "Verdict", "check", "verdict"]
