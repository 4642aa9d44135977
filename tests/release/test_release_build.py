"""How a release is made: ranked pictures, progress, and what a power cut leaves."""

import gc
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from synthetic import World, pool, write_run

from helpers import tree
from mcu.errors import StoreError
from mcu.ids import uuid4_of
from mcu.records import Further, Picture
from mcu.release import build, is_current
from mcu.release import sync as sync_really
from mcu.run import Run
from mcu.store import Store


def simple(store: Store) -> World:
    return World(pool(store, 200))


def with_three(store: Store) -> World:
    """Every slot has three pictures; the second one may not be copied."""
    pools = pool(store, 200)
    kept = dict(one for part in pools.values() for one in part)

    def change(picture: Picture) -> dict[str, Any]:
        [pictures] = [part for part in pools.values() if (picture.image, picture.phash) in part]
        place = int(picture.id[:6], 16)
        further = []
        for number in (1, 2):
            image = pictures[(place + number) % len(pictures)][0]
            further.append(
                Further(
                    key=uuid4_of("further", picture.id, number),
                    image=image,
                    phash=kept[image],
                    source="openverse",
                    url=f"https://pictures.invalid/{number}.jpg",
                    author=f"author {number}",
                    copy_allowed=number == 2,
                    verification={"relevance": 0.5 - number / 10},
                )
            )
        return {"further": [one.model_dump() for one in further], "route": "web"}

    return World(pools, change=change)


def rows(run: Run) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    found: list[dict[str, Any]] = []
    for path in sorted((run.root / "release/stark-dialogue").glob("*.parquet")):
        found += pq.read_table(path).to_pylist()
    return found


def keys(run: Run) -> list[Any]:
    """What `images_key` holds, of all image turns."""
    cells = (row[f"session{n}:images_key"] for row in rows(run) for n in range(1, 7))
    return [key for cell in cells if cell for key in json.loads(cell) if key]


@pytest.mark.parametrize("ranked", [1, 2, 3])
def test_as_many_pictures_of_a_slot_are_published_as_are_asked_for(
    ranked: int, tmp_path: Path
) -> None:
    settings = {"ranked": ranked, "validation": 0, "test": 0}
    run = write_run(tmp_path / "r", with_three, run={"episodes": 5}, release=settings)
    assert build(run) == 5
    pictures = {p.key: p for p in run.records(Picture)}
    for key in keys(run):
        if ranked == 1:
            assert key in pictures
        else:
            first, *behind = key
            expected = [
                f"url:{one.key}" if one.copy_allowed is False else one.key
                for one in pictures[first].further
            ]
            assert behind == expected[: ranked - 1]
    told = json.loads((run.root / "release.done.json").read_bytes())
    assert told["stark-image"] == len(pictures) * (2 if ranked == 3 else 1)
    assert told["stark-image-url"] == (len(pictures) if ranked > 1 else 0)
    for row in rows(run):
        assert all("[" not in key for key in json.loads(row["session1:device_images_key"]))


def test_the_next_picture_takes_the_place_of_one_of_another_side(tmp_path: Path) -> None:
    """All slots share their first picture; each side has others behind it."""

    def world(store: Store) -> World:
        made = with_three(store)
        common = made.pools["train"][0]
        three = made.change

        def change(picture: Picture) -> dict[str, Any]:
            return {**three(picture), "image": common[0], "phash": common[1]}

        made.change = change
        return made

    settings = {"validation": 0.3, "test": 0.3}
    run = write_run(tmp_path / "r", world, run={"episodes": 50}, release=settings)
    assert build(run) == 50
    told = json.loads((run.root / "release.done.json").read_bytes())
    assert not told["empty image turns"]
    used = Counter(key.startswith("url:") for key in keys(run))
    assert used[True] and used[False], "the first where it belongs, the second elsewhere"
    assert {row["session1:relevance_scores"].count("0.4") > 0 for row in rows(run)} == {True, False}


def test_progress_is_told_to_the_end(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", simple, run={"episodes": 12})
    heard: list[tuple[int, int]] = []
    assert build(run, lambda done, of: heard.append((done, of))) == 12
    assert heard == [(done, 12) for done in range(1, 13)]


def test_equal_units_give_equal_bytes(tmp_path: Path) -> None:
    trees = []
    for name in ("one", "other"):
        run = write_run(tmp_path / name, simple, run={"episodes": 10})
        build(run)
        trees.append(tree(run.root / "release"))
    assert trees[0] == trees[1]


def test_a_release_is_on_disk_before_it_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of what a power cut can come between."""
    run = write_run(tmp_path / "r", simple, run={"episodes": 5})
    build(run)
    happened: list[str] = []

    def sync(folder: Path) -> None:
        sync_really(folder)
        happened.append(f"sync {folder.name}, {len(list(folder.rglob('*.parquet')))} parquet")

    def rename(self: Path, to: Path) -> Path:
        assert not (run.root / "release.done.json").exists(), "the old mark went first"
        happened.append(f"{self.name} -> {to.name}")
        os.rename(self, to)
        return to

    monkeypatch.setattr("mcu.release.sync", sync)
    monkeypatch.setattr("mcu.release._rename", rename)
    (run.root / "release.done.json").unlink()
    build(run)
    assert happened == [
        "sync .release.tmp, 1 parquet",
        "release -> .release.old",
        ".release.tmp -> release",
    ]
    assert is_current(run)


def test_a_release_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(tmp_path / "r", simple, run={"episodes": 5})
    build(run)
    before = tree(run.root / "release")

    def full(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mcu.release.sync", full)
    with pytest.raises(StoreError, match="No space left"):
        build(run)
    assert tree(run.root / "release") == before
    assert is_current(run)


def test_a_picture_that_is_gone_is_told_and_leaves_no_open_file(tmp_path: Path) -> None:
    """Pytest makes an error of files that nobody closed."""
    run = write_run(tmp_path / "r", simple, run={"episodes": 5})
    lost = list(run.records(Picture))[-1].image
    run.store.image_path(lost).unlink()
    with pytest.raises(StoreError, match=f"picture {lost} is missing"):
        build(run)
    gc.collect()
    assert not (run.root / "release").exists() and not (run.root / ".release.tmp").exists()
    assert not is_current(run)
