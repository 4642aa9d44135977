"""What must not be on two sides of the split: personas, pictures, and versions of pictures."""

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcu.check.findings import Finding
from mcu.check.pictures import Pictures
from mcu.check.references import FACES, IMAGES, LINKS, References, together, told
from mcu.items import SPLITS
from mcu.release.near import Hashes

GATE = "splits"


def findings(refs: References, sets: dict[str, Pictures]) -> list[Finding]:
    """Compare the sides of the split two by two."""
    return [
        _shared("personas on two sides", {s: keys.array() for s, keys in refs.groups.items()}),
        *(_named(name, refs) for name in sets),
        _shared("files of pictures on two sides", _files([sets[IMAGES], sets[LINKS]])),
        _shared("files of faces on two sides", _files([sets[FACES]])),
        _misplaced(refs, sets),
        _near([sets[IMAGES], sets[LINKS]]),
    ]


def _named(name: str, refs: References) -> Finding:
    keys: dict[str, NDArray[Any]] = {s: refs.keys[name, s].array() for s in SPLITS}
    return _shared(f"{name}: keys that two sides name", keys)


def _shared(name: str, keys: dict[str, NDArray[Any]]) -> Finding:
    sides = {split: np.unique(found) for split, found in keys.items()}
    common = together(
        np.intersect1d(sides[a], sides[b], assume_unique=True) for a, b in combinations(SPLITS, 2)
    )
    of = sum(len(found) for found in sides.values())
    return Finding(GATE, name, len(common), 0, f"of {of:,}", told(common))


def _files(sets: list[Pictures]) -> dict[str, NDArray[Any]]:
    """Hashes of files by side, but for links that tell of none."""
    found: dict[str, NDArray[Any]] = {}
    for number, split in enumerate(SPLITS):
        parts = [one.files.array()[one.side() == number] for one in sets]
        hashes = np.concatenate(parts)
        found[split] = hashes[hashes != np.zeros(1, dtype=hashes.dtype)[0]]
    return found


def _misplaced(refs: References, sets: dict[str, Pictures]) -> Finding:
    """Pictures that lie in the tars of one side and are named by rows of another."""
    wrong = []
    for name, pictures in sets.items():
        keys, sides = pictures.keys.array(), pictures.side()
        for number, split in enumerate(SPLITS):
            elsewhere = keys[sides != number]
            wrong.append(np.intersect1d(np.unique(elsewhere), refs.keys[name, split].array()))
    found = together(wrong)
    return Finding(GATE, "pictures in the tars of another side", len(found), 0, "", told(found))


def _near(sets: list[Pictures]) -> Finding:
    """Versions of a picture: perceptual hashes that differ in a few bits."""
    keys, looks, sides = [], [], []
    for one in sets:
        places = np.array(one.places, dtype=np.int64)
        keys.append(one.keys.array()[places])
        sides.append(one.side()[places])
        looks.append(np.array(one.looks, dtype=np.uint64))
    key, look, side = np.concatenate(keys), np.concatenate(looks), np.concatenate(sides)
    found = []
    for number in range(1, len(SPLITS)):
        held, rest = side == number, side < number
        found.append(key[held][Hashes(look[rest]).near(look[held])])
    both = together(found)
    detail = f"of {len(look):,} compared"
    return Finding(GATE, "versions of a picture on two sides", len(both), 0, detail, told(both))
