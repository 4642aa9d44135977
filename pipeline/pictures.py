"""Pictures from outside made safe to keep: any bytes in, a plain JPEG out."""

import io
import warnings

from mcu.errors import Reject
from PIL import Image, UnidentifiedImageError

_MOST_BYTES = 20_000_000
_MOST_PIXELS = 40_000_000
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
_LONGEST_SIDE = 2048
_QUALITY = 90


def clean(data: bytes) -> bytes:
    """Decode a picture and encode it anew as JPEG, which drops metadata and whatever hid in it.

    Transparency becomes white, an animation its first frame, and sides are cut to 2,048 px.

    Raises:
        Reject: not a picture of a known type, torn, or too large to open safely.
    """
    if len(data) > _MOST_BYTES:
        raise Reject("bad_image", f"the picture's file has {len(data)} bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=_FORMATS)
            if image.width * image.height > _MOST_PIXELS:
                raise Reject("bad_image", f"the picture has {image.width}x{image.height} pixels")
            return encode(image)
    except Reject:
        raise
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
        OSError,
        ValueError,
        SyntaxError,
    ) as error:
        raise Reject("bad_image", f"the picture cannot be opened: {error}"[:300]) from error


def encode(image: Image.Image) -> bytes:
    """A picture as JPEG bytes, flattened onto white."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        image = Image.new("RGB", layer.size, "white")
        image.paste(layer, mask=layer.getchannel("A"))
    image = image.convert("RGB")
    image.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()
