"""The episodes of a finished run as they are published: whole, split, each picture on one side."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from mcu.contract import Stage
from mcu.family import Family
from mcu.ids import digest
from mcu.items import SPLITS, Split
from mcu.records import (
    Commonsense,
    Events,
    Face,
    Further,
    Narrative,
    Persona,
    Picture,
    Record,
    Session,
)
from mcu.release.splits import BEHIND, NOTHING_HELD_OUT, SLOT, Seen, Sides, SidesMaker, split_of
from mcu.store import Rows, Unit

if TYPE_CHECKING:
    from mcu.run import Run

R = TypeVar("R", bound=Record)
KEPT_OFF = "pictures kept off one side of the split"
# The picture of a slot, and those behind it, in a record's line. Quotes inside of its texts are
# escaped there, so that nothing but these two fields can match.
_PICTURE = re.compile(rb'"image":"([0-9a-f]{64})","phash":"([0-9a-f]{16}|)"')
_OF_THE_FILE = set(Further.model_fields)  # what differs between a picture and one behind it


@dataclass(frozen=True)
class Episode:
    """Everything that is published about one episode; `relatives` finds further records.

    `pictures` are those that stand on the episode's side of the split, and `further` of each those
    that are published behind it.
    """

    split: Split
    persona: Persona
    face: Face
    inference: Commonsense
    narrative: Narrative
    events: Events
    sessions: list[Session]
    pictures: list[Picture]
    relatives: Callable[[type[Record]], list[Record]]

    def of(self, kind: type[R]) -> list[R]:
        """The episode's records of a type, such as a derived stage's; none where they were lost."""
        found = self.pictures if kind is Picture else self.relatives(kind)
        return [record for record in found if isinstance(record, kind)]

    def index(self, seed: int) -> str:
        """The row's `index` in stark-dialogue, which items name as their source."""
        return f"{seed}:{self.persona.id}-{self.inference.relation}"

    @property
    def shown(self) -> dict[tuple[int, int], Picture]:
        """The picture of each turn that has one, by session and turn (both from 1)."""
        return {place.at: picture for picture in self.pictures for place in picture.places}

    @property
    def complete(self) -> bool:
        """Whether every shared picture and every device picture was found."""
        shared = sum(t.image is not None for s in self.sessions for t in s.turns)
        kept = sum(len(picture.places) for picture in self.pictures)
        devices = sum(picture.album > 0 for picture in self.pictures)
        return kept == shared and devices == len(self.sessions[-1].album)


def episodes(
    run: "Run", counts: Counter[str], further: tuple[Stage, ...] = ()
) -> Iterator[Episode]:
    """Every episode that has a face and enough sessions, shard by shard; losses are counted.

    A picture that belongs to another side of the split is left out, or the next one of its slot
    takes its place. The sides are found in a pass before this one, where a share is held out.

    Args:
        run: a finished run.
        counts: takes the losses, by reason.
        further: derived stages whose records are wanted, too.
    """
    sides, most = sides_of(run, _state(run)), run.config.release.ranked
    for episode in _read(run, counts, further, SPLITS):
        if not sides.allow(episode.face.image, episode.split):
            counts["left out for a face of another side of the split"] += 1
            continue
        pictures = []
        for picture in episode.pictures:
            if published := _published(picture, sides, episode.split, most):
                pictures.append(published)
            else:
                counts[KEPT_OFF] += 1
        yield replace(episode, pictures=pictures)


def _published(picture: Picture, sides: Sides, split: Split, most: int) -> Picture | None:
    """The best picture of a slot that may be on a side, and those behind it."""
    allowed = [one for one in picture.ranked if sides.allow(one.image, split)]
    if not allowed:
        return None
    best, behind = allowed[0], allowed[1:most]
    if best is picture and behind == picture.further:
        return picture
    changes: dict[str, Any] = {"further": behind}
    if best is not picture:
        changes |= {name: getattr(best, name) for name in _OF_THE_FILE}
    return picture.model_copy(update=changes)


def sums_of(run: "Run") -> list[str | None]:
    """The hash of each unit's rows, None of one that is not done."""
    from mcu.stages import STAGES

    units = [Unit(stage, shard) for stage in STAGES for shard in range(run.config.shards)]
    return [(run.store.mark(unit) or {}).get("sha256") for unit in units]


def _state(run: "Run") -> str:
    """A hash of everything that the sides depend on."""
    return digest([run.config.rows("release"), sums_of(run)])


@lru_cache(maxsize=2)
def sides_of(run: "Run", state: str) -> Sides:
    """The sides of a run's pictures; `state` is a hash of what they depend on."""
    settings, maker = run.config.release, SidesMaker()
    held_out: list[Split] = ["test"] if settings.test else []
    held_out += ["validation"] if settings.validation else []
    for episode in _read(run, Counter(), (), held_out) if held_out else ():
        if episode.complete or not settings.complete_only:
            for slot in episode.pictures:
                weights = (SLOT, *[BEHIND] * len(slot.further))
                seen = [
                    (one.image, one.phash, weight)
                    for one, weight in zip(slot.ranked, weights, strict=True)
                ]
                maker.hold_out(episode.split, seen)
            maker.hold_out(episode.split, [(episode.face.image, "", SLOT)])
    return NOTHING_HELD_OUT if maker.empty else maker.compare(_pictures(run))


def _pictures(run: "Run") -> Iterator[list[Seen]]:
    """Every picture that could be published, a few thousand at a time."""
    from mcu.stages import STAGES

    for shard in range(run.config.shards):
        part: list[Seen] = []
        with run.store.rows_path(Unit(STAGES[-1], shard)).open("rb") as file:
            for line in file:
                for number, found in enumerate(_PICTURE.finditer(line)):
                    weight = BEHIND if number else SLOT
                    part.append((found[1].decode(), found[2].decode(), weight))
        yield part


def _read(
    run: "Run", counts: Counter[str], further: tuple[Stage, ...], wanted: Collection[Split]
) -> Iterator[Episode]:
    """The episodes of some sides, with all their pictures."""
    from mcu.stages import STAGES

    stages = (*STAGES, *further)
    for shard in range(run.config.shards):
        rows: dict[type[Record], Rows] = {}
        for stage in stages:
            unit = Unit(stage, shard)
            mark = run.store.mark(unit) or {}
            rows[stage.makes] = Rows(run.store.rows_path(unit), mark.get("sha256", ""))
        family = Family(stages, rows)
        try:
            for events in family.records(Events):
                [persona] = family.of(events, Persona)
                split = split_of(persona.id, run.config.release)
                if split not in wanted:
                    continue
                if episode := _episode(events, family, split):
                    yield episode
                else:
                    counts["left out for a lost face or dialogue"] += 1
        finally:
            family.close()


def _episode(events: Record, family: Family, split: Split) -> Episode | None:
    def all_of(kind: type[Record]) -> list[Any]:
        return family.of(events, kind)

    inference = all_of(Commonsense)[0]
    faces = [f for f in all_of(Face) if f.relation in ("", inference.relation)]
    sessions = sorted(all_of(Session), key=lambda session: session.number)
    if not (faces and sessions):
        return None
    return Episode(
        split=split,
        persona=all_of(Persona)[0],
        face=faces[0],
        inference=inference,
        narrative=all_of(Narrative)[0],
        events=all_of(Events)[0],
        sessions=sessions,
        pictures=all_of(Picture),
        relatives=all_of,
    )
