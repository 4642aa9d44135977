"""A picture of a place that is being put together: its backdrop, and how things are put into it."""

import random
from collections.abc import Mapping
from typing import Any

from PIL import Image

from mcu.drawing.brief import Brief
from mcu.drawing.canvas import SIZE, fill, mix, places, render, shapes
from mcu.drawing.place import backdrop, colours, falling, hour_of
from mcu.drawing.things import Thing, draw

TABLES = {"table", "desk", "counter", "stall", "tray"}


class Stage:
    """The canvas of one picture; everything random comes from `rng`."""

    def __init__(self, brief: Brief, name: str, rng: random.Random) -> None:
        self.brief = brief
        self.rng = rng
        self.name = name
        self.place: Mapping[str, Any] = places()[name]
        self.flip = rng.random() < 0.5
        self.zoom = rng.uniform(1.0, 1.1)
        self.shift = (rng.uniform(0, 1), rng.uniform(0.3, 1))
        self.canvas = Image.new("RGB", (SIZE, SIZE))
        self.colours = colours(brief, self.place, rng)
        self.variant = rng.randrange(6)

    def backdrop(self, width: int = SIZE) -> None:
        """Paint the empty place; a small width makes it blurred."""
        picture = backdrop(self.place, self.colours, self.box(), self.flip, width)
        if width < SIZE:
            picture = picture.resize((SIZE, SIZE), Image.Resampling.BICUBIC)
        self.canvas.paste(picture.convert("RGB"))
        self.veil()

    def box(self) -> tuple[float, float, float, float]:
        """The part of the place's own sheet that is seen."""
        side = SIZE / self.zoom
        return (SIZE - side) * self.shift[0], (SIZE - side) * self.shift[1], side, side

    def y(self, y: float) -> int:
        """Where a y of the place's own sheet is in the picture."""
        return round((y - self.box()[1]) * self.zoom)

    def board(self, y: int, left: int = 0, right: int = SIZE) -> None:
        """A table top from y to the lower edge."""
        wood = self.rng.choice(shapes("scenes")["board"]["colours"])
        box = (max(left, 0), y, min(right, SIZE), SIZE)
        self.canvas.paste(wood, box)
        self.canvas.paste(mix(wood, "#ffffff", 0.22), (box[0], y, box[2], y + 9))

    def lift(self, thing: Thing, x: float, y: int, size: float, most: int = 330) -> None:
        """A thing with its foot at (x, y), or in the air where it belongs there."""
        if thing.at == "sky":
            y = self.rng.randint(120, 170)
        self.put(thing, round(x), y, min(round(thing.size * thing.tall * size), most))

    def put(self, thing: Thing, x: int, y: int, high: int) -> None:
        """A thing `high` pixels high with the middle of its foot at (x, y), kept in the picture."""
        picture = draw(thing, max(high, 2), self.variant)
        if picture.width > SIZE - 8:
            high = round(high * (SIZE - 8) / picture.width)
            picture = draw(thing, max(high, 2), self.variant)
        self.variant += 1
        left = min(max(x - picture.width // 2, 4), max(4, SIZE - picture.width - 4))
        self.canvas.paste(picture, (left, y - picture.height), picture)

    def prop(self, name: str, x: int, y: int, size: float) -> None:
        """A prop of the places with its foot at (x, y)."""
        body = fill(shapes("places")["props"][name], self.colours, axis=0)
        picture = render(body, (-160, -200, 320, 230), round(320 * size))
        self.canvas.paste(picture, (round(x - 160 * size), round(y - 200 * size)), picture)

    def veil(self) -> None:
        """The light of the hour over all that is painted so far."""
        hour = shapes("palette")["time"][hour_of(self.brief, self.place)]
        if "veil" in hour:
            share = hour["strength"] * (1 if self.place.get("open") else 0.5)
            tint = Image.new("RGB", (SIZE, SIZE), hour["veil"])
            self.canvas = Image.blend(self.canvas, tint, share)

    def weather(self) -> None:
        """Rain, snow, leaves or fog under an open sky."""
        if not self.brief.weather or not self.place.get("open") or self.place.get("indoor"):
            return
        if self.brief.weather == "fog":
            self.canvas = Image.blend(self.canvas, Image.new("RGB", (SIZE, SIZE), "#dfe6ea"), 0.34)
            return
        fall = falling(self.brief.weather, self.rng.randrange(4))
        self.canvas.paste(fall, (0, 0), fall)


def where(brief: Brief, person: bool, rng: random.Random) -> str:
    """The place that the prompt names, else one where its first thing is mostly found."""
    defaults = shapes("scenes")["places"]
    named = places().get(brief.place, {})
    if not named and brief.surface == "slats":
        return "park"
    eaten = any((thing.load or thing).name in defaults["foods"] for thing in brief.things)
    if named and not (named.get("close") and (person or not eaten)):
        return brief.place
    kind = "empty" if TABLES & set(brief.spoken) else "none"
    if brief.things:
        first = brief.things[0]
        outdoors = not first.row or first.name in defaults["outdoor"]
        kind = "table" if first.small else "ground" if outdoors else "indoors"
        if first.name in defaults["foods"] and not person:
            kind = "food"
    return str(rng.choice(defaults[kind]))
