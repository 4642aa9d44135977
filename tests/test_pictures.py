"""Pictures from outside: whatever the bytes, a plain JPEG or a Reject with a plain reason."""

import io
import struct
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mcu.errors import Reject
from mcu.pictures import clean, encode

WHITE = (255, 255, 255)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    assert image.format == "JPEG"
    assert image.mode == "RGB"
    image.load()
    return image


def photo(size: tuple[int, int] = (64, 48), colour: object = (200, 40, 40)) -> Image.Image:
    image = Image.new("RGB", size, colour)  # type: ignore[arg-type]
    image.paste((20, 60, 220), (0, 0, size[0] // 2, size[1]))
    return image


def near(image: Image.Image, at: tuple[int, int], colour: tuple[int, ...]) -> None:
    found = image.getpixel(at)
    assert isinstance(found, tuple)
    assert all(abs(a - b) < 24 for a, b in zip(found, colour, strict=True)), found


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, pixels: bytes, depth: int = 8, colour: int = 2) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(pixels)), chunk(b"IEND", b""))
    )


def with_text(data: bytes) -> bytes:
    """A PNG whose text chunk grows to 200 MB when it is read."""
    bomb = chunk(b"zTXt", b"Comment\x00\x00" + zlib.compress(bytes(200_000_000), 9))
    return data[:33] + bomb + data[33:]


def huge_gif() -> bytes:
    data = bytearray(saved(photo(), "GIF"))
    data[6:10] = struct.pack("<HH", 65_000, 65_000)
    return bytes(data)


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'

BAD: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "zeroes": lambda: bytes(1000),
    "text": lambda: b"not a picture",
    "svg": lambda: SVG,
    "html named jpg": lambda: b"<!DOCTYPE html><html><img src=x onerror=alert(1)></html>",
    "truncated jpeg": lambda: saved(photo((640, 480)), "JPEG")[:1500],
    "truncated png": lambda: saved(photo((640, 480)), "PNG")[:-40],
    "truncated webp": lambda: saved(photo((640, 480)), "WEBP", lossless=True)[:-20],
    "head of a jpeg": lambda: saved(photo(), "JPEG")[:4],
    "head of a gif": lambda: saved(photo(), "GIF")[:12],
    "png bomb": lambda: png(20_000, 20_000, bytes(60_001 * 20_000 // 50)),
    "png as large as its number goes": lambda: png(2**31 - 1, 2**31 - 1, b""),
    "png without pixels": lambda: png(0, 0, b""),
    "text bomb": lambda: with_text(saved(photo(), "PNG")),
    "wide, between the limits": lambda: png(50_000, 1_000, b""),
    "huge gif": huge_gif,
    "tiff": lambda: saved(photo(), "TIFF"),
    "postscript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "icon": lambda: saved(photo((32, 32)), "ICO"),
    "too many bytes": lambda: saved(photo(), "JPEG") + bytes(20_000_000),
}


@pytest.mark.parametrize("name", BAD)
def test_refused(name: str) -> None:
    data = BAD[name]()
    reasons = set()
    for _ in range(2):
        with pytest.raises(Reject) as caught:
            clean(data)
        assert caught.value.code == "bad_image"
        reasons.add(str(caught.value))
    # The reason is kept in records, which are the same bytes every time: no address in memory.
    assert len(reasons) == 1
    assert "object at" not in reasons.pop()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_every_known_type(kind: str) -> None:
    image = opened(clean(saved(photo(), kind)))
    assert image.size == (64, 48)
    near(image, (8, 24), (20, 60, 220))
    near(image, (56, 24), (200, 40, 40))


def test_one_pixel() -> None:
    assert opened(clean(saved(Image.new("RGB", (1, 1)), "PNG"))).size == (1, 1)


def test_long_sides_are_cut() -> None:
    assert opened(clean(saved(photo((4096, 1024)), "JPEG"))).size == (2048, 512)
    assert opened(clean(saved(photo((6000, 2)), "PNG"))).size == (2048, 1)


def test_cmyk() -> None:
    image = opened(clean(saved(photo().convert("CMYK"), "JPEG", quality=95)))
    near(image, (8, 24), (20, 60, 220))


def test_sixteen_bits_of_grey_keep_their_shades() -> None:
    rows = b"".join(b"\x00" + struct.pack(">3H", 0, 0x8000, 0xFFFF) for _ in range(3))
    image = opened(clean(png(3, 3, rows, depth=16, colour=0)))
    shades = [image.getpixel((x, 1))[0] for x in range(3)]  # type: ignore[index]
    assert shades[0] < 24 < 104 < shades[1] < 152 < 231 < shades[2]


def test_sixteen_bits_of_colour() -> None:
    rows = b"".join(b"\x00" + struct.pack(">3H", 0xC800, 0x2800, 0x2800) * 8 for _ in range(8))
    near(opened(clean(png(8, 8, rows, depth=16))), (4, 4), (200, 40, 40))


def test_transparency_becomes_white() -> None:
    layer = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    layer.paste((200, 40, 40, 255), (0, 0, 8, 16))
    for kind in ("PNG", "WEBP"):
        image = opened(clean(saved(layer, kind)))
        near(image, (12, 8), WHITE)
        near(image, (3, 8), (200, 40, 40))


def test_transparent_palette_colour_and_grey() -> None:
    flat = photo((16, 16)).quantize(2)
    clear = flat.getpixel((12, 8))
    assert isinstance(clear, int)
    near(opened(clean(saved(flat, "PNG", transparency=clear))), (12, 8), WHITE)
    near(opened(clean(saved(flat, "GIF", transparency=clear))), (12, 8), WHITE)
    alphas = bytes(0 if index == clear else 255 for index in range(2))
    near(opened(clean(saved(flat, "PNG", transparency=alphas))), (12, 8), WHITE)
    solid = photo((16, 16))
    near(opened(clean(saved(solid, "PNG", transparency=(200, 40, 40)))), (12, 8), WHITE)
    grey = Image.new("L", (16, 16), 7)
    near(opened(clean(saved(grey, "PNG", transparency=7))), (8, 8), WHITE)
    near(opened(clean(saved(Image.new("LA", (16, 16), (7, 0)), "PNG"))), (8, 8), WHITE)
    assert opened(clean(saved(Image.new("1", (16, 16), 1), "PNG", transparency=1)))


def test_sixteen_bits_with_a_transparent_shade() -> None:
    rows = b"".join(b"\x00" + struct.pack(">3H", 0, 0x8000, 0xFFFF) for _ in range(3))
    data = png(3, 3, rows, depth=16, colour=0)
    image = opened(clean(data[:33] + chunk(b"tRNS", struct.pack(">H", 0x8000)) + data[33:]))
    near(image, (0, 1), (0, 0, 0))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_the_first_frame_of_an_animation(kind: str) -> None:
    frames = [Image.new("RGB", (16, 16), (250, 120 * n, 0)) for n in range(3)]
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=50, loop=0)
    image = opened(clean(data))
    assert getattr(image, "n_frames", 1) == 1
    near(image, (8, 8), (250, 0, 0))


def test_metadata_are_dropped() -> None:
    exif = Image.Exif()
    exif[0x010E] = "SECRET place"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (51.0, 30.0, 12.0)
    data = saved(
        photo(),
        "JPEG",
        exif=exif,
        comment=b"SECRET comment",
        xmp=b"SECRET xmp",
        icc_profile=b"SECRET",
    )
    assert data.count(b"SECRET") == 4
    made = clean(data)
    assert b"SECRET" not in made
    assert b"Exif" not in made
    assert not opened(made).getexif()
    assert b"SECRET" not in clean(saved(photo(), "GIF", comment=b"SECRET"))


def test_a_picture_taken_sideways_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = opened(clean(saved(photo((64, 32)), "JPEG", exif=exif)))
    assert image.size == (32, 64)
    near(image, (16, 8), (20, 60, 220))
    near(image, (16, 56), (200, 40, 40))


def test_broken_metadata_do_no_harm() -> None:
    exif = Image.Exif()
    exif[0x0112] = 1
    data = bytearray(saved(photo(), "JPEG", exif=exif))
    start = data.index(b"Exif\x00\x00") + 6
    data[start + 8 : start + 10] = b"\xff\xff"
    assert opened(clean(bytes(data))).size == (64, 48)


def test_what_hid_behind_a_picture_is_gone() -> None:
    data = saved(photo(), "JPEG") + b"PK\x03\x04 evil.sh" + b"<script>" + b"PK\x05\x06" + bytes(18)
    made = clean(data)
    assert b"PK\x03\x04" not in made
    assert b"<script>" not in made
    assert made.endswith(b"\xff\xd9")


def test_the_same_bytes_in_the_same_bytes_out_in_any_thread() -> None:
    data = [saved(photo((300, 200 + n % 3)), "PNG") for n in range(24)]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(clean, data))
    assert made == [clean(one) for one in data]
    assert len(set(made)) == 3


def test_encoding_leaves_the_picture_as_it_is() -> None:
    image = photo((3000, 100))
    image.info["comment"] = b"kept"
    encode(image)
    assert image.size == (3000, 100)
    assert image.info == {"comment": b"kept"}


SOUND = [
    saved(photo(), "JPEG"),
    saved(photo(), "PNG"),
    saved(photo(), "GIF"),
    saved(photo(), "WEBP"),
    saved(photo(), "BMP"),
    saved(photo().quantize(8), "BMP"),
]


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(SOUND), st.randoms(use_true_random=False), st.integers(1, 12))
def test_damaged_files_are_pictures_or_rejects(sound: bytes, random: Random, hits: int) -> None:
    data = bytearray(sound)
    for _ in range(hits):
        data[random.randrange(min(len(data), 200))] = random.randrange(256)
    try:
        made = clean(bytes(data))
    except Reject as reject:
        assert reject.code == "bad_image"
    else:
        opened(made)
