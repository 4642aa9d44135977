"""Small pictures that differ, written as folders and tars of the layouts that data sets come in."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def jpeg(seed: int, size: tuple[int, int] = (48, 40)) -> bytes:
    """A JPEG of coloured squares."""
    squares = np.random.default_rng(seed).integers(0, 255, (4, 5, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    image = Image.fromarray(squares).resize(size, Image.Resampling.NEAREST)
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def write_folder(folder: Path, count: int) -> Path:
    """Pictures with captions beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"p{number:03}.jpg").write_bytes(jpeg(number))
        (folder / f"p{number:03}.txt").write_text(f"squares number {number}", encoding="utf-8")
    return folder


def write_tar(path: Path, samples: list[dict[str, Any]]) -> Path:
    """A WebDataset tar; a sample's values by the end of the file's name, such as `jpg`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for number, sample in enumerate(samples):
            for end, value in sample.items():
                data = value if isinstance(value, bytes) else json.dumps(value).encode()
                info = tarfile.TarInfo(f"{number:09}.{end}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return path
