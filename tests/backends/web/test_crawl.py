"""Bing's and Google's pages of results, as servers on loopback give them."""

import html
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from web_world import Server, photo, response, serving, web

from mcu.backends import Search
from mcu.backends.web import open_web
from mcu.errors import Reject

PATHS = {"bing": "/images/async", "google": "/search"}


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


def opened(server: Server, backend: str, **settings: Any) -> Search:
    return open_web(web(backend=backend, base_url=server.base, **settings))


def asked(server: Server) -> dict[str, str]:
    query = urlsplit(server.paths[-1]).query
    return {name: values[0] for name, values in parse_qs(query).items()}


def bing(*pictures: Any) -> bytes:
    items = "".join(
        '<li><div class="iuscp"><div class="imgpt"><a class="iusc" style="x" '
        f'm="{html.escape(json.dumps(one) if isinstance(one, dict) else one)}" href="/images/s">'
        '<div class="img_cont"><img class="mimg" src="/th?id=1"></div></a></div></div></li>'
        for one in pictures
    )
    return response(f'<ul class="dgControl_list">{items}</ul>'.encode())


def test_bing(server: Server) -> None:
    kite = {
        "murl": f"{server.base}/kite",
        "purl": "https://example.org/kites?a=1&b=2",
        "turl": "https://tse1.mm.bing.net/th?id=1",
        "t": "A \ue000red\ue001 \ue000kite\ue001 &amp; sky",
        "desc": "Kites",
    }
    others = [{"murl": f"https://example.org/{n}.{kind}"} for n, kind in enumerate(("webp", "png"))]
    server.answers |= {"/images/async": bing(kite, *others), "/kite": response(photo(kind="PNG"))}
    search = opened(server, "bing")
    found = search.search(["red & blue kite"], 9)[0]
    assert asked(server)["q"] == "red & blue kite"
    assert asked(server)["adlt"] == "strict"
    assert asked(server)["qft"] == " filterui:license-L2_L3_L5_L6"
    assert [hit.url[-4:] for hit in found] == ["kite", "webp", ".png"], "not only .jpg"
    assert found[0].caption == "A red kite & sky"
    assert found[0].page == "https://example.org/kites?a=1&b=2"
    assert (found[0].licence, found[0].copy) == ("", False), "nobody says that it may be copied"
    assert search.fetch(found[0]).startswith(b"\x89PNG"), "as it was found"
    assert len(search.search(["kite"], 2)[0]) == 2


def test_the_licence_filter_of_each(server: Server) -> None:
    server.answers |= {
        "/images/async": response(b"<div>There are no results for kite</div>"),
        "/search": response(b"Your search - kite - did not match any image results."),
    }
    qft = {"commercial": " filterui:license-L2_L3", "any": None}
    for licences, value in qft.items():
        assert opened(server, "bing", licences=licences).search(["kite"], 3) == [[]]
        assert asked(server).get("qft") == value
    tbs = {"open": "il:cl", "commercial": "il:cl", "any": None}
    for licences, value in tbs.items():
        assert opened(server, "google", licences=licences).search(["kite"], 3) == [[]]
        assert asked(server).get("tbs") == value
        assert (asked(server)["safe"], asked(server)["tbm"]) == ("active", "isch")


def script(*pictures: tuple[str, str, str]) -> str:
    """The data of Google's page: of each picture thumbnail, itself, and what is known of it."""
    rows = [
        [
            1,
            [
                0,
                f"id{n}",
                [f"https://encrypted-tbn0.gstatic.com/images?q=tbn:{n}", 183, 275],
                [url, 1080, 1920],
                None,
                0,
                "rgb(1,2,3)",
                None,
                0,
                {"2001": [None], "2003": [None, f"ref{n}", page, title, None, "example.org"]},
            ],
        ]
        for n, (url, title, page) in enumerate(pictures)
    ]
    return json.dumps({"444383007": rows}, separators=(",", ":"))


KITES = [
    ("https://example.org/kite.webp?x=1&y=2", 'A "red" kite', "https://example.org/kites"),
    ("https://example.org/second", "Zweiter Drachen \u00fc", "https://example.org/more"),
]


@pytest.mark.parametrize("form", ["plain", "unicode", "hex", "links"])
def test_google(server: Server, form: str) -> None:
    page = script(*KITES)
    if form == "unicode":
        page = page.replace("=", "\\u003d").replace("&", "\\u0026")
    if form == "hex":
        page = page.replace('\\"', "\\x5c\\x22").replace('"', "\\x22").replace("=", "\\x3d")
    page = f"<script>AF_initDataCallback({{key: 'ds:1', data:{page}, sideChannel: {{}}}});</script>"
    if form == "links":
        hrefs = [f"/imgres?imgurl={quote(u)}&imgrefurl={quote(p)}&h=9" for u, _, p in KITES]
        page = "".join(f'<a href="{html.escape(href)}"><img></a>' for href in hrefs)
    server.answers["/search"] = response(page.encode())
    found = opened(server, "google").search(["red kite"], 9)[0]
    assert [hit.url for hit in found] == [url for url, _, _ in KITES]
    assert [hit.page for hit in found] == [page for _, _, page in KITES]
    titles = [title for _, title, _ in KITES]
    assert [hit.caption for hit in found] == (["", ""] if form == "links" else titles)
    assert {hit.copy for hit in found} == {False}


BLOCKED = {
    "bing": [
        "<html><title>One last step</title><div class='captcha'></div>",
        '<iframe src="https://challenges.cloudflare.com/turnstile/v0">',
    ],
    "google": [
        "Our systems have detected unusual traffic from your computer network.",
        '<form action="/sorry/index"><div class="g-recaptcha"></div></form>',
        '<noscript><meta content="0;url=/httpservice/retry/enablejs?sei=x"></noscript>',
        '<form action="https://consent.google.com/save">Before you continue to Google</form>',
    ],
}
ALL_BLOCKED = [(name, page) for name, pages in BLOCKED.items() for page in pages]


@pytest.mark.parametrize(("backend", "page"), ALL_BLOCKED)
def test_a_captcha_is_no_empty_answer(server: Server, backend: str, page: str) -> None:
    server.answers[PATHS[backend]] = response(page.encode())
    with pytest.raises(Reject, match="human") as caught:
        opened(server, backend).search(["kite"], 3)
    assert caught.value.code == "blocked"


@pytest.mark.parametrize("backend", PATHS)
def test_a_new_layout_is_no_empty_answer(server: Server, backend: str) -> None:
    pages = [response(b""), response(b"<html><img src=/a.png></html>"), response(bytes(range(256)))]
    pages += [bing("not JSON", "[1]", {"murl": "ftp://x/y"}, "[" * 90_000)]
    pages += [response(script(("ftp:x", "", "")).encode())]
    for page in pages:
        server.answers[PATHS[backend]] = page
        with pytest.raises(Reject) as caught:
            opened(server, backend).search(["kite"], 3)
        assert caught.value.code == "unreadable"


@pytest.mark.parametrize("backend", PATHS)
def test_a_refusal_by_status_or_redirect(server: Server, backend: str) -> None:
    with serving(host="127.0.0.3") as other:
        away = f"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {other.base}/sorry\r\n\r\n"
        for answer in (away.encode(), response(b"", "429 No", Retry_After="9999")):
            server.answers[PATHS[backend]] = answer
            with pytest.raises(Reject) as caught:
                opened(server, backend).search(["kite"], 3)
            assert caught.value.code == "blocked"
        assert other.visits == 0


@pytest.mark.parametrize(
    "piece",
    [
        b'["https:',
        b'["https:a",1,',
        b"class=",
        b"<a m=",
        b'"2003":[null,"',
        b"\\x5c",
        b"<!--",
        b"&#",
    ],
)
@pytest.mark.parametrize("backend", PATHS)
def test_no_page_takes_for_ever(server: Server, backend: str, piece: bytes) -> None:
    server.answers[PATHS[backend]] = response(piece * (1_000_000 // len(piece)))
    began = time.monotonic()
    with pytest.raises(Reject):
        opened(server, backend).search(["kite"], 3)
    assert time.monotonic() - began < 5
