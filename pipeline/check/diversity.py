"""Diversity of a sample of fixed size: figures to compare runs by, and gates on absurd values."""

import hashlib
import heapq
import math
import zlib
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from mcu.check.duplicates import alike
from mcu.check.findings import Finding
from mcu.check.rows import Row
from mcu.ids import key_bytes
from mcu.stages.text import words

GATE = "diversity"
SAMPLE = 2000  # episodes
_WORDS = 20_000  # length biases every measure, so that equal lengths are compared
_BLEU = 100  # texts each compared with the others
_VENDI = 500
_LONG = 8  # words in a row that two texts share by copying alone
_MOST_COMPRESSION = 15.0


class Diversity:
    """A sample of episodes that nothing but their index decides."""

    def __init__(self, size: int = SAMPLE) -> None:
        self._size = size
        self._heap: list[tuple[int, dict[str, str]]] = []

    def add(self, row: Row) -> None:
        """Keep an episode's texts if its index is among the lowest."""
        place = -int.from_bytes(key_bytes(row.index + "diversity"), "big")
        if len(self._heap) == self._size and place <= self._heap[0][0]:
            return
        said = [said for talk in row.talks for _, said in talk.turns() if said]
        texts = {
            "personas": row.text("persona_sentence"),
            "narratives": row.text("narrative"),
            "utterances": "\n".join(said),
            "descriptions": "\n".join(row.images),
        }
        push = heapq.heappushpop if len(self._heap) == self._size else heapq.heappush
        push(self._heap, (place, texts))

    def figures(self) -> dict[str, Any]:
        """The measures of each kind of text."""
        return self._measured

    def findings(self) -> list[Finding]:
        """Text that a packer makes fifteen times smaller says one thing again and again."""
        return [
            Finding(GATE, f"{kind}: compression", found["compression"], _MOST_COMPRESSION)
            for kind, found in self._measured.items()
        ]

    @cached_property
    def _measured(self) -> dict[str, dict[str, float]]:
        kept = [texts for _, texts in sorted(self._heap, key=lambda pair: -pair[0])]
        return {
            kind: measures([t for texts in kept for t in _unlike(texts[kind], kind)])
            for kind in ("personas", "narratives", "utterances", "descriptions")
        }


def _unlike(text: str, kind: str) -> list[str]:
    """The texts of an episode; a persona's sentence is in five episodes, and counts once."""
    return text.split("\n") if kind in ("utterances", "descriptions") else [text]


def measures(texts: Sequence[str]) -> dict[str, float]:
    """Measures of some texts, of which the first are taken up to fixed sizes.

    distinct-n: different runs of n words by all of them (Li et al. 2016). Compression, self-BLEU
    and long runs told twice: Shaib et al., arXiv 2403.00553. Vendi score: Friedman and Dieng,
    arXiv 2210.02410, the number of texts that are wholly unlike that would be as diverse.
    """
    # Half of a surrogate pair, which JSON can hold, is nothing that a tokenizer takes.
    whole = (text.encode("utf-8", "replace").decode() for text in texts if text)
    # In an order that mixes episodes, of which the first would else be all that is measured.
    different = sorted(set(whole), key=lambda text: hashlib.sha256(text.encode()).digest())
    parts, total = [], 0
    for text in different:
        parts.append(words(text))
        total += len(parts[-1])
        if total >= _WORDS:
            break
    flat = [word for part in parts for word in part][:_WORDS]
    raw = " ".join(flat).encode("utf-8", "surrogatepass")
    vectors = _encoder().encode(different[:SAMPLE]) if different else np.empty((0, 1))
    return {
        "texts": len(different),
        "words": len(flat),
        **{f"distinct-{n}": _distinct(flat, n) for n in (1, 2, 3)},
        "compression": len(raw) / max(len(zlib.compress(raw, 9)), 1),
        "self-BLEU": self_bleu(parts[:_BLEU]),
        "long runs told twice": _copied(parts),
        "vendi": vendi(vectors[:_VENDI]),
        "vendi of": min(len(vectors), _VENDI),
        "alike in meaning": alike(vectors),
    }


def _distinct(flat: Sequence[str], n: int) -> float:
    runs = list(zip(*(flat[k:] for k in range(n)), strict=False))
    return len(set(runs)) / max(len(runs), 1)


def _copied(parts: Sequence[Sequence[str]]) -> float:
    """The share of texts with a run of eight words that is in another one, too."""
    runs = [set(zip(*(part[k:] for k in range(_LONG)), strict=False)) for part in parts]
    counts = Counter(run for found in runs for run in found)
    long = [found for found in runs if found]
    return sum(any(counts[run] > 1 for run in found) for found in long) / max(len(long), 1)


def self_bleu(parts: Sequence[Sequence[str]]) -> float:
    """The mean BLEU-4 of each text with all others as its references (Zhu et al. 2018).

    An order of which nothing matches counts as half a match, so that a text is never plainly 0.
    Texts of fewer than four words are left out.
    """
    texts = [list(part) for part in parts if len(part) >= 4]
    if len(texts) < 2:
        return 0.0
    logs = np.zeros(len(texts))
    for n in range(1, 5):
        counts = [Counter(zip(*(text[k:] for k in range(n)), strict=False)) for text in texts]
        best: dict[tuple[str, ...], list[int]] = {}
        for found in counts:
            for run, number in found.items():
                best[run] = sorted([*best.get(run, [0, 0]), number])[-2:]
        for place, found in enumerate(counts):
            matched = 0
            for run, number in found.items():
                second, first = best[run]
                matched += min(number, second if number == first else first)
            logs[place] += math.log(max(matched, 0.5) / found.total()) / 4
    lengths = np.array([len(text) for text in texts])
    for place, length in enumerate(lengths):
        others = np.delete(lengths, place)
        closest = int(others[np.abs(others - length).argmin()])
        logs[place] += min(0.0, 1 - closest / length)
    return float(np.exp(logs).mean())


def vendi(vectors: Any) -> float:
    """Exp of the entropy of the eigenvalues of the cosines' matrix divided by its size."""
    if not len(vectors):
        return 0.0
    found = np.linalg.eigvalsh(vectors.astype(np.float64) @ vectors.T / len(vectors))
    found = found[found > 1e-12]
    return float(np.exp(-(found * np.log(found)).sum()))


def _encoder() -> Any:
    """The one that every install has, so that figures of two runs can be compared."""
    from mcu.indexes.encoders import CaptionEncoder

    return CaptionEncoder()
