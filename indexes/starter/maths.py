"""Draws the mathematics figures of maths.toml, one function a figure."""

from math import comb

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Arc, Circle, Polygon, Rectangle

BLUE, RED, GREEN, GOLD = "#3b7dd8", "#d9383a", "#2fa36b", "#e3a93c"


def cross(ax: Axes, left: float, right: float, low: float, high: float) -> None:
    """Coordinate axes through the origin."""
    ax.set_xlim(left, right)
    ax.set_ylim(low, high)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_position("zero")
    ax.grid(alpha=0.3)


def bare(ax: Axes, left: float, right: float, low: float, high: float) -> None:
    """No axes, equal scales."""
    ax.set_xlim(left, right)
    ax.set_ylim(low, high)
    ax.set_aspect("equal")
    ax.axis("off")


def text(ax: Axes, x: float, y: float, words: str, size: float = 13, colour: str = "k") -> None:
    """Centred text."""
    ax.text(x, y, words, ha="center", va="center", fontsize=size, color=colour)


def pythagoras(ax: Axes) -> None:
    """Squares on a 3-4-5 triangle."""
    bare(ax, -4, 8.5, -4.6, 7.6)
    shapes = [([(0, 0), (4, 0), (4, -4), (0, -4)], BLUE), ([(0, 0), (0, 3), (-3, 3), (-3, 0)], RED)]
    shapes += [([(4, 0), (0, 3), (3, 7), (7, 4)], GREEN), ([(0, 0), (4, 0), (0, 3)], "white")]
    for points, colour in shapes:
        ax.add_patch(Polygon(points, facecolor=colour, edgecolor="k", alpha=0.7))
    for x, y, words in ((2, -2, "4² = 16"), (-1.5, 1.5, "3² = 9"), (3.5, 3.5, "5² = 25")):
        text(ax, x, y, words)
    text(ax, 6.6, -2.6, "a² + b² = c²", 15)


def unit_circle(ax: Axes) -> None:
    """Sine and cosine of one angle."""
    cross(ax, -1.4, 1.4, -1.3, 1.3)
    ax.set_aspect("equal")
    angle = np.radians(40)
    x, y = np.cos(angle), np.sin(angle)
    ax.add_patch(Circle((0, 0), 1, fill=False, lw=2))
    ax.plot([0, x], [0, y], color="k", lw=2)
    ax.plot([x, x], [0, y], color=RED, lw=3)
    ax.plot([0, x], [0, 0], color=BLUE, lw=3)
    ax.add_patch(Arc((0, 0), 0.5, 0.5, theta1=0, theta2=40))
    text(ax, 0.34, 0.12, "40°", 10)
    text(ax, x - 0.13, y / 2, "sin", 13, RED)
    ax.set_xticks([-1, 1])
    ax.set_yticks([-1, 1])
    text(ax, x / 2, -0.12, "cos", 13, BLUE)


def parabola_vertex(ax: Axes) -> None:
    """A shifted parabola."""
    cross(ax, -2, 6, -4, 8)
    x = np.linspace(-1.3, 5.3, 200)
    ax.plot(x, (x - 2) ** 2 - 3, color=BLUE, lw=2.5)
    ax.plot(2, -3, "o", color=RED)
    text(ax, 3.5, -3.3, "vertex (2, -3)", 12, RED)
    text(ax, 2, 6.6, "y = (x - 2)² - 3", 14, BLUE)


def normal_curve(ax: Axes) -> None:
    """The bell curve and its middle part."""
    x = np.linspace(-4, 4, 300)
    y = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    ax.plot(x, y, color=BLUE, lw=2.5)
    ax.fill_between(x, y, where=list(abs(x) <= 1), color=BLUE, alpha=0.4)
    text(ax, 0, 0.15, "68 %", 18)
    ax.set_xticks(range(-3, 4), [rf"${i}\sigma$" if i else r"$\mu$" for i in range(-3, 4)])
    ax.set_yticks([])
    ax.spines[["top", "right", "left"]].set_visible(False)


def venn_diagram(ax: Axes) -> None:
    """Two overlapping sets."""
    bare(ax, 0, 10, 0, 7)
    ax.add_patch(Circle((3.7, 3.3), 2.5, color=GREEN, alpha=0.5))
    ax.add_patch(Circle((6.3, 3.3), 2.5, color=GOLD, alpha=0.5))
    for x, count in ((2.5, "9"), (5, "5"), (7.5, "12")):
        text(ax, x, 3.3, count, 20)
    text(ax, 3, 6.3, "tea", 16)
    text(ax, 7, 6.3, "coffee", 16)


def fraction_bars(ax: Axes) -> None:
    """A whole cut into 1, 2, 3, 4 and 6 parts."""
    bare(ax, 0, 12, -0.2, 6)
    colours = ["#bbbbbb", BLUE, RED, GREEN, GOLD]
    for row, (parts, colour) in enumerate(zip((1, 2, 3, 4, 6), colours, strict=True)):
        width, y = 12 / parts, 4.9 - 1.2 * row
        for i in range(parts):
            ax.add_patch(Rectangle((i * width, y), width, 1, facecolor=colour, edgecolor="w", lw=3))
            text(ax, (i + 0.5) * width, y + 0.5, f"1/{parts}" if parts > 1 else "1", 14)


def vector_addition(ax: Axes) -> None:
    """Two arrows and their sum."""
    cross(ax, -0.5, 5.5, -0.5, 5)
    for x, y, dx, dy, colour in ((0, 0, 3, 1, BLUE), (3, 1, 1, 3, RED), (0, 0, 4, 4, GREEN)):
        ax.quiver(x, y, dx, dy, angles="xy", scale_units="xy", scale=1, color=colour, width=0.011)
    text(ax, 1.7, 0.2, "a = (3, 1)", 12, BLUE)
    text(ax, 4.5, 2.4, "b = (1, 3)", 12, RED)
    text(ax, 1.4, 2.5, "a + b = (4, 4)", 12, GREEN)


def sine_and_cosine(ax: Axes) -> None:
    """Two waves."""
    x = np.linspace(0, 2 * np.pi, 300)
    cross(ax, 0, 6.6, -1.3, 1.3)
    ax.plot(x, np.sin(x), color=RED, lw=2.5, label="sin x")
    ax.plot(x, np.cos(x), color=BLUE, lw=2.5, label="cos x")
    ax.set_xticks([np.pi / 2, np.pi, 3 * np.pi / 2, 2 * np.pi], ["π/2", "π", "3π/2", "2π"])
    ax.legend(loc="upper center")


def geometric_sequence(ax: Axes) -> None:
    """Powers of two."""
    values = [2**i for i in range(6)]
    ax.vlines(range(1, 7), 0, values, color="#bbb")
    ax.plot(range(1, 7), values, "o", color=BLUE, markersize=10)
    for i, value in enumerate(values):
        text(ax, i + 1, value + 2.2, str(value))
    ax.set_ylim(0, 38)
    ax.set_xlabel("term")
    ax.spines[["top", "right"]].set_visible(False)


def crossing_lines(ax: Axes) -> None:
    """Two linear equations."""
    cross(ax, -1, 6, -1, 7)
    x = np.array([-1, 6])
    ax.plot(x, x + 1, color=BLUE, lw=2.5, label="y = x + 1")
    ax.plot(x, 7 - 2 * x, color=RED, lw=2.5, label="y = 7 - 2x")
    ax.plot(2, 3, "o", color="k")
    text(ax, 2.8, 2.9, "(2, 3)")
    ax.legend(loc="upper right")


def circle_parts(ax: Axes) -> None:
    """Radius, diameter, chord, tangent."""
    bare(ax, -4.6, 4.6, -3.2, 3.2)
    ax.add_patch(Circle((0, 0), 2.4, fill=False, lw=2.5))
    lines: list[tuple[list[float], list[float], str]]
    lines = [([0, 1.7], [0, 1.7], RED), ([-2.4, 2.4], [0, 0], BLUE)]
    lines += [([-1.9, 1.2], [-1.47, -2.08], GREEN), ([2.4, 2.4], [-2.8, 2.8], GOLD)]
    for x, y, colour in lines:
        ax.plot(x, y, color=colour, lw=3)
    text(ax, 0.5, 1.1, "radius", 12, RED)
    text(ax, -1, 0.25, "diameter", 12, BLUE)
    text(ax, -0.2, -1.4, "chord", 12, GREEN)
    text(ax, 3.3, 1.6, "tangent", 12, GOLD)


def triangle_angles(ax: Axes) -> None:
    """Three angles and their sum; the base is 6 long and the left angle 50 degrees."""
    bare(ax, -0.8, 7, -1.2, 5.2)
    height = 6 / (1 / np.tan(np.radians(50)) + 1 / np.tan(np.radians(60)))
    top = height / np.tan(np.radians(50))
    ax.add_patch(Polygon([(0, 0), (6, 0), (top, height)], facecolor="#dbe8fb", edgecolor="k", lw=2))
    text(ax, 0.75, 0.35, "50°", 14)
    text(ax, 5.3, 0.4, "60°", 14)
    text(ax, top, height - 0.95, "70°", 14)
    text(ax, 3, -0.7, "50° + 60° + 70° = 180°", 15)


def number_line(ax: Axes) -> None:
    """A jump of five to the right."""
    bare(ax, -6, 6, -2, 3)
    ax.annotate("", (5.8, 0), (-5.8, 0), arrowprops={"arrowstyle": "<->", "lw": 2})
    for i in range(-5, 6):
        ax.plot([i, i], [-0.15, 0.15], color="k")
        text(ax, i, -0.55, str(i))
    arc = {"arrowstyle": "-|>", "connectionstyle": "arc3,rad=-0.5", "color": RED, "lw": 2.5}
    ax.annotate("", (3, 0.1), (-2, 0.1), arrowprops=arc)
    text(ax, 0.5, 1.9, "-2 + 5 = 3", 17, RED)


def multiplication_table(ax: Axes) -> None:
    """Products up to 81."""
    bare(ax, 0, 10, 0, 10)
    for row in range(10):
        for column in range(10):
            head = row == 0 or column == 0
            value = max(row, 1) * max(column, 1) if row or column else r"$\times$"
            fill = "#c9dff7" if head else "#fdf3d6" if row == column else "white"
            square = Rectangle((column, 9 - row), 1, 1, facecolor=fill, edgecolor="#888")
            ax.add_patch(square)
            text(ax, column + 0.5, 9.45 - row, str(value), 12)


def area_under_curve(ax: Axes) -> None:
    """An integral of x²."""
    cross(ax, -0.5, 4, -1, 13)
    x = np.linspace(0, 3.5, 200)
    ax.plot(x, x**2, color=BLUE, lw=2.5)
    ax.fill_between(x, x**2, where=list((x >= 1) & (x <= 3)), color=BLUE, alpha=0.3)
    text(ax, 1.2, 8, r"$\int_1^3 x^2\,dx = \frac{26}{3}$", 18)


def tangent_line(ax: Axes) -> None:
    """A cubic and its tangent at 2."""
    cross(ax, -3, 4, -8, 14)
    x = np.linspace(-2.6, 2.9, 200)
    ax.plot(x, x**3 - 3 * x, color=BLUE, lw=2.5)
    ax.plot([0.9, 3.2], [2 + 9 * -1.1, 2 + 9 * 1.2], color=RED, lw=2)
    ax.plot(2, 2, "o", color="k")
    text(ax, -1.2, 9, "y = x³ - 3x", 14, BLUE)
    text(ax, 3.1, 4.5, "slope 9", 13, RED)


def pascal_triangle(ax: Axes) -> None:
    """Binomial coefficients."""
    bare(ax, -4.2, 4.2, -6.7, 0.7)
    for row in range(7):
        for i in range(row + 1):
            x = (i - row / 2) * 1.15
            fill = "#fde2a8" if i in (0, row) else "#c9dff7"
            ax.add_patch(Circle((x, -row), 0.46, facecolor=fill, edgecolor="#666"))
            text(ax, x, -row, str(comb(row, i)))


def fibonacci_spiral(ax: Axes) -> None:
    """Quarter circles through squares, each arc going on where the last one ended."""
    bare(ax, -9.2, 4.2, -2.2, 6.2)
    colours = [GOLD, RED, GREEN, BLUE, "#8a63d2", "#5bb8c4"]
    sides = [1, 1, 2, 3, 5, 8, 13]
    centre = np.zeros(2)
    for i, (side, colour) in enumerate(zip(sides[:-1], colours, strict=True)):
        turn = np.radians(90 * i)
        ahead = np.array([-np.sin(turn), np.cos(turn)])
        opposite = centre + side * (ahead + np.array([np.cos(turn), np.sin(turn)]))
        low = np.minimum(centre, opposite)
        ax.add_patch(Rectangle(tuple(low), side, side, facecolor=colour, alpha=0.4, edgecolor="k"))
        arc = Arc(tuple(centre), 2 * side, 2 * side, theta1=90 * i, theta2=90 * i + 90, lw=3)
        ax.add_patch(arc)
        text(ax, low[0] + side / 2, low[1] + side / 2, str(side), 8 + side)
        centre = centre + (side - sides[i + 1]) * ahead


def probability_tree(ax: Axes) -> None:
    """Two tosses of a coin."""
    bare(ax, 0, 10, 0, 7)
    first, second = [(4.0, 5.2), (4.0, 1.8)], [(7.2, y) for y in (6.2, 4.4, 2.6, 0.8)]
    for i, (x, y) in enumerate(first):
        ax.plot([1, x], [3.5, y], color="#444", zorder=0)
        for leaf in second[2 * i : 2 * i + 2]:
            ax.plot([x, leaf[0]], [y, leaf[1]], color="#444", zorder=0)
    for i, (x, y) in enumerate(first + second):
        ax.add_patch(Circle((x, y), 0.45, facecolor=GOLD if i % 2 else BLUE, edgecolor="k"))
        text(ax, x, y, "T" if i % 2 else "H", 14)
    for y, outcome in zip((6.2, 4.4, 2.6, 0.8), ("HH", "HT", "TH", "TT"), strict=True):
        text(ax, 8.9, y, f"{outcome}: 1/4", 13)
    text(ax, 2.2, 4.8, "1/2", 12)
    text(ax, 2.2, 2.2, "1/2", 12)


def exponential_growth(ax: Axes) -> None:
    """Doubling against adding."""
    x = np.linspace(0, 6, 200)
    ax.plot(x, 2**x, color=RED, lw=2.5, label="y = 2ˣ")
    ax.plot(x, 8 * x, color=BLUE, lw=2.5, label="y = 8x")
    ax.grid(alpha=0.3)
    ax.legend(fontsize=13)


def cube_net(ax: Axes) -> None:
    """Six squares in a cross, and the cube."""
    bare(ax, 0, 10, 0, 6.4)
    for x, y in ((1.6, 0.4), (1.6, 1.8), (1.6, 3.2), (1.6, 4.6), (0.2, 3.2), (3, 3.2)):
        ax.add_patch(Rectangle((x, y), 1.4, 1.4, facecolor="#c9dff7", edgecolor="k", lw=2))
    ax.annotate("", (6, 3.2), (4.8, 3.2), arrowprops={"arrowstyle": "-|>", "lw": 2.5})
    faces: list[tuple[list[tuple[float, float]], str]]
    faces = [([(6.5, 2), (8.5, 2), (8.5, 4), (6.5, 4)], "#c9dff7")]
    faces += [([(8.5, 2), (9.4, 2.8), (9.4, 4.8), (8.5, 4)], "#9fc1e8")]
    faces += [([(6.5, 4), (8.5, 4), (9.4, 4.8), (7.4, 4.8)], "#e4effc")]
    for points, colour in faces:
        ax.add_patch(Polygon(points, facecolor=colour, edgecolor="k", lw=2))
