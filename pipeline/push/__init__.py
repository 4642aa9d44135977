"""A push: the sets of a complete and checked release to data sets on the Hugging Face Hub."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from mcu.errors import ConfigError, Incomplete
from mcu.push.plan import Plan, plan
from mcu.push.upload import Pushed, Tell

if TYPE_CHECKING:
    from mcu.run import Run

PATIENCE = 1800.0  # seconds without an answer that helps


class Verdict(Protocol):
    """What `mcu check` found."""

    @property
    def state(self) -> str:
        """`passed`, `failed`, `missing` (never checked) or `stale` (checked before a change)."""

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the gates that failed."""


Judge = Callable[["Run"], Verdict]


def prepare(run: "Run", repo: str, sets: Sequence[str] = (), public: bool = False) -> Plan:
    """The plan for a complete run: nothing is asked of the Hub.

    Raises:
        ConfigError: the run is not complete, or a name is wrong.
    """
    from mcu.release import is_current

    if not is_current(run):
        name = run.root.name
        raise ConfigError(f"run {name!r} has no current release; `mcu resume {name}` makes it")
    return plan(run.root.name, run.root / "release", repo, list(sets), public)


def admit(run: "Run", allow: Sequence[str] = (), judge: Judge | None = None) -> None:
    """Let a run pass whose check found nothing wrong, but for gates that are allowed by name.

    Args:
        run: the run.
        allow: names of gates that may have failed.
        judge: gives the verdict; `mcu.check.verdict` by default.

    Raises:
        ConfigError: the release was not checked as it is now.
        Incomplete: a gate failed.
    """
    name, verdict = run.root.name, (judge or _verdict)(run)
    if verdict.state in ("missing", "stale"):
        why = "was not checked" if verdict.state == "missing" else "was changed after its check"
        raise ConfigError(f"the release of run {name!r} {why}; run `mcu check {name}`")
    if failed := [gate for gate in verdict.failed if gate not in allow]:
        raise Incomplete(
            f"run {name!r} fails {', '.join(failed)}; see `mcu check {name}`, or let it pass with "
            + " ".join(f"--allow {gate}" for gate in failed)
        )


def push(
    plan: Plan,
    *,
    overwrite: bool = False,
    patience: float = PATIENCE,
    tell: Tell = lambda text: None,
) -> list[Pushed]:
    """Send a plan to the Hub, with the token of the usual places.

    Args:
        plan: of `prepare`; call `admit` before.
        overwrite: replace other files that the repositories hold.
        patience: seconds after which a Hub that only fails is given up.
        tell: is told what is done, a line at a time.

    Raises:
        ConfigError: there is no token, it may not write, or a repository holds something else.
        BackendError: the Hub refuses, has no room, or stays out of reach.
    """
    from mcu.push.hub import Hub
    from mcu.push.upload import upload

    hub = Hub(patience, tell)
    hub.whoami()
    return upload(plan, hub, overwrite, tell)


def _verdict(run: "Run") -> Verdict:
    from mcu.check import verdict

    return verdict(run)


__all__ = ["PATIENCE", "Judge", "Plan", "Pushed", "Tell", "Verdict", "admit", "prepare", "push"]
