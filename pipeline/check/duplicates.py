"""Duplicates: personas, narratives and dialogues word for word or nearly, and in meaning."""

from typing import Any

import numpy as np

from mcu.check.findings import Finding
from mcu.check.minhash import MinHash
from mcu.check.pictures import Pictures
from mcu.check.references import IMAGES, told
from mcu.check.rows import Row
from mcu.release.near import Hashes

GATE = "duplicates"
LIMITS = {"personas": 0.01, "narratives": 0.01, "dialogues": 0.01}
_ALIKE = 0.95  # cosine from which two texts mean one thing
_MOST = 100_000  # pictures compared with each other


class Duplicates:
    """Signatures of what should be told once: a persona, a narrative, a dialogue."""

    def __init__(self) -> None:
        self._kinds = {kind: MinHash() for kind in LIMITS}

    def add(self, row: Row) -> None:
        """Take an episode's texts."""
        if row.first:
            value = row.text("persona_entity_value")
            sentence = row.text("persona_sentence")
            self._kinds["personas"].add(f"{row.text('persona_entity_key')} {value} {sentence}")
        self._kinds["narratives"].add(row.text("narrative"))
        self._kinds["dialogues"].add(row.dialogue)

    def findings(self) -> list[Finding]:
        """The share of each that is nearly, or wholly, one that came before."""
        found = []
        for kind, hashes in self._kinds.items():
            near, pairs = hashes.near()
            either = near | hashes.exact()
            share = float(either.mean()) if len(hashes) else 0.0
            detail = f"{int(either.sum()):,} of {len(hashes):,}"
            examples = tuple(f"number {b + 1} and, later, number {a + 1}" for a, b in pairs)
            found.append(
                Finding(GATE, f"{kind} told before", share, LIMITS[kind], detail, examples)
            )
        return found

    def figures(self) -> dict[str, Any]:
        """How many are repeated word for word."""
        return {kind: int(hashes.exact().sum()) for kind, hashes in self._kinds.items()}


def alike(vectors: Any) -> float:
    """The share of unit vectors with a neighbour closer than 0.95 by cosine (SemDeDup)."""
    import faiss

    if len(vectors) < 2:
        return 0.0
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    scores, _ = index.search(vectors, 2)
    return float((scores[:, 1] >= _ALIKE).mean())


def pictures(sets: dict[str, Pictures]) -> dict[str, Any]:
    """How many pictures of stark-image look like another one; the same picture under two keys."""
    one = sets[IMAGES]
    looks = np.array(one.looks, dtype=np.uint64)[:_MOST]
    _, numbers, times = np.unique(looks, return_inverse=True, return_counts=True)
    near = (times[numbers] > 1) | Hashes(looks).near(looks, least=1)
    files = one.files.array()
    keys = one.keys.array()[np.array(one.places, dtype=np.int64)[:_MOST]]
    return {
        "files": len(files),
        "distinct files": len(np.unique(files)),
        "compared": len(looks),
        "look like another": int(near.sum()),
        "examples": list(told(keys[near])),
    }
