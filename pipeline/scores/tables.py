"""Tables of scores and audits for people."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcu.scores.audit import Audit, Look

_WIDTHS = (-38, 7, 15, 7, 7, 15, 7, -12)
_SCORES = (-34, 7, 15, 7)
_BINS = (-34, 7, 7, 15, 7, 15)
_NAMES = {
    "strict": "object, no other label said",
    "exact": "exact match",
    "circular": "CircularEval: right in all",
    "pairs": "both twins right",
    "parse_none": "no option could be read",
    "multi_label": "several labels said",
}
_HEAD = ("", "option", "95 %", "chance", "photo", "95 %", "chance", "")


def audit_lines(audit: "Audit") -> list[str]:
    """What every probe and rule got, the option's share and the photo's side by side."""
    some = "" if audit.items == audit.of else f" (of {audit.of:,}, by whole groups)"
    lines = [f"{audit.items:,} items{some} of {audit.groups:,} groups"]
    languages = list(dict.fromkeys(look.language for look in audit.looks))
    for language in languages:
        own = [look for look in audit.looks if look.language == language]
        lines += _looks(own, language if len(languages) > 1 else "")
    return [*lines, *_last(audit)]


def _looks(looks: "list[Look]", head: str) -> list[str]:
    """A line a look; the photo's columns only where there are photos."""
    photos = any(look.photo for look in looks)
    widths = _WIDTHS if photos else (*_WIDTHS[:4], _WIDTHS[-1])
    names = _HEAD if photos else (*_HEAD[:4], _HEAD[-1])
    lines = [row(widths, (head, *names[1:]))]
    for name in dict.fromkeys(look.name for look in looks):
        pair = {look.photo: look for look in looks if look.name == name}
        cells = (name, *_cells(pair.get(False)), *(_cells(pair.get(True)) if photos else ()))
        lines.append(row(widths, (*cells, _verdict(list(pair.values())))))
    return lines


def score_lines(facts: dict[str, Any]) -> list[str]:
    """Scores of answers: the measures, how they were read, and the items by difficulty."""
    turns = f" in {facts['rotations']} rotations" if facts["rotations"] > 1 else ""
    lines = [f"{facts['items']:,} items{turns}, {facts['answered']:,} answers"]
    if facts["missing"]:
        lines.append(f"{facts['missing']:,} are not answered and count as wrong")
    lines.append(row(_SCORES, ("", "share", "95 %", "chance")))
    for name in ("object", "strict", "photo", "exact", "circular", "pairs"):
        if name in facts:
            chance = facts["chance"].get(name)
            cells = (_NAMES.get(name, name), *_part(facts[name]), percent(chance) if chance else "")
            lines.append(row(_SCORES, cells))
    for name in ("parse_none", "multi_label"):
        lines.append(row(_SCORES, (_NAMES[name], *_part(facts[name]), "")))
    recall = ", ".join(f"{label} {percent(own['value'])}" for label, own in facts["recall"].items())
    lines.append(f"recall by label {recall}; RStd {percent(facts['rstd'])}")
    lines.append(f"intervals: {facts['intervals']}")
    for name, bins in facts["bins"].items():
        lines += ["", row(_BINS, (name, "items", "object", "95 %", "photo", "95 %"))]
        for value, own in bins.items():
            photo = _part(own["photo"]) if "photo" in own else ("", "")
            line = row(_BINS, (value, f"{own['items']:,}", *_part(own["object"]), *photo))
            lines.append(line)
    return lines


def retrieval_lines(facts: dict[str, Any]) -> list[str]:
    """Scores of retrieval: recalls, the mean reciprocal rank, and who looked at what."""
    lines = [
        f"{facts['items']:,} descriptions, a gallery of {facts['gallery']:,} pictures",
        f"encoder {facts['encoder']}, which {facts['looks']}",
        row(_SCORES, ("", "share", "95 %", "chance")),
    ]
    for name, own in facts["scores"].items():
        lines.append(row(_SCORES, (name, *_part(own), percent(facts["chance"][name]))))
    return lines


def _part(share: dict[str, float]) -> tuple[str, str]:
    return percent(share["value"]), bounds(share["low"], share["high"])


def row(widths: Sequence[int], cells: Sequence[str]) -> str:
    """A line of a table; a width below 0 is that of words, which begin at the left."""
    parts = [f"{c:<{-w}}" if w < 0 else f"{c:>{w}}" for c, w in zip(cells, widths, strict=True)]
    return "  ".join(parts).rstrip()


def percent(share: float) -> str:
    """A share with one digit behind the point."""
    return f"{100 * share:.1f}"


def bounds(low: float, high: float) -> str:
    """An interval of shares."""
    return f"{percent(low)} to {percent(high)}"


def _cells(look: "Look | None") -> tuple[str, str, str]:
    if look is None:
        return "", "", ""
    return percent(look.share), bounds(look.low, look.high), percent(look.chance)


def _verdict(looks: "list[Look]") -> str:
    if any(look.kind == "control" for look in looks):
        return "not judged"
    return "" if all(look.passed for look in looks) else "ABOVE CHANCE"


def _last(audit: "Audit") -> list[str]:
    held = [look for look in audit.looks if look.kind != "control"]
    if audit.failed:
        worst = audit.failed[0]
        said = (
            f"{len(audit.failed)} of {len(held)} looks are above chance; most {worst.name!r}: "
            f"{'photo' if worst.photo else 'option'} right in {percent(worst.share)} %, "
            f"by chance in {percent(worst.chance)} %"
        )
    else:
        said = f"none of {len(held)} looks is above chance"
    points = max(look.bar - look.chance for look in held if not look.photo)
    return [
        f"{said}; the intervals hold together with 95 %",
        f"any look fails that is {percent(points)} points above chance",
    ]
