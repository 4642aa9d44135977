"""What the simulator has seen: calls, tokens, dollars, batches and faults."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from mcu.simulate.writer import Answer


@dataclass
class Stats:
    """What the server has seen since its start or the last reset.

    Attributes:
        seen: requests that were let in, live or in a batch, by the digest of their body.
        usd: the price of all answers, whatever they say.
        lost_usd: the part of it for answers that never arrived whole.
        batched: in how many batches a body was submitted, by its digest.
    """

    seen: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    max_in_flight: int = 0
    refused: int = 0
    first: float = 0.0
    last: float = 0.0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0
    lost_usd: float = 0.0
    batches: int = 0
    batch_requests: int = 0
    batched: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)

    def enter(self, key: str, now: float) -> None:
        """Count a live request that is let in."""
        self.seen[key] += 1
        self.first = self.first or now
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def leave(self, now: float) -> None:
        """Count its end."""
        self.in_flight -= 1
        self.last = now

    def batch_line(self, key: str, now: float) -> None:
        """Count a line of a batch that is worked on."""
        self.seen[key] += 1
        self.batch_requests += 1
        self.first = self.first or now
        self.last = now

    def submitted(self, keys: Collection[str]) -> None:
        """Count the bodies of a batch that is accepted."""
        self.batched.update(set(keys))

    def bill(self, answer: Answer) -> None:
        """Count an answer's tokens and its price."""
        self.prompt_tokens += answer.prompt
        self.cached_tokens += answer.cached
        self.completion_tokens += answer.completion
        self.usd += answer.usd

    def as_json(self) -> dict[str, Any]:
        """The counts."""
        requests, unique = self.seen.total(), len(self.seen)
        return {
            "requests": requests,
            "unique": unique,
            "repeated": requests - unique,
            "refused": self.refused,
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "first": self.first,
            "last": self.last,
            "prompt_tokens": self.prompt_tokens,
            "cached_tokens": self.cached_tokens,
            "completion_tokens": self.completion_tokens,
            "usd": self.usd,
            "lost_usd": self.lost_usd,
            "batches": self.batches,
            "batch_requests": self.batch_requests,
            "batch_inputs_repeated": sum(number > 1 for number in self.batched.values()),
            "faults": dict(self.faults),
        }
