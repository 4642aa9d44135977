"""Manners: how often a host is asked, and whether it wants to be, shared by all threads."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from yarl import URL

from mcu.backends.web.robots import Rules, parse_robots
from mcu.errors import Reject

LONGEST_DELAY = 10.0  # seconds; the most of a Crawl-delay or a Retry-After that is waited
_MOST_HOSTS = 4096  # remembered
_MOST_ROBOTS = 64_000_000  # bytes of robots.txt remembered; a parsed one would take ten times more
_FRESH, _SOON = 3600.0, 60.0  # seconds that an answer, or no answer, is remembered


@dataclass
class _Host:
    """When a host may be asked next, and its robots.txt of each origin."""

    next_at: float = 0.0
    delay: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class _Robots:
    text: bytes | Reject  # why the site could not say, where it could not
    until: float

    @property
    def size(self) -> int:
        return len(self.text) if isinstance(self.text, bytes) else 0


class Politeness:
    """At most `rate` requests a second to each host, and none that its robots.txt forbids."""

    def __init__(self, rate: float) -> None:
        self._interval = 1 / rate
        self._lock = threading.Lock()
        self._hosts: OrderedDict[str, _Host] = OrderedDict()
        self._robots: OrderedDict[str, _Robots] = OrderedDict()
        self._bytes = 0

    def wait(self, url: URL) -> None:
        """Sleep until the URL's host may be asked once more."""
        host = self._host(url)
        with self._lock:
            now = time.monotonic()
            start = max(now, host.next_at)
            host.next_at = start + max(self._interval, host.delay)
        time.sleep(start - now)

    def check(self, url: URL, read: Callable[[URL], bytes | Reject]) -> None:
        """Ask the site's robots.txt, at most once an hour, whether the URL may be fetched.

        Args:
            url: what will be fetched.
            read: gives a robots.txt's bytes, empty where there is none, or why it cannot be had.

        Raises:
            Reject: it may not, or the site cannot say now, for then nothing may.
        """
        host = self._host(url)
        with host.lock:  # one thread asks, the others wait for what it learns
            text = self._text(url.origin(), read)
        if isinstance(text, Reject):
            raise Reject(text.code, str(text))
        rules = parse_robots(text) if text else Rules()
        host.delay = min(rules.delay, LONGEST_DELAY)
        if not rules.allows(url.raw_path_qs):
            raise Reject("robots", f"the robots.txt of {url.raw_host} does not allow it")

    def _host(self, url: URL) -> _Host:
        with self._lock:
            host = self._hosts.setdefault(url.raw_host or "", _Host())
            self._hosts.move_to_end(url.raw_host or "")
            if len(self._hosts) > _MOST_HOSTS:
                self._hosts.popitem(last=False)
            return host

    def _text(self, origin: URL, read: Callable[[URL], bytes | Reject]) -> bytes | Reject:
        key = str(origin)
        with self._lock:
            known = self._robots.get(key)
        if known is not None and time.monotonic() < known.until:
            return known.text
        text = read(origin.with_path("/robots.txt"))
        made = _Robots(text, time.monotonic() + (_SOON if isinstance(text, Reject) else _FRESH))
        with self._lock:
            self._forget(key)
            self._robots[key] = made
            self._bytes += made.size
            while len(self._robots) > _MOST_HOSTS or self._bytes > _MOST_ROBOTS:
                self._forget(next(iter(self._robots)))
        return text

    def _forget(self, key: str) -> None:
        gone = self._robots.pop(key, None)
        if gone is not None:
            self._bytes -= gone.size
