"""What a hostile server can make a process hold: measured from outside, decoders included."""

import io
import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator

import pytest
from PIL import Image
from web_world import Server, Visit, photo, response, serving

# Bytes above what the process held before: for what is refused, and for the largest picture that
# is not, whose 40 million pixels have four bytes each.
_REFUSED, _LARGEST = 60_000_000, 250_000_000
_CHILD = """
import json, re, sys
from mcu.backends.web import Fetcher
from mcu.errors import Reject
from mcu.sections import WebSection

base, paths = sys.argv[1], sys.argv[2:]
fetcher = Fetcher(WebSection(allow_private=True, rate=1000, timeout=20))
held = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
fetcher.fetch(base + "/good")
before = held()
for path in paths:
    try:
        said = len(fetcher.fetch(base + path))
    except Reject as loss:
        said = loss.code
    print(json.dumps([path, said, held() - before]), flush=True)
"""


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(1_000_000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(chunks) + body


def film() -> bytes:
    """A GIF of 3,000 frames, of which the first is enough."""
    frames = [Image.new("P", (300, 300), n % 7) for n in range(3000)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def flood(visit: Visit) -> None:
    sent = visit.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while sent:
        sent = visit.send(bytes(1_000_000))


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


def test_no_answer_fills_the_memory(server: Server) -> None:
    bomb = chunk(b"zTXt", b"Comment\x00\x00" + zlib.compress(bytes(200_000_000), 9))
    profile = chunk(b"iCCP", b"icc\x00\x00" + zlib.compress(bytes(200_000_000), 9))
    wide = struct.pack("<6sHHBBB", b"GIF89a", 65000, 65000, 0, 0, 0) + b";"
    cases = {
        "/flood": (flood, "too_large"),
        "/long": (response(bytes(25_000_000)), "too_large"),
        "/noise": (response(b"\xff\xd8\xff" + bytes(19_000_000)), "bad_image"),
        "/square": (response(png(60_000, 60_000)), "bad_image"),
        "/tall": (response(png(1, 2_000_000_000)), "bad_image"),
        "/text": (response(png(64, 64, bomb)), "bad_image"),
        "/profile": (response(png(64, 64, profile)), None),
        "/wide": (response(wide), "bad_image"),
        "/film": (response(film()), None),
        "/allowed": (response(photo((8000, 5000))), None),
    }
    server.answers |= {"/good": response(photo())} | {p: a for p, (a, _) in cases.items()}
    child = subprocess.run(
        [sys.executable, "-c", _CHILD, server.base, *cases],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    told = [json.loads(line) for line in child.stdout.splitlines()]
    assert [path for path, *_ in told] == list(cases)
    for path, said, more in told:
        assert said == cases[path][1] or cases[path][1] is None, (path, said)
        assert more < (_LARGEST if path == "/allowed" else _REFUSED), (
            f"{path} took {more / 1e6:.0f} MB"
        )
