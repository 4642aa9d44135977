"""What a request shows besides its words: the trigger word, and pictures of people."""

import hashlib
import io
import re
from collections.abc import Sequence

from PIL import Image

from mcu.backends import ImageRequest
from mcu.errors import Reject

TRIGGER = "img"
_TRIGGER = re.compile(rf"\b{TRIGGER}\b")


def plain(request: ImageRequest) -> str:
    """The prompt without the trigger word, which only PhotoMaker knows.

    Raises:
        Reject: as `halves`, for a picture of the persona.
    """
    return text_only(request.prompt) if request.kind == "p-t2i" else request.prompt


def text_only(prompt: str) -> str:
    """A persona's prompt without its trigger word.

    Raises:
        Reject: as `halves`.
    """
    return "".join(halves(prompt)).strip()


def halves(prompt: str) -> tuple[str, str]:
    """What stands before the trigger word, the class word last, and what stands after it.

    Raises:
        Reject: the trigger word is not there just once, or not right after a word.
    """
    found = list(_TRIGGER.finditer(prompt))
    if len(found) != 1:
        count = f"{len(found)} times" if found else "nowhere"
        raise Reject("bad_prompt", f"the trigger word {TRIGGER!r} must stand once, not {count}")
    before, after = prompt[: found[0].start()].rstrip(), prompt[found[0].end() :]
    if not before:
        raise Reject("bad_prompt", f"before the trigger word {TRIGGER!r} stands no class word")
    if not before[-1].isalnum():
        raise Reject(
            "bad_prompt", f"before the trigger word {TRIGGER!r} stands {before[-1]!r}, not a word"
        )
    return before, after


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
