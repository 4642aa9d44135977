"""Draws the box-and-arrow diagrams of diagrams.toml; other shapes are in scenes.py."""

from collections.abc import Mapping, Sequence
from math import cos, pi, sin
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from mcu.indexes.starter import scenes

Spec = Mapping[str, Any]
FILLS = ["#fde2a8", "#cfe8c4", "#c9dff7", "#f6ccd4", "#e0d4f5", "#fbd3b6"]
PER_ROW = 3


def box(ax: Axes, label: str, x: float, y: float, fill: str) -> Text:
    """A rounded box with its text in the middle."""
    style = {"boxstyle": "round,pad=0.5", "facecolor": fill, "edgecolor": "#444"}
    return ax.text(x, y, label, ha="center", va="center", fontsize=11, bbox=style, zorder=3)


def arrow(ax: Axes, start: Text, end: Text, text: str, style: str) -> None:
    """An arrow from the edge of one box to that of another; both must have been laid out."""
    line = {"arrowstyle": style, "color": "#444", "linewidth": 1.6, "mutation_scale": 16}
    line |= {"patchA": start.get_bbox_patch(), "patchB": end.get_bbox_patch()}
    (x1, y1), (x2, y2) = start.get_position(), end.get_position()
    ax.annotate("", xy=(x2, y2), xytext=(x1, y1), arrowprops=line, zorder=1)
    if text:
        plain = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        at: dict[str, Any] = {"ha": "center", "va": "center", "bbox": plain}
        ax.text((x1 + x2) / 2, (y1 + y2) / 2, text, fontsize=10, zorder=2, **at)


def places(spec: Spec) -> tuple[list[tuple[str, float, float]], list[tuple[int, int, str]]]:
    """Boxes (label, x, y) and arrows (from, to, text) of any of the four layouts."""
    if "nodes" in spec:
        return [tuple(node) for node in spec["nodes"]], [tuple(edge) for edge in spec["edges"]]
    if "chain" in spec:
        chain = spec["chain"]
        rows = -(-len(chain) // PER_ROW)
        boxes = []
        for i, label in enumerate(chain):
            row, column = divmod(i, PER_ROW)
            column = PER_ROW - 1 - column if row % 2 else column
            boxes.append((label, 1.7 + 3.3 * column, 5 - 3 * row if rows > 1 else 3.5))
        return boxes, [(i, i + 1, "") for i in range(len(chain) - 1)]
    if "ring" in spec:
        boxes = circle(spec["ring"], 3.3, 2.5)
        return boxes, [(i, (i + 1) % len(boxes), "") for i in range(len(boxes))]
    middle, *rest = spec["hub"]
    return [(middle, 5, 3.5), *circle(rest, 3.7, 2.6)], [(0, i + 1, "") for i in range(len(rest))]


def circle(labels: Sequence[str], width: float, height: float) -> list[tuple[str, float, float]]:
    """Labels spread clockwise over an ellipse, the first on top."""
    turn = 2 * pi / len(labels)
    return [
        (label, 5 + width * sin(turn * i), 3.5 + height * cos(turn * i))
        for i, label in enumerate(labels)
    ]


def draw(spec: Spec) -> Figure:
    """The diagram that one table of diagrams.toml describes."""
    figure = Figure(figsize=(6.4, 4.5), dpi=100)
    ax = figure.add_axes((0, 0, 1, 0.92))
    ax.set_xlim(0, 10)
    ax.set_ylim(0, 7)
    ax.axis("off")
    figure.suptitle(spec.get("title", ""), fontsize=14)
    if not {"nodes", "chain", "ring", "hub"} & set(spec):
        scenes.SCENES[spec["name"]](ax)
        return figure
    boxes, edges = places(spec)
    drawn = [box(ax, label, x, y, FILLS[i % len(FILLS)]) for i, (label, x, y) in enumerate(boxes)]
    figure.draw_without_rendering()
    style = "-" if "hub" in spec else "-|>"
    for start, end, text in edges:
        arrow(ax, drawn[start], drawn[end], text, style)
    return figure
