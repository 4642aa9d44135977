"""Marks of drawn pictures: what is written is read; hostile bytes have no marks."""

import io
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mcu import __version__
from mcu.backends import Origin
from mcu.marks import packet, read, sealed
from mcu.pictures import clean

ORIGIN = Origin("lab/sdxl@0123abc", 7, "trainedAlgorithmicMedia")
MARKS = {
    "source": "trainedAlgorithmicMedia",
    "tool": f"mcu {__version__}",
    "model": "lab/sdxl@0123abc",
    "seed": "7",
}
HEAD = b"http://ns.adobe.com/xap/1.0/\0"
RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
IPTC = 'xmlns:I="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
TERMS = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def jpeg(xmp: bytes) -> bytes:
    """A small JPEG file with a packet of its own."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG", xmp=xmp)
    return buffer.getvalue()


def described(inner: str, attributes: str = "", before: str = "") -> bytes:
    text = f"<rdf:Description {IPTC} {attributes}>{inner}</rdf:Description>"
    return jpeg(f"{before}<rdf:RDF {RDF}>{text}</rdf:RDF>".encode())


def test_what_is_sealed_is_read() -> None:
    assert read(sealed(Image.new("RGB", (9, 5)), ORIGIN)) == MARKS


def test_a_packet_depends_on_the_origin_alone() -> None:
    assert packet(ORIGIN) == packet(Origin("lab/sdxl@0123abc", 7, "trainedAlgorithmicMedia"))
    others = [
        Origin("lab/sdxl@0123abc", 8, "trainedAlgorithmicMedia"),
        Origin("lab/sdxl", 7, "trainedAlgorithmicMedia"),
        Origin("lab/sdxl@0123abc", 7, "algorithmicMedia"),
    ]
    assert len({packet(ORIGIN), *map(packet, others)}) == 4


def test_the_whole_packet() -> None:
    """Nothing but these stands in it: no time, no host."""
    lines = [line.strip() for line in packet(ORIGIN).decode().split("\n")]
    assert [line for line in lines if line.startswith(("<I", "<xmp:", "<mcu:"))] == [
        f"<Iptc4xmpExt:DigitalSourceType>{TERMS}trainedAlgorithmicMedia"
        "</Iptc4xmpExt:DigitalSourceType>",
        f"<xmp:CreatorTool>mcu {__version__}</xmp:CreatorTool>",
        "<mcu:Model>lab/sdxl@0123abc</mcu:Model>",
        "<mcu:Seed>7</mcu:Seed>",
        "<Iptc4xmpExt:AISystemUsed>lab/sdxl</Iptc4xmpExt:AISystemUsed>",
        "<Iptc4xmpExt:AISystemVersionUsed>0123abc</Iptc4xmpExt:AISystemVersionUsed>",
    ]
    assert len(lines) == 14


@pytest.mark.parametrize(
    ("origin", "system"),
    [
        (Origin("a@1+b@2", 0, "trainedAlgorithmicMedia"), ["AISystemUsed>a@1+b@2<"]),
        (Origin("a", 0, "trainedAlgorithmicMedia"), ["AISystemUsed>a<"]),
        (Origin("avatar@1", 0, "algorithmicMedia"), []),
    ],
)
def test_systems_and_versions(origin: Origin, system: list[str]) -> None:
    text = packet(origin).decode()
    assert text.count("<Iptc4xmpExt:AI") == len(system)
    assert all(one in text for one in system)
    assert read(jpeg(packet(origin)))["model"] == origin.model


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "CMYK", "1", "I;16"])
def test_any_picture_becomes_a_plain_jpeg(mode: str) -> None:
    image = Image.new(mode, (20, 10))
    image.info |= {"comment": b"secret", "dpi": (7, 7), "exif": b"Exif\0\0secret", "xmp": b"secret"}
    data = sealed(image, ORIGIN)
    assert b"secret" not in data
    assert image.info["comment"] == b"secret", "the picture given is left alone"
    again = Image.open(io.BytesIO(data))
    assert (again.format, again.mode, again.size) == ("JPEG", "RGB", (20, 10))
    assert data == sealed(image, ORIGIN)
    buffer = io.BytesIO()
    Image.new("RGB", (20, 10)).save(buffer, "JPEG", quality=90)
    assert again.quantization == Image.open(buffer).quantization  # type: ignore[attr-defined]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), st.integers())
def test_values_are_data(model: str, seed: int) -> None:
    found = read(jpeg(packet(Origin(model, seed, "algorithmicMedia"))))
    illegal = {c: "\ufffd" for c in range(32) if c not in (9, 10, 13)}
    illegal |= dict.fromkeys((0xFFFE, 0xFFFF), "\ufffd")
    assert found.get("model", "") == model.translate(illegal)
    assert found["seed"] == str(seed)
    assert found["source"] == "algorithmicMedia"


@pytest.mark.parametrize(
    "model", ["<x>&amp;]]>", "a\r\nb\tc", "\ud800", "\0", "</mcu:Model><mcu:Seed>1"]
)
def test_names_that_look_like_xml(model: str) -> None:
    found = read(jpeg(packet(Origin(model, 7, "algorithmicMedia"))))
    assert found["model"] == model.replace("\ud800", "\ufffd").replace("\0", "\ufffd")
    assert found["seed"] == "7"


def test_marks_of_others() -> None:
    """Attributes in place of elements, one property alone, another vocabulary, structures."""
    term = f'I:DigitalSourceType="{TERMS}digitalCapture"'
    assert read(described("", term)) == {"source": "digitalCapture"}
    other = "<I:DigitalSourceType>urn:x</I:DigitalSourceType><I:AISystemUsed>X</I:AISystemUsed>"
    assert read(described(other)) == {"source": "urn:x", "model": "X"}
    within = f"<I:AISystemUsed><rdf:Description {term}>in</rdf:Description></I:AISystemUsed>"
    assert read(described(within)) == {}
    assert read(described("<I:AISystemUsed/>")) == {}
    assert read(described("<I:AISystemUsed>a</I:AISystemUsed>" * 2)) == {"model": "a"}


def test_pictures_without_marks() -> None:
    for kind in ("JPEG", "PNG"):
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8)).save(buffer, kind)
        assert read(buffer.getvalue()) == {}
    assert read(b"") == read(b"\xff\xd8") == read(b"\xff\xd8\xff\xe1") == {}


def test_marks_do_not_outlive_a_picture_from_outside() -> None:
    """Whoever puts our marks on a photograph has them dropped."""
    assert read(clean(sealed(Image.new("RGB", (8, 8)), ORIGIN))) == {}


INNER = "<I:AISystemUsed>&a;</I:AISystemUsed>"
BOMB = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    "before",
    [
        '<!DOCTYPE x [<!ENTITY a "b">]>',
        f'<!DOCTYPE x [<!ENTITY a0 "b">{BOMB}<!ENTITY a "&a9;">]>',
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">',
        "",
    ],
)
def test_no_entity_is_ever_expanded(before: str) -> None:
    assert read(described(INNER, before=before)) == {}
    known = "<I:AISystemUsed>a</I:AISystemUsed>"
    assert read(described(known, before=before)) == ({} if before else {"model": "a"})


@pytest.mark.parametrize(
    "xml",
    [
        b"",
        b"\0" * 100,
        b"<a>" * 20_000,
        b"<a>" * 9_000 + b"</a>" * 9_000,
        b'<?xml version="1.0" encoding="rot13"?><a/>',
        '<?xml version="1.0" encoding="utf-16"?><a/>'.encode("utf-16"),
        b"<a xmlns='\xff'/>",
        b"<a><b></a>",
    ],
)
def test_hostile_packets(xml: bytes) -> None:
    assert read(jpeg(xml)) == {}


def test_torn_and_changed_files() -> None:
    data, random = sealed(Image.new("RGB", (16, 16)), ORIGIN), Random(1)
    end = data.index(b'<?xpacket end="r"?>') + 19
    for length in range(0, end, 7):
        assert read(data[:length]) == {}
    assert read(data[:end]) == MARKS
    for _ in range(2000):
        changed = bytearray(data)
        changed[random.randrange(end)] = random.randrange(256)
        assert set(read(bytes(changed))) <= set(MARKS)


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    assert read(data) == {}
    size = (len(HEAD) + len(data) + 2).to_bytes(2, "big")
    assert read(b"\xff\xd8\xff\xe1" + size + HEAD + data) == {}
