"""The figures of an estimate: what a few episodes took, and what a whole run will."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_WHOLE = ("calls", "prompt_tokens", "cached_tokens", "completion_tokens")


@dataclass
class Counts:
    """What one stage asked for, and what it got.

    Attributes:
        usd: None when a price is not known.
        seconds: of all calls together; 0 when nobody took the time.
        repairs: calls that quoted a fault.
        rejects: rows that were given up; repeated personas are none.
    """

    calls: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    usd: float | None = 0.0
    seconds: float = 0.0
    pictures: int = 0
    repairs: int = 0
    rejects: int = 0


@dataclass
class Measured:
    """What the first personas of a run took.

    Attributes:
        personas: that the counts of stages 2-8 are for.
        seeds: persona calls that were used, but for their repairs.
        stages: the counts by name.
        wasted: share of the personas given that could not be used, repeated ones aside.
        sampled: whether a real model wrote: tokens, dollars and seconds are its own.
        client: seconds that a call keeps this program busy.
        drawing: seconds that a picture keeps a thread busy.
    """

    personas: int
    seeds: int
    stages: dict[str, Counts]
    wasted: float = 0.0
    sampled: bool = False
    client: float = 0.004
    drawing: float = 0.05


@dataclass
class Line:
    """The figures of one stage.

    Attributes:
        model: empty for a stage that asks none.
        seconds: a call.
        thought: tokens of thoughts assumed in each completion; None where all are measured.
    """

    number: int
    name: str
    model: str
    calls: float
    prompt_tokens: float
    cached_tokens: float
    completion_tokens: float
    pictures: float
    seconds: float
    repairs: float
    rejects: float
    thought: int | None = None
    usd: float | None = 0.0
    hours: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """The figures that programs read; what only a sample can tell comes last."""
        head = {"number": self.number, "name": self.name, "model": self.model}
        counts = {name: round(getattr(self, name)) for name in _WHOLE}
        found = {**head, **counts, "usd": _rounded(self.usd), "hours": _rounded(self.hours)}
        if self.thought is None:
            found |= {"repairs": round(self.repairs), "rejects": round(self.rejects)}
            found["seconds"] = round(self.seconds, 3)
        return found


@dataclass
class Estimate:
    """What a run will take, stage by stage and in all; `hours` are fewer than the stages' sum."""

    episodes: int
    sampled: bool
    lines: list[Line]
    hours: float
    assumptions: list[str] = field(default_factory=list)

    @property
    def unpriced(self) -> list[str]:
        """Models whose price nobody knows."""
        return sorted({line.model for line in self.lines if line.usd is None})

    @property
    def usd(self) -> float | None:
        """Dollars in all; None when a price is not known."""
        return None if self.unpriced else sum(line.usd or 0.0 for line in self.lines)

    def as_json(self) -> dict[str, Any]:
        """The form that programs read."""
        counts = {name: sum(round(getattr(n, name)) for n in self.lines) for name in _WHOLE}
        return {
            "stages": [line.as_json() for line in self.lines],
            "total": {**counts, "usd": _rounded(self.usd), "hours": _rounded(self.hours)},
            "episodes": self.episodes,
            "sampled": self.sampled,
            "assumptions": self.assumptions,
        }


def is_repair(messages: Iterable[Mapping[str, str]]) -> bool:
    """Whether a call quoted a reply and its fault, rather than asked for the first time."""
    return any(message["role"] == "assistant" for message in messages)


def given_up(rejects: Mapping[str, int]) -> int:
    """Rejects but for repeated personas, which are dropped by design."""
    return sum(rejects.values()) - rejects.get("duplicate", 0)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 9)
