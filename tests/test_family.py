"""Relatives, for every pair of types that a stage asks for, in the records of a real run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import mcu
from mcu.errors import Gone
from mcu.family import Family
from mcu.records import (
    RELATIONS,
    Commonsense,
    DeviceImage,
    Events,
    Face,
    Narrative,
    Persona,
    Record,
    Session,
)
from mcu.run import Run
from mcu.stages import STAGES
from mcu.store import Rows, Unit

PARENT = {stage.makes: stage.takes for stage in STAGES}
PAIRS = [(stage.takes, kind) for stage in STAGES for kind in stage.needs]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = mcu.make_run(
        tmp_path_factory.mktemp("family") / "r",
        run={"episodes": 10, "shard_size": 2, "sessions": [2, 2], "turns": 4},
    )
    made.execute((1, 7))
    return made


def rows(run: Run, kind: type[Record]) -> Rows:
    stage = next(stage for stage in STAGES if stage.makes is kind)
    mark = run.store.mark(Unit(stage, 0))
    assert mark
    return Rows(run.store.rows_path(Unit(stage, 0)), mark["sha256"])


@pytest.fixture(scope="module")
def family(run: Run) -> Iterator[Family]:
    found = Family(STAGES, {stage.makes: rows(run, stage.makes) for stage in STAGES[:7]})
    yield found
    found.close()


def ancestors(run: Run, record: Record) -> dict[type[Record], str]:
    """A record's line up to the persona, told from its parents alone."""
    found = {type(record): record.id}
    while (kind := PARENT[type(record)]) in PARENT:
        record = next(r for r in run.records(kind) if r.id == record.parent)
        found[kind] = record.id
    return found


def test_the_pairs_are_those_of_the_design() -> None:
    assert len(PAIRS) >= 13
    assert (Events, Face) in PAIRS and (Events, DeviceImage) in PAIRS


@pytest.mark.parametrize(("kind", "needed"), PAIRS, ids=lambda kind: kind.__name__)
def test_relatives(kind: type[Record], needed: type[Record], run: Run, family: Family) -> None:
    """All of that type that descend from the nearest common ancestor, and no others."""
    for record in run.records(kind):
        line = ancestors(run, record)
        found = family.of(record, needed)
        assert found, f"{kind.__name__} has no {needed.__name__}"
        if needed in line:
            assert [r.id for r in found] == [line[needed]]
        else:
            common = line[PARENT[needed]]
            assert found == [r for r in run.records(needed) if r.parent == common]


def test_how_many(run: Run, family: Family) -> None:
    first = next(run.records(Events))
    wanted = {Persona: 1, Face: 1, Commonsense: 1, Narrative: 1, DeviceImage: 5, Session: 2}
    assert {kind: len(family.of(first, kind)) for kind in wanted} == wanted
    assert family.of(first, Events) == [first]
    persona = next(run.records(Persona))
    relations = [c.relation for c in family.of(persona, Commonsense) if isinstance(c, Commonsense)]
    assert relations == list(RELATIONS)


def test_records_come_in_order_of_the_file(run: Run, family: Family) -> None:
    assert list(family.records(Narrative)) == list(run.records(Narrative))


def test_no_relatives_where_they_were_rejected(run: Run, tmp_path: Path) -> None:
    """Without a narrative's pictures there are none, not those of its neighbours."""
    from hashlib import sha256

    events = list(run.records(Events))
    kept = [r for r in run.records(DeviceImage) if r.parent != events[0].parent]
    data = b"".join(r.model_dump_json().encode() + b"\n" for r in kept)
    (tmp_path / "a").write_bytes(data)
    files: dict[type[Record], Rows] = {s.makes: rows(run, s.makes) for s in STAGES[:5]}
    files[DeviceImage] = Rows(tmp_path / "a", sha256(data).hexdigest())
    family = Family(STAGES, files)
    assert family.of(events[0], DeviceImage) == []
    assert len(family.of(events[1], DeviceImage)) == 5
    family.close()


def test_a_lost_ancestor_is_gone(run: Run, family: Family) -> None:
    orphan = Events(parent="nobody", events=[])
    with pytest.raises(Gone, match="the Narrative of this Events is gone"):
        family.of(orphan, Persona)
