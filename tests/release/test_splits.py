"""Splits: persons by their ids, pictures and what is much like them on one side alone."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import Kept, World, picture, pool, write_run

from mcu.ids import uuid4_of
from mcu.items import SPLITS, Split
from mcu.phash import NEAR, near
from mcu.records import Face, Persona, Picture
from mcu.release import build
from mcu.release.episodes import KEPT_OFF, episodes
from mcu.release.near import Hashes, differing
from mcu.release.splits import BEHIND, SLOT, Seen, SidesMaker, split_of
from mcu.run import Run
from mcu.sections import ReleaseSection
from mcu.store import Store

HALVES = {"validation": 0.25, "test": 0.25}
hashes = st.integers(0, 2**64 - 1)


def test_shares_are_about_as_asked() -> None:
    settings = ReleaseSection(validation=0.1, test=0.2)
    found = Counter(split_of(uuid4_of(n), settings) for n in range(5_000))
    assert found["validation"] == pytest.approx(500, abs=100)
    assert found["test"] == pytest.approx(1_000, abs=130)
    nothing = ReleaseSection(validation=0, test=0)
    assert {split_of(uuid4_of(n), nothing) for n in range(500)} == {"train"}


def test_more_for_validation_moves_nobody_into_test() -> None:
    few, many = ReleaseSection(validation=0.1), ReleaseSection(validation=0.4)
    people = [uuid4_of(n) for n in range(500)]
    for split in ("test", "validation"):
        before = {p for p in people if split_of(p, few) == split}
        assert before <= {p for p in people if split_of(p, many) == split}


@given(st.lists(hashes, max_size=30), st.lists(hashes, max_size=10), st.data())
def test_near_hashes_are_found_and_no_others(
    known: list[int], asked: list[int], data: st.DataObject
) -> None:
    """Half of those asked for are made of known ones, by turning a few bits."""
    for one in known[:10]:
        turned = data.draw(st.sets(st.integers(0, 63), max_size=NEAR + 2))
        asked.append(one ^ sum(1 << bit for bit in turned))
    found = Hashes(np.array(known, np.uint64)).near(np.array(asked, np.uint64))
    assert found.tolist() == [any(near(one, other) for other in known) for one in asked]


@given(st.lists(st.tuples(hashes, hashes), max_size=20))
def test_bits_are_counted(pairs: list[tuple[int, int]]) -> None:
    one = np.array([a for a, _ in pairs], np.uint64)
    other = np.array([b for _, b in pairs], np.uint64)
    assert differing(one, other).tolist() == [(a ^ b).bit_count() for a, b in pairs]


def test_many_of_one_band_are_compared_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcu.release.near._PAIRS", 100)
    known = Hashes(np.arange(0, 2**20, 2**7, dtype=np.uint64))
    asked = np.arange(0, 2**12, 5, dtype=np.uint64)
    expected = [any(near(int(one), k) for k in range(0, 2**20, 2**7)) for one in asked]
    assert known.near(asked).tolist() == expected
    assert 0 < sum(expected) < len(expected)


def seen(name: str, phash: int | None = None, weight: int = SLOT) -> Seen:
    hash_ = "" if phash is None else f"{phash:016x}"
    return uuid4_of(name).replace("-", "") * 2, hash_, weight


FAR = 0xFFFF << 40
A, LIKE_A, B, LIKE_B = seen("a", 0), seen("like a", 0b1111), seen("b", FAR), seen("like b", FAR + 1)
C, PLAIN, BACK = seen("c", 0b11111 << 20), seen("plain"), seen("b", FAR, BEHIND)


@pytest.mark.parametrize(
    ("test", "validation", "train", "owners"),
    [
        ([A], [A], [A], {A: "test"}),
        ([A], [A, A], [A], {A: "validation"}),
        ([A], [A], [A, A], {A: "train"}),
        ([A], [], [LIKE_A], {A: "test", LIKE_A: "test"}),
        ([A], [], [LIKE_A, LIKE_A, C], {A: "train", LIKE_A: "train"}),
        ([A, A, B], [LIKE_A], [LIKE_B, C], {A: "test", LIKE_A: "test", B: "test", LIKE_B: "test"}),
        # Near by a third: one group, though the first and the last are not near.
        ([A], [LIKE_A], [seen("end", 0b11111111)] * 2, {A: "train", LIKE_A: "train"}),
        # A place behind another picture counts for less than a slot, but it counts.
        ([BACK, BACK], [], [LIKE_B], {B: "train", LIKE_B: "train"}),
        ([], [BACK, BACK], [BACK], {B: "validation"}),
        ([A, PLAIN], [], [PLAIN, PLAIN, seen("plain too")], {A: "test", PLAIN: "train"}),
        ([], [B], [A, A], {B: "validation"}),
    ],
)
def test_a_group_belongs_where_it_fills_most_slots(
    test: list[Seen], validation: list[Seen], train: list[Seen], owners: dict[Seen, Split]
) -> None:
    maker = SidesMaker()
    assert maker.empty
    maker.hold_out("test", test)
    maker.hold_out("validation", validation)
    assert not maker.empty
    sides = maker.compare([[*validation, *train[:1]], [*test, *train[1:]]])
    for (image, _, _), owner in owners.items():
        assert [split for split in SPLITS if sides.allow(image, split)] == [owner]
    assert sides.allow(seen("never seen")[0], "train")


pictures = st.lists(
    st.integers(0, 30).map(lambda n: seen(f"{n}", (n * 0x1111111111111111 ^ n << 3) & 2**64 - 1)),
    max_size=25,
)


@given(pictures, pictures, pictures)
def test_nothing_near_is_allowed_on_two_sides(
    test: list[Seen], validation: list[Seen], train: list[Seen]
) -> None:
    maker = SidesMaker()
    shown = {"test": test, "validation": validation, "train": train}
    maker.hold_out("test", test)
    maker.hold_out("validation", validation)
    if maker.empty:
        return
    sides = maker.compare([test, validation, train])
    kept = {
        split: {
            (image, int(hash_, 16)) for image, hash_, _ in shown[split] if sides.allow(image, split)
        }
        for split in SPLITS
    }
    for one in SPLITS:
        for other in SPLITS:
            if one != other:
                assert not any(near(a, b) for _, a in kept[one] for _, b in kept[other])


def with_faces(store: Store, pools: dict[Split, Sequence[Kept]]) -> World:
    """Pictures, and faces unlike all others."""
    rng = np.random.default_rng(77)
    return World(pools, change_face=lambda face: {"image": picture(store, rng)[0]})


def mixed(store: Store) -> World:
    """Few pictures, which all sides share."""
    few = [kept for part in pool(store, 200).values() for kept in part]
    return with_faces(store, dict.fromkeys(SPLITS, few))


def shown(run: Run) -> dict[Split, set[Kept]]:
    found: dict[Split, set[Kept]] = {split: set() for split in SPLITS}
    for episode in episodes(run, Counter()):
        found[episode.split] |= {(p.image, p.phash) for p in episode.pictures}
    return found


def check_apart(found: dict[Split, set[Kept]]) -> None:
    pairs = [("test", "validation"), ("test", "train"), ("validation", "train")]
    for one, other in pairs:
        for image, hash_ in found[one]:  # type: ignore[index]
            for image_too, hash_too in found[other]:  # type: ignore[index]
                assert image != image_too
                assert not near(int(hash_, 16), int(hash_too, 16))


def test_no_picture_stands_on_two_sides(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", mixed, run={"episodes": 100}, release=HALVES)
    found = shown(run)
    assert found["train"]
    assert found["validation"] | found["test"], "some fill more slots there"
    check_apart(found)
    assert build(run) == 100
    told = json.loads((run.root / "release.done.json").read_bytes())
    assert told[KEPT_OFF] > 0
    assert told["empty image turns"] > 0


def test_what_is_near_another_side_s_picture_is_one_with_it(tmp_path: Path) -> None:
    """Each picture of train is a held-out one with a bit or five turned."""
    pairs: list[tuple[Kept, Kept, Kept]] = []

    def world(store: Store) -> World:
        rng = np.random.default_rng(5)
        for _ in range(4):
            held = picture(store, rng)
            like, unlike = (
                (picture(store, rng)[0], f"{int(held[1], 16) ^ bits:016x}") for bits in (1, 0b11111)
            )
            pairs.append((held, like, unlike))
        held_out, near_by, far = ([trio[n] for trio in pairs] for n in range(3))
        pools = {"train": near_by + far, "test": held_out, "validation": held_out}
        return with_faces(store, pools)  # type: ignore[arg-type]

    found = shown(write_run(tmp_path / "r", world, run={"episodes": 50}, release=HALVES))
    check_apart(found)
    for held, like, unlike in pairs:
        sides = [held in found["test"], held in found["validation"], like in found["train"]]
        assert sum(sides) == 1
        assert unlike in found["train"]


def test_nothing_is_kept_off_when_nothing_is_held_out(tmp_path: Path) -> None:
    nothing = {"validation": 0, "test": 0}
    run = write_run(tmp_path / "r", mixed, run={"episodes": 25}, release=nothing)
    counts: Counter[str] = Counter()
    assert {e.split for e in episodes(run, counts)} == {"train"}
    assert not counts
    assert all(e.complete for e in episodes(run, counts))


def test_complete_only_leaves_episodes_of_other_sides_out(tmp_path: Path) -> None:
    settings = {**HALVES, "complete_only": True}
    run = write_run(tmp_path / "r", mixed, run={"episodes": 50, "seed": 2}, release=settings)
    left = build(run)
    told = json.loads((run.root / "release.done.json").read_bytes())
    assert 0 < left < 50
    assert told["left out for an empty image key"] == 50 - left
    assert not told["empty image turns"]


def test_a_derived_set_sees_the_same_pictures(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", mixed, run={"episodes": 50}, release=HALVES)
    for episode in episodes(run, Counter()):
        assert episode.of(Picture) == episode.pictures
        assert episode.of(Persona) == [episode.persona]


def test_a_face_of_another_side_leaves_its_episodes_out(tmp_path: Path) -> None:
    def world(store: Store) -> World:
        pools = pool(store, 200)
        return World(pools, change_face=lambda face: {"image": pools["test"][0][0]})

    run = write_run(tmp_path / "r", world, run={"episodes": 50}, release=HALVES)
    counts: Counter[str] = Counter()
    kept = list(episodes(run, counts))
    people = Counter(split_of(p.id, run.config.release) for p in run.records(Persona))
    owner = "test" if people["test"] >= people["validation"] else "validation"
    assert {e.split for e in kept} == {owner}
    assert len(kept) == 5 * people[owner]
    assert counts["left out for a face of another side of the split"] == 50 - len(kept)
    assert len({f.image for f in run.records(Face)}) == 1
