"""Releases that were spoilt on purpose: rows changed in the parquet files, samples in the tars."""

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mcu.run import Run

Rows = list[dict[str, Any]]
Samples = dict[str, dict[str, bytes]]


def copied(run: Run, folder: Path) -> Run:
    """The run, with its release, in another folder."""
    shutil.copytree(run.root, folder)
    return Run.open(folder)


def table(run: Run, split: str) -> Path:
    name = "stark.parquet" if split == "train" else f"stark-{split}.parquet"
    return run.root / "release/stark-dialogue" / name


def rows(run: Run, split: str = "train") -> Rows:
    return pq.read_table(table(run, split)).to_pylist()  # type: ignore[no-any-return]


def write_rows(run: Run, changed: Rows, split: str = "train") -> None:
    schema = pq.read_schema(table(run, split))
    pq.write_table(pa.Table.from_pylist(changed, schema=schema), table(run, split))


def change(row: dict[str, Any], column: str, edit: Callable[[list[Any]], None]) -> None:
    """Edit a list column in place."""
    found = json.loads(row[column])
    edit(found)
    row[column] = json.dumps(found, ensure_ascii=False)


def tar(run: Run, set_: str, split: str) -> Path:
    return next((run.root / "release" / set_).glob(f"stark-{split}-*.tar"))


def samples(path: Path) -> Samples:
    found: Samples = {}
    with tarfile.open(path) as archive:
        for member in archive:
            key, _, extension = member.name.partition(".")
            file = archive.extractfile(member)
            assert file is not None
            found.setdefault(key, {})[extension] = file.read()
    return found


def write_samples(path: Path, found: Samples) -> None:
    """Write a tar, and its length into dataset_info.json."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for key, parts in found.items():
            for extension, data in parts.items():
                info = tarfile.TarInfo(f"{key}.{extension}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    told = path.parent / "dataset_info.json"
    info_ = json.loads(told.read_bytes())
    for part in info_["splits"].values():
        for place, name in enumerate(part["filenames"]):
            if name == path.name:
                part["shard_lengths"][place] = len(found)
    told.write_text(json.dumps(info_))
