"""Gallery: the offline stand-in for web image search, over the starter set."""

import re
from collections.abc import Sequence
from dataclasses import replace

from mcu.backends import Hit
from mcu.indexes.encoders import CaptionEncoder
from mcu.indexes.search import FaissIndex, open_starter

_FOUND = 40  # candidates that are ranked anew
_WORD_BONUS = 0.02
_MOST_WORDS = 2
_DRAWN_MALUS = 0.05


class Gallery:
    """Finds what a web search would rather show: objects and photographs before charts.

    A hit's score is the index's cosine, plus 0.02 for each of up to two keywords that occur in
    the query, minus 0.05 for a chart, diagram or mathematics figure.
    """

    def __init__(self, index: FaissIndex | None = None) -> None:
        """`index` is the starter index, opened here unless given."""
        self._index = index or open_starter(CaptionEncoder())

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """At most k hits a query, highest score first, then by file."""
        found = self._index.search(queries, max(k, _FOUND))
        return [self._ranked(query, hits)[:k] for query, hits in zip(queries, found, strict=True)]

    def fetch(self, hit: Hit) -> bytes:
        """The picture's file; Reject when the starter set has none of that name."""
        return self._index.fetch(hit)

    def _ranked(self, query: str, hits: Sequence[Hit]) -> list[Hit]:
        words = set(re.findall(r"\w+", query.casefold()))
        scored = [
            replace(hit, source="gallery", score=round(hit.score + self._bonus(words, hit), 6))
            for hit in hits
        ]
        return sorted(scored, key=lambda hit: (-hit.score, hit.file))

    def _bonus(self, words: set[str], hit: Hit) -> float:
        row = self._index.row(hit.file)
        if row is None:
            return 0.0
        shared = sum(set(keyword.casefold().split()) <= words for keyword in row["keywords"])
        drawn = row["kind"] not in ("clipart", "photo")
        return _WORD_BONUS * min(shared, _MOST_WORDS) - _DRAWN_MALUS * drawn
