"""Pictures without the person: things on a table, papers seen from above, rooms and streets."""

import random

from PIL import Image, ImageDraw

from mcu.drawing.brief import Brief
from mcu.drawing.canvas import SIZE, shapes
from mcu.drawing.stage import TABLES, Stage, where
from mcu.drawing.surface import paint_surface
from mcu.drawing.things import Thing, draw

MOST = 4
EDGES = ("sill", "shelfwall", "ride")


class Still(Stage):
    """One picture of things and a place."""

    def __init__(self, brief: Brief, rng: random.Random) -> None:
        super().__init__(brief, where(brief, False, rng), rng)

    def draw(self) -> Image.Image:
        """The finished picture, 512 x 512 RGB."""
        things = sorted(self.brief.things, key=lambda thing: thing.aside)[:MOST]
        first = things[0] if things else None
        hung = self.brief.surface in ("wall", "door", "cork", "brick", "line")
        if first and first.flat and (hung or self.brief.place not in EDGES):
            self._above([thing for thing in things if thing.at == "table" or thing.load])
        elif self.place.get("close"):
            self._serve(things)
        elif first and all(thing.small for thing in things if not thing.aside):
            self._lay(things)
        else:
            self._stand([thing for thing in things if not thing.aside])
        return self.canvas

    def _serve(self, things: list[Thing]) -> None:
        """Food on a plate, seen from near."""
        paint_surface(self.canvas, self.brief.surface or "wood", self.brief, self.rng)
        self.prop("dish", 256, 470, 1.3)
        foods = shapes("scenes")["places"]["foods"]
        things = [thing.load or thing for thing in things]
        things = [thing for thing in things if thing.name != "empty plate"]
        things = sorted(things, key=lambda thing: thing.name not in foods)
        main, rest = (things or [Thing("salad")])[0], things[1:3]
        for thing, x in zip(rest, (96, 416), strict=False):
            self.put(thing, x, 200, 110)
        self.put(main, 256, 400, 200)

    def _lay(self, things: list[Thing]) -> None:
        """Small things on a table or a window sill, seen from near."""
        self.backdrop(SIZE if self.name in (*EDGES, "balcony", "doorstep") else 128)
        if self.name in (*EDGES, "doorstep"):
            top = self.y(self.place.get("table", 430)) + 4
        elif self.place.get("open") and not self.place.get("table") and not self._on_table():
            top = self.rng.randint(408, 430)
            if self.brief.surface == "slats":
                self.prop("seatbench", 256, top + 70, 2.1)
        else:
            top = self.rng.randint(340, 362)
            self.board(top)
            top += 74
        spots = {1: [256], 2: [164, 350], 3: [106, 256, 408]}.get(len(things), [76, 192, 316, 436])
        size = {1: 2.1, 2: 1.8, 3: 1.45}.get(len(things), 1.2)
        for n, (thing, spot) in enumerate(zip(things, spots, strict=False)):
            if thing.flat:
                self._flatten(thing, spot, top + 14, round(_near(thing) * size))
            else:
                high = round(_near(thing) * thing.tall * size)
                self.put(thing, spot, top + 16 * (n % 2), min(high, 320))
        self.weather()

    def _on_table(self) -> bool:
        return bool({"table", "desk", "tray", "counter"} & set(self.brief.spoken))

    def _flatten(self, thing: Thing, x: int, y: int, high: int) -> None:
        """A flat thing that lies on the table before the eyes."""
        picture = draw(thing, high, self.variant)
        wide = min(round(picture.width * 1.15), SIZE // 2)
        picture = picture.resize((wide, max(2, round(picture.height * 0.4))))
        self.canvas.paste(picture, (x - picture.width // 2, y - picture.height), picture)

    def _above(self, things: list[Thing]) -> None:
        """Papers seen from above, with what lies beside them."""
        kind = self.brief.surface or ("floor" if self.name == "floor" else "wood")
        paint_surface(self.canvas, kind, self.brief, self.rng)
        things = [thing if thing.at == "table" else thing.load or thing for thing in things]
        main, rest = things[0], things[1:]
        across = [thing for thing in rest if thing.name in ("marker", "pen", "onepencil")]
        rest = [thing for thing in rest if thing not in across]
        x = 256 if not rest else self.rng.choice([206, 306])
        turn = self.rng.uniform(-7, 7) if kind not in ("wall", "brick", "door", "cork") else 0
        top = self._paper(main, x, 256, 340 if not rest else 300, turn)
        if kind in ("wall", "brick", "cork", "door") and "pegs" not in self.brief.spoken:
            self._pin(x, top, kind)
        if kind == "line":
            ImageDraw.Draw(self.canvas).line((0, 96, SIZE, 96), "#6b6258", 3)
        side = 430 if x < 256 else 82
        for thing, y in zip(rest, (150, 372, 262), strict=False):
            self._paper(thing, side, y, 170, self.rng.uniform(-9, 9) if thing.flat else 0)
        for thing in across[:1]:
            self._paper(thing, x + 30, 300, 210, self.rng.uniform(-20, 30))

    def _paper(self, thing: Thing, x: int, y: int, high: int, turn: float) -> int:
        """A thing that lies flat, its middle at (x, y), with its shadow; returns its upper y."""
        picture = draw(thing, high, self.variant)
        self.variant += 1
        if picture.width > high * 1.25:
            wide = round(high * 1.25)
            picture = picture.resize((wide, round(picture.height * wide / picture.width)))
        if turn:
            picture = picture.rotate(turn, Image.Resampling.BICUBIC, expand=True)
        left = min(max(x - picture.width // 2, -6), SIZE - picture.width + 6)
        top = y - picture.height // 2
        shade = picture.getchannel("A").point(lambda alpha: alpha // 5)
        self.canvas.paste("#000000", (left + 6, top + 8), shade)
        self.canvas.paste(picture, (left, top), picture)
        box = picture.getbbox()
        return top + (box[1] if box else 0)

    def _pin(self, x: int, y: int, kind: str) -> None:
        pen = ImageDraw.Draw(self.canvas)
        if kind == "cork" or "pinned" in self.brief.spoken:
            pen.ellipse((x - 10, y - 2, x + 10, y + 18), fill="#b5382f")
            pen.ellipse((x - 6, y, x + 3, y + 9), fill="#e8776d")
        else:
            for side in (-1, 1):
                at = x + side * 96
                pen.rectangle((at - 26, y - 6, at + 26, y + 14), fill="#f0e3b4")

    def _stand(self, things: list[Thing]) -> None:
        """Everything on the ground, seen whole."""
        self.backdrop()
        if not things and TABLES & set(self.brief.spoken) and not self.place.get("open"):
            self.board(self.rng.randint(350, 372))
        things = [thing for thing in things if thing.name not in self.place.get("has", ())]
        ground = min(self.y(self.place["ground"]) + 14, SIZE - 14)
        size = (0.84 if self.place.get("open") else 0.98) * (1.45 if len(things) < 2 else 1)
        spots = {1: [256], 2: [160, 356], 3: [256, 112, 408]}.get(len(things), [200, 84, 320, 432])
        big = [thing for thing in things if not thing.small]
        for thing, spot in zip([*big, *(t for t in things if t.small)], spots, strict=False):
            small = thing.small
            foot = ground + (self.rng.randint(14, 22) if small else self.rng.randint(0, 12))
            if thing.flat:
                self._flatten(thing, spot, foot, round(_near(thing) * 1.2))
            elif small or (thing.size < 130 and thing.at == "ground"):
                self.put(
                    thing,
                    spot,
                    foot,
                    round(_near(thing) * thing.tall * (1.15 if len(things) > 2 else 1.5)),
                )
            else:
                self.lift(thing, spot, foot, size, 400)
        self.weather()


def _near(thing: Thing) -> float:
    """How high a small thing is drawn where it is what the picture is about."""
    return 62 + 0.62 * thing.size
