"""Sending a plan: the data of all sets, verified, then their cards; again from where it stopped."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from mcu.errors import ConfigError
from mcu.push.hub import Hub
from mcu.push.plan import CARD, File, Part, Plan, batches, human
from mcu.push.verify import hashes, same, some, verify

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Pushed:
    """What became of one set: `sent` of its files were not there before; all are verified."""

    set: str
    repo: str
    url: str
    revision: str
    private: bool
    files: int
    bytes: int
    sent: int

    def json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


@dataclass
class _Work:
    """One set on its way: what the Hub lacks of it, and what it must lose before."""

    part: Part
    hashes: dict[File, str]
    exists: bool
    missing: list[File]
    doomed: set[str]


def upload(plan: Plan, hub: Hub, overwrite: bool, tell: Tell) -> list[Pushed]:
    """Send what the Hub lacks, and verify all of it.

    Nothing is sent before every repository was looked at. A repository never shows a card whose
    data are not there: data come first, and data that replace others remove the old card before.

    Raises:
        ConfigError: a repository holds other files, or is public and should not be.
        BackendError: the Hub refuses, or stays out of reach.
    """
    tell(f"reading {human(plan.bytes)}")
    known = hashes((file for part in plan.parts for file in part.files), tell)
    works = [_look(part, known, plan, hub, overwrite) for part in plan.parts]
    for work in works:
        hub.validate(work.part.repo, work.part.card.local)
    for work in works:
        if not work.exists:
            hub.create(work.part.repo, plan.private)
        if work.doomed:
            hub.remove(work.part.repo, "mcu: make room for another release", work.doomed)
    for work in works:
        _send(work, (file for file in work.missing if file.path != CARD), hub, tell)
    for work in works:
        data = {file: work.hashes[file] for file in work.part.data}
        verify(work.part.repo, data, hub.tree(work.part.repo))
    for work in works:
        _send(work, (file for file in work.missing if file.path == CARD), hub, tell)
    return [_end(work, plan, hub) for work in works]


def _look(part: Part, hashes: dict[File, str], plan: Plan, hub: Hub, overwrite: bool) -> _Work:
    """Compare a repository with the set that is to be its content."""
    known = {file: hashes[file] for file in part.files}
    sight = hub.look(part.repo)
    if sight is None:
        return _Work(part, known, False, list(part.files), set())
    if plan.private and not sight.private:
        raise ConfigError(
            f"{part.repo} is public; make it private in the Hub's settings, or say --public"
        )
    there = hub.tree(part.repo)
    missing = [file for file in part.files if not same(file, known[file], there.get(file.path))]
    stale = there.keys() - {file.path for file in part.files}
    foreign = stale | {file.path for file in missing if file.path in there}
    if foreign and not overwrite:
        raise ConfigError(
            f"{part.repo} holds other files than this release ({some(foreign)}); choose another "
            f"--repo, or replace them with --overwrite"
        )
    changes = stale or any(file.path != CARD for file in missing)
    return _Work(part, known, True, missing, stale | {CARD} & there.keys() if changes else set())


def _send(work: _Work, files: Iterable[File], hub: Hub, tell: Tell) -> None:
    todo = list(files)
    total, done = sum(file.size for file in todo), 0
    for batch in batches(todo):
        size = sum(file.size for file in batch)
        what = batch[0].path if len(batch) == 1 else f"{len(batch)} files"
        tell(
            f"{work.part.repo}: sending {what}, {human(size)}; {human(done)} of {human(total)} done"
        )
        title = f"mcu: the card of {work.part.name}"
        if batch[0].path != CARD:
            title = f"mcu: {what} of {work.part.name}"
        hub.commit(work.part.repo, title, {file: work.hashes[file] for file in batch})
        done += size


def _end(work: _Work, plan: Plan, hub: Hub) -> Pushed:
    part = work.part
    verify(part.repo, work.hashes, hub.tree(part.repo))
    sight = hub.look(part.repo)
    if sight is not None and sight.private and not plan.private:
        hub.show(part.repo)
    return Pushed(
        set=part.name,
        repo=part.repo,
        url=f"{hub.endpoint}/datasets/{part.repo}",
        revision=sight.revision if sight else "",
        private=plan.private,
        files=len(part.files),
        bytes=part.bytes,
        sent=len(work.missing),
    )
