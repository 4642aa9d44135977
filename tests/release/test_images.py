"""Tars: the bytes that tarfile writes, each key once, one set of files a split."""

import io
import json
import tarfile
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import pool

from mcu.ids import uuid4_of
from mcu.release.images import ImageSet, Tar
from mcu.store import Store

names = st.text("abcdefghijklmnopqrstuvwxyz0123456789-._", min_size=1, max_size=99)


def by_tarfile(members: list[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@given(st.lists(st.tuples(names, st.binary(max_size=2_000)), max_size=12))
def test_a_tar_is_what_tarfile_writes(
    tmp_path_factory: pytest.TempPathFactory, members: list[tuple[str, bytes]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "some.tar"
    tar = Tar(path)
    for name, data in members:
        tar.add(name, data)
    digest = tar.close()
    assert path.read_bytes() == by_tarfile(members)
    assert digest == sha256(path.read_bytes()).hexdigest()


def test_each_split_has_tars_of_its_own(tmp_path: Path) -> None:
    store = Store(tmp_path / "run")
    pictures = [image for part in pool(store, 40).values() for image, _ in part][:10]
    images = ImageSet(tmp_path / "set", store, 3)
    keys = [uuid4_of(n) for n in range(10)]
    for number, (key, image) in enumerate(zip(keys, pictures, strict=True)):
        split = "test" if number % 3 == 0 else "train"
        assert images.add(key, image, {"index": key}, split)  # type: ignore[arg-type]
        assert not images.add(key, image, {"index": "again"}, "validation")
    assert images.close() == 10
    assert images.rows == Counter(train=6, test=4)
    files = sorted(path.name for path in (tmp_path / "set").iterdir())
    assert files == [
        "dataset_info.json",
        "stark-test-000000-of-000002.tar",
        "stark-test-000001-of-000002.tar",
        "stark-train-000000-of-000002.tar",
        "stark-train-000001-of-000002.tar",
    ]
    told = json.loads((tmp_path / "set" / "dataset_info.json").read_bytes())
    assert told["name"] == "stark_dataset"
    assert [*told["splits"]] == ["train", "test"]
    assert told["splits"]["test"] == {
        "name": "test",
        "shard_lengths": [3, 1],
        "filenames": files[1:3],
    }
    assert images.digests == {
        name: sha256((tmp_path / "set" / name).read_bytes()).hexdigest() for name in files[1:]
    }


def test_an_empty_set_has_no_folder(tmp_path: Path) -> None:
    images = ImageSet(tmp_path / "set", Store(tmp_path), 3)
    assert images.close() == 0
    assert not (tmp_path / "set").exists()
