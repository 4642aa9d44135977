"""What the offline pictures are drawn with: shape data, colours, SVG to pixels."""

import hashlib
import io
import random
import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

import resvg_py
from PIL import Image, ImageFont

SIZE = 512
WORD = re.compile(r"\$([a-z]+[0-9]?)")
TWICE = re.compile(r"\[\[(.*?)\]\]", re.DOTALL)


@lru_cache
def shapes(name: str) -> dict[str, Any]:
    """One of the shape files in data."""
    path = files(__package__) / "data" / f"{name}.toml"
    return tomllib.loads(path.read_text("utf-8"))


@lru_cache
def kinds() -> dict[str, Any]:
    """What we draw ourselves, by name: papers, things of the house, all others."""
    files_of = ("objects", "household", "papers")
    return {name: row for file in files_of for name, row in shapes(file)["object"].items()}


@lru_cache
def places() -> dict[str, Any]:
    """The places by name."""
    return {**shapes("places")["place"], **shapes("scenery")["place"]}


@lru_cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font: the same letters on every machine."""
    return ImageFont.load_default(size)


def fill(svg: str, values: Mapping[str, object], axis: int = 256) -> str:
    """The shape with its $names filled in and its [[...]] mirrored at x = axis."""
    twice = rf'\1<g transform="matrix(-1 0 0 1 {2 * axis} 0)">\1</g>'
    return WORD.sub(lambda name: str(values[name[1]]), TWICE.sub(twice, svg))


def mix(colour: str, other: str, share: float) -> str:
    """A colour (#rrggbb) with a share of the other in it."""
    pairs = zip(_parts(colour), _parts(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _parts(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def chance(*parts: object) -> random.Random:
    """A generator that depends on the parts alone, whatever the process."""
    text = "\x1f".join(map(str, parts)).encode("utf-8", "replace")
    return random.Random(hashlib.sha256(text).digest())


def plurals(phrase: str) -> tuple[str, str]:
    """The phrase and its plural."""
    if phrase.endswith("y") and phrase[-2:-1] not in "aeiou":
        return phrase, phrase[:-1] + "ies"
    return phrase, phrase + ("es" if phrase.endswith(("s", "x", "ch", "sh")) else "s")


def render(body: str, box: tuple[float, float, float, float], width: int = SIZE) -> Image.Image:
    """SVG elements as an RGBA picture `width` pixels wide that shows the box (x, y, w, h)."""
    view = " ".join(f"{side:.2f}" for side in box)
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{view}">{body}</svg>'
    png = resvg_py.svg_to_bytes(svg_string=svg, width=width, skip_system_fonts=True)
    return Image.open(io.BytesIO(png)).convert("RGBA")
