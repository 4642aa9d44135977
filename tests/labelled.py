"""The labelled slots and descriptions, and what the planner and the finder make of them."""

import hashlib
import json
from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mcu import prompts
from mcu.backends import Search
from mcu.backends.gallery import Gallery
from mcu.backends.scripted import answer
from mcu.indexes.encoders import CaptionEncoder
from mcu.indexes.search import open_starter
from mcu.records import ASSISTANT
from mcu.relevance import passing, pooled, rank, relevances, told

DATA = Path(__file__).parent / "data"
ROUTES = ("p-t2i", "t2i", "web", "retrieval")
HELD_OUT = 100
BANDS = ((8, 12), (13, 18), (19, 30))  # words; the dialogue prompt asks for 8 to 30
BAR = 0.36  # of the caption encoder: `mcu calibrate relevance … --refusing 0.05`
K = 5


def read(name: str) -> list[dict[str, Any]]:
    """The rows of a data file."""
    return [json.loads(line) for line in (DATA / name).read_text("utf-8").splitlines()]


def slots() -> list[dict[str, Any]]:
    """The labelled slots; the first hundred, by the hash of their texts, are the held-out part."""
    return sorted(
        read("slots.jsonl"), key=lambda row: hashlib.sha256(row["description"].encode()).digest()
    )


def planned(row: dict[str, Any]) -> dict[str, str]:
    """What the scripted planner answers for a slot."""
    shown = {key: row[key] for key in ("sharer", "source", "category", "keywords", "description")}
    persona = SimpleNamespace(**{key: row[key] for key in ("name", "age", "gender")})
    found: dict[str, str] = json.loads(
        answer(prompts.load("plan").fill(persona=persona, **shown), 0)
    )
    return found


def accuracy(rows: Sequence[dict[str, Any]], found: Sequence[str]) -> float:
    """The share of slots on the right route."""
    return sum(row["route"] == one for row, one in zip(rows, found, strict=True)) / len(rows)


def confusion(rows: Sequence[dict[str, Any]], found: Sequence[str]) -> list[str]:
    """Lines of a table: a row a label, a column a route that was planned."""
    pairs = [(row["route"], one) for row, one in zip(rows, found, strict=True)]
    lines = [f"{'label':<12}" + "".join(f"{route:>11}" for route in ROUTES)]
    for label in ROUTES:
        counts = "".join(f"{pairs.count((label, route)):>11}" for route in ROUTES)
        lines.append(f"{label:<12}{counts}")
    return lines


def wanted() -> dict[str, set[str]]:
    """The labelled descriptions, each with its right pictures; none where the set has none."""
    found: dict[str, set[str]] = {}
    for row in read("relevance.jsonl"):
        found.setdefault(row["description"], set()).update([row["file"]] if row["good"] else [])
    return found


def in_band(text: str, band: tuple[int, int]) -> bool:
    """Whether a description has so many words."""
    return band[0] <= len(text.split()) <= band[1]


class Finder:
    """Finds pictures of the starter set for slots from the internet, verified or not."""

    def __init__(self) -> None:
        self._encoder = CaptionEncoder()
        self._plans: dict[str, dict[str, str]] = {}

    @cached_property
    def _places(self) -> dict[str, Search]:
        index = open_starter(self._encoder)
        return {"retrieval": index, "web": Gallery(index)}

    def plan(self, text: str) -> dict[str, str]:
        """What the scripted planner answers for a description that the assistant shares."""
        if text not in self._plans:
            slot = {"sharer": ASSISTANT, "source": "internet", "category": "", "keywords": []}
            person = {"name": "Nora", "age": 40, "gender": "female"}
            self._plans[text] = planned({**slot, **person, "description": text})
        return self._plans[text]

    def first(self, text: str) -> str:
        """The first hit of the plan's query: nothing is verified."""
        plan = self.plan(text)
        if plan["route"] not in self._places:
            return ""
        return self._places[plan["route"]].search([plan["prompt"]], 1)[0][0].file

    def verified(self, text: str, bar: float = BAR, k: int = K, whole: bool = True) -> str:
        """The best hit at or above the bar, of the plan's place or else of the other one.

        `whole` asks for the whole description as well as for the query.
        """
        plan = self.plan(text)
        if plan["route"] not in self._places:
            return ""
        for place in sorted(self._places, key=lambda place: place != plan["route"]):
            queries = [plan["prompt"], text] if whole else [plan["prompt"]]
            hits = pooled(self._places[place].search(queries, k))
            fits = relevances(self._encoder, text, [(told(hit), None) for hit in hits])
            if good := passing(rank(hits, fits), bar):
                return good[0].file
        return ""


def share(chosen: dict[str, str], right: dict[str, set[str]], texts: Collection[str]) -> float:
    """The share of descriptions whose picture is a labelled one; none where there is none."""
    return sum(chosen[text] in (right[text] or {""}) for text in texts) / len(texts)
