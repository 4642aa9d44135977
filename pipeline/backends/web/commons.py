"""Wikimedia Commons: freely licensed files, by MediaWiki's action API."""

import re
from typing import Any
from urllib.parse import urlencode

from mcu.backends import Hit
from mcu.backends.web.found import Read, hit, json_of, rows, tidy, unreadable
from mcu.backends.web.licences import normalise
from mcu.errors import ConfigError, Reject
from mcu.sections import WebSection

_URL = "https://commons.wikimedia.org"
_WIDTH = 1280  # px; one of the widths that Wikimedia keeps ready, and as much as is needed here
_MOST = 50
_FIELDS = "LicenseShortName|LicenseUrl|Artist|ImageDescription|ObjectName"


class Commons:
    """The API's full-text search among files, bitmaps alone."""

    name = "commons"
    says = True

    def __init__(self, section: WebSection) -> None:
        """Raises ConfigError without `web.contact`, which Wikimedia asks for."""
        if not section.contact.strip():
            raise ConfigError("Wikimedia wants to know whom to write to: set web.contact")
        self._base = (section.base_url or _URL).rstrip("/")

    def find(self, query: str, k: int, read: Read) -> list[Hit]:
        """See `Service.find`."""
        words = " ".join(re.findall(r"\w+(?:'\w+)?", query))  # a colon or a dash would command
        if not words:
            return []
        asked = {
            "action": "query",
            "format": "json",
            "formatversion": "2",
            "maxlag": "5",
            "generator": "search",
            "gsrsearch": f"{words} filetype:bitmap",
            "gsrnamespace": "6",
            "gsrlimit": str(min(max(k, 1), _MOST)),
            "prop": "imageinfo",
            "iiprop": "url|mime|extmetadata",
            "iiurlwidth": str(_WIDTH),
            "iiextmetadatafilter": _FIELDS,
            "iiextmetadatalanguage": "en",
        }
        answer = json_of(read(f"{self._base}/w/api.php?{urlencode(asked)}", None), self.name)
        if "error" in answer:
            raise Reject("blocked", "commons refuses the search: " + _code(answer["error"]))
        if "query" not in answer and "batchcomplete" in answer:
            return []
        query_part = answer.get("query")
        if not isinstance(query_part, dict):
            raise unreadable(self.name)
        pages = rows(query_part.get("pages"), self.name)
        found = [self._hit(page) for page in sorted(pages, key=_place)]
        return [one for one in found if one is not None]

    def _hit(self, page: dict[str, Any]) -> Hit | None:
        info = next(iter(rows(page.get("imageinfo") or [], self.name)), {})
        if not str(info.get("mime")).startswith("image/"):
            return None
        told = info.get("extmetadata")
        title = str(page.get("title") or "").removeprefix("File:").rsplit(".", 1)[0]
        return hit(
            self.name,
            info.get("thumburl") or info.get("url"),
            _field(told, "ImageDescription") or _field(told, "ObjectName") or title,
            info.get("descriptionurl"),
            normalise(_field(told, "LicenseShortName"), _field(told, "LicenseUrl")),
            _field(told, "Artist"),
        )


def _field(told: Any, name: str) -> str:
    """A field of the extended metadata as plain text; it may be HTML."""
    entry = told.get(name) if isinstance(told, dict) else None
    return tidy(entry.get("value")) if isinstance(entry, dict) else ""


def _place(page: dict[str, Any]) -> int:
    index = page.get("index")
    return index if isinstance(index, int) else _MOST


def _code(error: Any) -> str:
    return tidy(error.get("code"))[:40] if isinstance(error, dict) else "it does not say why"
