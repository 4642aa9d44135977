"""Licences under one name each, and which of them let a picture be copied."""

import re
from typing import Literal

Wanted = Literal["open", "commercial", "any"]

_CC = re.compile(
    r"(?:\bcc[ -]|licenses/)(by(?:-(?:nc|sa|nd))*)\b"  # the terms
    r"(?:[ /-]+(\d\.\d)(?:[ /-]+(igo|[a-z]{2})\b)?)?",  # version, and a country's
    re.I,
)
_ZERO = re.compile(r"publicdomain/zero|\bcc[ -]?(?:0|zero)\b", re.I)
_MARK = re.compile(r"publicdomain/mark|\bpublic domain mark\b|\bpdm\b", re.I)
_FREE = re.compile(r"^(?:public domain|pd)\b", re.I)
_LONGEST = 80  # characters of a name that is not known
# What each wish lets pass. Without derivatives is in neither: pictures are made smaller here.
_SOLD = {"CC0", "PDM", "public-domain", "CC-BY", "CC-BY-SA"}
_COPIED = _SOLD | {"CC-BY-NC", "CC-BY-NC-SA"}


def normalise(name: str, url: str = "") -> str:
    """A licence's name in SPDX's way where it has one, such as CC-BY-SA-3.0-DE.

    `name` is as a service writes it, `url` the licence's, if known. What is neither Creative
    Commons nor public domain keeps its own name.
    """
    for text in (" ".join(name.split()), url):
        if _ZERO.search(text):
            return "CC0-1.0"
        if _MARK.search(text):
            return "PDM-1.0"
        if found := _CC.search(text.replace("_", "-")):
            terms, version, country = found.groups()
            return "-".join(part.upper() for part in ("CC", terms, version, country) if part)
        if _FREE.match(text):
            return "public-domain"
    return " ".join(name.split())[:_LONGEST]


def may_copy(licence: str, wanted: Wanted) -> bool:
    """Whether a picture under a normalised licence may be copied as `web.licences` wants it."""
    if wanted == "any":
        return False
    return _family(licence) in (_SOLD if wanted == "commercial" else _COPIED)


def _family(licence: str) -> str:
    """A licence without version and country."""
    return re.split(r"-\d", licence, maxsplit=1)[0]
