"""Two releases loaded over one cache of `datasets`: each gives its own rows."""

from pathlib import Path
from random import Random
from typing import Any

import pytest
from synthetic import World, pool, write_run

from mcu.release import build
from mcu.run import Run


def made(folder: Path, letter: str) -> Run:
    """Runs whose releases have the same names, numbers and sizes; their texts alone differ."""

    def text(rng: Random, number: int) -> str:
        return letter * number

    settings = {"validation": 0, "test": 0}
    run = write_run(
        folder / letter / "first",
        lambda store: World(pool(store, 40, seed=ord(letter)), text, lambda rng: letter),
        run={"episodes": 5},
        release=settings,
    )
    assert build(run) == 5
    return run


def load(run: Run, name: str, cache: Path) -> Any:
    from datasets import load_dataset

    return load_dataset(str(run.root / "release" / name), split="train", cache_dir=str(cache))


@pytest.mark.parametrize("name", ["stark-dialogue", "stark-image", "stark-face-image"])
def test_one_cache_never_gives_the_rows_of_another_run(name: str, tmp_path: Path) -> None:
    one, other = made(tmp_path, "a"), made(tmp_path, "b")
    first, second = (load(run, name, tmp_path / "cache") for run in (one, other))
    assert first.num_rows == second.num_rows
    key = "index" if name == "stark-dialogue" else "__key__"
    assert set(first[key]).isdisjoint(second[key])
    again = load(one, name, tmp_path / "cache")
    assert again[key] == first[key]
    assert again.cache_files == first.cache_files, "an equal set is found in the cache"
