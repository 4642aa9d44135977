"""Draws the charts of charts.toml: one function a kind of chart."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Spec = Mapping[str, Any]
COLOURS = ["#3b7dd8", "#e8743b", "#2fa36b", "#d94f70", "#8a63d2", "#e3b23c", "#5bb8c4"]


def bar(ax: Axes, spec: Spec) -> None:
    """Upright bars with their values on top; `line_at` adds a dashed goal line."""
    bars = ax.bar(spec["x"], spec["y"], color=COLOURS[0])
    ax.bar_label(bars, padding=2, fontsize=9)
    if "line_at" in spec:
        ax.axhline(spec["line_at"], color=COLOURS[3], linestyle="--", label="goal")
        ax.legend()


def barh(ax: Axes, spec: Spec) -> None:
    """Lying bars, the first category on top."""
    bars = ax.barh(spec["x"][::-1], spec["y"][::-1], color=COLOURS[2])
    ax.bar_label(bars, padding=3, fontsize=9)
    ax.set_xlabel(spec.get("ylabel", ""))


def stacked(ax: Axes, spec: Spec) -> None:
    """Bars made of one part a series."""
    base = np.zeros(len(spec["x"]))
    for series, colour in zip(spec["series"], COLOURS, strict=False):
        fill = series.get("colour", colour)
        bars = ax.bar(spec["x"], series["y"], bottom=base, label=series["label"], color=fill)
        values = [str(value) if value else "" for value in series["y"]]
        ax.bar_label(bars, values, label_type="center", fontsize=9)
        base = base + np.array(series["y"])
    ax.legend(fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))


def line(ax: Axes, spec: Spec) -> None:
    """One line a series; `fill` colours the area below."""
    for series, colour in zip(spec["series"], COLOURS, strict=False):
        ax.plot(spec["x"], series["y"], marker="o", color=colour, label=series["label"])
        if spec.get("fill"):
            ax.fill_between(spec["x"], series["y"], color=colour, alpha=0.3)
    ax.grid(alpha=0.3)
    if len(spec["series"]) > 1:
        ax.legend()


def pie(ax: Axes, spec: Spec) -> None:
    """A pie, clockwise from the top."""
    ax.pie(
        spec["y"],
        labels=spec["x"],
        colors=COLOURS,
        autopct="%d%%",
        startangle=90,
        counterclock=False,
        wedgeprops={"edgecolor": "white"},
    )


def scatter(ax: Axes, spec: Spec) -> None:
    """Points and the straight line that fits them best."""
    x, y = np.array(spec["px"]), np.array(spec["py"])
    slope, offset = np.polyfit(x, y, 1)
    ax.scatter(x, y, color=COLOURS[0])
    ax.plot(x, slope * x + offset, color=COLOURS[1], linestyle="--")
    ax.grid(alpha=0.3)


def hist(ax: Axes, spec: Spec) -> None:
    """A histogram."""
    ax.hist(spec["px"], bins=spec["bins"], color=COLOURS[4], edgecolor="white")


def box(ax: Axes, spec: Spec) -> None:
    """A box plot, one box a series."""
    ax.boxplot([series["y"] for series in spec["series"]])
    ax.set_xticks(range(1, len(spec["series"]) + 1), [series["label"] for series in spec["series"]])


def heat(ax: Axes, spec: Spec) -> None:
    """A table whose cells are darker the larger their number."""
    table = np.array([series["y"] for series in spec["series"]])
    ax.imshow(table, cmap="Greens", aspect="auto")
    ax.set_xticks(range(len(spec["x"])), spec["x"])
    ax.set_yticks(range(len(table)), [series["label"] for series in spec["series"]])
    for (row, column), value in np.ndenumerate(table):
        colour = "white" if value > 50 else "black"
        ax.text(column, row, str(value), ha="center", va="center", color=colour)


def gantt(ax: Axes, spec: Spec) -> None:
    """Tasks as lying bars: `px` their starts, `py` their lengths."""
    ax.barh(spec["x"], spec["py"], left=spec["px"], color=COLOURS)
    ax.invert_yaxis()
    ax.grid(axis="x", alpha=0.3)


def radar(ax: Axes, spec: Spec) -> None:
    """Values from 0 to 10 on the spokes of a wheel."""
    angles = np.linspace(0, 2 * np.pi, len(spec["x"]), endpoint=False) + np.pi / 2
    ring = np.append(angles, angles[0])
    for radius in (2, 4, 6, 8, 10):
        ax.plot(radius * np.cos(ring), radius * np.sin(ring), color="#ccc", linewidth=0.8)
    values = np.append(spec["y"], spec["y"][0])
    ax.fill(values * np.cos(ring), values * np.sin(ring), color=COLOURS[0], alpha=0.5)
    for angle, name, value in zip(angles, spec["x"], spec["y"], strict=True):
        label = f"{name} {value}"
        ax.text(12 * np.cos(angle), 11.3 * np.sin(angle), label, ha="center", va="center")
    ax.set_xlim(-15, 15)
    ax.set_ylim(-11, 13)
    ax.set_aspect("equal")
    ax.axis("off")


KINDS: dict[str, Callable[[Axes, Spec], None]] = {
    function.__name__: function
    for function in (bar, barh, stacked, line, pie, scatter, hist, box, heat, gantt, radar)
}


def draw(spec: Spec) -> Figure:
    """The chart that one table of charts.toml describes; KeyError when it lacks something."""
    figure = Figure(figsize=(6.4, 4.4), dpi=100, layout="constrained")
    ax = figure.subplots()
    KINDS[spec["kind"]](ax, spec)
    ax.set_title(spec["title"], fontsize=13)
    ax.spines[["top", "right"]].set_visible(False)
    if spec["kind"] != "barh":
        ax.set_ylabel(spec.get("ylabel", ""))
        ax.set_xlabel(spec.get("xlabel", ""))
    return figure
