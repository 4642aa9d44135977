"""Pictures that are mostly text: phone screens, papers and captioned memes."""

import random
import textwrap
from collections.abc import Callable
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from mcu.drawing.brief import Brief
from mcu.drawing.canvas import SIZE, mix, shapes
from mcu.drawing.things import draw as draw_thing

Draw = ImageDraw.ImageDraw
LEFT, RIGHT, TOP, BOTTOM = 142, 370, 58, 470


@lru_cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font: the same letters on every machine."""
    return ImageFont.load_default(size)


def heading(brief: Brief, words: int = 4) -> str:
    """The first words of the prompt that say something, as a title."""
    return " ".join(word[:1].upper() + word[1:] for word in brief.words[:words]) or "Notes"


def phone(brief: Brief, rng: random.Random) -> Image.Image:
    """A phone whose screen shows what the prompt speaks of."""
    marks = shapes("scenes")["paper"]["marks"]
    first, second = rng.sample(marks, 2)
    canvas = Image.new("RGB", (SIZE, SIZE), mix(first, "#ffffff", 0.62))
    draw = ImageDraw.Draw(canvas)
    x, y = rng.randint(-60, 560), rng.randint(-60, 560)
    draw.ellipse((x - 190, y - 190, x + 190, y + 190), fill=mix(first, "#ffffff", 0.5))
    draw.rounded_rectangle((126, 18, 386, 496), 34, fill="#23262e")
    draw.rounded_rectangle((136, 30, 376, 484), 24, fill="#fbfbf9")
    draw.rounded_rectangle((216, 36, 296, 50), 7, fill="#23262e")
    clock = f"{rng.randint(6, 22)}:{rng.randint(0, 59):02d}"
    draw.text((156, 38), clock, "#6b7078", font(12))
    title = textwrap.wrap(heading(brief, 5), 20)[:2]
    draw.multiline_text((LEFT + 12, TOP + 10), "\n".join(title), "#2b2f38", font(21))
    top = TOP + 24 + 26 * len(title)
    _SCREENS[brief.screen](draw, brief, rng, top, (first, second))
    if brief.screen == "post" and brief.things:
        picture = draw_thing(brief.things[0], 150, rng.randrange(6))
        canvas.paste(picture, (256 - picture.width // 2, top + 36), picture)
    draw.rounded_rectangle((216, 472, 296, 477), 2, fill="#b8bcc4")
    return canvas


def _chart(draw: Draw, brief: Brief, rng: random.Random, top: int, ink: tuple[str, str]) -> None:
    floor = top + 170
    for n in range(7):
        x = LEFT + 14 + n * 31
        high = rng.randint(30, 150)
        draw.rounded_rectangle((x, floor - high, x + 20, floor), 5, fill=ink[n == 5])
        draw.text((x + 5, floor + 6), "MTWTFSS"[n], "#8a8f98", font(13))
    draw.text((LEFT + 12, floor + 34), f"{rng.randint(40, 9999):,}", "#2b2f38", font(34))
    share = rng.uniform(0.35, 0.95)
    draw.rounded_rectangle((LEFT + 12, floor + 86, RIGHT - 12, floor + 98), 6, fill="#e3e6ea")
    end = LEFT + 12 + (RIGHT - LEFT - 24) * share
    draw.rounded_rectangle((LEFT + 12, floor + 86, end, floor + 98), 6, fill=ink[1])
    draw.text((LEFT + 12, floor + 104), f"{share:.0%} of goal", "#8a8f98", font(14))


def _chat(draw: Draw, brief: Brief, rng: random.Random, top: int, ink: tuple[str, str]) -> None:
    words = list(brief.words) or ["Hello"]
    mine = False
    y = top + 4
    while y < BOTTOM - 70:
        start = rng.randrange(len(words))
        lines = textwrap.wrap(" ".join((words * 2)[start : start + rng.randint(2, 6)]), 19)[:2]
        wide, high = max(map(len, lines)) * 8 + 26, 20 * len(lines) + 14
        x = RIGHT - 8 - wide if mine else LEFT + 8
        draw.rounded_rectangle((x, y, x + wide, y + high), 14, fill=ink[0] if mine else "#e6e8ec")
        text = "#ffffff" if mine else "#2b2f38"
        draw.multiline_text((x + 12, y + 6), "\n".join(lines), text, font(15))
        y += high + 10
        mine = not mine if rng.random() < 0.8 else mine
    draw.rounded_rectangle((LEFT + 8, BOTTOM - 40, RIGHT - 8, BOTTOM - 10), 15, outline="#c9cdd4")


def _music(draw: Draw, brief: Brief, rng: random.Random, top: int, ink: tuple[str, str]) -> None:
    words = heading(brief, 12).split(" ")
    for n in range(5):
        y = top + 4 + n * 54
        draw.rounded_rectangle((LEFT + 12, y, LEFT + 54, y + 42), 8, fill=ink[n % 2])
        x = LEFT + 27
        draw.polygon([(x, y + 11), (x, y + 31), (x + 17, y + 21)], fill="#ffffff")
        draw.text(
            (LEFT + 64, y + 2),
            " ".join(rng.sample(words, min(2, len(words))))[:17],
            "#2b2f38",
            font(16),
        )
        draw.text(
            (LEFT + 64, y + 23),
            f"{rng.randint(2, 5)}:{rng.randint(0, 59):02d}",
            "#8a8f98",
            font(13),
        )
    draw.rounded_rectangle((LEFT + 12, BOTTOM - 28, RIGHT - 12, BOTTOM - 22), 3, fill="#e3e6ea")
    draw.rounded_rectangle(
        (LEFT + 12, BOTTOM - 28, LEFT + rng.randint(60, 180), BOTTOM - 22), 3, fill=ink[0]
    )


def _map(draw: Draw, brief: Brief, rng: random.Random, top: int, ink: tuple[str, str]) -> None:
    draw.rectangle((136, top, 376, BOTTOM - 66), fill="#e6ecdd")
    for _ in range(6):
        y = rng.randint(top + 10, BOTTOM - 80)
        draw.line((136, y, 376, y + rng.randint(-30, 30)), "#ffffff", 9)
        x = rng.randint(150, 360)
        draw.line((x, top, x + rng.randint(-30, 30), BOTTOM - 66), "#ffffff", 7)
    xs = sorted(rng.randint(160, 350) for _ in range(5))
    path = [(x, rng.randint(top + 30, BOTTOM - 100)) for x in xs]
    draw.line(path, ink[0], 7, joint="curve")
    for x, y in (path[0], path[-1]):
        draw.ellipse((x - 9, y - 9, x + 9, y + 9), fill=ink[1], outline="#ffffff", width=3)
    text = f"{rng.uniform(1, 22):.1f} km   {rng.randint(12, 95)} min"
    draw.rectangle((136, BOTTOM - 66, 376, BOTTOM - 6), fill="#fbfbf9")
    draw.text((LEFT + 12, BOTTOM - 52), text, "#2b2f38", font(20))


def _post(draw: Draw, brief: Brief, rng: random.Random, top: int, ink: tuple[str, str]) -> None:
    draw.rectangle((136, top + 6, 376, top + 210), fill=mix(ink[0], "#ffffff", 0.45))
    draw.ellipse((136 + 150, top + 20, 136 + 210, top + 80), fill=mix(ink[1], "#ffffff", 0.4))
    draw.ellipse((LEFT + 12, top + 222, LEFT + 30, top + 240), fill=ink[1])
    draw.text((LEFT + 40, top + 222), f"{rng.randint(3, 980)} likes", "#2b2f38", font(15))
    lines = textwrap.wrap(" ".join(brief.words[:16]), 26)[:3]
    draw.multiline_text((LEFT + 12, top + 250), "\n".join(lines), "#6b7078", font(14))


def _list(draw: Draw, brief: Brief, rng: random.Random, top: int, ink: tuple[str, str]) -> None:
    words = list(brief.words) or ["Notes"]
    for n in range(6):
        y = top + 6 + n * 48
        draw.rounded_rectangle((LEFT + 10, y, RIGHT - 10, y + 40), 10, fill="#eef0f3")
        draw.ellipse((LEFT + 18, y + 9, LEFT + 40, y + 31), fill=ink[rng.random() < 0.4])
        start = rng.randrange(len(words))
        draw.text((LEFT + 50, y + 10), " ".join(words[start : start + 2])[:18], "#3d434f", font(16))


_SCREENS: dict[str, Callable[[Draw, Brief, random.Random, int, tuple[str, str]], None]] = {
    "chart": _chart,
    "chat": _chat,
    "music": _music,
    "map": _map,
    "post": _post,
    "list": _list,
}


def sheet(brief: Brief, rng: random.Random) -> Image.Image:
    """A paper on a table: the prompt's words as title and lines, one of its things as ornament."""
    style = shapes("scenes")["paper"]
    wood = rng.choice(shapes("scenes")["board"]["colours"])
    mark, ink = rng.choice(style["marks"]), rng.choice(style["inks"])
    paper = Image.new("RGBA", (372, 448), rng.choice(style["colours"]))
    draw = ImageDraw.Draw(paper)
    draw.rectangle((12, 12, 360, 436), outline=mark, width=4)
    draw.rectangle((20, 20, 352, 428), outline=mark, width=1)
    title = textwrap.wrap(heading(brief), 17)[:2]
    y = 42
    for line in title:
        draw.text((186, y), line, ink, font(33), anchor="ma")
        y += 40
    draw.line((96, y + 8, 276, y + 8), mark, 3)
    y += 22
    if brief.things:
        picture = draw_thing(brief.things[0], 116, rng.randrange(6))
        paper.paste(picture, (186 - picture.width // 2, y), picture)
        y += 126
    for line in textwrap.wrap(" ".join(brief.words[:44]), 29)[: (396 - y) // 25]:
        draw.text((40, y), line, mix(ink, "#ffffff", 0.25), font(19))
        y += 25
    while y < 396:
        draw.line((40, y + 12, 332 - rng.randint(0, 90), y + 12), mix(ink, "#ffffff", 0.72), 3)
        y += 24
    canvas = Image.new("RGB", (SIZE, SIZE), wood)
    ImageDraw.Draw(canvas).line((0, 150, SIZE, 150), mix(wood, "#000000", 0.1), 4)
    ImageDraw.Draw(canvas).line((0, 350, SIZE, 350), mix(wood, "#000000", 0.1), 4)
    turned = paper.rotate(rng.uniform(-4, 4), Image.Resampling.BICUBIC, expand=True)
    corner = (SIZE - turned.width) // 2, (SIZE - turned.height) // 2
    shade = Image.new("RGBA", turned.size, "#00000038")
    canvas.paste(
        shade, (corner[0] + 7, corner[1] + 9), turned.getchannel("A").point(lambda a: a // 4)
    )
    canvas.paste(turned, corner, turned)
    return canvas


def caption(picture: Image.Image, brief: Brief) -> Image.Image:
    """The picture with the prompt's words above and below it, as memes have them."""
    draw = ImageDraw.Draw(picture)
    halves = brief.words[:4], brief.words[4:9]
    for words, y, anchor in ((halves[0], 18, "ma"), (halves[1], SIZE - 20, "md")):
        text = " ".join(words).upper()[:28]
        size = 36 if len(text) < 18 else 26
        draw.text((256, y), text, "#fff", font(size), anchor, stroke_width=4, stroke_fill="#1c1c22")
    return picture
