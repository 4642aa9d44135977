"""A hostile web, in a table: nothing forbidden is reached, nothing hangs, each is told."""

import gzip
import ipaddress
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from web_world import Answer, Server, Visit, photo, redirect, response, serving, web

from mcu.backends.web import Fetcher, address
from mcu.errors import Reject

LIMIT = 1.0  # seconds a picture in these tests
MOST_MEMORY = 50_000_000  # bytes; a picture's file may have 20 MB


@dataclass
class World:
    """A server that may be asked, and one that must not be: it notes every connection."""

    front: Server
    inside: Server
    names: dict[str, list[list[str]]]
    lookups: list[str]

    def fetch(self, url: str) -> bytes:
        return Fetcher(web(timeout=LIMIT)).fetch(url)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """127.0.0.1 may be asked, 127.0.0.2 and all else may not; names come from a table."""
    monkeypatch.setattr(address, "_OWN", [ipaddress.ip_network("127.0.0.1/32")])
    with serving() as front, serving(host="127.0.0.2") as inside:
        made = World(front, inside, {}, [])

        def lookup(host: str, port: int) -> list[tuple[int, str]]:
            made.lookups.append(host)
            known = made.names[host]
            found = known.pop(0) if len(known) > 1 else known[0]
            return [(10 if ":" in ip else 2, ip) for ip in found]

        monkeypatch.setattr(address, "lookup", lookup)
        secret = response(photo())
        inside.answers = dict.fromkeys(("/", "/a.jpg", "/robots.txt"), secret)
        yield made


def refused(world: World, url: str, code: str) -> str:
    """The reason for which a URL is refused, soon, in little memory and far from the inside."""
    tracemalloc.start()
    began = time.monotonic()
    try:
        with pytest.raises(Reject) as caught:
            world.fetch(url)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.monotonic() - began < LIMIT + 2
    assert peak < MOST_MEMORY
    assert world.inside.visits == 0
    assert caught.value.code in code.split(" or "), str(caught.value)
    assert 10 < len(str(caught.value)) < 300
    return str(caught.value)


INSIDE = [
    "http://127.0.0.2:{port}/a.jpg",
    "http://2130706434:{port}/a.jpg",
    "http://0x7f000002:{port}/a.jpg",
    "http://0x7f.2:{port}/a.jpg",
    "http://0177.0.0.2:{port}/a.jpg",
    "http://127.2:{port}/a.jpg",
    "http://127.0.0.2.:{port}/a.jpg",
    "http://[::ffff:127.0.0.2]:{port}/a.jpg",
    "http://[::127.0.0.2]:{port}/a.jpg",
    "http://[64:ff9b::7f00:2]:{port}/a.jpg",
    "http://[2002:7f00:2::]:{port}/a.jpg",
    "http://①②⑦.0.0.2:{port}/a.jpg",
    "http://example.org@127.0.0.2:{port}/a.jpg",
    "http://127.0.0.1\\@127.0.0.2:{port}/a.jpg",
    "http://0.0.0.0:{port}/a.jpg",
    "http://[::]:{port}/a.jpg",
    "http://inside.test:{port}/a.jpg",
    "http://mixed.test:{port}/a.jpg",
    "http://mapped.test:{port}/a.jpg",
    "http://169.254.169.254/latest/meta-data/",
    "http://metadata.test/computeMetadata/v1/",
]
NAMES = {
    "inside.test": [["127.0.0.2"]],
    "mixed.test": [["127.0.0.1", "127.0.0.2"]],
    "mapped.test": [["::ffff:127.0.0.2"]],
    "metadata.test": [["169.254.169.254"]],
}


@pytest.mark.parametrize("url", INSIDE)
@pytest.mark.parametrize("way", ["directly", "by a redirect", "by robots.txt"])
def test_nothing_leads_inside(world: World, url: str, way: str) -> None:
    world.names |= NAMES
    url = url.format(port=world.inside.port)
    if way == "directly":
        with pytest.raises(Reject) as caught:
            world.fetch(url)
    else:
        path = "/a.jpg" if way == "by a redirect" else "/robots.txt"
        head = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: "
        world.front.answers[path] = head + url.encode() + b"\r\n\r\n"
        with pytest.raises(Reject) as caught:
            world.fetch(f"{world.front.base}/a.jpg")
        assert world.front.asked(path) == 1
    assert caught.value.code in ("refused_address", "bad_url")
    assert world.inside.visits == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_every_kind_of_redirect_is_checked(world: World, status: int) -> None:
    world.front.answers["/a.jpg"] = redirect(f"{world.inside.base}/a.jpg", status)
    refused(world, f"{world.front.base}/a.jpg", "refused_address")


def test_a_name_that_changes_its_address(world: World) -> None:
    """Rebinding: first the server outside answers for robots.txt, then the name points inside."""
    world.names["turning.test"] = [["127.0.0.1"], ["127.0.0.2"]]
    refused(world, f"http://turning.test:{world.front.port}/a.jpg", "refused_address")
    assert world.front.asked("/robots.txt") == 1
    assert world.lookups == ["turning.test", "turning.test"], "each connection is looked up once"


def test_no_address_is_used_but_those_looked_up(world: World) -> None:
    world.names["good.test"] = [["127.0.0.1"]]
    world.front.answers["/a.jpg"] = response(photo())
    assert world.fetch(f"http://good.test:{world.front.port}/a.jpg").startswith(b"\xff\xd8")
    assert f"Host: good.test:{world.front.port}" in world.front.heads[-1]


def test_proxies_of_the_environment_are_not_asked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, world.inside.base)
    world.front.answers["/a.jpg"] = response(photo())
    world.fetch(f"{world.front.base}/a.jpg")
    assert world.inside.visits == 0


def drip(data: bytes, every: float) -> Callable[[Visit], None]:
    """Send byte after byte, then nothing for ever."""

    def answer(visit: Visit) -> None:
        for n in range(len(data)):
            if not (visit.send(data[n : n + 1]) and visit.pause(every)):
                return
        while visit.pause(0.1):
            pass

    return answer


def endless(head: bytes, piece: bytes) -> Callable[[Visit], None]:
    """A head, then the same piece again and again."""

    def answer(visit: Visit) -> None:
        sent = visit.send(head)
        while sent:
            sent = visit.send(piece)

    return answer


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n"
ZEROS = bytes(100_000)
SVG = b"""<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<svg xmlns="http://www.w3.org/2000/svg" width="90" height="90"><text>&x;</text>
<script>alert(1)</script></svg>"""

HOSTILE: dict[str, tuple[Answer, str]] = {
    "never answers": (drip(b"", 0), "timeout"),
    "drips its head": (drip(HEAD * 100, 0.05), "timeout"),
    "drips its body": (drip(HEAD + b"\r\n" + photo(), 0.002), "timeout"),
    "stops in the body": (drip(HEAD + b"Content-Length: 999\r\n\r\n" + b"x" * 9, 0), "timeout"),
    "a body without end": (endless(HEAD + b"\r\n", ZEROS), "too_large"),
    "chunks without end": (
        endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", chunked(ZEROS)),
        "too_large",
    ),
    "a length that lies, too small": (
        endless(HEAD + b"Content-Length: 10\r\n\r\n", ZEROS),
        "bad_image or broken",
    ),
    "a length that is too large": (HEAD + b"Content-Length: 99999999999\r\n\r\n", "too_large"),
    "a length below zero": (HEAD + b"Content-Length: -5\r\n\r\nabc", "broken"),
    "two lengths": (HEAD + b"Content-Length: 5\r\nContent-Length: 9\r\n\r\nabcdefghi", "broken"),
    "a body that breaks off": (HEAD + b"Content-Length: 5000\r\n\r\nabc", "broken"),
    "headers without end": (endless(HEAD, b"X-Filler: aaaaaaaaaaaa\r\n"), "broken"),
    "one header without end": (endless(HEAD + b"X-Filler: ", b"a" * 10_000), "broken"),
    "1xx without end": (endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"), "timeout"),
    "nothing at all": (b"", "broken"),
    "not HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n", "broken"),
    "a gzip bomb": (
        response(gzip.compress(bytes(50_000_000)), Content_Encoding="gzip"),
        "encoding",
    ),
    "a deflate bomb": (response(zlib.compress(ZEROS), Content_Encoding="deflate"), "encoding"),
    "two encodings": (response(b"x", Content_Encoding="identity, br"), "encoding"),
    "a picture's type on a page": (
        response(b"<html>" + b"a" * 5000, Content_Type="image/jpeg"),
        "bad_image",
    ),
    "SVG": (response(SVG, Content_Type="image/svg+xml"), "bad_image"),
    "SVG by another name": (response(SVG, Content_Type="image/png"), "bad_image"),
    "a PDF": (response(b"%PDF-1.7\n" + ZEROS), "bad_image"),
    "an archive": (response(b"PK\x03\x04" + ZEROS), "bad_image"),
    "an empty file": (response(b""), "bad_image"),
    "a torn picture": (response(photo((640, 480))[:4000]), "bad_image"),
    "a placeholder": (response(photo((1, 1), "GIF")), "bad_image"),
    "redirects in a circle": (redirect("/a.jpg"), "redirects"),
    "redirects to a file": (redirect("file:///etc/passwd"), "bad_url"),
    "redirects to data": (redirect("data:image/png;base64,AAAA"), "bad_url"),
    "redirects with a password": (redirect("http://a:b@127.0.0.1/a.jpg"), "bad_url"),
    "redirects to a mail server": (redirect("http://127.0.0.1:25/a.jpg"), "bad_url"),
    "redirects nowhere": (redirect("http://"), "redirects"),
    "redirects to bytes": (redirect("http://\xff\xfe\x80/"), "bad_url"),
    "redirects without a place": (response(b"", "302 Found"), "status"),
    "an error": (response(photo(), "500 Internal Server Error"), "status"),
    "no such picture": (response(photo(), "404 Not Found"), "status"),
    "no picture, though all is well": (response(b"", "204 No Content"), "status"),
    "a part of a picture": (response(photo()[:99], "206 Partial Content"), "status"),
    "busy for a day": (response(b"", "503 Busy", Retry_After="86400"), "status"),
    "busy for ever": (response(b"", "429 Busy", Retry_After="9" * 400), "status"),
    "keeps models away": (response(photo(), X_Robots_Tag="noai"), "noai"),
    "reserves mining": (response(photo(), TDM_Reservation="1"), "noai"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_answers(world: World, case: str) -> None:
    world.front.answers["/a.jpg"], code = HOSTILE[case]
    refused(world, f"{world.front.base}/a.jpg", code)
    assert world.front.asked("/a.jpg") >= 1


def test_the_table_is_long_enough() -> None:
    assert len(HOSTILE) >= 30


def test_a_name_server_that_never_answers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "lookup", lambda host, port: time.sleep(3) or [(2, "127.0.0.1")])
    refused(world, f"http://slow.test:{world.front.port}/a.jpg", "timeout")


def test_names_that_do_not_exist(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(host: str, port: int) -> list[tuple[int, str]]:
        raise OSError("no such name")

    monkeypatch.setattr(address, "lookup", lookup)
    refused(world, "http://none.test/a.jpg", "unreached")
    monkeypatch.setattr(address, "lookup", lambda host, port: [])
    refused(world, "http://none.test/a.jpg", "unreached")


def test_nobody_listens(world: World) -> None:
    port = world.front.port
    world.front.close()
    refused(world, f"http://127.0.0.1:{port}/a.jpg", "unreached")


@pytest.mark.parametrize(
    ("robots", "code"),
    [
        (response(b"User-agent: *\nDisallow: /"), "robots"),
        (response(b"", "500 Error"), "robots"),
        (response(b"", "429 Busy"), "robots"),
        (response(gzip.compress(ZEROS), Content_Encoding="gzip"), "encoding"),
        (redirect("/robots.txt"), "redirects"),
        (drip(b"", 0), "timeout"),
        (redirect("http://169.254.169.254/robots.txt"), "refused_address"),
    ],
)
def test_hostile_robots(world: World, robots: Answer, code: str) -> None:
    world.front.answers |= {"/robots.txt": robots, "/a.jpg": response(photo())}
    refused(world, f"{world.front.base}/a.jpg", code)
    assert world.front.asked("/a.jpg") == 0


def test_robots_without_end_are_cut(world: World) -> None:
    head = b"HTTP/1.1 200 OK\r\n\r\nUser-agent: *\nDisallow: /b\n"
    world.front.answers["/robots.txt"] = endless(head, b"# filler\n" * 1000)
    world.front.answers["/a.jpg"] = response(photo())
    assert world.fetch(f"{world.front.base}/a.jpg")
    refused(world, f"{world.front.base}/b", "robots")
