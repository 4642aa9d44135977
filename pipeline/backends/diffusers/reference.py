"""What a request shows besides its words: the trigger word, and pictures of people."""

import hashlib
import io
import re
from collections.abc import Sequence

from PIL import Image

from mcu.backends import ImageRequest
from mcu.errors import Reject

_TRIGGER = re.compile(r"\s*\bimg\b")


def plain(request: ImageRequest) -> str:
    """The prompt without the trigger word, which only PhotoMaker knows.

    Raises:
        Reject: a persona's prompt has no trigger word, or several.
    """
    if request.kind != "p-t2i":
        return request.prompt
    found = len(_TRIGGER.findall(request.prompt))
    if found != 1:
        said = "no trigger word" if not found else f"{found} trigger words"
        raise Reject("bad_prompt", f"the prompt has {said} 'img'; it needs one", request.prompt)
    return _TRIGGER.sub("", request.prompt).strip()


def opened(pictures: Sequence[bytes]) -> list[Image.Image]:
    """Pictures as RGB.

    Raises:
        Reject: one cannot be read.
    """
    try:
        return [Image.open(io.BytesIO(data)).convert("RGB") for data in pictures]
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise Reject("bad_image", f"an ID picture cannot be read: {error}") from error


def digest(pictures: Sequence[bytes]) -> str:
    """One name for several pictures, in their order."""
    return hashlib.sha256(b"".join(hashlib.sha256(one).digest() for one in pictures)).hexdigest()
