"""Charts as SVG, drawn by hand: bars of a run beside the paper's, and counts."""

from collections.abc import Mapping
from html import escape

WIDTH = 460  # px of a chart
_LEFT = 150  # where bars begin
_ROW = 20
_RUN, _PAPER, _INK, _FAINT = "#2f6f8f", "#d9a441", "#1f2933", "#8a94a0"
_OPEN, _SHUT = "#3d8b5a", "#b3382c"
_FONT = "DejaVu Sans, Arial, sans-serif"


def shares(
    title: str, run: Mapping[str, int], paper: Mapping[str, float], note: str = ""
) -> tuple[str, int]:
    """Shares of the run with the paper's below each; gives SVG elements and their height."""
    total = max(sum(run.values()), 1)
    told = max(sum(paper.values()), 1e-9)
    names = [name for name in (*paper, *(n for n in run if n not in paper))]
    own = {name: run.get(name, 0) / total for name in names}
    most = max([*own.values(), *(paper[n] / told for n in paper), 1e-9])
    parts, y = [_title(title, note)], _head(note)
    for name in names:
        parts.append(_label(name, y + 13))
        parts.append(_bar(y + 2, 8, own[name] / most, _RUN))
        if name in paper:
            parts.append(_bar(y + 10, 5, paper[name] / told / most, _PAPER))
        ahead = max(own[name], paper.get(name, 0.0) / told)
        parts.append(_value(f"{own[name]:.1%}", ahead / most, y + 12))
        y += _ROW + 2
    return "".join(parts), y + 8


def counts(title: str, run: Mapping[str, int], note: str = "") -> tuple[str, int]:
    """Counts as bars; of more than twelve the last are put together."""
    names = list(run)
    rows = {name: run[name] for name in names[:12]}
    if len(names) > 12:
        rows["more"] = sum(run[name] for name in names[12:])
    most = max([*rows.values(), 1])
    parts, y = [_title(title, note)], _head(note)
    for name, count in rows.items():
        parts += [_label(name, y + 12), _bar(y + 2, 12, count / most, _RUN)]
        parts.append(_value(f"{count:,}", count / most, y + 12))
        y += _ROW
    return "".join(parts), y + 8


def columns(title: str, run: Mapping[str, int], note: str = "") -> tuple[str, int]:
    """A histogram of upright bars: for many values in an order."""
    most, height = max([*run.values(), 1]), 120
    wide = (WIDTH - 40) / max(len(run), 1)
    parts, base = [_title(title, note)], _head(note) + height + 8
    every = max(1, -(-len(run) // 12))
    for place, (name, count) in enumerate(run.items()):
        x, tall = 20 + place * wide, height * count / most
        parts.append(
            f'<rect x="{x + 1:.1f}" y="{base - tall:.1f}" width="{max(wide - 2, 1):.1f}" '
            f'height="{tall:.1f}" fill="{_RUN}"/>'
        )
        if place % every == 0:
            middle = x + wide / 2
            parts.append(_text(name, middle, base + 14, 10, _INK, "middle"))
    parts.append(_text(f"most: {most:,}", WIDTH - 20, 16, 10, _FAINT, "end"))
    return "".join(parts), base + 26


def means(title: str, found: Mapping[str, Mapping[str, float]], note: str = "") -> tuple[str, int]:
    """Means with their intervals as whiskers, and the paper's as a mark."""
    parts, y = [_title(title, note)], _head(note)
    for name, one in found.items():
        most = 1.15 * max(one["high"], one["paper"], 1e-9)
        value, low, high, paper = (one[k] / most for k in ("value", "low", "high", "paper"))
        parts += [_label(name, y + 14), _bar(y + 4, 12, value, _RUN)]
        mark = (_PAPER, paper - 0.006, paper + 0.006, 20)
        for colour, a, b, tall in ((_INK, low, high, 2), mark):
            x, wide = _LEFT + a * _span(), max((b - a) * _span(), 1)
            parts.append(
                f'<rect x="{x:.1f}" y="{y + 10 - tall / 2:.1f}" width="{wide:.1f}" '
                f'height="{tall}" fill="{colour}"/>'
            )
        text = f"{one['value']:.2f} ({one['paper']:g})"
        parts.append(_text(text, WIDTH - 4, y + 14, 10, _INK, "end"))
        y += 26
    return "".join(parts), y + 8


def gates(title: str, found: Mapping[str, tuple[int, int]]) -> tuple[str, int]:
    """A line a gate: how many checks it has, and how many of them shut it."""
    parts, y = [_title(title, "")], _head("")
    for name, (checks, bad) in found.items():
        colour, words = (_SHUT, f"shut by {bad} of {checks}") if bad else (_OPEN, f"{checks} pass")
        parts += [_label(name, y + 12), _bar(y + 1, 13, 13 / _span(), colour)]
        parts.append(_text(words, _LEFT + 22, y + 12, 11, _INK))
        y += _ROW
    return "".join(parts), y + 8


def svg(body: str, height: float, width: float = WIDTH) -> str:
    """A drawing with its elements, on white."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" role="img">'
        f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>{body}</svg>'
    )


def sheet(drawings: list[tuple[str, int]], across: int = 2) -> str:
    """Charts in columns on one drawing, each below the shortest column so far."""
    tops = [16.0] * across
    parts = []
    for body, height in drawings:
        column = tops.index(min(tops))
        x = 16 + column * (WIDTH + 24)
        parts.append(f'<g transform="translate({x} {tops[column]:g})">{body}</g>')
        tops[column] += height + 14
    return svg("".join(parts), max(tops) + 8, 8 + across * (WIDTH + 24))


def legend() -> str:
    """What the colours mean, as elements."""
    boxes = ((16, _RUN, "this release"), (130, _PAPER, "Stark, as the paper tells"))
    return "".join(
        f'<rect x="{x}" y="4" width="12" height="12" fill="{colour}"/>'
        + _text(words, x + 18, 14, 11, _INK)
        for x, colour, words in boxes
    )


def _head(note: str) -> int:
    return 42 if note else 26


def _title(title: str, note: str) -> str:
    title = title[:1].upper() + title[1:]
    return _text(title, 0, 16, 14, _INK, weight="bold") + _text(note, 0, 32, 10.5, _FAINT)


def _label(name: str, y: float) -> str:
    name = name if len(name) <= 24 else name[:23] + "\u2026"
    return _text(name, _LEFT - 8, y, 11, _INK, "end")


def _bar(y: float, height: float, share: float, colour: str) -> str:
    wide = max(share, 0) * _span()
    return f'<rect x="{_LEFT}" y="{y:g}" width="{wide:.1f}" height="{height:g}" fill="{colour}"/>'


def _value(text: str, share: float, y: float) -> str:
    return _text(text, _LEFT + share * _span() + 5, y, 10, _INK)


def _span() -> float:
    return WIDTH - _LEFT - 80


def _text(
    text: str, x: float, y: float, size: float, colour: str, anchor: str = "start", weight: str = ""
) -> str:
    bold = f' font-weight="{weight}"' if weight else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-family="{_FONT}" font-size="{size:g}" '
        f'fill="{colour}" text-anchor="{anchor}"{bold}>{escape(text)}</text>'
    )
