"""Openverse: openly licensed pictures of many collections, by its API."""

from urllib.parse import urlencode

from mcu.backends import Hit
from mcu.backends.web.found import Read, hit, json_of, rows
from mcu.backends.web.licences import normalise
from mcu.sections import WebSection

_URL = "https://api.openverse.org"
_MOST = 20  # a page, for whom has no key
_LICENCES = {
    "commercial": "cc0,pdm,by,by-sa",
    "open": "cc0,pdm,by,by-sa,by-nc,by-nc-sa",
    "any": "",
}


class Openverse:
    """The API's image search; `web.api_key` is an access token, which is not needed."""

    name = "openverse"
    says = True

    def __init__(self, section: WebSection) -> None:
        self._base = (section.base_url or _URL).rstrip("/")
        self._licences = _LICENCES[section.licences]
        key = section.api_key.get_secret_value()
        self._headers = {"Authorization": f"Bearer {key}"} if key else None

    def find(self, query: str, k: int, read: Read) -> list[Hit]:
        """See `Service.find`."""
        asked = {"q": query, "page_size": str(min(max(k, 1), _MOST)), "mature": "false"}
        if self._licences:
            asked["license"] = self._licences
        answer = json_of(
            read(f"{self._base}/v1/images/?{urlencode(asked)}", self._headers), self.name
        )
        found = []
        for row in rows(answer.get("results"), self.name):
            if row.get("mature"):
                continue
            licence = f"CC {row.get('license') or ''} {row.get('license_version') or ''}"
            found.append(
                hit(
                    self.name,
                    row.get("url"),
                    row.get("title"),
                    row.get("foreign_landing_url"),
                    normalise(licence, str(row.get("license_url") or "")),
                    row.get("creator"),
                )
            )
        return [one for one in found if one is not None]
