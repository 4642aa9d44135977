"""Equal seeds give equal bytes, whatever the concurrency, the hash seed or the shards' order."""

from pathlib import Path

from helpers import mcu, tree

RUN = ("run", "--episodes", "10", "--seed", "5", "--name", "a")


def release(folder: Path, *more: str, **env: str) -> dict[str, str]:
    folder.mkdir()
    done = mcu(*RUN, *more, cwd=folder, **env)
    assert done.returncode == 0, done.stderr
    return tree(folder / "outputs/a/release")


def test_concurrency_and_hash_seed(tmp_path: Path) -> None:
    one = release(tmp_path / "1", "--set", "chat.max_in_flight=1", PYTHONHASHSEED="0")
    many = release(tmp_path / "2", "--set", "chat.max_in_flight=64", PYTHONHASHSEED="1")
    assert one == many
    assert one.keys() >= {"stark-dialogue/stark.parquet", "stark-dialogue/README.md"}


def test_stage_by_stage_and_shard_by_shard(tmp_path: Path) -> None:
    whole = release(tmp_path / "1")
    parts = tmp_path / "2"
    parts.mkdir()
    for more in (
        ("--stages", "1"),
        ("--shards", "1"),
        ("--stages", "2-5", "--shards", "0"),
        ("--stages", "1-8"),
    ):
        done = mcu(*RUN, *more, cwd=parts)
        assert done.returncode == 0, done.stderr
    assert tree(parts / "outputs/a/release") == whole


def test_another_seed_gives_another_set(tmp_path: Path) -> None:
    one = release(tmp_path / "1")
    two = release(tmp_path / "2", "--seed", "6")
    key = "stark-dialogue/stark.parquet"
    assert one[key] != two[key]
