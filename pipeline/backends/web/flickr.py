"""Flickr: photographs of its members, by its API and with a key."""

import threading
from typing import Any
from urllib.parse import urlencode

from mcu.backends import Hit
from mcu.backends.web.found import Read, hit, json_of, rows, tidy, unreadable
from mcu.backends.web.licences import may_copy, normalise
from mcu.errors import BackendError, ConfigError, Reject
from mcu.sections import WebSection

_URL = "https://api.flickr.com"
_MOST = 50
_SIZES = ("url_l", "url_c", "url_z", "url_o")  # 1,024, 800 and 640 px, then the original
_BAD_KEY = 100


class Flickr:
    """The API's search among photographs.

    icrawler's feeder writes the key into its log, and its parser asks once more for every picture
    and tells no licence; here is one request a query.
    """

    name = "flickr"
    says = True

    def __init__(self, section: WebSection) -> None:
        """Raises ConfigError without `web.api_key`, which the environment may give."""
        self._key = section.api_key.get_secret_value()
        if not self._key:
            raise ConfigError("Flickr answers nobody without a key: set MCU_WEB_API_KEY")
        self._base = (section.base_url or _URL).rstrip("/")
        self._wanted = section.licences
        self._lock = threading.Lock()
        self._licences: dict[str, str] = {}

    def find(self, query: str, k: int, read: Read) -> list[Hit]:
        """See `Service.find`."""
        with self._lock:
            self._licences = self._licences or self._table(read)
        asked = {
            "text": query,
            "sort": "relevance",
            "safe_search": "1",
            "content_type": "1",
            "media": "photos",
            "privacy_filter": "1",
            "per_page": str(min(max(k, 1), _MOST)),
            "extras": ",".join(("license", "owner_name", *_SIZES)),
        }
        if self._wanted != "any":
            good = (n for n, name in self._licences.items() if may_copy(name, self._wanted))
            asked["license"] = ",".join(good)
        answer = self._ask("flickr.photos.search", read, **asked)
        photos = answer.get("photos")
        if not isinstance(photos, dict):
            raise unreadable(self.name)
        found = [self._hit(photo) for photo in rows(photos.get("photo"), self.name)]
        return [one for one in found if one is not None]

    def _table(self, read: Read) -> dict[str, str]:
        """Flickr's numbers of licences, which it adds to, with their names."""
        answer = self._ask("flickr.photos.licenses.getInfo", read).get("licenses")
        if not isinstance(answer, dict):
            raise unreadable(self.name)
        return {
            str(row.get("id")): normalise(str(row.get("name") or ""), str(row.get("url") or ""))
            for row in rows(answer.get("license"), self.name)
        }

    def _ask(self, method: str, read: Read, **asked: str) -> dict[str, Any]:
        always = {"method": method, "api_key": self._key, "format": "json", "nojsoncallback": "1"}
        url = f"{self._base}/services/rest/?{urlencode({**always, **asked})}"
        answer = json_of(read(url, None), self.name)
        if answer.get("stat") == "ok":
            return answer
        if answer.get("code") == _BAD_KEY:
            raise BackendError("Flickr does not take web.api_key")
        if answer.get("stat") != "fail":
            raise unreadable(self.name)
        said = tidy(answer.get("message")).replace(self._key, "...")
        raise Reject("blocked", f"flickr refuses the search: {said or 'it does not say why'}")

    def _hit(self, photo: dict[str, Any]) -> Hit | None:
        owner, number = str(photo.get("owner") or ""), str(photo.get("id") or "")
        return hit(
            self.name,
            next((photo[size] for size in _SIZES if photo.get(size)), None),
            photo.get("title"),
            f"https://www.flickr.com/photos/{owner}/{number}" if owner and number else "",
            self._licences.get(str(photo.get("license")), ""),
            photo.get("ownername"),
        )
