"""stark-image and its sisters: WebDataset tars of pictures, or of links alone."""

import io
import json
import tarfile
from pathlib import Path

from mcu.ids import sha256
from mcu.release.sign import Signer
from mcu.store import Store, dump


class ImageSet:
    """Tars named `stark-train-000000-of-00000N.tar`, each key once, and `dataset_info.json`.

    Without a store there are no pictures: `stark-image-url` holds `<key>.json` alone. With a
    signer those that were drawn are signed. A set that stays empty has no folder, for `datasets`
    cannot load one.
    """

    def __init__(
        self, folder: Path, store: Store | None, per_tar: int, signer: Signer | None = None
    ) -> None:
        self._folder = folder
        self._store = store
        self._per_tar = per_tar
        self._signer = signer
        self._keys: set[str] = set()
        self._lengths: list[int] = []
        self._tar: tarfile.TarFile | None = None

    def add(self, key: str, image: str, fields: dict[str, str]) -> None:
        """Append a picture unless its key is there already."""
        if key in self._keys:
            return
        self._keys.add(key)
        if self._tar is None or self._lengths[-1] == self._per_tar:
            self._next()
        assert self._tar is not None
        if self._store is not None:
            data = self._store.image(image)
            if self._signer is not None:
                data = self._signer.sign(data)
                if "image_sha256" in fields:  # of the file beside which it stands
                    fields = {**fields, "image_sha256": sha256(data)}
            _member(self._tar, f"{key}.jpg", data)
        _member(self._tar, f"{key}.json", json.dumps(fields, ensure_ascii=False).encode())
        self._lengths[-1] += 1

    def close(self) -> int:
        """End the last tar and give all their names, now that their number is known."""
        if self._tar is None:
            return 0
        self._tar.close()
        total = len(self._lengths)
        names = [f"stark-train-{n:06d}-of-{total:06d}.tar" for n in range(total)]
        for number, name in enumerate(names):
            self._part(number).rename(self._folder / name)
        split = {"name": "train", "shard_lengths": self._lengths, "filenames": names}
        info = {"name": "stark_dataset", "splits": {"train": split}}
        (self._folder / "dataset_info.json").write_bytes(dump(info))
        return len(self._keys)

    def _next(self) -> None:
        if self._tar is not None:
            self._tar.close()
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._part(len(self._lengths))
        self._tar = tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
        self._lengths.append(0)

    def _part(self, number: int) -> Path:
        return self._folder / f"{number:06d}.part"


def _member(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """Add a file with no owner and no time, so that equal pictures give equal tars."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mode = 0o644
    tar.addfile(info, io.BytesIO(data))
