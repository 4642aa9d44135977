"""Marks of a drawn picture: the XMP packet that says it is synthetic, written and read."""

import io
from xml.parsers import expat
from xml.sax.saxutils import escape

from PIL import Image

from mcu import __version__
from mcu.backends import Origin

SOURCES = "http://cv.iptc.org/newscodes/digitalsourcetype/"

_QUALITY = 90
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XMP = "http://ns.adobe.com/xap/1.0/"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_OWN = "urn:mcu:marks:1.0:"
_HEAD = _XMP.encode() + b"\0"  # how an APP1 segment of a JPEG begins that holds XMP
_PACKET = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="{rdf}">
  <rdf:Description rdf:about="" xmlns:xmp="{xmp}" xmlns:Iptc4xmpExt="{iptc}" xmlns:mcu="{own}">
{lines}
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""
# Where each mark is looked for; of several the first that is there.
_MARKS = {
    "source": (f"{_IPTC} DigitalSourceType",),
    "tool": (f"{_XMP} CreatorTool",),
    "model": (f"{_OWN} Model", f"{_IPTC} AISystemUsed"),
    "seed": (f"{_OWN} Seed",),
}


def packet(origin: Origin) -> bytes:
    """An XMP packet with the picture's origin: equal origins give equal bytes.

    DigitalSourceType takes a term of IPTC's NewsCodes. AISystemUsed and AISystemVersionUsed (IPTC
    Photo Metadata 2025.1) are for trained models alone; the version is what stands behind the
    only `@` of the model's name. Characters that XML cannot hold become U+FFFD.
    """
    properties = {
        "Iptc4xmpExt:DigitalSourceType": SOURCES + origin.source,
        "xmp:CreatorTool": f"mcu {__version__}",
        "mcu:Model": origin.model,
        "mcu:Seed": str(origin.seed),
    }
    if origin.source == "trainedAlgorithmicMedia":
        name, *version = origin.model.split("@")
        alone = len(version) == 1
        properties["Iptc4xmpExt:AISystemUsed"] = name if alone else origin.model
        if alone:
            properties["Iptc4xmpExt:AISystemVersionUsed"] = version[0]
    lines = "\n".join(f"   <{key}>{_data(text)}</{key}>" for key, text in properties.items())
    return _PACKET.format(rdf=_RDF, xmp=_XMP, iptc=_IPTC, own=_OWN, lines=lines).encode()


def sealed(image: Image.Image, origin: Origin) -> bytes:
    """The picture as a JPEG file (RGB, quality 90) that bears its marks and no other metadata."""
    plain = image.convert("RGB")
    plain.info.clear()
    buffer = io.BytesIO()
    plain.save(buffer, "JPEG", quality=_QUALITY, xmp=packet(origin))
    return buffer.getvalue()


def read(data: bytes) -> dict[str, str]:
    """The marks of a JPEG: `source`, `tool`, `model`, `seed`, each where it is there.

    The bytes may be anybody's: torn files, other formats and XML with a document type (hence
    with entities) have no marks. Values are data, to be shown with care.
    """
    try:
        found = _properties(_xmp(data))
    except (expat.ExpatError, ValueError):
        return {}
    marks = {}
    for mark, names in _MARKS.items():
        if text := next((found[name] for name in names if found.get(name)), ""):
            marks[mark] = text.removeprefix(SOURCES)
    return marks


def _data(text: str) -> str:
    legal = (c if _in_xml(ord(c)) else "\ufffd" for c in text)
    return escape("".join(legal), {"\r": "&#13;"})


def _in_xml(code: int) -> bool:
    """Whether a character may stand in XML 1.0 (section 2.2)."""
    return code in (9, 10, 13) or 32 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or code > 0xFFFF


def _xmp(data: bytes) -> bytes:
    """The first XMP packet of a JPEG, at most 64 KiB; empty where there is none.

    Only the segments before the picture's own data are walked, so no decoder is at risk.
    """
    at = 2
    while data[:2] == b"\xff\xd8" and data[at : at + 1] == b"\xff":
        kind, size = data[at + 1 : at + 2], int.from_bytes(data[at + 2 : at + 4], "big")
        segment = data[at + 4 : at + 2 + size]
        if kind in (b"\xda", b"\xd9") or len(segment) != size - 2:
            break
        if kind == b"\xe1" and segment.startswith(_HEAD):
            return segment[len(_HEAD) :]
        at += 2 + size
    return b""


def _properties(xml: bytes) -> dict[str, str]:
    """The simple properties that rdf:Description elements hold, by namespace and name."""
    found: dict[str, str] = {}
    path: list[str] = []
    description = [f"{_RDF} RDF", f"{_RDF} Description"]

    def start(name: str, attributes: dict[str, str]) -> None:
        path.append(name)
        if path[-2:] == description:
            found.update(attributes)
        elif path[-3:-1] == description:
            found[name] = ""

    def inside(text: str) -> None:
        if path[-3:-1] == description:
            found[path[-1]] += text

    def refuse(*_: object) -> None:
        raise ValueError("a document type may define entities without bounds")

    parser = expat.ParserCreate("utf-8", " ")
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: path.pop()
    parser.CharacterDataHandler = inside
    parser.StartDoctypeDeclHandler = refuse
    parser.Parse(xml, True)
    return found
