"""Which side of the split a persona is on, and which side a picture belongs to."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcu.ids import digest
from mcu.items import Split
from mcu.release.near import Array, Hashes, Places
from mcu.sections import ReleaseSection

# A picture's SHA-256 and perceptual hash, both in hex, and its weight: that of the slot it fills,
# or of a place behind another one, which counts where slots do not decide.
Seen = tuple[str, str, int]
SLOT, BEHIND = 1_000_000, 1
Weights = NDArray[np.int64]
_SIDES: tuple[Split, ...] = ("test", "validation", "train")  # who comes first where slots are equal
_TRAIN = _SIDES.index("train")


def split_of(persona: str, settings: ReleaseSection) -> Split:
    """The side of a persona, from its id alone, so that a run that grows moves nobody."""
    place = int(digest(["split", persona])[:12], 16) / 16**12
    if place < settings.test:
        return "test"
    return "validation" if place < settings.test + settings.validation else "train"


@dataclass(frozen=True)
class Sides:
    """The side of each picture that a held-out side shows, and of each that is much like one.

    Pictures are known by 64 bits of their SHA-256; all others are train's alone.
    """

    images: Array
    sides: Places

    def allow(self, image: str, split: Split) -> bool:
        """Whether a picture may be published on a side."""
        if not self.images.size:
            return True
        number = np.uint64(_number(image))
        place = int(np.searchsorted(self.images, number))
        known = place < self.images.size and self.images[place] == number
        return not known or _SIDES[self.sides[place]] == split


NOTHING_HELD_OUT = Sides(np.empty(0, np.uint64), np.empty(0, np.intp))


class SidesMaker:
    """Learns what the held-out sides show, then what else there is of it or much like it.

    Held-out pictures near each other, and train's near them, are a group, and a group belongs to
    the side where it fills most slots: so the fewest lose their picture. Memory grows with the
    held-out sides and what is much like theirs alone.
    """

    def __init__(self) -> None:
        self._shown: dict[Split, Pictures] = {side: Pictures() for side in _SIDES[:_TRAIN]}

    @property
    def empty(self) -> bool:
        """Whether nothing is held out."""
        return not any(shown.images for shown in self._shown.values())

    def hold_out(self, split: Split, pictures: Iterable[Seen]) -> None:
        """Take what a held-out episode shows."""
        self._shown[split].add(pictures)

    def compare(self, parts: Iterable[list[Seen]]) -> Sides:
        """The sides, after a look at every picture of the run, part by part."""
        held = [shown.arrays() for shown in self._shown.values()]
        census = _Census(held)
        for part in parts:
            census.count(Pictures(part).arrays())
        return census.sides()


@dataclass(frozen=True)
class _Arrays:
    """Pictures as numbers; those at the places `hashed` have `hashes`."""

    images: Array
    weights: Weights
    hashed: Places
    hashes: Array


class Pictures:
    """Pictures as they are met."""

    def __init__(self, pictures: Iterable[Seen] = ()) -> None:
        self.images, self._hashes = array("Q"), array("Q")
        self._weights, self._hashed = array("q"), array("q")
        self.add(pictures)

    def add(self, pictures: Iterable[Seen]) -> None:
        """Take some more."""
        for image, phash, weight in pictures:
            if phash:
                self._hashed.append(len(self.images))
                self._hashes.append(_number(phash))
            self.images.append(_number(image))
            self._weights.append(weight)

    def arrays(self) -> _Arrays:
        """All of them."""
        return _Arrays(
            np.array(self.images, np.uint64),
            np.array(self._weights, np.int64),
            np.array(self._hashed, np.intp),
            np.array(self._hashes, np.uint64),
        )


class _Census:
    """The weight of each held-out picture a side, and the pictures near them.

    Pictures and hashes are the nodes of a graph, whose parts are the groups: first the pictures,
    then the hashes.
    """

    def __init__(self, held: list[_Arrays]) -> None:
        self._images = np.unique(np.concatenate([one.images for one in held]))
        hashes = np.unique(np.concatenate([one.hashes for one in held]))
        self._known, self._first = Hashes(hashes), self._images.size
        self._sums = np.zeros((self._first, len(_SIDES)), dtype=np.int64)
        self._groups = _Groups(self._first + hashes.size)
        for side, one in enumerate(held):
            place = np.searchsorted(self._images, one.images)
            np.add.at(self._sums[:, side], place, one.weights)
            own = self._first + np.searchsorted(hashes, one.hashes)
            self._groups.join(place[one.hashed], own)
        for asked, near in self._known.pairs(hashes):
            self._groups.join(self._first + asked, self._first + near)
        # Of pictures of train alone that are near: which, by what node, of what weight.
        self._near = (array("Q"), array("q"), array("q"))

    def count(self, part: _Arrays) -> None:
        """Take a part of all pictures of the run, held-out ones among them."""
        place = np.searchsorted(self._images, part.images)
        place[place == self._first] = 0
        same = self._images[place] == part.images
        np.add.at(self._sums[:, _TRAIN], place[same], part.weights[same])
        other = np.flatnonzero(~same[part.hashed])
        node = np.full(other.size, -1, dtype=np.intp)
        for asked, near in self._known.pairs(part.hashes[other]):
            node[asked] = np.where(node[asked] < 0, self._first + near, node[asked])
            self._groups.join(node[asked], self._first + near)
        found = np.flatnonzero(node >= 0)
        number = part.hashed[other[found]]
        for kept, more in zip(
            self._near, (part.images[number], node[found], part.weights[number]), strict=True
        ):
            kept.frombytes(more.tobytes())

    def sides(self) -> Sides:
        """Each group to the side where it fills most slots."""
        # Train's are all that were counted, less those of the held-out sides.
        self._sums[:, _TRAIN] -= self._sums[:, :_TRAIN].sum(axis=1)
        roots = self._groups.roots()
        images, nodes, weights = (
            np.array(kept, kind)
            for kept, kind in zip(self._near, (np.uint64, np.intp, np.int64), strict=True)
        )
        total = np.zeros((roots.size, len(_SIDES)), dtype=np.int64)
        np.add.at(total, roots[: self._first], self._sums)
        np.add.at(total[:, _TRAIN], roots[nodes], weights)
        owners = total.argmax(axis=1)  # of equals the first
        once, place = np.unique(images, return_index=True)
        every = np.concatenate([self._images, once])
        sides = owners[np.concatenate([roots[: self._first], roots[nodes[place]]])]
        order = np.argsort(every)
        return Sides(every[order], sides[order])


class _Groups:
    """Nodes that are joined pair by pair (union-find)."""

    def __init__(self, number: int) -> None:
        self._above = list(range(number))

    def join(self, some: Places, others: Places) -> None:
        """Put each of some nodes into one group with its other."""
        pairs = np.unique(np.stack([some, others], axis=1)[some != others], axis=0)
        for one, other in pairs.tolist():
            self._above[self._root(one)] = self._root(other)

    def roots(self) -> Places:
        """For each node the node that stands for its group."""
        above = np.array(self._above, dtype=np.intp)
        while not np.array_equal(higher := above[above], above):
            above = higher
        return above

    def _root(self, node: int) -> int:
        above = self._above
        while above[node] != node:
            above[node] = node = above[above[node]]
        return node


def _number(text: str) -> int:
    return int(text[:16], 16)
