"""Phone screens: chats, calendars, maps, lists, with the phrases of their kind."""

import random
import textwrap
from collections.abc import Callable

from PIL import Image, ImageDraw

from mcu.drawing.brief import Brief
from mcu.drawing.canvas import SIZE, font, mix, shapes
from mcu.drawing.things import draw as draw_thing
from mcu.drawing.wording import Wording, number_of, wording

Draw = ImageDraw.ImageDraw
LEFT, RIGHT, TOP, BOTTOM = 142, 370, 58, 470
DARK, PALE, LINE = "#2b2f38", "#8a8f98", "#e3e6ea"


class Screen:
    """What a screen shows; every kind has its way to draw."""

    def __init__(self, brief: Brief, said: Wording, draw: Draw, rng: random.Random) -> None:
        self.brief, self.said, self.draw, self.rng = brief, said, draw, rng
        first, second = rng.sample(shapes("scenes")["paper"]["marks"], 2)
        self.ink: tuple[str, str] = (first, second)
        self.top = 0

    def text(self, at: tuple[float, float], words: str, size: int, colour: str = DARK) -> None:
        """Words with their left upper corner at a point."""
        self.draw.text(at, words, colour, font(size))

    def box(self, box: tuple[float, float, float, float], fill: str, round_by: int = 8) -> None:
        """A filled rectangle with round corners."""
        self.draw.rounded_rectangle(box, round_by, fill=fill)


def phone(brief: Brief, rng: random.Random) -> Image.Image:
    """A phone whose screen shows what the prompt speaks of."""
    said = wording(brief, "screen", rng)
    canvas = Image.new("RGB", (SIZE, SIZE))
    draw = ImageDraw.Draw(canvas)
    screen = Screen(brief, said, draw, rng)
    _body(canvas, screen)
    lines = textwrap.wrap(said.title, 18)[:2]
    draw.multiline_text((LEFT + 12, TOP + 10), "\n".join(lines), DARK, font(21))
    screen.top = TOP + 24 + 26 * len(lines)
    _SHOWN[said.show](screen)
    if said.show == "post" and brief.things:
        picture = draw_thing(brief.things[0], 150, rng.randrange(6))
        canvas.paste(picture, (256 - picture.width // 2, screen.top + 36), picture)
    draw.rounded_rectangle((216, 472, 296, 477), 2, fill="#b8bcc4")
    return canvas


def _body(canvas: Image.Image, screen: Screen) -> None:
    draw, rng, first = screen.draw, screen.rng, screen.ink[0]
    canvas.paste(mix(first, "#ffffff", 0.62), (0, 0, SIZE, SIZE))
    x, y = rng.randint(-60, 560), rng.randint(-60, 560)
    draw.ellipse((x - 190, y - 190, x + 190, y + 190), fill=mix(first, "#ffffff", 0.5))
    draw.rounded_rectangle((126, 18, 386, 496), 34, fill="#23262e")
    draw.rounded_rectangle((136, 30, 376, 484), 24, fill="#fbfbf9")
    draw.rounded_rectangle((216, 36, 296, 50), 7, fill="#23262e")
    screen.text((156, 38), f"{rng.randint(6, 22)}:{rng.randint(0, 59):02d}", 12, "#6b7078")


def _chat(screen: Screen) -> None:
    mine, y, thumbs = False, screen.top + 2, "thumbs" in screen.brief.spoken
    for line in screen.said.lines:
        lines = textwrap.wrap(line, 20)
        wide, high = max(screen.draw.textlength(part, font(15)) for part in lines) + 26, 0
        high = 20 * len(lines) + 13
        if y + high > BOTTOM - 48:
            break
        x = RIGHT - 8 - wide if mine else LEFT + 8
        screen.box((x, y, x + wide, y + high), screen.ink[0] if mine else "#e6e8ec", 14)
        tint = "#ffffff" if mine else DARK
        screen.draw.multiline_text((x + 13, y + 6), "\n".join(lines), tint, font(15))
        if thumbs:
            _thumb(screen, x - 14 if mine else x + wide + 4, y + high - 20)
        y += high + 10
        mine = not mine if screen.rng.random() < 0.85 else mine
    screen.draw.rounded_rectangle(
        (LEFT + 8, BOTTOM - 38, RIGHT - 8, BOTTOM - 10), 14, outline="#c9cdd4"
    )


def _thumb(screen: Screen, x: float, y: float) -> None:
    screen.draw.rounded_rectangle((x, y + 6, x + 12, y + 18), 4, fill="#f0b93f")
    screen.draw.polygon([(x + 3, y + 8), (x + 6, y - 2), (x + 10, y), (x + 8, y + 8)], "#f0b93f")


def _chart(screen: Screen) -> None:
    floor, rng = screen.top + 170, screen.rng
    for n in range(7):
        x, high = LEFT + 14 + n * 31, rng.randint(30, 150)
        screen.box((x, floor - high, x + 20, floor), screen.ink[n == 5], 5)
        screen.text((x + 5, floor + 6), "MTWTFSS"[n], 13, PALE)
    screen.text((LEFT + 12, floor + 34), f"{rng.randint(2100, 9900):,}", 34)
    screen.text((LEFT + 130, floor + 50), rng.choice(screen.said.lines), 15, PALE)
    share = rng.uniform(0.35, 0.95)
    screen.box((LEFT + 12, floor + 86, RIGHT - 12, floor + 98), LINE, 6)
    end = LEFT + 12 + (RIGHT - LEFT - 24) * share
    screen.box((LEFT + 12, floor + 86, end, floor + 98), screen.ink[1], 6)
    screen.text((LEFT + 12, floor + 104), f"{share:.0%} of the goal", 14, PALE)


def _music(screen: Screen) -> None:
    songs = screen.rng.sample(screen.said.lines, 5)
    for n, song in enumerate(songs):
        y, x = screen.top + 4 + n * 54, LEFT + 27
        screen.box((LEFT + 12, y, LEFT + 54, y + 42), screen.ink[n % 2])
        screen.draw.polygon([(x, y + 11), (x, y + 31), (x + 17, y + 21)], fill="#ffffff")
        screen.text((LEFT + 64, y + 2), song, 16)
        long = f"{screen.rng.randint(2, 5)}:{screen.rng.randint(0, 59):02d}"
        screen.text((LEFT + 64, y + 23), long, 13, PALE)
    screen.box((LEFT + 12, BOTTOM - 28, RIGHT - 12, BOTTOM - 22), LINE, 3)
    end = LEFT + screen.rng.randint(60, 180)
    screen.box((LEFT + 12, BOTTOM - 28, end, BOTTOM - 22), screen.ink[0], 3)


def _map(screen: Screen) -> None:
    draw, rng, top = screen.draw, screen.rng, screen.top
    draw.rectangle((136, top, 376, BOTTOM - 66), fill="#e6ecdd")
    for _ in range(6):
        y, x = rng.randint(top + 10, BOTTOM - 80), rng.randint(150, 360)
        draw.line((136, y, 376, y + rng.randint(-30, 30)), "#ffffff", 9)
        draw.line((x, top, x + rng.randint(-30, 30), BOTTOM - 66), "#ffffff", 7)
    if "river" in screen.brief.spoken:
        bend = [(136, top + 150), (220, top + 120), (300, top + 190), (376, top + 150)]
        draw.line(bend, "#a8d3ea", 26, joint="curve")
    xs = sorted(rng.sample(range(160, 350, 22), max(2, min(number_of(screen.brief), 6))))
    path = [(x, rng.randint(top + 30, BOTTOM - 100)) for x in xs]
    if "stars" not in screen.brief.spoken:
        draw.line(path, "#3f7fc4" if "blue" in screen.brief.spoken else screen.ink[0], 7, "curve")
    for x, y in path:
        draw.ellipse((x - 9, y - 9, x + 9, y + 9), screen.ink[1], "#ffffff", 3)
    draw.rectangle((136, BOTTOM - 66, 376, BOTTOM - 6), fill="#fbfbf9")
    screen.text((LEFT + 12, BOTTOM - 52), f"{rng.uniform(1, 22):.1f} km", 20)
    screen.text((LEFT + 120, BOTTOM - 52), f"{rng.randint(12, 95)} min", 20)


def _post(screen: Screen) -> None:
    top, ink = screen.top, screen.ink
    screen.draw.rectangle((136, top + 6, 376, top + 210), fill=mix(ink[0], "#ffffff", 0.45))
    screen.draw.ellipse((286, top + 20, 346, top + 80), fill=mix(ink[1], "#ffffff", 0.4))
    screen.draw.ellipse((LEFT + 12, top + 222, LEFT + 30, top + 240), fill=ink[1])
    screen.text((LEFT + 40, top + 222), f"{screen.rng.randint(3, 980)} likes", 15)
    screen.text((LEFT + 12, top + 252), screen.rng.choice(screen.said.lines), 16, "#6b7078")


def _list(screen: Screen) -> None:
    """Lines in boxes: notes, ticks, sums, ranks, films or names, by the kind of screen."""
    show, rng = screen.said.show, screen.rng
    done = min(number_of(screen.brief), 5) if show == "ticks" else rng.randint(1, 3)
    sums = sorted((rng.randint(300, 990) * 10 for _ in screen.said.lines), reverse=True)
    for n, line in enumerate(screen.said.lines):
        y = screen.top + 6 + n * 50
        top = show == "scores" and n == 0
        shade = mix(screen.ink[1], "#ffffff", 0.6) if top else "#eef0f3"
        screen.box((LEFT + 10, y, RIGHT - 10, y + 42), shade, 10)
        _mark(screen, n, y, n < done)
        screen.text((LEFT + 52, y + 11), line, 16, DARK if show != "ticks" or n >= done else PALE)
        if show == "bank":
            screen.text((RIGHT - 62, y + 12), f"{rng.uniform(2, 80):.2f}", 15, PALE)
        elif show == "scores":
            screen.text((RIGHT - 62, y + 12), f"{sums[n]}", 16)
    if show == "names":
        count = f"{rng.choice([100, 200, 250, 500, 1000])}"
        screen.text((RIGHT - 60, TOP + 12), count, 19, screen.ink[0])


def _mark(screen: Screen, n: int, y: int, done: bool) -> None:
    show, x = screen.said.show, LEFT + 18
    if show == "films":
        screen.box((x, y + 5, x + 24, y + 37), screen.ink[n % 2], 4)
    elif show == "scores":
        screen.text((x + 4, y + 10), f"{n + 1}.", 17, screen.ink[0])
    elif show == "bank":
        screen.box((x, y + 8, x + 26, y + 34), mix(screen.ink[n % 2], "#ffffff", 0.3), 8)
    else:
        screen.draw.ellipse((x, y + 9, x + 24, y + 33), screen.ink[0] if done else "#ffffff")
        if done:
            tick = [(x + 6, y + 21), (x + 11, y + 26), (x + 18, y + 15)]
            screen.draw.line(tick, "#ffffff", 3, joint="curve")


def _weather(screen: Screen) -> None:
    draw, rng, top = screen.draw, screen.rng, screen.top
    wet = bool({"rain", "storm", "rainy"} & set(screen.brief.spoken))
    draw.rectangle((136, top, 376, top + 190), fill="#cfe0c4")
    land = [(136, top + 60), (220, top + 20), (376, top + 70), (376, top + 150), (250, top + 176)]
    draw.polygon([*land, (136, top + 140)], fill="#e3ecd6")
    for n in range(3):
        x, y = 176 + n * 62 + rng.randint(-12, 12), top + 50 + rng.randint(0, 70)
        for dx, dy, r in ((-14, 4, 12), (0, -4, 16), (15, 4, 12)):
            shade = "#8fa3b5" if wet else "#ffffff"
            draw.ellipse((x + dx - r, y + dy - r, x + dx + r, y + dy + r), fill=shade)
        for drop in range(3 if wet else 0):
            draw.line((x - 12 + drop * 12, y + 20, x - 16 + drop * 12, y + 32), "#4b86b8", 3)
    draw.line((150, top + 170, 230, top + 170), screen.ink[0], 5)
    draw.polygon([(230, top + 160), (250, top + 170), (230, top + 180)], fill=screen.ink[0])
    for n, day in enumerate(screen.said.lines):
        x = LEFT + 10 + n * 44
        screen.text((x, top + 206), day, 15, PALE)
        screen.text((x, top + 250), f"{rng.randint(4, 24)}°", 19)
        tint = "#4b86b8" if wet and n % 2 == 0 else "#f0b93f"
        draw.ellipse((x + 4, top + 228, x + 22, top + 246), fill=tint)
    screen.text((LEFT + 12, top + 288), "Rain from the west" if wet else "Dry until Friday", 17)


def _table(screen: Screen) -> None:
    draw, rng, top = screen.draw, screen.rng, screen.top
    red = rng.randrange(4, 12) if "red" in screen.brief.spoken else -1
    for n, day in enumerate(("Mon", "Tue", "Wed")):
        screen.text((LEFT + 44 + n * 64, top), day, 15, PALE)
    for cell in range(15):
        row, column = divmod(cell, 3)
        x, y = LEFT + 38 + column * 64, top + 24 + row * 62
        if column == 0:
            screen.text((LEFT + 4, y + 18), f"{8 + row * 2}:00", 12, PALE)
        if cell != red and rng.random() < 0.25:
            draw.rounded_rectangle((x, y, x + 58, y + 54), 7, outline=LINE)
            continue
        shade = "#d9483c" if cell == red else mix(screen.ink[cell % 2], "#ffffff", 0.55)
        screen.box((x, y, x + 58, y + 54), shade)
        tint = "#ffffff" if cell == red else DARK
        screen.text((x + 5, y + 18), rng.choice(screen.said.lines), 12, tint)


def _calendar(screen: Screen) -> None:
    draw, rng, top = screen.draw, screen.rng, screen.top
    day, first = rng.randint(6, 26), rng.randint(0, 6)
    for n in range(7):
        screen.text((LEFT + 14 + n * 31, top), "MTWTFSS"[n], 13, PALE)
    for number in range(1, 31):
        row, column = divmod(number + first - 1, 7)
        x, y = LEFT + 18 + column * 31, top + 30 + row * 36
        if number == day:
            draw.ellipse((x - 13, y - 6, x + 15, y + 22), fill=screen.ink[0])
        tint = "#ffffff" if number == day else DARK
        draw.text((x + 1, y), f"{number}", tint, font(15), "ma")
    y = BOTTOM - 70
    screen.box((LEFT + 8, y, RIGHT - 8, y + 52), mix(screen.ink[0], "#ffffff", 0.72), 10)
    screen.box((LEFT + 8, y, LEFT + 16, y + 52), screen.ink[0], 4)
    screen.text((LEFT + 28, y + 14), rng.choice(screen.said.lines), 18)


def _news(screen: Screen) -> None:
    top = screen.top
    screen.box((LEFT + 10, top, RIGHT - 10, top + 110), mix(screen.ink[0], "#ffffff", 0.4), 10)
    hill = [(LEFT + 10, top + 110), (LEFT + 70, top + 50), (LEFT + 130, top + 90)]
    screen.draw.polygon([*hill, (LEFT + 180, top + 40), (RIGHT - 10, top + 110)], screen.ink[1])
    for n, line in enumerate(screen.said.lines):
        y = top + 124 + n * 62
        screen.text((LEFT + 12, y), line, 18 if n == 0 else 16)
        for k in range(2):
            end = RIGHT - 20 - screen.rng.randint(0, 70)
            screen.draw.line((LEFT + 12, y + 28 + k * 10, end, y + 28 + k * 10), LINE, 4)


_SHOWN: dict[str, Callable[[Screen], None]] = {
    "chat": _chat,
    "chart": _chart,
    "music": _music,
    "map": _map,
    "post": _post,
    "weather": _weather,
    "table": _table,
    "calendar": _calendar,
    "news": _news,
    **dict.fromkeys(("list", "ticks", "bank", "scores", "films", "names"), _list),
}
