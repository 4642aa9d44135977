"""Any picture as plain RGB pixels, for the checks."""

from PIL.Image import Image, Resampling, new


def plain(image: Image, most: int) -> Image:
    """The picture as RGB on white, its longer side at most `most` px; the original stays as it is.

    Takes every mode and size that Pillow knows; one without pixels becomes a single white one.
    """
    if 0 in image.size:
        return new("RGB", (1, 1), "white")
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would cut off at white
        image = image.convert("I").point(lambda level: level / 257).convert("L")
    if image.mode in ("La", "RGBa"):  # colours times their opacity; Pillow undoes it one way only
        image = image.convert(image.mode.upper())
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        image = new("RGB", layer.size, "white")
        image.paste(layer, mask=layer.getchannel("A"))
    picture = image.convert("RGB")
    if max(picture.size) > most:
        share = most / max(picture.size)
        width, height = (max(1, round(side * share)) for side in picture.size)
        picture = picture.resize((width, height), Resampling.BICUBIC, reducing_gap=3)
    return picture
