"""The things in a scene: our own shapes, and clip art of the starter set for what they lack."""

import json
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from PIL import Image

from mcu.drawing.canvas import fill, kinds, mix, plurals, render, shapes

WIDEST = 1.7
BOX = (-6.0, -10.0, 112.0, 112.0)
WIDE = (-46.0, -10.0, 192.0, 112.0)


@dataclass(frozen=True)
class Sprite:
    """A picture of the starter set: its file, its height beside a person and where it stands."""

    path: Traversable
    size: int
    at: str


@dataclass(frozen=True)
class Thing:
    """Something that a prompt speaks of: our name for its kind and what the prompt calls it.

    `load` is what lies on it or in it (`how`), `aside` that it only stands to one side.
    """

    name: str
    phrase: str = ""
    count: int = 1
    colour: str = ""
    aside: bool = False
    load: "Thing | None" = None
    how: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What makes it the same thing when a prompt names it twice."""
        return (self.name, self.colour if not self.clip else self.phrase)

    @property
    def row(self) -> dict[str, Any]:
        """Our own shape of it; empty for clip art."""
        return dict(kinds().get(self.name, {}))

    @property
    def at(self) -> str:
        """Where it belongs: table, ground or sky."""
        return str(self.row.get("at", "table")) if self.row else sprites()[self.name].at

    @property
    def small(self) -> bool:
        """Whether it stands on a table or fits into a hand."""
        return self.at == "table" and not self.row.get("over")

    @property
    def flat(self) -> bool:
        """Whether it lies flat: paper, cards, scissors."""
        return bool(self.row.get("flat"))

    @property
    def size(self) -> int:
        """Its height in pixels beside a person seen to the hips, without what it carries."""
        return int(self.row["size"]) if self.row else sprites()[self.name].size

    @property
    def tall(self) -> float:
        """How much higher it is with what it carries."""
        if self.load is None:
            return 1.0
        rim = float(self.row.get(self.how, 30)) / 100
        return 1.0 + max(0.0, self.share - rim)

    @property
    def share(self) -> float:
        """How high what it carries is beside it; never so small that it is overlooked."""
        if self.load is None:
            return 0.0
        real = self.load.size * self.load.tall / float(self.row.get("beside", self.size)) * 0.92
        return min(max(real, 0.52 if self.how == "into" else 0.3), 1.5)

    @property
    def clip(self) -> bool:
        """Whether clip art shows it better than our drawing."""
        if not self.row:
            return True
        only = self.row.get("only")
        drawn = only is None or any(self.phrase in plurals(word) for word in only)
        return not drawn and self.phrase in sprites()


@lru_cache(maxsize=256)
def draw(thing: Thing, high: int, variant: int) -> Image.Image:
    """The thing as an RGBA picture about `high` pixels high, one dot if its file is missing.

    The picture is shared: paste it, do not change it.
    """
    if thing.load is not None:
        return _loaded(thing, thing.load, high, variant)
    if thing.count > 1:
        return _many(thing, high, variant)
    sprite = _clip(thing.phrase) if thing.clip else None
    if sprite is not None:
        size = min(high / sprite.height, high * WIDEST / sprite.width)
        wide, tall = (max(1, round(side * size)) for side in sprite.size)
        return sprite.resize((wide, tall), Image.Resampling.LANCZOS)
    if not thing.row:
        return Image.new("RGBA", (1, 1))
    box = WIDE if thing.row.get("wide") else BOX
    return render(fill(thing.row["svg"], _colours(thing, variant)), box, round(high * box[2] / 112))


def _colours(thing: Thing, variant: int) -> dict[str, object]:
    rows = shapes("scenes")["things"]
    values: dict[str, object] = {
        key: shades[(variant + shift) % len(shades)]
        for shift, (key, shades) in enumerate(rows.items())
    }
    tint = shapes("palette")["tint"].get(thing.colour)
    if tint:
        values |= {"a": tint, "fur": tint}
    values["a2"] = mix(str(values["a"]), "#14141e", 0.22)
    values["fur2"] = mix(str(values["fur"]), "#000000", 0.22)
    return values


def _many(thing: Thing, high: int, variant: int) -> Image.Image:
    """Several of it side by side, the second row behind the first."""
    single = draw(replace(thing, count=1), round(high * 0.9), variant)
    step = round(single.width * 0.76)
    front = (thing.count + 1) // 2 if thing.count > 3 else thing.count
    wide = single.width + step * (front - 1)
    group = Image.new("RGBA", (wide, single.height + round(high * 0.1)))
    for n in range(thing.count - front):
        other = draw(replace(thing, count=1), round(high * 0.9), variant + n + 1)
        group.paste(other, (step // 2 + n * step, 0), other)
    for n in range(front):
        other = draw(replace(thing, count=1), round(high * 0.9), variant + n * (not thing.colour))
        group.paste(other, (n * step, group.height - other.height), other)
    return group


def _loaded(thing: Thing, load: Thing, high: int, variant: int) -> Image.Image:
    """The thing with what it carries on its top, or behind the rim of what it is in."""
    below = round(high / thing.tall)
    base = draw(replace(thing, load=None), below, variant)
    carried = draw(load, round(below * thing.share), variant + 1)
    edge = round(base.height * (float(thing.row.get(thing.how, 30)) + 10) / 112)
    over = 0.14 if thing.how == "into" else 0.03
    drop = round(carried.height * over)
    top = max(0, carried.height - drop - edge)
    wide = max(base.width, carried.width)
    whole = Image.new("RGBA", (wide, base.height + top))
    middle = round(base.width * (float(thing.row.get("spot", 50)) / 100 - 0.5))
    spot = ((wide - carried.width) // 2 + middle, top + edge + drop - carried.height)
    pieces = [(base, ((wide - base.width) // 2, top)), (carried, spot)]
    for picture, where in pieces if thing.how == "on" else pieces[::-1]:
        whole.paste(picture, where, picture)
    return whole


@lru_cache(maxsize=48)
def _clip(phrase: str) -> Image.Image | None:
    """The clip art of that subject, cut to what is drawn; None without one that can be cut out."""
    sprite = sprites().get(phrase)
    if sprite is None:
        return None
    try:
        with sprite.path.open("rb") as file:
            picture = Image.open(file).convert("RGBA")
    except OSError:
        return None
    alpha = picture.getchannel("A")
    right, low = picture.width - 1, picture.height - 1
    corners = [alpha.getpixel(at) for at in ((0, 0), (right, 0), (0, low), (right, low))]
    if corners == [255] * 4:
        return None
    return picture.crop(alpha.getbbox())


@lru_cache
def sprites() -> dict[str, Sprite]:
    """The starter set's clip art by subject, in the singular and the plural; may be empty."""
    rules = shapes("scenes")["sprites"]
    small = set(rules["table"])
    found: dict[str, Sprite] = {}
    try:
        folder = files("mcu.indexes") / "starter"
        lines = (folder / "pictures.jsonl").read_text("utf-8").splitlines()
    except (ModuleNotFoundError, OSError):
        return found
    for line in lines:
        row = json.loads(line)
        subject = str(row["subject"]).casefold()
        if row["kind"] == "clipart" and subject not in rules["skip"]:
            at = "table" if small & set(row["keywords"]) else "ground"
            for phrase in plurals(subject):
                found.setdefault(phrase, Sprite(folder / row["file"], rules["size"][at], at))
    return found
