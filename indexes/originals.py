"""Originals: the file of an indexed picture, where it lies in a folder, a tar or a table."""

import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mcu.errors import Reject

_MOST = 20_000_000  # bytes


def original(root: Path, row: Mapping[str, Any]) -> bytes:
    """The bytes of the picture that a row of an index tells of.

    Args:
        root: the index's root; nothing outside of it is read.
        row: `file`, and for a member of a tar `offset` and `size` where they are known.

    Raises:
        Reject: it lies outside of the root, is gone, or is on the web.
    """
    name = str(row["file"])
    root = root.resolve()
    try:
        path = (root / name).resolve()
        if not path.is_relative_to(root):
            raise Reject("not_indexed", f"the picture {name!r} lies outside the index")
        if path.is_file():
            return path.read_bytes()
        holder = next((one for one in path.parents if one.suffix == ".tar" and one.is_file()), None)
        if holder is not None:
            return _member(holder, path.relative_to(holder).as_posix(), row)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise Reject("no_file", f"{name!r} cannot be read: {said}") from error
    table, _, number = path.name.rpartition("#")
    if table and number.isdigit():
        return _row(path.parent, table, int(number))
    raise Reject("no_file", f"{name!r} is not there any more")


def _member(tar: Path, name: str, row: Mapping[str, Any]) -> bytes:
    offset, size = row.get("offset"), row.get("size")
    if isinstance(offset, int) and isinstance(size, int) and 0 <= size <= _MOST:
        with tar.open("rb") as file:
            file.seek(offset)
            data = file.read(size)
        if len(data) == size:
            return data
    try:
        with tarfile.open(tar, "r:") as whole:
            if file_ := whole.extractfile(name):
                return file_.read(_MOST)
    except (KeyError, tarfile.TarError) as error:
        raise Reject("no_file", f"{tar.name} has no member {name!r}") from error
    raise Reject("no_file", f"{tar.name} has no file {name!r}")


def _row(folder: Path, name: str, number: int) -> bytes:
    if (folder / name).is_file():
        from mcu.indexes.tables import row_bytes

        return row_bytes(folder / name, number)
    from mcu.indexes.saved import saved_bytes

    if (folder / name).is_dir():
        return saved_bytes(folder / name, "", number)
    return saved_bytes(folder, name, number)
