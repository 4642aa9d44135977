"""The offline image generator: illustrated people, the same in every picture they share."""

import random
from collections.abc import Sequence

from PIL import Image

from mcu.backends import ImageRequest, Origin
from mcu.drawing.brief import read
from mcu.drawing.canvas import SIZE, chance, places, render, shapes
from mcu.drawing.figure import Figure
from mcu.drawing.paper import caption, sheet
from mcu.drawing.phone import phone
from mcu.drawing.place import backdrop, colours
from mcu.drawing.scene import Scene
from mcu.drawing.still import Still
from mcu.errors import Reject


class Avatar:
    """Draws each request at 512 x 512, from the request alone; nothing is downloaded.

    The person follows from `look`, so an equal look is an equal head in portraits and scenes.
    """

    def __init__(self, threads: int = 1) -> None:
        self.lanes = threads

    def most(self, kind: str) -> int:
        """One: there is nothing to gain from several."""
        return 1

    def generate(self, requests: Sequence[ImageRequest]) -> list[Image.Image | Reject]:
        """Pictures in the order of the requests."""
        return [_picture(request).convert("RGB") for request in requests]

    def origin(self, request: ImageRequest) -> Origin:
        """An algorithm that learned from no pictures."""
        return Origin("avatar", request.seed, "algorithmicMedia")


def _picture(request: ImageRequest) -> Image.Image:
    look = dict(request.look)
    rng = chance(request.kind, request.prompt, request.seed, *sorted(look.items()))
    brief = read(request.prompt)
    if request.kind == "face":
        return _portrait(look or {"age": str(rng.randint(20, 70))}, rng)
    if request.kind == "t2i":
        if brief.form == "screen":
            return phone(brief, rng)
        if brief.form == "paper":
            return sheet(brief, rng)
        picture = Scene(brief, {}, rng).draw() if brief.people else Still(brief, rng).draw()
    else:
        picture = Scene(brief, look or {"age": str(rng.randint(20, 70))}, rng).draw()
    return caption(picture, brief, rng) if brief.form == "meme" else picture


def _portrait(look: dict[str, str], rng: random.Random) -> Image.Image:
    """Head and shoulders before a blurred place."""
    named = look.get("background", "plain light wall")
    known = places()
    place = known.get(shapes("scenes")["backgrounds"].get(named, named), known["plain"])
    side = rng.uniform(380, 460)
    box = (rng.uniform(0, SIZE - side), rng.uniform(0, (SIZE - side) / 2), side, side)
    # a small picture made large is a blurred one
    far = backdrop(place, colours(read(named), place, rng), box, rng.random() < 0.5, 96)
    canvas = far.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    canvas = Image.blend(canvas, Image.new("RGB", canvas.size, "#ffffff"), 0.16)
    frames = shapes("parts")["frame"]
    left, top, width = frames.get(look.get("shot_type", ""), frames["portrait"])
    person = render(Figure(look).svg(), (left, top, width, width))
    canvas.paste(person, (0, 0), person)
    return canvas
