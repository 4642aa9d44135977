"""Pictures of places: people and things put together on a common ground."""

import random
from collections.abc import Mapping
from functools import lru_cache

from PIL import Image

from mcu.drawing.brief import Brief
from mcu.drawing.canvas import SIZE, chance, fill, mix, render, shapes
from mcu.drawing.figure import HIPS, SHEET, SOLES, Figure
from mcu.drawing.place import backdrop, colours, falling, hour_of
from mcu.drawing.things import Thing, draw

WHOLE, HALF = 0.335, 0.6


class Scene:
    """One picture being put together; everything random comes from `rng`."""

    def __init__(self, brief: Brief, look: Mapping[str, str], rng: random.Random) -> None:
        self.brief = brief
        self.rng = rng
        self.person = Figure(look) if look else None
        self.name = self._choose_place()
        self.place = shapes("places")["place"][self.name]
        self.flip = rng.random() < 0.5
        self.zoom = rng.uniform(1.0, 1.1)
        self.shift = (rng.uniform(0, 1), rng.uniform(0.3, 1))
        self.canvas = Image.new("RGB", (SIZE, SIZE))

    def draw(self) -> Image.Image:
        """The finished picture, 512 x 512 RGB."""
        self.colours = colours(self.brief, self.place, self.rng)
        self.canvas.paste(backdrop(self.place, self.colours, self._box(), self.flip))
        self._veil()
        things = [thing for thing in self.brief.things if not (self.person and _worn(thing))][:4]
        if self.place.get("close"):
            self._serve(things)
        elif (
            not self.person
            and things
            and not self._crowd()
            and all(thing.small for thing in things)
        ):
            self._lay(things)
        elif self._is_whole(things):
            self._stand(things)
        else:
            self._sit(things)
        self._weather()
        return self.canvas

    def _choose_place(self) -> str:
        named = self.brief.place
        defaults = shapes("scenes")["places"]
        close = shapes("places")["place"].get(named, {}).get("close")
        if named and not (close and self.person):
            return named
        things = self.brief.things
        kind = "none"
        if things:
            food = things[0].name in defaults["foods"]
            kind = "food" if food else "table" if things[0].small else "ground"
        options = [name for name in defaults[kind] if not (self.person and name == "plate")]
        return str(self.rng.choice(options))

    def _box(self) -> tuple[float, float, float, float]:
        side = SIZE / self.zoom
        return (SIZE - side) * self.shift[0], (SIZE - side) * self.shift[1], side, side

    def _y(self, y: float) -> int:
        """Where a y of the place's own sheet is in the picture."""
        return round((y - self._box()[1]) * self.zoom)

    def _is_whole(self, things: list[Thing]) -> bool:
        """Whether people are seen from head to foot."""
        tall = any(thing.size > 180 for thing in things)
        if not self.person:
            return True
        return bool(self.place.get("stage")) and self.rng.random() < (0.75 if tall else 0.5)

    def _serve(self, things: list[Thing]) -> None:
        """Food on a plate, seen from near."""
        main, rest = things[:1] or [Thing("salad")], things[1:3]
        for thing, x in zip(rest, (96, 416), strict=False):
            self._put(thing, x, self._y(210), 110)
        self._put(main[0], 256, self._y(385), 210)

    def _lay(self, things: list[Thing]) -> None:
        """Small things on a table, seen from near."""
        top = self.rng.randint(350, 376)
        self._board(top, 0, SIZE)
        spots = {1: [256], 2: [170, 342], 3: [110, 256, 402]}.get(len(things), [80, 196, 312, 428])
        for n, (thing, spot) in enumerate(zip(things, spots, strict=False)):
            self._lift(thing, spot, top + 64 + 22 * (n % 2), 2.6 - 0.35 * len(things))

    def _sit(self, things: list[Thing]) -> None:
        """People to the hips, with a table or the lower edge of the picture before them."""
        x = self.rng.choice([150, 176, 336, 362])
        away = 1 if x < SIZE / 2 else -1
        tables = [thing for thing in things if thing.small]
        others = [thing for thing in things if not thing.small]
        pose = self._pose(bool(tables))
        held = tables.pop(0) if tables and pose == "hold" else None
        for n, thing in enumerate(others[:2]):
            self._lift(thing, x + away * (210 + 70 * n), SIZE - 6, 1.1)
        self._others(x, HALF * 0.9)
        self._person(x, round(SIZE + (SOLES - 720) * HALF), HALF, pose, held)
        if self.place.get("behind_wheel") and self.person:
            self._put_prop("wheel", x, SIZE - 8, 1.0)
        if "table" in self.place and (tables or not others):
            self._board(self._y(self.place["table"]) + 24, 0, SIZE)
            self._row(tables, x + away * 150, away, self._y(self.place["table"]) + 70)
        elif tables:
            side = x + away * 80
            self._board(self._y(430), *((side, SIZE + 9) if away > 0 else (-9, side)))
            self._row(tables, x + away * 170, away, self._y(480))

    def _stand(self, things: list[Thing]) -> None:
        """Everybody and everything on the ground, seen whole."""
        ground = min(self._y(self.place["ground"]) + 14, SIZE - 12)
        size = 0.62 if self.person else 0.84
        tables = [thing for thing in things if thing.small]
        others = [thing for thing in things if not thing.small]
        x = self.rng.choice([166, 196, 316, 346]) if things else self.rng.choice([206, 256, 306])
        away = 1 if x < SIZE / 2 else -1
        pose = self._pose(bool(tables))
        held = tables.pop(0) if self.person and tables and pose == "hold" else None
        self._others(x, WHOLE, ground)
        if self.person:
            self._person(x, ground, WHOLE, pose, held)
            spots = [x + away * 130, x + away * 230, x - away * 120]
        else:
            spots = [256, 120, 400] if len(things) != 2 else [160, 350]
            size *= 1.25 if len(things) < 2 else 1
        if tables:
            spot = spots.pop(0)
            self._put_prop("roundtable", spot, ground + 6, 1.35)
            for n, thing in enumerate(tables[:2]):
                self._lift(
                    thing, spot + (n * 2 - len(tables[:2]) + 1) * 36, ground - 88, size * 0.95
                )
        for thing, spot in zip(others, spots, strict=False):
            self._lift(thing, spot, ground + self.rng.randint(0, 14), size)

    def _pose(self, held: bool) -> str:
        if self.place.get("behind_wheel"):
            return "work"
        usual = "hold" if held else self.rng.choice(["rest", "rest", "wave"])
        return self.brief.pose or usual

    def _person(self, x: int, soles: int, size: float, pose: str, held: Thing | None) -> None:
        """The person of the request with the soles (or what would be them) at y = soles."""
        if self.person is None:
            return
        where = _stand_figure(self.canvas, self.person, x, soles, size, pose)
        if held:
            hand_x, hand_y = self.person.hand(pose)
            left, top = where[0] + (hand_x - SHEET[0]) * size, where[1] + (hand_y - SHEET[1]) * size
            self._put(held, round(left), round(top + 30 * size), round(held.size * size * 1.7))

    def _others(self, x: int, size: float, soles: int = 0) -> None:
        """Other people whom the prompt things, behind the person."""
        kinds = self._crowd()
        away = 1 if x < SIZE / 2 else -1
        step = 120 if size < 0.5 else 150
        spots = [x + away * step, x + away * 2 * step, x - away * step]
        if not self.person:
            spots = [x, *spots]
        for kind, spot in list(zip(kinds, spots, strict=False))[:3]:
            smaller = size * self.rng.choice([0.88, 0.92, 0.96])
            foot = (soles or round(SIZE + (SOLES - 720) * size)) - 8
            _stand_figure(self.canvas, stranger(kind, self.rng), spot, foot, smaller, "rest")

    def _crowd(self) -> list[str]:
        """What the other people in the prompt are; the first one named is the person."""
        people = self.brief.people
        if self.person and people and people[0] != "several":
            people = people[1:]
        return [kind for name in people for kind in (_SEVERAL if name == "several" else (name,))]

    def _board(self, y: int, left: int, right: int) -> None:
        wood = self.rng.choice(shapes("scenes")["board"]["colours"])
        box = (max(left, 0), y, min(right, SIZE), SIZE)
        self.canvas.paste(wood, box)
        self.canvas.paste(mix(wood, "#ffffff", 0.22), (box[0], y, box[2], y + 9))

    def _row(self, things: list[Thing], x: int, away: int, y: int) -> None:
        for n, thing in enumerate(things[:3]):
            self._lift(thing, x + away * 100 * n, y + 8 * (n % 2), 1.4)

    def _lift(self, thing: Thing, x: float, y: int, size: float) -> None:
        """A thing with its foot at (x, y), or in the air where it belongs there."""
        high = min(round(thing.size * size), 330)
        if thing.at == "sky":
            y = self.rng.randint(120, 170)
        self._put(thing, round(x), y, high)

    def _put(self, thing: Thing, x: int, y: int, high: int) -> None:
        picture = draw(thing, high, self.rng.randrange(6))
        left = min(max(x - picture.width // 2, 4), SIZE - picture.width - 4)
        self.canvas.paste(picture, (left, y - picture.height), picture)

    def _put_prop(self, name: str, x: int, y: int, size: float) -> None:
        body = fill(shapes("places")["props"][name], self.colours, axis=0)
        picture = render(body, (-100, -100, 200, 110), round(200 * size))
        self.canvas.paste(picture, (round(x - 100 * size), round(y - 100 * size)), picture)

    def _veil(self) -> None:
        hour = shapes("palette")["time"][hour_of(self.brief, self.place)]
        if "veil" in hour:
            share = hour["strength"] * (1 if self.place.get("open") else 0.5)
            self.canvas = Image.blend(
                self.canvas, Image.new("RGB", (SIZE, SIZE), hour["veil"]), share
            )

    def _weather(self) -> None:
        if self.brief.weather and self.place.get("open"):
            fall = falling(self.brief.weather, self.rng.randrange(4))
            self.canvas.paste(fall, (0, 0), fall)


_SEVERAL = ("female", "male", "one")


def _worn(thing: Thing) -> bool:
    return thing.name in shapes("scenes")["places"]["worn"]


@lru_cache(maxsize=48)
def _figure(look: tuple[tuple[str, str], ...], pose: str, size: float) -> Image.Image:
    """The figure on its sheet, to the hips if large. Cached: a person's pictures share the work."""
    x, y, wide, high = SHEET
    box = (x, y, wide, HIPS - y if size > 0.5 else high)
    return render(Figure(dict(look)).svg(pose), box, round(wide * size))


def _stand_figure(
    canvas: Image.Image, person: Figure, x: int, soles: int, size: float, pose: str
) -> tuple[int, int]:
    """Put a figure on the canvas; returns where the corner of its sheet went."""
    picture = _figure(tuple(sorted(person.look.items())), pose, size)
    corner = round(x - (256 - SHEET[0]) * size), round(soles - (SOLES - SHEET[1]) * size)
    canvas.paste(picture, corner, picture)
    return corner


def stranger(kind: str, rng: random.Random) -> Figure:
    """Somebody who is nobody in particular; kind may be male, female or one."""
    words = shapes("scenes")["stranger"]
    gender = kind if kind in ("male", "female") else rng.choice(["male", "female"])
    hair = words[gender]
    variant = chance("stranger", gender, rng.randrange(40))
    look = {
        "gender": gender,
        "age": str(variant.randint(*words["ages"])),
        "skin_tone": variant.choice(words["tones"]),
        "hair_style": variant.choice(hair["styles"]),
        "hair_length": variant.choice(hair["lengths"]),
        "hair_colour": variant.choice(words["hair"]),
        "top": f"{variant.choice(words['colours'])} {variant.choice(words['tops'])}",
        "bottoms": variant.choice(words["bottoms"]),
        "shoes": "black leather shoes",
        "body_shape": variant.choice(["slim", "average"]),
    }
    return Figure(look)
