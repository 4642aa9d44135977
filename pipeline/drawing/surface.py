"""What papers lie on or hang on: wood, walls, cork, cloth, seen from the front or above."""

import random
from collections.abc import Callable

from PIL import Image, ImageDraw

from mcu.drawing.brief import Brief
from mcu.drawing.canvas import SIZE, mix, shapes

Pen = ImageDraw.ImageDraw
Paint = Callable[[Pen, str, random.Random], None]


def paint_surface(canvas: Image.Image, kind: str, brief: Brief, rng: random.Random) -> None:
    """Fill the picture with a kind of [ground] of scenes.toml; cloth has the prompt's colour."""
    row = shapes("scenes")["ground"][kind]
    colour = str(rng.choice(row["colours"]))
    if kind == "cloth":
        tints = shapes("palette")["tint"]
        colour = next((tints[word] for word in reversed(brief.spoken) if word in tints), colour)
    canvas.paste(colour, (0, 0, SIZE, SIZE))
    pen = ImageDraw.Draw(canvas)
    if "gap" in row:
        _planks(pen, colour, row["gap"], kind == "door")
    else:
        _PAINTED[kind](pen, colour, rng)


def _planks(pen: Pen, colour: str, gap: int, upright: bool) -> None:
    dark = mix(colour, "#000000", 0.1)
    for at in range(gap // 2, SIZE, gap):
        pen.line((at, 0, at, SIZE) if upright else (0, at, SIZE, at), dark, 4)


def _wall(pen: Pen, colour: str, rng: random.Random) -> None:
    light = mix(colour, "#ffffff", 0.25)
    pen.polygon([(0, 0), (SIZE, 0), (rng.randint(280, 380), SIZE), (0, SIZE)], fill=light)


def _bricks(pen: Pen, colour: str, rng: random.Random) -> None:
    mortar = mix(colour, "#ffffff", 0.32)
    for row, y in enumerate(range(0, SIZE, 40)):
        pen.line((0, y, SIZE, y), mortar, 4)
        for x in range(50 * (row % 2), SIZE, 100):
            if rng.random() < 0.14:
                pen.rectangle((x + 3, y + 3, x + 97, y + 37), fill=mix(colour, "#000000", 0.07))
            pen.line((x, y, x, y + 40), mortar, 4)


def _cork(pen: Pen, colour: str, rng: random.Random) -> None:
    dark = mix(colour, "#000000", 0.12)
    for _ in range(260):
        x, y = rng.randrange(SIZE), rng.randrange(SIZE)
        pen.ellipse((x, y, x + 4, y + 3), fill=dark)
    pen.rectangle((0, 0, SIZE - 1, SIZE - 1), outline="#8b6242", width=18)


def _cloth(pen: Pen, colour: str, rng: random.Random) -> None:
    step = rng.choice([48, 64])
    for share, boxes in ((0.16, "rows"), (0.3, "columns")):
        light = mix(colour, "#ffffff", share)
        for at in range(0, SIZE, step):
            row = (0, at, SIZE, at + step // 2 - 1)
            pen.rectangle(row if boxes == "rows" else (at, 0, at + step // 2 - 1, SIZE), light)
    for x in range(0, SIZE, step):
        for y in range(0, SIZE, step):
            box = (x, y, x + step // 2 - 1, y + step // 2 - 1)
            pen.rectangle(box, mix(colour, "#ffffff", 0.5))


def _mat(pen: Pen, colour: str, rng: random.Random) -> None:
    dark, light = mix(colour, "#4a2f1a", 0.45), mix(colour, "#ffffff", 0.35)
    pen.rectangle((30, 56, SIZE - 30, SIZE - 56), fill=dark)
    pen.rectangle((52, 78, SIZE - 52, SIZE - 78), outline=light, width=6)
    for x in range(36, SIZE - 30, 9):
        pen.line((x, 42 + rng.randrange(8), x, 56), dark, 3)
        pen.line((x, SIZE - 56, x, SIZE - 42 - rng.randrange(8)), dark, 3)


def _news(pen: Pen, colour: str, rng: random.Random) -> None:
    ink = mix(colour, "#000000", 0.22)
    pen.rectangle((20, 20, SIZE - 20, 52), fill=mix(colour, "#000000", 0.45))
    for x in (20, 190, 360):
        for y in range(72, SIZE, 16):
            pen.line((x, y, x + 134 - rng.randrange(40), y), ink, 5)


_PAINTED: dict[str, Paint] = {
    "wall": _wall,
    "line": _wall,
    "brick": _bricks,
    "cork": _cork,
    "cloth": _cloth,
    "mat": _mat,
    "news": _news,
}
