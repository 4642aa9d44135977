"""What services of all kinds have in common: hits from hostile texts, JSON from hostile bytes."""

import html
import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from mcu.backends import Hit
from mcu.backends.web.address import check_url
from mcu.errors import Reject

Read = Callable[[str, Mapping[str, str] | None], bytes]

_LONGEST = 500  # characters of a caption or a name
_TAG = re.compile(r"</?[a-zA-Z!][^>]*>")


class Service(Protocol):
    """A place to search in.

    Attributes:
        name: as in `web.backend`.
        says: whether it tells each picture's licence.
    """

    name: str
    says: bool

    def find(self, query: str, k: int, read: Read) -> list[Hit]:
        """Hits for a query, best first; about k of them, where the service has so many.

        Raises:
            Reject: `blocked` or `unreadable`; an empty list is an answer.
        """
        ...


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def hit(service: str, url: Any, caption: Any, page: Any, licence: str, author: Any) -> Hit | None:
    """A hit of texts that anybody may have written; None where its URL may not be fetched."""
    where = link(url)
    if not where:
        return None
    return Hit(
        file=where,
        caption=tidy(caption),
        source=service,
        url=where,
        page=link(page),
        licence=licence,
        author=tidy(author),
        time=now(),
    )


def link(url: Any) -> str:
    """A URL that may be fetched, or an empty string."""
    if not isinstance(url, str):
        return ""
    try:
        check_url(url.strip())
    except Reject:
        return ""
    return url.strip()


def tidy(text: Any) -> str:
    """A text on one line without tags, control signs and private ones, not too long."""
    if not isinstance(text, str):
        return ""
    plain = _TAG.sub(" ", html.unescape(_TAG.sub(" ", text[: 20 * _LONGEST])))
    kept = (" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in plain)
    return " ".join("".join(kept).split())[:_LONGEST]


def json_of(body: bytes, service: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        Reject: `unreadable`, for it is something else.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise unreadable(service)
    return found


def unreadable(service: str) -> Reject:
    """The answer has another form than this version of mcu knows."""
    return Reject("unreadable", f"{service} answers in a form that is not known here")


def rows(value: Any, service: str) -> list[dict[str, Any]]:
    """A list of objects; what else is in it is left out.

    Raises:
        Reject: `unreadable`, for it is no list.
    """
    if not isinstance(value, list):
        raise unreadable(service)
    return [row for row in value if isinstance(row, dict)]
