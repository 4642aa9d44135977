"""Diagrams with shapes of their own, each drawn on a canvas of 10 x 7."""

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, Ellipse, FancyArrowPatch, Polygon, Rectangle, Wedge

SKY, SEA, EARTH, GRASS = "#cfe8fb", "#4a90d9", "#b08a5b", "#8cc46b"


def label(ax: Axes, text: str, x: float, y: float, size: float = 11, colour: str = "black") -> None:
    """Centred text."""
    ax.text(x, y, text, ha="center", va="center", fontsize=size, color=colour, zorder=5)


def pointer(ax: Axes, text: str, at: tuple[float, float], to: tuple[float, float]) -> None:
    """Text at one place with a thin line to another."""
    line = {"arrowstyle": "-", "color": "#333"}
    ax.annotate(text, xy=to, xytext=at, arrowprops=line, ha="center", va="center", fontsize=11)


def curve(ax: Axes, start: tuple[float, float], end: tuple[float, float], bend: float) -> None:
    """A thick curved arrow."""
    ax.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=20,
            connectionstyle=f"arc3,rad={bend}",
            color="#2b5f9e",
            linewidth=2,
        )
    )


def cloud(ax: Axes, x: float, y: float, colour: str = "white") -> None:
    """A cloud of four circles."""
    for dx, dy, r in ((-0.7, 0, 0.45), (-0.1, 0.25, 0.6), (0.55, 0.1, 0.5), (0, -0.15, 0.5)):
        ax.add_patch(Circle((x + dx, y + dy), r, color=colour))


def water_cycle(ax: Axes) -> None:
    """Sea, cloud, rain and river with arrows."""
    ax.add_patch(Rectangle((0, 0), 10, 7, color=SKY))
    ax.add_patch(Polygon([(4.4, 0), (8, 4.2), (10, 2.8), (10, 0)], color=GRASS))
    ax.add_patch(Rectangle((0, 0), 5.2, 1.5, color=SEA))
    ax.add_patch(Circle((1.2, 6), 0.55, color="#f7c325"))
    ax.plot([8, 7.2, 6.6, 5, 4.6], [4, 3, 2.2, 1.7, 1.4], color=SEA, linewidth=5)
    cloud(ax, 3.6, 5.6)
    cloud(ax, 8, 5.9, "#b9c4cf")
    for x in (7.4, 7.8, 8.2, 8.6):
        ax.plot([x, x - 0.12], [5.2, 4.7], color=SEA, linewidth=2)
    curve(ax, (1.6, 1.6), (2.6, 4.9), -0.3)
    curve(ax, (4.8, 5.9), (6.7, 6.1), -0.2)
    label(ax, "evaporation", 1.2, 3.4)
    label(ax, "condensation", 3.7, 5.6, 9)
    label(ax, "precipitation", 9, 4.75, 10)
    label(ax, "river", 6, 2.8)
    label(ax, "sea", 2.3, 0.7, 13, "white")


def plant_cell(ax: Axes) -> None:
    """One cell with the parts that schools ask for."""
    ax.add_patch(Rectangle((2.2, 0.9), 5.6, 5.2, facecolor="#d8efc4", edgecolor="#3f7d2c", lw=6))
    ax.add_patch(Ellipse((5.5, 3.2), 3, 2.8, facecolor="#bfe3f5", edgecolor="#5a9ec2"))
    ax.add_patch(Circle((3.4, 4.9), 0.75, facecolor="#c9a5e0", edgecolor="#6a3d8f"))
    ax.add_patch(Circle((3.4, 4.9), 0.25, color="#6a3d8f"))
    for x, y in ((5, 5.5), (6.7, 5.3), (3, 2), (7.2, 1.7), (5.2, 1.3)):
        ax.add_patch(Ellipse((x, y), 0.8, 0.42, facecolor="#4ea23a", edgecolor="#2c6420"))
    pointer(ax, "nucleus", (0.9, 5.6), (3, 5))
    pointer(ax, "vacuole", (9.1, 3.2), (6.4, 3.2))
    pointer(ax, "chloroplast", (8.9, 5.9), (6.9, 5.3))
    pointer(ax, "cell wall", (0.9, 3.2), (2.2, 3.2))
    pointer(ax, "cytoplasm", (0.95, 1.3), (3.9, 1.6))
    label(ax, "Plant cell", 5, 6.6, 14)


def volcano(ax: Axes) -> None:
    """A mountain cut open."""
    ax.add_patch(Rectangle((0, 0), 10, 7, color=SKY))
    ax.add_patch(Rectangle((0, 0), 10, 1.8, color=EARTH))
    ax.add_patch(Polygon([(1.4, 1.8), (4.4, 5), (5.6, 5), (8.6, 1.8)], color="#8b6b4a"))
    ax.add_patch(Ellipse((5, 0.9), 4, 1.3, color="#e2502b"))
    ax.add_patch(Polygon([(4.8, 1), (4.8, 5), (5.2, 5), (5.2, 1)], color="#e2502b"))
    ax.add_patch(Polygon([(5.2, 5), (5.5, 5), (7.4, 2.6), (7, 2.9)], color="#f08a24"))
    for x, y in ((4.7, 5.8), (5.4, 6.1), (6, 5.9)):
        cloud(ax, x, y, "#8f8f8f")
    label(ax, "magma chamber", 5, 0.9, 11, "white")
    pointer(ax, "vent", (2, 4.6), (4.8, 3.5))
    pointer(ax, "crater", (2.4, 5.6), (4.6, 5))
    pointer(ax, "lava", (8.7, 3.9), (6.6, 3.6))
    label(ax, "ash cloud", 8.2, 6.2)


def solar_system(ax: Axes) -> None:
    """The eight planets in order, not to scale."""
    ax.add_patch(Rectangle((0, 0), 10, 7.7, color="#10152e", clip_on=False))
    ax.add_patch(Circle((-0.6, 3.5), 1.6, color="#f9c22e"))
    planets = [
        ("Mercury", 0.14, "#a9a29a"),
        ("Venus", 0.24, "#e0b96a"),
        ("Earth", 0.26, "#4b8fe0"),
        ("Mars", 0.2, "#cf5b34"),
        ("Jupiter", 0.62, "#d3a172"),
        ("Saturn", 0.5, "#e4cd90"),
        ("Uranus", 0.36, "#9fd8e0"),
        ("Neptune", 0.35, "#4367d1"),
    ]
    for i, (name, radius, colour) in enumerate(planets):
        x = 1.6 + 1.1 * i
        ax.add_patch(Circle((x, 3.5), radius, color=colour, zorder=2))
        label(ax, name, x, 2.3 if i % 2 else 4.7, 10, "white")
        if name == "Saturn":
            ax.add_patch(
                Ellipse((x, 3.5), 1.5, 0.35, fill=False, edgecolor="#cbb67a", lw=3, zorder=3)
            )
    label(ax, "Sun", 0.4, 3.5, 12)


def simple_circuit(ax: Axes) -> None:
    """Battery, switch and lamp in one loop."""
    wire: dict[str, Any] = {"color": "black", "linewidth": 2.5}
    ax.plot([4.7, 2, 2, 4.3], [1.2, 1.2, 5.4, 5.4], **wire)
    ax.plot([5.3, 8, 8], [1.2, 1.2, 2.8], **wire)
    ax.plot([8, 8, 5.9], [4.2, 5.4, 5.4], **wire)
    ax.plot([4.3, 5.8], [5.4, 6.1], **wire)
    ax.plot([4.3, 5.9], [5.4, 5.4], "o", color="black")
    ax.plot([4.7, 4.7], [0.6, 1.8], **wire)
    ax.plot([5.3, 5.3], [0.9, 1.5], color="black", linewidth=6)
    ax.add_patch(Circle((8, 3.5), 0.7, facecolor="#fff2a8", edgecolor="black", lw=2.5))
    ax.plot([7.5, 8.5], [3, 4], **wire)
    ax.plot([7.5, 8.5], [4, 3], **wire)
    label(ax, "battery", 5, 0.25)
    label(ax, "switch", 5, 6.5)
    label(ax, "lamp", 9.2, 3.5)


def earth_layers(ax: Axes) -> None:
    """Four shells of the Earth."""
    layers = [(3.1, "#6b8f4e"), (2.9, "#c8552d"), (1.9, "#ee9b37"), (1, "#fbe27a")]
    for radius, colour in layers:
        ax.add_patch(Ellipse((4, 3.5), 2 * radius, 2 * radius * 0.98, color=colour))
    for name, y, x in (("crust", 6, 5.75), ("mantle", 4.9, 6), ("outer core", 3.7, 5.5)):
        pointer(ax, name, (8.6, y), (x, y))
    pointer(ax, "inner core", (8.6, 2.5), (4.4, 3.2))


def moon_phases(ax: Axes) -> None:
    """Eight discs, lit from the right while waxing and from the left while waning."""
    ax.add_patch(Rectangle((0, -0.1), 10, 7.8, color="#141a33", clip_on=False))
    names = ["new moon", "waxing\ncrescent", "first\nquarter", "waxing\ngibbous"]
    names += ["full moon", "waning\ngibbous", "last\nquarter", "waning\ncrescent"]
    lit, dark = "#f3eecb", "#3a4160"
    for i, name in enumerate(names):
        x, y = 1.4 + 2.4 * (i % 4), 5.2 if i < 4 else 2
        ax.add_patch(Circle((x, y), 0.8, color=dark))
        side = (-90, 90) if i <= 4 else (90, 270)
        if i:
            ax.add_patch(Wedge((x, y), 0.8, *side, color=lit))
        if width := {1: 0.8, 3: 0.8, 5: 0.8, 7: 0.8, 4: 1.6}.get(i):
            ax.add_patch(Ellipse((x, y), width, 1.6, color=dark if i in (1, 7) else lit))
        label(ax, name, x, y - 1.35, 10, "white")


def guitar_chord(ax: Axes) -> None:
    """The C major chord."""
    for string in range(6):
        ax.plot([2.5 + string] * 2, [1, 5.4], color="black", linewidth=1.5)
    for fret in range(5):
        ax.plot([2.5, 7.5], [5.4 - 1.1 * fret] * 2, color="black", linewidth=1.5 if fret else 6)
    for string, fret, finger in ((1, 3, "3"), (2, 2, "2"), (4, 1, "1")):
        x, y = 2.5 + string, 5.95 - 1.1 * fret
        ax.add_patch(Circle((x, y), 0.33, color="#2b5f9e", zorder=3))
        label(ax, finger, x, y, 12, "white")
    for string, mark in ((0, "x"), (3, "o"), (5, "o")):
        label(ax, mark, 2.5 + string, 5.75, 13)
    label(ax, "C major", 5, 6.5, 16)
    for string, name in enumerate("EADGBE"):
        label(ax, name, 2.5 + string, 0.6)


def floor_plan(ax: Axes) -> None:
    """Four rooms and a hall."""
    rooms = [
        ("Living room\n24 m²", 0.8, 2.9, 5, 3.6, "#fdeec8"),
        ("Bedroom\n15 m²", 5.8, 3.4, 3.4, 3.1, "#dbe8fb"),
        ("Kitchen\n9 m²", 0.8, 0.5, 2.9, 2.4, "#dff3d8"),
        ("Hall\n6 m²", 3.7, 0.5, 2.1, 2.4, "#f2f2f2"),
        ("Bathroom\n7 m²", 5.8, 0.5, 3.4, 2.9, "#d5f1f4"),
    ]
    for name, x, y, width, height, fill in rooms:
        ax.add_patch(Rectangle((x, y), width, height, facecolor=fill, edgecolor="#333", lw=4))
        label(ax, name, x + width / 2, y + height / 2, 12)
    for x, y, width in ((4.4, 0.42, 0.8), (4.4, 2.82, 0.8), (2.2, 2.82, 0.8)):
        ax.add_patch(Rectangle((x, y), width, 0.16, color="white", zorder=3))


def bus_line(ax: Axes) -> None:
    """A route with its stops."""
    stops = ["Station", "Market", "Library", "Hospital", "School", "Lake"]
    x = np.linspace(1, 9, len(stops))
    y = np.array([2, 2, 3.2, 3.2, 4.4, 4.4])
    ax.plot(x, y, color="#d9383a", linewidth=8, zorder=1, solid_joinstyle="round")
    for name, px, py in zip(stops, x, y, strict=True):
        ax.add_patch(Circle((px, py), 0.2, facecolor="white", edgecolor="black", lw=2, zorder=2))
        label(ax, name, px, py - 0.6)
    label(ax, "Bus line 7", 2, 6, 17, "#d9383a")


def atom_model(ax: Axes) -> None:
    """Carbon: two electrons on the inner ring, four on the outer one."""
    for radius, count in ((1.6, 2), (3, 4)):
        ax.add_patch(Circle((5, 3.5), radius, fill=False, edgecolor="#888", lw=1.5))
        for i in range(count):
            angle = 2 * np.pi * i / count + 0.5
            at = 5 + radius * np.cos(angle), 3.5 + radius * np.sin(angle)
            ax.add_patch(Circle(at, 0.2, color="#2b6fd0", zorder=3))
    for i in range(12):
        angle, distance = 2.4 * i, 0.18 * np.sqrt(i) + 0.05
        at = 5 + distance * np.cos(angle), 3.5 + distance * np.sin(angle)
        ax.add_patch(Circle(at, 0.17, facecolor="#d9383a" if i % 2 else "#999", edgecolor="k"))
    label(ax, "carbon", 1.3, 6.2, 15)
    pointer(ax, "nucleus", (8.9, 1), (5.4, 3.3))
    pointer(ax, "electron", (9, 5.9), (7.7, 5))
    ax.set_aspect("equal")


def garden_plan(ax: Axes) -> None:
    """Four beds, a path and a compost heap."""
    ax.add_patch(Rectangle((0.3, 0.3), 9.4, 6.4, color="#d5e8b8"))
    ax.add_patch(Rectangle((4.6, 0.3), 0.8, 6.4, color="#d9c7a3"))
    beds = [("Tomatoes", 0.8, 3.8, "#d9383a"), ("Carrots", 5.9, 3.8, "#f08a24")]
    beds += [("Lettuce", 0.8, 0.8, "#5fae3f"), ("Beans", 5.9, 0.8, "#2f7d4f")]
    for name, x, y, colour in beds:
        ax.add_patch(Rectangle((x, y), 3.3, 2.4, facecolor="#9c7248", edgecolor="#5d4226", lw=3))
        for px in np.linspace(x + 0.4, x + 2.9, 6):
            for py in (y + 0.4, y + 2):
                ax.add_patch(Circle((px, py), 0.18, color=colour))
        label(ax, name, x + 1.65, y + 1.2, 13, "white")


_ALL = [water_cycle, plant_cell, volcano, solar_system, simple_circuit, earth_layers]
_ALL += [moon_phases, guitar_chord, floor_plan, bus_line, atom_model, garden_plan]
SCENES: dict[str, Callable[[Axes], None]] = {
    scene.__name__.replace("_", "-"): scene for scene in _ALL
}
