"""Posters and captioned memes."""

import random
import textwrap

from PIL import Image, ImageDraw

from mcu.drawing.brief import Brief
from mcu.drawing.canvas import SIZE, font, mix, shapes
from mcu.drawing.surface import paint_surface
from mcu.drawing.things import Thing
from mcu.drawing.things import draw as draw_thing
from mcu.drawing.wording import meme_lines, wording

WIDE, HIGH = 352, 448


def sheet(brief: Brief, rng: random.Random) -> Image.Image:
    """A poster where it hangs or lies, with the phrases of its kind and one thing as ornament."""
    canvas = Image.new("RGB", (SIZE, SIZE))
    paint_surface(canvas, brief.surface or "wall", brief, rng)
    poster = _poster(brief, rng)
    turned = poster.rotate(rng.uniform(-2.5, 2.5), Image.Resampling.BICUBIC, expand=True)
    corner = (SIZE - turned.width) // 2, (SIZE - turned.height) // 2
    shade = turned.getchannel("A").point(lambda alpha: alpha // 4)
    canvas.paste("#000000", (corner[0] + 7, corner[1] + 9), shade)
    canvas.paste(turned, corner, turned)
    return canvas


def _poster(brief: Brief, rng: random.Random) -> Image.Image:
    said = wording(brief, "poster", rng)
    style = shapes("scenes")["paper"]
    mark, ink = rng.choice(style["marks"]), rng.choice(style["inks"])
    paper = Image.new("RGBA", (WIDE, HIGH), rng.choice(style["colours"]))
    pen = ImageDraw.Draw(paper)
    pen.rectangle((0, 0, WIDE, 126), fill=mark)
    lines = textwrap.wrap(said.title, 15)[:2]
    for n, line in enumerate(lines):
        y = 44 + n * 42 if len(lines) == 1 else 22 + n * 42
        pen.text((WIDE // 2, y), line, "#ffffff", font(36), anchor="ma")
    art = next(iter(brief.things), Thing(shapes("phrases")["poster"][said.kind]["art"]))
    pen.ellipse((76, 142, 276, 342), fill=mix(mark, "#ffffff", 0.65))
    picture = draw_thing(art, 178, rng.randrange(6))
    paper.paste(picture, (WIDE // 2 - picture.width // 2, 242 - picture.height // 2), picture)
    y = 352
    for n, line in enumerate(said.lines[:3]):
        pen.text((WIDE // 2, y), line, ink, font(22 if n == 0 else 18), anchor="ma")
        y += 28 if n == 0 else 23
    pen.rectangle((6, 6, WIDE - 7, HIGH - 7), outline=mix(mark, "#ffffff", 0.5), width=2)
    return paper


def caption(picture: Image.Image, brief: Brief, rng: random.Random) -> Image.Image:
    """The picture with a line above and one below it, as memes have them."""
    pen = ImageDraw.Draw(picture)
    rows = zip(meme_lines(brief, rng), (18, SIZE - 20), ("ma", "md"), strict=True)
    for text, y, anchor in rows:
        size = 36 if len(text) < 20 else 28
        pen.text((256, y), text, "#fff", font(size), anchor, stroke_width=4, stroke_fill="#1c1c22")
    return picture
