"""The things in a scene: our own shapes, and clip art of the starter set for what they lack."""

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from PIL import Image

from mcu.drawing.canvas import fill, mix, plurals, render, shapes

WIDEST = 1.7


@dataclass(frozen=True)
class Sprite:
    """A picture of the starter set: its file, its height beside a person and where it stands."""

    path: Traversable
    size: int
    at: str


@dataclass(frozen=True)
class Thing:
    """Something that a prompt speaks of: our name for its kind and what the prompt calls it."""

    name: str
    phrase: str = ""

    @property
    def at(self) -> str:
        """Where it belongs: table, ground, sky or wall."""
        row = shapes("objects")["object"].get(self.name)
        return str(row.get("at", "table")) if row else sprites()[self.name].at

    @property
    def small(self) -> bool:
        """Whether it stands on a table or fits into a hand."""
        return self.at == "table"

    @property
    def size(self) -> int:
        """Its height in pixels beside a person seen to the hips."""
        row = shapes("objects")["object"].get(self.name)
        return int(row["size"]) if row else sprites()[self.name].size

    @property
    def clip(self) -> bool:
        """Whether clip art shows it better than our drawing."""
        row = shapes("objects")["object"].get(self.name)
        if row is None:
            return True
        drawn = "only" not in row or any(self.phrase in plurals(word) for word in row["only"])
        return not drawn and self.phrase in sprites()


@lru_cache(maxsize=256)
def draw(thing: Thing, high: int, variant: int) -> Image.Image:
    """The thing as an RGBA picture about `high` pixels high, one dot if its file is missing.

    The picture is shared: paste it, do not change it.
    """
    row = shapes("objects")["object"].get(thing.name)
    sprite = _clip(thing.phrase) if thing.clip else None
    if sprite is not None:
        size = min(high / sprite.height, high * WIDEST / sprite.width)
        wide, tall = (max(1, round(side * size)) for side in sprite.size)
        return sprite.resize((wide, tall), Image.Resampling.LANCZOS)
    if row is None:
        return Image.new("RGBA", (1, 1))
    colours = shapes("scenes")["things"]
    values = {
        key: shades[(variant + shift) % len(shades)]
        for shift, (key, shades) in enumerate(colours.items())
    }
    values["fur2"] = mix(values["fur"], "#000000", 0.22)
    return render(fill(row["svg"], values), (-6, -10, 112, 112), high)


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
