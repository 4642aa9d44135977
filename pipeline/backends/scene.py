"""Pictures of places: a backdrop, its light and weather, people and things on a common ground."""

import random
import re
from collections.abc import Mapping
from functools import lru_cache

from PIL import Image

from mcu.backends.brief import Brief
from mcu.backends.drawing import SIZE, chance, fill, mix, render, shapes
from mcu.backends.figure import HIPS, SHEET, SOLES, Figure
from mcu.backends.things import thing

FADE = re.compile(r"%(sky|water) (-?\d+) (-?\d+) (-?\d+) (-?\d+)%")
PROP = re.compile(r"@([a-z]+) (-?\d+) (-?\d+) ([\d.]+)@")
Colours = Mapping[str, object]
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
        names = [name for name in self.brief.things if self.person is None or not _worn(name)][:4]
        if self.place.get("close"):
            self._serve(names)
        elif not self.person and names and not self._crowd() and all(map(_small, names)):
            self._lay(names)
        elif self._is_whole(names):
            self._stand(names)
        else:
            self._sit(names)
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
            low = _small(things[0])
            kind = "food" if things[0] in defaults["foods"] else "table" if low else "ground"
        options = [name for name in defaults[kind] if not (self.person and name == "plate")]
        return str(self.rng.choice(options))

    def _box(self) -> tuple[float, float, float, float]:
        side = SIZE / self.zoom
        return (SIZE - side) * self.shift[0], (SIZE - side) * self.shift[1], side, side

    def _y(self, y: float) -> int:
        """Where a y of the place's own sheet is in the picture."""
        return round((y - self._box()[1]) * self.zoom)

    def _is_whole(self, names: list[str]) -> bool:
        """Whether people are seen from head to foot."""
        tall = any(_size(name) > 180 for name in names)
        if not self.person:
            return True
        return bool(self.place.get("stage")) and self.rng.random() < (0.75 if tall else 0.5)

    def _serve(self, names: list[str]) -> None:
        """Food on a plate, seen from near."""
        main, rest = names[:1] or ["fruit bowl"], names[1:3]
        for name, x in zip(rest, (96, 416), strict=False):
            self._put(name, x, self._y(210), 110)
        self._put(main[0], 256, self._y(385), 210)

    def _lay(self, names: list[str]) -> None:
        """Small things on a table, seen from near."""
        top = self.rng.randint(350, 376)
        self._board(top, 0, SIZE)
        spots = {1: [256], 2: [170, 342], 3: [110, 256, 402]}.get(len(names), [80, 196, 312, 428])
        for n, (name, spot) in enumerate(zip(names, spots, strict=False)):
            self._lift(name, spot, top + 64 + 22 * (n % 2), 2.6 - 0.35 * len(names))

    def _sit(self, names: list[str]) -> None:
        """People to the hips, with a table or the lower edge of the picture before them."""
        x = self.rng.choice([150, 176, 336, 362])
        away = 1 if x < SIZE / 2 else -1
        tables = [name for name in names if _small(name)]
        others = [name for name in names if not _small(name)]
        pose = self._pose(bool(tables))
        held = tables.pop(0) if tables and pose == "hold" else ""
        for n, name in enumerate(others[:2]):
            self._lift(name, x + away * (210 + 70 * n), SIZE - 6, 1.1)
        self._others(x, HALF * 0.9)
        self._person(x, round(SIZE + (SOLES - 720) * HALF), HALF, pose, held)
        if "table" in self.place and (tables or not others):
            self._board(self._y(self.place["table"]) + 24, 0, SIZE)
            self._row(tables, x + away * 150, away, self._y(self.place["table"]) + 70)
        elif tables:
            side = x + away * 80
            self._board(self._y(430), *((side, SIZE + 9) if away > 0 else (-9, side)))
            self._row(tables, x + away * 170, away, self._y(480))

    def _stand(self, names: list[str]) -> None:
        """Everybody and everything on the ground, seen whole."""
        ground = min(self._y(self.place["ground"]) + 14, SIZE - 12)
        size = 0.62 if self.person else 0.84
        tables = [name for name in names if _small(name)]
        others = [name for name in names if not _small(name)]
        x = self.rng.choice([166, 196, 316, 346]) if names else self.rng.choice([206, 256, 306])
        away = 1 if x < SIZE / 2 else -1
        pose = self._pose(bool(tables))
        held = tables.pop(0) if self.person and tables and pose == "hold" else ""
        self._others(x, WHOLE, ground)
        if self.person:
            self._person(x, ground, WHOLE, pose, held)
            spots = [x + away * 130, x + away * 230, x - away * 120]
        else:
            spots = [256, 120, 400] if len(names) != 2 else [160, 350]
            size *= 1.25 if len(names) < 2 else 1
        if tables:
            spot = spots.pop(0)
            self._put_prop("roundtable", spot, ground + 6, 1.35)
            for n, name in enumerate(tables[:2]):
                self._lift(name, spot + (n * 2 - len(tables[:2]) + 1) * 36, ground - 88, size * 0.95)
        for name, spot in zip(others, spots, strict=False):
            self._lift(name, spot, ground + self.rng.randint(0, 14), size)

    def _pose(self, held: bool) -> str:
        if self.place.get("behind_wheel"):
            return "work"
        usual = "hold" if held else self.rng.choice(["rest", "rest", "wave"])
        return self.brief.pose or usual

    def _person(self, x: int, soles: int, size: float, pose: str, held: str) -> None:
        """The person of the request with the soles (or what would be them) at y = soles."""
        if self.person is None:
            return
        where = _stand_figure(self.canvas, self.person, x, soles, size, pose)
        if held:
            hand_x, hand_y = self.person.hand(pose)
            left, top = where[0] + (hand_x - SHEET[0]) * size, where[1] + (hand_y - SHEET[1]) * size
            self._put(held, round(left), round(top + 30 * size), round(_size(held) * size * 1.7))

    def _others(self, x: int, size: float, soles: int = 0) -> None:
        """Other people whom the prompt names, behind the person."""
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

    def _row(self, names: list[str], x: int, away: int, y: int) -> None:
        for n, name in enumerate(names[:3]):
            self._lift(name, x + away * 100 * n, y + 8 * (n % 2), 1.4)

    def _lift(self, name: str, x: float, y: int, size: float) -> None:
        """A thing with its foot at (x, y), or in the air where it belongs there."""
        high = min(round(_size(name) * size), 330)
        if _at(name) == "sky":
            y = self.rng.randint(120, 170)
        self._put(name, round(x), y, high)

    def _put(self, name: str, x: int, y: int, high: int) -> None:
        phrases = dict(zip(self.brief.things, self.brief.phrases, strict=True))
        picture = thing(name, phrases.get(name, name), high, self.rng.randrange(6))
        left = min(max(x - picture.width // 2, 4), SIZE - picture.width - 4)
        self.canvas.paste(picture, (left, y - picture.height), picture)

    def _put_prop(self, name: str, x: int, y: int, size: float) -> None:
        body = fill(shapes("places")["props"][name], self.colours, axis=0)
        picture = render(body, (-100, -100, 200, 110), round(200 * size))
        self.canvas.paste(picture, (round(x - 100 * size), round(y - 100 * size)), picture)

    def _veil(self) -> None:
        hour = shapes("palette")["time"][_hour(self.brief, self.place)]
        if "veil" in hour:
            share = hour["strength"] * (1 if self.place.get("open") else 0.5)
            self.canvas = Image.blend(self.canvas, Image.new("RGB", (SIZE, SIZE), hour["veil"]), share)

    def _weather(self) -> None:
        if self.brief.weather and self.place.get("open"):
            fall = falling(self.brief.weather, self.rng.randrange(8))
            self.canvas.paste(fall, (0, 0), fall)


_SEVERAL = ("female", "male", "one")
# most clip art that has no drawing of ours shows animals and vehicles
_DEFAULT = {"at": "ground", "size": 170}


def _worn(name: str) -> bool:
    return name in shapes("scenes")["places"]["worn"]


def _at(name: str) -> str:
    return str(shapes("objects")["object"].get(name, _DEFAULT).get("at", "table"))


def _small(name: str) -> bool:
    return _at(name) == "table"


def _size(name: str) -> int:
    return int(shapes("objects")["object"].get(name, _DEFAULT)["size"])


def _hour(brief: Brief, place: Mapping[str, object]) -> str:
    return brief.when or str(place.get("time", "day"))


def colours(brief: Brief, place: Mapping[str, object], rng: random.Random) -> dict[str, object]:
    """The colours of a place at its hour and season, in one of the rooms' palettes."""
    palette = shapes("palette")
    hour = _hour(brief, place)
    season = brief.season or str(place.get("season", "green"))
    if season == "snow" and not place.get("open"):
        season = "green"
    room = rng.choice(palette["room"])
    time = palette["time"][hour]
    dark = hour == "night"
    return {
        **room,
        **time,
        **palette["season"][season],
        "floor2": mix(room["floor"], "#000000", 0.15),
        "accent3": mix(room["accent2"], "#000000", 0.2),
        "water": mix("#3f93bd", time["sky"], 0.3),
        "water2": mix("#7cc4d8", time["sky2"], 0.25),
        "cloud": mix("#ffffff", time["sky"], 0.12 if hour == "day" else 0.5),
        "block": rng.choice(["#93a4b8", "#a89a8f", "#8f93a8", "#b3a58f"]),
        "lit": "#ffdf8f" if dark else "#dcebf3",
        "pine": "#4e7f66" if season != "snow" else "#a9c4c6",
        "pine2": "#5f9277" if season != "snow" else "#e4eff2",
        "green": "#5f9e57",
        "stars": dark,
        "board": rng.choice(shapes("scenes")["board"]["colours"]),
    }


def backdrop(
    place: Mapping[str, str],
    values: Colours,
    box: tuple[float, float, float, float],
    flip: bool,
    width: int = SIZE,
) -> Image.Image:
    """The empty place as seen through the box, mirrored if asked, `width` pixels wide."""
    props = shapes("places")["props"]

    def prop(found: re.Match[str]) -> str:
        name, x, y, size = found.groups()
        return f'<g transform="translate({x} {y}) scale({size})">{props[name]}</g>'

    body = FADE.sub(lambda found: _fade(found, values), PROP.sub(prop, place["svg"]))
    picture = render(fill(body, values), box, width)
    if flip:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return picture


def _fade(found: re.Match[str], values: Colours) -> str:
    """From one colour to the other in steps of 6 pixels: flat bands cost a third of a gradient."""
    name, (left, top, right, bottom) = found[1], (int(part) for part in found.groups()[1:])
    first, last = str(values[name]), str(values[f"{name}2"])
    bands = "".join(
        f'<rect x="{left}" y="{y}" width="{right - left}" height="{min(7, bottom - y)}" '
        f'fill="{mix(first, last, (y - top) / (bottom - top))}"/>'
        for y in range(top, bottom, 6)
    )
    if name == "water" or not values["stars"]:
        return bands
    return bands + "".join(
        f'<circle cx="{left + (right - left) * x:.0f}" cy="{top + (bottom - top) * y:.0f}" '
        f'r="{r}" fill="#fff8dc"/>'
        for x, y, r in shapes("places")["stars"]
    )


@lru_cache(maxsize=256)
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


@lru_cache(maxsize=32)
def falling(kind: str, variant: int) -> Image.Image:
    """Rain, snow or leaves over the whole picture."""
    rng = chance("falling", kind, variant)
    spots = [(rng.uniform(0, SIZE), rng.uniform(0, SIZE), rng.uniform(0.6, 1.4)) for _ in range(70)]
    if kind == "rain":
        path = "".join(f"M{x:.0f} {y:.0f}l-7 26" for x, y, _ in spots)
        body = f'<path d="{path}" stroke="#dfeaf2" stroke-width="2.2" opacity=".6"/>'
    elif kind == "snow":
        body = "".join(
            f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{3.4 * r:.1f}" fill="#fff" opacity=".9"/>'
            for x, y, r in spots
        )
    else:
        body = "".join(
            f'<path transform="translate({x:.0f} {y:.0f}) rotate({r * 200:.0f})" '
            f'd="M0 0Q8 -10 18 0Q8 10 0 0Z" fill="{rng.choice(["#d9783a", "#c2502f", "#e3a93f"])}"/>'
            for x, y, r in spots[:26]
        )
    return render(body, (0, 0, SIZE, SIZE))


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
