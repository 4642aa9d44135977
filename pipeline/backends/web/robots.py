"""What a site does not want: robots.txt (RFC 9309) and headers that keep pictures from models."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

TOKEN = "mcu"  # our name in robots.txt
_MOST_BYTES = 512 * 1024  # RFC 9309 asks for 500 KiB at least
_REFUSALS = {"noai", "noimageai", "noindex", "noimageindex", "none"}
# Directives of X-Robots-Tag that have a colon in them, and so are no name of a robot.
_WITH_VALUE = {
    "unavailable_after",
    "max-snippet",
    "max-image-preview",
    "max-video-preview",
}
_NO_TRAINING = re.compile(r"\bai-train\s*=\s*no\b", re.I)


@dataclass(frozen=True)
class Rules:
    """A robots.txt's rules for us.

    Attributes:
        paths: pattern, and whether it allows, in the file's order.
        delay: seconds between two requests that are asked for; 0 when none are.
        signal: whether a Content-Signal line reserves the site's content from training.
    """

    paths: tuple[tuple[str, bool], ...] = ()
    delay: float = 0.0
    signal: bool = False

    def allows(self, target: str) -> bool:
        """Whether a path with its query may be fetched: the longest rule decides, allow wins."""
        if self.signal:
            return False
        path = unquote_to_bytes(target)
        best = max(
            ((len(rule), allow) for rule, allow in self.paths if _matches(rule, path)),
            default=(0, True),
        )
        return best[1]


def parse_robots(text: bytes) -> Rules:
    """The rules of the groups that name us, or else of those for everybody."""
    groups: dict[str, list[tuple[str, str]]] = {TOKEN: [], "*": []}
    agents: list[str] = []
    named, heading = False, False
    for key, value in _lines(text[:_MOST_BYTES]):
        if key == "user-agent":
            agents = [*(agents if heading else []), _token(value)]
            named, heading = named or agents[-1] == TOKEN, True
            continue
        heading = False
        for agent in set(agents) & groups.keys():
            groups[agent].append((key, value))
    return _rules(groups[TOKEN if named else "*"])


def refusal(headers: Mapping[str, Iterable[str]]) -> str:
    """The directive by which a response's headers keep its content from us, or an empty string.

    Args:
        headers: lower-case names, each with all its values.
    """
    if any(value.strip() == "1" for value in headers.get("tdm-reservation", ())):
        return "tdm-reservation"
    for value in headers.get("x-robots-tag", ()):
        robot = ""
        for part in value.casefold().split(","):
            name, colon, rest = part.strip().partition(":")
            if colon and name.strip() not in _WITH_VALUE:
                robot, part = name.strip(), rest
            if robot in ("", "*", TOKEN) and part.strip() in _REFUSALS:
                return part.strip()
    return ""


def _lines(text: bytes) -> Iterable[tuple[str, str]]:
    for line in text.decode("utf-8", "replace").lstrip("\ufeff").splitlines():
        key, colon, value = line.partition("#")[0].partition(":")
        if colon:
            yield key.strip().casefold(), value.strip()


def _token(value: str) -> str:
    """A user-agent line's product token, without version and case."""
    return re.split(r"[/\s]", value.casefold(), maxsplit=1)[0]


def _rules(lines: Iterable[tuple[str, str]]) -> Rules:
    paths: list[tuple[str, bool]] = []
    delay, signal = 0.0, False
    for key, value in lines:
        if key in ("allow", "disallow") and value:
            paths.append((value, key == "allow"))
        elif key == "crawl-delay" and re.fullmatch(r"\d{1,6}(\.\d{0,6})?", value):
            delay = float(value)
        elif key == "content-signal":
            signal = signal or bool(_NO_TRAINING.search(value))
    return Rules(tuple(paths), delay, signal)


def _matches(rule: str, path: bytes) -> bool:
    """A rule's stars match anything, a dollar at its end the path's end.

    Piece by piece from the left: a regular expression of many stars could take for ever.
    """
    anchored = rule.endswith("$")
    first, *rest = (unquote_to_bytes(piece) for piece in rule.removesuffix("$").split("*"))
    if not path.startswith(first):
        return False
    at = len(first)
    last = rest.pop() if anchored and rest else None
    for piece in rest:
        found = path.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    if last is not None:
        return path.endswith(last) and len(path) - len(last) >= at
    return not anchored or at == len(path)
