"""The empty place of a picture: its colours at its hour and season, its weather."""

import random
import re
from collections.abc import Mapping
from functools import lru_cache

from PIL import Image

from mcu.drawing.brief import Brief
from mcu.drawing.canvas import SIZE, chance, fill, mix, render, shapes

FADE = re.compile(r"%(sky|water) (-?\d+) (-?\d+) (-?\d+) (-?\d+)%")
PROP = re.compile(r"@([a-z]+) (-?\d+) (-?\d+) ([\d.]+)@")
Colours = Mapping[str, object]


def hour_of(brief: Brief, place: Mapping[str, object]) -> str:
    """The hour that the prompt or the place asks for."""
    return brief.when or str(place.get("time", "day"))


def colours(brief: Brief, place: Mapping[str, object], rng: random.Random) -> dict[str, object]:
    """The colours of a place at its hour and season, in one of the rooms' palettes."""
    palette = shapes("palette")
    hour = hour_of(brief, place)
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
        "block": rng.choice(palette["blocks"]),
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


@lru_cache(maxsize=12)
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
        tints = shapes("palette")["leaves"]
        body = "".join(
            f'<path transform="translate({x:.0f} {y:.0f}) rotate({r * 200:.0f})" '
            f'd="M0 0Q8 -10 18 0Q8 10 0 0Z" fill="{rng.choice(tints)}"/>'
            for x, y, r in spots[:26]
        )
    return render(body, (0, 0, SIZE, SIZE))
