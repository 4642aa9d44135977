"""The things in a scene: clip art of the starter set where it has them, our own shapes elsewhere."""

import json
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from PIL import Image

from mcu.backends.drawing import fill, plurals, render, shapes


@lru_cache(maxsize=512)
def thing(name: str, phrase: str, high: int, variant: int) -> Image.Image:
    """The thing as an RGBA picture `high` pixels high; phrase is what the prompt calls it.

    The picture is shared: paste it, do not change it.
    """
    sprite = _sprite(phrase)
    if sprite is not None:
        wide = max(1, round(sprite.width * high / sprite.height))
        if wide > high * 1.7:
            wide, high = round(high * 1.7), round(high * 1.7 * sprite.height / sprite.width)
        return sprite.resize((wide, max(high, 1)), Image.Resampling.LANCZOS)
    colours = shapes("scenes")["things"]
    values = {key: row[(variant + shift) % len(row)] for shift, (key, row) in enumerate(colours.items())}
    row = shapes("objects")["object"].get(name, shapes("objects")["object"]["gift"])
    return render(fill(row["svg"], values | {"fur2": _shade(values["fur"])}), (-6, -10, 112, 112), high)


def _shade(colour: str) -> str:
    return "#" + "".join(f"{round(part * 0.78):02x}" for part in bytes.fromhex(colour[1:]))


@lru_cache(maxsize=128)
def _sprite(phrase: str) -> Image.Image | None:
    """The starter set's clip art of that subject, cut to what is drawn; None if it has none."""
    path = sprites().get(phrase)
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            picture = Image.open(file).convert("RGBA")
    except OSError:
        return None
    return picture.crop(picture.getchannel("A").getbbox())


@lru_cache
def sprites() -> dict[str, Traversable]:
    """The starter set's clip art by subject, in the singular and the plural."""
    folder = files("mcu.indexes") / "starter"
    found: dict[str, Traversable] = {}
    try:
        lines = (folder / "pictures.jsonl").read_text("utf-8").splitlines()
    except OSError:
        return found
    for line in lines:
        row = json.loads(line)
        if "clip" in row["file"]:
            for phrase in plurals(str(row["subject"]).casefold()):
                found.setdefault(phrase, folder / row["file"])
    return found
