"""Bing and Google: their pages of results, addressed by icrawler's feeders, read by ourselves.

icrawler's parsers lose what is no .jpg, tell neither page nor title, and take a page without
pictures for an empty answer, whatever the reason.
"""

import json
import queue
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

from mcu.backends import Hit
from mcu.backends.web.found import Read, hit, unreadable
from mcu.errors import Reject
from mcu.sections import WebSection

_A_PAGE = 20  # what icrawler asks of Bing at once; one page is enough
_BLOCKED = re.compile(
    r"/sorry/|unusual traffic|recaptcha|hcaptcha|\bcaptcha|cf-challenge|turnstile|enablejs"
    r"|one last step|verify (?:that )?you are (?:a )?human|consent\.google\.|before you continue",
    re.I,
)
_EMPTY = re.compile(
    r"there are no results for|did not match any|no (?:image )?results (?:were )?found"
    r"|class=\"?[^\">]{0,99}\bno_?results?\b",
    re.I,
)
# Free to share and change, and whether commercially, too; the services' word for it.
_BING = {"open": "noncommercial,modify", "commercial": "commercial,modify"}
_GOOGLE = "il:cl"  # Creative Commons; icrawler's codes are older, and Google ignores them
_STRING = r'"((?:[^"\\]|\\.){0,4000})"'
_SIZE = r"\s*,\s*\d{1,6}"
_PAIR = re.compile(rf'\[\s*"(https?:(?:[^"\\]|\\.){{1,4000}})"{_SIZE}{_SIZE}\s*\]')
_ABOUT = re.compile(rf'"2003"\s*:\s*\[\s*null\s*,\s*{_STRING}\s*,\s*{_STRING}\s*,\s*{_STRING}')
_HEX = re.compile(r"\\x([0-9a-fA-F]{2})")
_REACH = 20_000  # characters behind a picture in which its page and title stand
_THUMBNAILS = ("gstatic.com", "google.com", "googleusercontent.com")


class Bing:
    """Bing's image search. Nobody says what licence a picture of it has."""

    name = "bing"
    says = False

    def __init__(self, section: WebSection) -> None:
        self._base = section.base_url.rstrip("/")
        self._licences = section.licences

    def find(self, query: str, k: int, read: Read) -> list[Hit]:
        """See `Service.find`."""
        from icrawler.builtin.bing import BingFeeder

        licence = _BING.get(self._licences)
        filters = {"license": licence} if licence else None
        url = _fed(BingFeeder, quote_plus(query), max_num=_A_PAGE, filters=filters)
        url = f"{_at(url, self._base)}&adlt=strict&setlang=en&cc=us"
        text = read(url, None).decode("utf-8", "replace")
        page = _Page()
        page.feed(text)
        found = [one for row in page.metadata if (one := self._hit(row)) is not None]
        return found or _nothing(text, self.name, seen=len(page.metadata))

    def _hit(self, metadata: str) -> Hit | None:
        try:
            row = json.loads(metadata)
        except (ValueError, RecursionError):
            return None
        if not isinstance(row, dict):
            return None
        caption = row.get("t") or row.get("desc")
        return hit(self.name, row.get("murl"), caption, row.get("purl"), "", "")


class Google:
    """Google's image search. Nobody says what licence a picture of it has."""

    name = "google"
    says = False

    def __init__(self, section: WebSection) -> None:
        self._base = section.base_url.rstrip("/")
        self._licences = section.licences

    def find(self, query: str, k: int, read: Read) -> list[Hit]:
        """See `Service.find`."""
        from icrawler.builtin.google import GoogleFeeder

        url = _fed(GoogleFeeder, query, max_num=1, language="en")
        more = {"safe": "active", "hl": "en"}
        if self._licences != "any":
            more["tbs"] = _GOOGLE
        url = _at(url, self._base).replace("&tbs=&", "&")
        text = read(f"{url}&{urlencode(more)}", None).decode("utf-8", "replace")
        rows = [*_linked(text), *_scripted(text)]
        found = [one for row in rows if (one := hit(self.name, *row, "", "")) is not None]
        return found or _nothing(text, self.name, seen=len(rows))


def _fed(feeder: Any, keyword: str, **options: Any) -> str:
    """The address of the first page of results that a feeder of icrawler makes."""
    made = feeder(1, None, None)
    made.out_queue = queue.SimpleQueue()
    made.feed(keyword=keyword, offset=0, **options)
    url: str = made.out_queue.get_nowait()
    return url


def _at(url: str, base: str) -> str:
    """A URL at another server, if one is given."""
    parts = urlsplit(url)
    return f"{base or f'{parts.scheme}://{parts.netloc}'}{parts.path}?{parts.query}"


def _nothing(text: str, name: str, seen: int) -> list[Hit]:
    """An empty answer, where the page says that it is one.

    Raises:
        Reject: it is a refusal, or has a form that is not known.
    """
    if not seen and _EMPTY.search(text):
        return []
    if _BLOCKED.search(text):
        raise Reject("blocked", f"{name} wants to see a human")
    raise unreadable(name)


class _Page(HTMLParser):
    """What a page of results has in the attributes of its links.

    Attributes:
        metadata: Bing's, as JSON; links: all addresses.
    """

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.metadata: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a link's attributes."""
        if tag != "a":
            return
        given = {name: value or "" for name, value in attrs}
        self.links.append(given.get("href", ""))
        if "iusc" in given.get("class", "").split():
            self.metadata.append(given.get("m", ""))


def _linked(text: str) -> Iterator[tuple[str, str, str]]:
    """Address, title and page of pictures in Google's page for old browsers."""
    page = _Page()
    page.feed(text)
    for href in page.links:
        parts = urlsplit(href)
        if parts.path == "/imgres":
            given = parse_qs(parts.query)
            yield given.get("imgurl", [""])[0], "", given.get("imgrefurl", [""])[0]


def _scripted(text: str) -> Iterator[tuple[str, str, str]]:
    """Address, title and page of pictures in the data of Google's scripts.

    A picture's entry has its thumbnail, then itself, each with height and width, then its page and
    title in a list under the number 2003.
    """
    text = _HEX.sub(lambda found: _decoded(found[1]), text)
    pairs = [found for found in _PAIR.finditer(text) if not _is_thumbnail(_plain(found[1]))]
    for number, found in enumerate(pairs):
        end = pairs[number + 1].start() if number + 1 < len(pairs) else len(text)
        end = min(end, found.end() + _REACH)
        about = _ABOUT.search(text, found.end(), end)
        page, title = (_plain(about[2]), _plain(about[3])) if about else ("", "")
        yield _plain(found[1]), title, page


def _decoded(digits: str) -> str:
    """The sign of two hexadecimal digits, in the form in which a JSON string may have it."""
    sign = chr(int(digits, 16))
    return f"\\u00{digits}" if ord(sign) < 32 else sign


def _plain(quoted: str) -> str:
    """What a JSON string means."""
    try:
        return str(json.loads(f'"{quoted}"'))
    except ValueError:
        return ""


def _is_thumbnail(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return True
    return host.endswith(_THUMBNAILS)
