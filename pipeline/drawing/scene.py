"""Pictures of the person: in places, among things and other people."""

import random
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from PIL import Image

from mcu.drawing.brief import Brief
from mcu.drawing.canvas import SIZE, chance, render, shapes
from mcu.drawing.figure import HIPS, SHEET, SOLES, Figure
from mcu.drawing.stage import TABLES, Stage, where
from mcu.drawing.things import Thing

WHOLE, HALF, SEATED, NEAR = 0.335, 0.6, 0.42, 0.68
Items = tuple[tuple[str, str], ...]


class Scene(Stage):
    """One picture of the person, or of people who are nobody in particular."""

    def __init__(self, brief: Brief, look: Mapping[str, str], rng: random.Random) -> None:
        super().__init__(brief, where(brief, bool(look), rng), rng)
        wear = dict(brief.wear)
        if not self.place.get("open") or self.place.get("indoor"):
            wear["bag"] = ""  # put down where there is a roof
        self.person = Figure(look, _dressed(look, wear)) if look else None
        self.wear = tuple(sorted(_dressed(look, wear).items())) if look else ()

    def draw(self) -> Image.Image:
        """The finished picture, 512 x 512 RGB."""
        self.backdrop()
        has = self._shown()
        things = [self._folded(thing) for thing in self.brief.things if thing.name not in has][:4]
        if not self.brief.place and not self.place.get("table"):
            things = [thing for thing in things if not thing.aside]
        if self.brief.seat and self.person:
            self._seated(things)
        elif self._is_whole(things):
            self._stand([thing for thing in things if not thing.aside])
        else:
            self._sit(things)
        self.weather()
        return self.canvas

    def _shown(self) -> set[str]:
        """Things that need no drawing: they are worn, sat on, or in the place already."""
        shown = {*shapes("scenes")["places"]["worn"], *self.place.get("has", ()), self.brief.seat}
        return shown | ({"blanket"} if self.person else set())

    def _folded(self, thing: Thing) -> Thing:
        """An umbrella is closed where there is a roof."""
        indoors = not self.place.get("open") or self.place.get("indoor")
        return (
            replace(thing, name="closed umbrella") if thing.row.get("over") and indoors else thing
        )

    def _is_whole(self, things: list[Thing]) -> bool:
        """Whether people are seen from head to foot."""
        if not self.person:
            return True
        if self.brief.pose in ("reach", "work") or TABLES & set(self.brief.spoken):
            return False
        tall = any(not thing.small and thing.size > 180 for thing in things)
        return bool(self.place.get("stage")) and self.rng.random() < (0.85 if tall else 0.45)

    def _seated(self, things: list[Thing]) -> None:
        """The person on a bench, a sofa, a blanket or the knees, seen whole."""
        if self.person is None:
            return
        kind = self.brief.seat
        low = kind in ("kneel", "ground")
        legs = kind if low else "chair"
        soles = shapes("clothes")["folded"][legs]["soles"]
        _, down, grown = self.person.stature()
        ground = min(self.y(self.place["ground"]) + 22, SIZE - 10)
        size = SEATED * (1.12 if low else 1.0)
        x = self.rng.choice([186, 206, 306, 326]) if things or self._crowd() else 256
        foot = ground - round((soles * grown + down - SOLES) * size)
        blanket = "blanket" in self.brief.spoken and kind == "ground"
        prop = "seatblanket" if blanket else "" if low else f"seat{kind}"
        if prop:
            self.prop(prop, x, ground + (16 if low else -24), 1.35 * grown if low else 1.1 * grown)
        away = 1 if x < SIZE / 2 else -1
        self._others(x + away * 30, WHOLE * 1.02, ground - 26)
        self._hold_and_lay(things, x, foot, size, legs, (away, ground))

    def _hold_and_lay(
        self, things: list[Thing], x: int, foot: int, size: float, legs: str, by: tuple[int, int]
    ) -> None:
        """The seated person with the first small thing in hand, the others next to them."""
        away, ground = by
        small = [thing for thing in things if thing.small and not thing.aside]
        held = next((thing for thing in small if self._fits_hand(thing)), None)
        pose = "hold" if held else self.brief.pose.replace("reach", "work") or "work"
        small = [thing for thing in small if thing is not held]
        self._person(x, foot, size, pose, held, legs)
        rest = [*(thing for thing in things if not thing.small), *small]
        for thing, far in zip(rest, (168, 250), strict=False):
            grown = 1.15 if thing.small else 0.95
            self.lift(thing, x + away * far, ground + 8, grown, 300)

    def _sit(self, things: list[Thing]) -> None:
        """People to the hips, with a table or the lower edge of the picture before them."""
        near = "selfie" in self.brief.spoken
        size = NEAR if near else HALF
        x = self.rng.choice([186, 206, 306, 326] if near else [150, 176, 336, 362])
        away = 1 if x < SIZE / 2 else -1
        tables = [thing for thing in things if thing.small]
        others = [thing for thing in things if not thing.small]
        shown = [thing for thing in tables if not thing.aside and self._fits_hand(thing)]
        pose = self._pose(bool(shown))
        held = shown[0] if shown and pose == "hold" else None
        tables = [thing for thing in tables if thing is not held]
        for n, thing in enumerate(thing for thing in others[:2] if not thing.row.get("over")):
            self.lift(thing, x + away * (196 + 70 * n), SIZE - 6, 1.1, 400)
        self._others(x, HALF * 0.9)
        self._person(x, round(SIZE + (SOLES - 720) * size), size, pose, held, cover=others)
        if self.place.get("behind_wheel") and self.person:
            self.prop("wheel", x, SIZE - 8, 1.0)
        self._table(tables, x, away, bool(others))

    def _table(self, tables: list[Thing], x: int, away: int, others: bool) -> None:
        """The table before the person, where there is one, with what lies on it."""
        if "table" in self.place and (tables or not others):
            self.board(self.y(self.place["table"]) + 24)
            self._row(tables, x + away * 150, away, self.y(self.place["table"]) + 70)
        elif tables and (TABLES & set(self.brief.spoken) or not self.place.get("open")):
            side = x + away * 80
            self.board(self.y(430), *((side, SIZE + 9) if away > 0 else (-9, side)))
            self._row(tables, x + away * 170, away, self.y(480))

    def _stand(self, things: list[Thing]) -> None:
        """Everybody and everything on the ground, seen whole."""
        ground = min(self.y(self.place["ground"]) + 14, SIZE - 12)
        tables = [thing for thing in things if thing.small]
        others = [thing for thing in things if not thing.small and not thing.row.get("over")]
        x = self.rng.choice([166, 196, 316, 346]) if things else self.rng.choice([206, 256, 306])
        away = 1 if x < SIZE / 2 else -1
        shown = [thing for thing in tables if self._fits_hand(thing)]
        pose = self._pose(bool(shown))
        held = shown[0] if self.person and shown and pose == "hold" else None
        spots = [x + away * 130, x + away * 230, x - away * 120]
        high = [thing for thing in others if thing.size >= 200]
        for thing, spot in zip(high, spots, strict=False):
            self.lift(thing, spot, ground - 6, 0.66, 340)
        self._others(x, WHOLE, ground)
        if self.person:
            cover = [thing for thing in things if thing.row.get("over")]
            self._person(x, ground, WHOLE, pose, held, cover=cover)
        low = [thing for thing in others if thing not in high]
        for thing, spot in zip(low, spots[len(high) :], strict=False):
            self.lift(thing, spot, ground + self.rng.randint(0, 10), 0.66)

    def _fits_hand(self, thing: Thing) -> bool:
        """Whether somebody may hold it: what mostly stands is held only if the prompt says so."""
        return self.brief.pose == "hold" or not thing.row.get("stay")

    def _pose(self, held: bool) -> str:
        if self.place.get("behind_wheel"):
            return "work"
        usual = "hold" if held else self.rng.choice(["rest", "rest", "wave"])
        under = any(self._folded(thing).row.get("over") for thing in self.brief.things)
        return "hold" if under else self.brief.pose or usual

    def _person(
        self,
        x: int,
        soles: int,
        size: float,
        pose: str,
        held: Thing | None,
        legs: str = "",
        cover: list[Thing] | None = None,
    ) -> None:
        """The person of the request with the soles (or what would be them) at y = soles."""
        if self.person is None:
            return
        over = next((thing for thing in cover or [] if thing.row.get("over")), None)
        corner = (x - (256 - SHEET[0]) * size, soles - (SOLES - SHEET[1]) * size)
        hand_x, hand_y = self.person.hand(pose)
        left, top = corner[0] + (hand_x - SHEET[0]) * size, corner[1] + (hand_y - SHEET[1]) * size
        if over:
            self.put(over, round(x + 10), round(top + 12 * size), round(720 * size))
        _stand_figure(self.canvas, self.person, (x, soles), size, (pose, legs, self.wear))
        if held:
            high = held.size * max(size, SEATED) * 1.8
            self.put(held, round(left), round(top + 30 * size), min(round(high), 170))

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
            figure = stranger(kind, self.rng)
            _stand_figure(self.canvas, figure, (spot, foot), smaller, ("rest", "", ()))

    def _crowd(self) -> list[str]:
        """What the other people in the prompt are; the first one named is the person."""
        people = self.brief.people
        if self.person and people and people[0] != "several":
            people = people[1:]
        return [kind for name in people for kind in (_SEVERAL if name == "several" else (name,))]

    def _row(self, things: list[Thing], x: int, away: int, y: int) -> None:
        for n, thing in enumerate(things[:3]):
            self.lift(thing, x + away * 100 * n, y + 8 * (n % 2), 1.4, 150)


_SEVERAL = ("female", "male", "one")


def _dressed(look: Mapping[str, str], wear: Mapping[str, str]) -> dict[str, str]:
    """The clothes of the prompt, unless what the person wears does not go under them."""
    if "top" in wear and "top" not in look:
        return {slot: value for slot, value in wear.items() if slot not in ("top", "coat")}
    return dict(wear)


@lru_cache(maxsize=48)
def _figure(look: Items, pose: str, size: float, legs: str = "", wear: Items = ()) -> Image.Image:
    """The figure on its sheet, to the hips if large. Cached: a person's pictures share the work."""
    x, y, wide, high = SHEET
    box = (x, y, wide, HIPS - y if size > 0.5 and not legs else high)
    return render(Figure(dict(look), dict(wear)).svg(pose, legs), box, round(wide * size))


def _stand_figure(
    canvas: Image.Image,
    person: Figure,
    at: tuple[int, int],
    size: float,
    how: tuple[str, str, Items],
) -> None:
    """Put a figure on the canvas, its soles in the middle of (x, y)."""
    pose, legs, wear = how
    picture = _figure(tuple(sorted(person.base.items())), pose, size, legs, wear)
    corner = round(at[0] - (256 - SHEET[0]) * size), round(at[1] - (SOLES - SHEET[1]) * size)
    canvas.paste(picture, corner, picture)


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
