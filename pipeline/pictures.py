"""Pictures from outside made safe to keep: any bytes in, a plain JPEG out."""

import io
import threading
import warnings

from PIL import Image, ImageOps, UnidentifiedImageError

from mcu.errors import Reject

_MOST_BYTES = 20_000_000
_MOST_PIXELS = 40_000_000
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
_LONGEST_SIDE = 2048
_QUALITY = 90
_WARNINGS = threading.Lock()  # Python has one set of warning filters for all threads


def clean(data: bytes) -> bytes:
    """Decode a picture and encode it anew as JPEG, which drops metadata and whatever hid in it.

    Transparency becomes white, an animation its first frame, a picture that was taken sideways
    upright, and sides are cut to 2,048 px.

    Raises:
        Reject: not a picture of a known type, torn, or too large to open safely.
    """
    if len(data) > _MOST_BYTES:
        raise Reject("bad_image", f"the picture's file has {len(data)} bytes")
    try:
        image = _open(data)
        ImageOps.exif_transpose(image, in_place=True)
        return encode(image)
    except Reject:
        raise
    except UnidentifiedImageError as error:
        # Pillow's own sentence names an address in memory, which is another one every time.
        raise Reject("bad_image", f"not a file of these types: {', '.join(_FORMATS)}") from error
    except Exception as error:  # decoders stumble over hostile bytes in many ways
        raise Reject("bad_image", f"the picture cannot be opened: {error}"[:300]) from error


def _open(data: bytes) -> Image.Image:
    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
        if image.width * image.height > _MOST_PIXELS:
            raise Reject("bad_image", f"the picture has {image.width}x{image.height} pixels")
        image.getexif()
        image.load()
        return image


def encode(image: Image.Image) -> bytes:
    """A picture as JPEG bytes, flattened onto white, without metadata."""
    image = plain(image, _LONGEST_SIDE)
    image.info.clear()
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def plain(image: Image.Image, most: int) -> Image.Image:
    """The picture as RGB on white, its longer side at most `most` px; the original stays as it is.

    Takes every mode and size that Pillow knows; one without pixels becomes a single white one.
    """
    if 0 in image.size:
        return Image.new("RGB", (1, 1), "white")
    given = image
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would cut off at white
        image = image.convert("I").point(lambda level: level / 257).convert("L")
        image.info.pop("transparency", None)
    if image.mode in ("La", "RGBa"):  # colours times their opacity; Pillow undoes it one way only
        image = image.convert(image.mode.upper())
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layer = image if image.mode == "RGBA" else image.convert("RGBA")
        image = Image.new("RGB", layer.size, "white")
        image.paste(layer, mask=layer)
    if image.mode != "RGB":
        image = image.convert("RGB")
    if max(image.size) > most:
        share = most / max(image.size)
        width, height = (max(1, round(side * share)) for side in image.size)
        return image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3)
    return image.copy() if image is given else image
