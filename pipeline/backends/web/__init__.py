"""Web image search: one protocol over several services, and a fetcher that trusts nobody."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from mcu.backends import Hit, Search
from mcu.backends.web.fetch import Fetcher, fetch_url
from mcu.backends.web.found import Service
from mcu.backends.web.licences import may_copy
from mcu.sections import WebSection

_LONGEST = 200  # characters of a query; Openverse cuts there


class WebSearch:
    """A service's hits, those of unfit licences left out, and the pictures behind them.

    Under `web.licences = "any"` everything is kept, and nothing may be copied. A service that does
    not tell licences filters by itself as well as it can; its pictures may not be copied either.
    """

    def __init__(self, service: Service, fetcher: Fetcher, section: WebSection) -> None:
        self._service = service
        self._fetcher = fetcher
        self._wanted = section.licences

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """At most k hits a query, in the service's order; the score is 1 over the place.

        Raises:
            Reject: the service cannot be asked (`blocked`), is not understood (`unreadable`), or
                does not answer.
            BackendError: the service does not take the key.
        """
        return [self._found(" ".join(query.split())[:_LONGEST], k) for query in queries]

    def fetch(self, hit: Hit) -> bytes:
        """The picture behind a hit as it was found, see `Fetcher.original`."""
        return self._fetcher.original(hit.url)

    def _found(self, query: str, k: int) -> list[Hit]:
        if not query or k < 1:
            return []
        kept: dict[str, Hit] = {}
        for hit in self._service.find(query, k, self._fetcher.read):
            copy = may_copy(hit.licence, self._wanted)
            if copy or self._wanted == "any" or not self._service.says:
                kept.setdefault(hit.url, replace(hit, copy=copy))
        return [
            replace(hit, score=round(1 / place, 6))
            for place, hit in enumerate(list(kept.values())[:k], 1)
        ]


def open_web(section: WebSection) -> Search:
    """The web search of a configuration, which is not the gallery's.

    Raises:
        ConfigError: a key or a contact is missing, or cannot be sent.
    """
    fetcher = Fetcher(section)
    return WebSearch(_service(section), fetcher, section)


def _service(section: WebSection) -> Service:
    from mcu.backends.web.commons import Commons
    from mcu.backends.web.crawl import Bing, Google
    from mcu.backends.web.flickr import Flickr
    from mcu.backends.web.openverse import Openverse

    services: dict[str, Callable[[WebSection], Service]] = {
        "openverse": Openverse,
        "commons": Commons,
        "bing": Bing,
        "google": Google,
        "flickr": Flickr,
    }
    return services[section.backend](section)


__all__ = ["Fetcher", "WebSearch", "fetch_url", "open_web"]
