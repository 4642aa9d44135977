"""How many calls one server takes at once, and how many a minute: found out while calling."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_FIRST = 8  # calls in flight once the first, which goes alone, was answered
_ALONE = 0.25  # seconds that the first call is alone at most: a refusal for good comes sooner
_DOUBLING = 0.15  # seconds in which the limit doubles while nothing is refused
_TICK = 0.01  # seconds between two steps of that growth
_CUT = 0.7  # what is left of the limit when the server takes fewer calls than it did
_NEAR = 0.9  # a refusal this near to the wall says that the wall is right, not that it fell
# Between two attempts at one call more: at most so many rounds of the limit, or so many answers.
_ROUNDS, _ANSWERS = 3, 24
_OVERLOADED = 0.1  # share of time-outs that says so; some calls time out on any server
_FAILURES = 5  # in a row, after which a server is left alone for a while
_PAUSE = 0.25  # seconds, when the server does not say how long; doubled again and again
_DOUBLINGS = 5
_LONGEST = 60.0
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")
_SECONDS = {"ms": 1e-3, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Bucket:
    """Requests or tokens a minute, refilled steadily; a call may start while one is left."""

    def __init__(self, per_minute: float = 0.0) -> None:
        self._own = self._rate = per_minute / 60
        self._size = max(self._rate, 1.0)  # a second's worth may go at once
        self._level = self._size if per_minute else math.inf
        self._at = math.inf
        self.taken = 0.0

    def wait(self, now: float) -> float:
        """Seconds until a call may start."""
        self._refill(now)
        if self._level >= 1:
            return 0.0
        return min((1 - self._level) / self._rate + _TICK / 10, _LONGEST)

    def take(self, amount: float) -> None:
        """Count what a call will take, or more or less of it once that is known."""
        self.taken += amount
        self._level -= amount

    def observe(
        self, limit: float, remaining: float, reset: float, before: float, now: float
    ) -> None:
        """Take over what the server says is left.

        Args:
            limit: the size of the server's bucket; 0 when it does not tell.
            remaining: what was left in it for the call that was answered.
            reset: seconds until it is full again.
            before: what had been taken here when that call was sent.
            now: the time.
        """
        if reset <= 0 < remaining:
            return  # it is full: there is nothing to learn
        self._refill(now)
        rate = max(limit - remaining, 1.0) / (reset or 1.0)
        level = remaining - (self.taken - before)
        if self._own:
            self._rate, self._level = min(rate, self._own), min(self._level, level)
        else:
            self._rate, self._level, self._size = rate, level, max(limit, remaining, 1.0)

    def _refill(self, now: float) -> None:
        if self._level < self._size:
            passed = max(now - self._at, 0.0)
            self._level = min(self._size, self._level + self._rate * passed)
        self._at = now


@dataclass(frozen=True)
class Ticket:
    """One call in flight on a lane; the buckets' counts are those when it was sent."""

    lane: "Lane"
    sent: float
    tokens: int
    before: tuple[float, float]


@dataclass(eq=False)
class Lane:
    """The calls in flight on one server for one model.

    The first call goes alone: what is wrong for good, a key or a model's name, is told once. Then
    the limit doubles every 0.15 s until a call is refused or `ceiling` is reached. A refusal marks
    a wall and cuts the limit to 0.7 of it; below the wall the limit closes the gap within a few
    rounds, at the wall it tries one call more now and then, and doubles again when that is taken.
    Time-outs cut it only when they are many, and it then grows by one a round.
    """

    name: str
    ceiling: int
    requests: Bucket = field(default_factory=Bucket)
    tokens: Bucket = field(default_factory=Bucket)
    in_flight: int = 0
    refused: int = 0
    good: int = 0  # answers so far

    def __post_init__(self) -> None:
        self._limit = 1.0
        self._wall = math.inf
        self._phase = "alone"  # then "growing" or "steady"
        self._first_sent = self._grown = self._tried = math.inf
        self._cut = self._paused = -math.inf
        self._struck = -math.inf
        self._failures = self._pauses = 0
        self._answers, self._rounds = 0, 1
        self._late = 0.0

    @property
    def limit(self) -> int:
        """Most calls in flight at present."""
        return max(1, min(int(self._limit), self.ceiling))

    @property
    def free(self) -> int:
        """How many calls could start."""
        return self.limit - self.in_flight

    def wait(self, now: float, backlog: float = math.inf) -> float:
        """Seconds until a call may start; infinite when one must end first.

        With a small `backlog` of waiting calls nothing is tried at the wall: it would gain little,
        and the one that is refused would be the last to be answered.
        """
        if self._phase == "alone" and now - self._first_sent >= _ALONE:
            self._grow_from(_FIRST, now)
        delay = max(self._paused - now, self.requests.wait(now), self.tokens.wait(now))
        if delay > 0:
            return delay
        if self.free <= 0 and self._phase == "growing" and self._limit < self.ceiling:
            # Only while the limit holds calls up, so that it is never far from what was tried.
            step = min(max(now - self._grown, 0.0), 2 * _TICK)
            self._limit *= 2 ** (step / _DOUBLING)
            self._grown = now
            return 0.0 if self.free > 0 else _TICK
        if self.in_flight > self._wall and now - self._tried >= _ALONE:
            self._grow_from(self._limit, now)  # one more was taken: a refusal comes sooner
        if self.in_flight >= self._wall and backlog < min(4 * self.limit, self.ceiling // 2):
            return math.inf
        if self.free > 0:
            return 0.0
        return _ALONE if self._phase == "alone" else math.inf

    def start(self, now: float, tokens: int) -> Ticket:
        """A call starts; `tokens` is what it will take, about."""
        self._first_sent = min(self._first_sent, now)
        self.in_flight += 1
        if self.in_flight > self._wall:
            self._tried = min(self._tried, now)
        self.requests.take(1)
        self.tokens.take(tokens)
        return Ticket(self, now, tokens, (self.requests.taken, self.tokens.taken))

    def answered(self, ticket: Ticket, now: float, tokens: int | None = None) -> None:
        """A call ended in anything but a word of being busy; `tokens` is what it took."""
        self.in_flight -= 1
        if tokens is not None:
            self.tokens.take(tokens - ticket.tokens)
            self._failures = self._pauses = 0
            self.good += 1
        self._late -= self._late / max(self.limit, 50)
        if self._phase == "alone":
            self._grow_from(_FIRST, now)
        elif self._phase == "steady" and self._limit < self._wall:
            gap = self._wall - self._limit
            self._limit += min(max(gap if math.isfinite(gap) else 1.0, 1.0) / self._limit, gap)
        elif self._phase == "steady":
            self._at_the_wall()

    def _at_the_wall(self) -> None:
        self._answers += 1
        if self._answers < self._rounds * self._limit:
            return
        self._answers = 0
        self._limit, self._tried = self._wall + 1, math.inf

    def _grow_from(self, limit: float, now: float) -> None:
        self._phase, self._limit, self._grown = "growing", limit, now
        self._wall, self._rounds = math.inf, 1

    def busy(self, ticket: Ticket, now: float, pause: float = 0.0) -> None:
        """A call was refused for now. It waits `pause`; all do when no other was in flight."""
        self.in_flight -= 1
        self.refused += 1
        taken = float(max(self.in_flight, 1))
        if ticket.sent < self._cut:  # of the same burst: the wall is where the last of them stood
            self._wall = min(self._wall, taken)
            self._limit = min(self._limit, self._wall)
            return
        near = self._phase == "steady" and taken >= _NEAR * self._wall
        self._rounds = min(2 * self._rounds, max(_ROUNDS, _ANSWERS // self.limit)) if near else 1
        self._phase, self._wall = "steady", taken
        self._limit = taken if near else max(_CUT * taken, 1.0)
        self._cut, self._answers = now, 0
        if not self.in_flight:  # not of calls at once, then: of calls a minute
            self._paused = now + (pause or _PAUSE * 2.0**self._pauses)
            self._pauses = min(self._pauses + 1, _DOUBLINGS)

    def failed(self, ticket: Ticket, now: float) -> None:
        """A call failed for another reason. A server that does nothing else is left alone a while.

        It would else seem the freest of several, and draw all calls.
        """
        self.answered(ticket, now)
        if ticket.sent < self._struck:
            return
        self._failures += 1
        if self._failures % _FAILURES == 0:
            self._struck = now
            self._paused = now + _PAUSE * 2.0 ** min(self._failures // _FAILURES, _DOUBLINGS + 2)

    def late(self, ticket: Ticket, now: float) -> None:
        """A call timed out."""
        self.answered(ticket, now)
        self._late += 1 / max(self.limit, 50)
        if self._late > _OVERLOADED and ticket.sent >= self._cut:
            self._phase, self._wall = "steady", math.inf
            self._limit = max(_CUT * self.limit, 1.0)
            self._cut, self._late = now, 0.0

    def observe(self, ticket: Ticket, headers: Mapping[str, str], now: float) -> None:
        """Read the `x-ratelimit-*` headers of an answer."""
        for kind, before in zip(("requests", "tokens"), ticket.before, strict=True):
            remaining = seconds_of(headers.get(f"x-ratelimit-remaining-{kind}"))
            if remaining is None:
                continue
            limit = seconds_of(headers.get(f"x-ratelimit-limit-{kind}")) or 0.0
            reset = seconds_of(headers.get(f"x-ratelimit-reset-{kind}")) or 0.0
            getattr(self, kind).observe(limit, remaining, reset, before, now)


def seconds_of(text: str | None) -> float | None:
    """A number, or a duration such as `6m0s` or `12ms` in seconds; None when it is neither."""
    if not text or not re.fullmatch(f"(?:{_DURATION.pattern})+", text.strip()):
        return None
    return sum(float(n) * _SECONDS[unit] for n, unit in _DURATION.findall(text))
