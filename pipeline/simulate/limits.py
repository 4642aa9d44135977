"""How much the simulator lets in: requests in flight, and requests and tokens a minute."""

import math
import re
import time
from collections.abc import Callable, Sequence

from mcu.errors import ConfigError
from mcu.simulate.ask import Ask
from mcu.simulate.wire import Refused

Step = tuple[float, int]  # from this second on, so many in flight


class Bucket:
    """An allowance a minute that refills steadily and holds what one second brings.

    What costs more than it holds is let in when it is full, and leaves a debt.
    """

    def __init__(self, name: str, per_minute: float) -> None:
        self.name = name
        self._per_minute = per_minute
        self._rate = per_minute / 60
        self._room = self._level = max(1.0, self._rate)
        self._then = time.monotonic()

    def wait(self, cost: float) -> float:
        """Seconds until the cost may be taken; 0 for now."""
        now = time.monotonic()
        self._level = min(self._room, self._level + (now - self._then) * self._rate)
        self._then = now
        return max(0.0, (min(cost, self._room) - self._level) / self._rate)

    def take(self, cost: float) -> None:
        """Take the cost."""
        self._level -= cost

    def headers(self) -> dict[str, str]:
        """The allowance, what is left of it, and how long until it is full again."""
        full = self.wait(self._room)
        return {
            f"x-ratelimit-limit-{self.name}": f"{self._per_minute:.0f}",
            f"x-ratelimit-remaining-{self.name}": str(max(0, math.floor(self._level))),
            f"x-ratelimit-reset-{self.name}": duration(full),
        }


class Limiter:
    """Refuses what is too much, at once.

    Args:
        steps: most requests in flight from a second on; 0 for no limit.
        requests: a minute; 0 for no limit.
        tokens: a minute, of the prompt and of what the answer may have; 0 for no limit.
    """

    def __init__(self, steps: Sequence[Step], requests: float, tokens: float) -> None:
        self._steps = sorted(steps)
        self._since = 0.0
        self._buckets: list[tuple[Bucket, Callable[[Ask], float]]] = []
        if requests:
            self._buckets.append((Bucket("requests", requests), lambda ask: 1))
        if tokens:
            self._buckets.append((Bucket("tokens", tokens), lambda ask: ask.prompt + ask.budget))

    def reset(self) -> None:
        """Begin with the first step again."""
        self._since = time.monotonic()

    def admit(self, ask: Ask, in_flight: int) -> None:
        """Raise Refused for a request that is too much."""
        if self._steps and 0 < self._most() <= in_flight:
            raise _busy("too many requests in flight", "requests", "1")
        for bucket, cost_of in self._buckets:
            if wait := bucket.wait(cost_of(ask)):
                reason = f"Rate limit reached for {bucket.name}"
                raise _busy(reason, bucket.name, f"{max(wait, 0.001):.3f}")
        for bucket, cost_of in self._buckets:
            bucket.take(cost_of(ask))

    def headers(self) -> dict[str, str]:
        """What is left of the allowances, as OpenAI tells it; empty where there are none."""
        found: dict[str, str] = {}
        for bucket, _ in self._buckets:
            found |= bucket.headers()
        return found

    def _most(self) -> int:
        now = time.monotonic()
        self._since = self._since or now
        begun = [most for second, most in self._steps if second <= now - self._since]
        return begun[-1] if begun else 0


def steps_of(text: str) -> list[Step]:
    """`64@0,8@5` as steps: 64 in flight at first, 8 from second 5 on."""
    found = []
    for part in text.split(",") if text else ():
        match = re.fullmatch(r"(\d{1,6})@(\d{1,6}(?:\.\d{1,6})?)", part.strip())
        if not match:
            raise ConfigError(f"--limits {text!r} must be like 64@0,8@5")
        found.append((float(match[2]), int(match[1])))
    return found


def duration(seconds: float) -> str:
    """Seconds as OpenAI writes them: `12ms`, `1.5s`, `6m0s`."""
    milliseconds = math.ceil(seconds * 1000)
    if 0 < milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes}m{rest / 1000:g}s" if minutes else f"{rest / 1000:g}s"


def _busy(reason: str, kind: str, wait: str) -> Refused:
    return Refused(429, reason, kind=kind, code="rate_limit_exceeded", wait=wait)
