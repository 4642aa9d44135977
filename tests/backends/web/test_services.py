"""Openverse, Commons and Flickr: servers on loopback that speak their formats."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from web_world import Server, photo, response, serving, web

from mcu.backends import Hit, Search
from mcu.backends.web import open_web
from mcu.errors import BackendError, ConfigError, Reject


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


def opened(server: Server, backend: str, **settings: Any) -> Search:
    return open_web(web(backend=backend, base_url=server.base, **settings))


def asked(server: Server) -> dict[str, str]:
    """The query of the last request."""
    return {name: v[0] for name, v in parse_qs(urlsplit(server.paths[-1]).query).items()}


def told(rows: Any) -> bytes:
    return response(json.dumps(rows).encode(), Content_Type="application/json")


def openverse(server: Server, *rows: dict[str, Any]) -> None:
    usual = {
        "title": "A red kite",
        "creator": "Ana Lima",
        "license": "by",
        "license_version": "2.0",
        "license_url": "https://creativecommons.org/licenses/by/2.0/",
        "foreign_landing_url": "https://www.flickr.com/photos/ana/1",
        "url": f"{server.base}/kite.jpg",
        "mature": False,
    }
    made = [{**usual, **row} for row in rows]
    server.answers["/v1/images/"] = told({"result_count": len(made), "results": made})
    server.answers["/kite.jpg"] = response(photo())


def test_openverse(server: Server) -> None:
    openverse(server, {}, {"url": "https://example.org/2.png", "license": "by-nc"})
    search = opened(server, "openverse")
    first, second = search.search(["red  kite\n& sky"], 5)[0]
    assert asked(server) == {
        "q": "red kite & sky",
        "page_size": "5",
        "mature": "false",
        "license": "cc0,pdm,by,by-sa,by-nc,by-nc-sa",
    }
    made = datetime.fromisoformat(first.time)
    assert made.utcoffset() is not None and abs(datetime.now(UTC) - made).total_seconds() < 60
    assert first == Hit(
        file=f"{server.base}/kite.jpg",
        caption="A red kite",
        source="openverse",
        score=1.0,
        url=f"{server.base}/kite.jpg",
        page="https://www.flickr.com/photos/ana/1",
        licence="CC-BY-2.0",
        author="Ana Lima",
        time=first.time,
        copy=True,
    )
    assert (second.licence, second.score, second.copy) == ("CC-BY-NC-2.0", 0.5, True)
    assert search.fetch(first).startswith(b"\xff\xd8")


def test_licences_are_checked_here_too(server: Server) -> None:
    rows = [{"url": f"{server.base}/{code}.jpg", "license": code} for code in ("by-nc", "by-nd")]
    openverse(server, *rows, {"license": "cc0", "license_version": "1.0"})
    found = opened(server, "openverse", licences="commercial").search(["kite"], 5)[0]
    assert [hit.licence for hit in found] == ["CC0-1.0"]
    assert asked(server)["license"] == "cc0,pdm,by,by-sa"
    found = opened(server, "openverse", licences="any").search(["kite"], 5)[0]
    assert [hit.copy for hit in found] == [False, False, False]
    assert "license" not in asked(server)


def test_what_is_mature_twice_or_nowhere_is_left_out(server: Server) -> None:
    rows = [{"mature": True}, {}, {}, {"url": "ftp://x/y"}, {"url": None}, {"url": "http://a:b@c/"}]
    openverse(server, *rows)
    assert len(opened(server, "openverse").search(["kite"], 9)[0]) == 1


def test_hostile_texts_are_tidied(server: Server) -> None:
    row = {
        "title": "<b>Red</b>\u202e kite&#10;<script>x()</script>" + "a" * 9000,
        "creator": {"name": "no text"},
        "foreign_landing_url": "javascript:alert(1)",
    }
    openverse(server, row)
    hit = opened(server, "openverse").search(["kite"], 1)[0][0]
    assert hit.caption.startswith("Red kite x()")
    assert len(hit.caption) == 500
    assert (hit.author, hit.page) == ("", "")


def test_an_empty_answer_is_no_refusal(server: Server) -> None:
    openverse(server)
    search = opened(server, "openverse")
    assert search.search(["nothing like it", "", "kite"], 3) == [[], [], []]
    assert search.search([], 3) == []
    assert search.search(["kite"], 0) == [[]]
    assert server.asked("/v1/images/") == 2


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (response(b"", "429 Too Many Requests", Retry_After="86400"), "blocked"),
        (response(b"", "403 Forbidden"), "blocked"),
        (response(b"", "401 Unauthorized"), "blocked"),
        (response(b"<html>Please wait</html>"), "unreadable"),
        (response(b"[]"), "unreadable"),
        (response(b"{}"), "unreadable"),
        (response(b'{"results": {}}'), "unreadable"),
        (response(b"[" * 200_000), "unreadable"),
        (response(b"", "404 Not Found"), "unreadable"),
    ],
)
def test_a_refusal_and_another_form_are_told(server: Server, answer: bytes, code: str) -> None:
    server.answers["/v1/images/"] = answer
    with pytest.raises(Reject) as caught:
        opened(server, "openverse").search(["kite"], 3)
    assert caught.value.code == code


def test_a_token_of_openverse(server: Server) -> None:
    openverse(server, {})
    search = opened(server, "openverse", api_key="TOKEN")
    search.search(["kite"], 1)
    assert "Authorization: Bearer TOKEN\r\n" in server.heads[-1]
    search.fetch(search.search(["kite"], 1)[0][0])
    assert "TOKEN" not in server.heads[-1], "pictures are fetched without it"
    server.answers["/v1/images/"] = response(b"", "401 Unauthorized")
    with pytest.raises(BackendError, match=r"web\.api_key"):
        search.search(["kite"], 1)


def file_of(number: int, licence: str, **info: Any) -> dict[str, Any]:
    """A page of Commons, its metadata in HTML as they are."""
    metadata = {
        "LicenseShortName": {"value": licence},
        "Artist": {"value": '<a href="//x" class="<">Ana\n Lima</a>'},
        "ImageDescription": {"value": f"<p>Kite &amp; sky {number}</p>"},
    }
    usual = {
        "mime": "image/jpeg",
        "url": f"https://upload.wikimedia.org/{number}.tif",
        "thumburl": f"https://upload.wikimedia.org/thumb/1280px-{number}.jpg",
        "descriptionurl": f"https://commons.wikimedia.org/wiki/File:{number}.tif",
        "extmetadata": metadata,
    }
    return {"title": f"File:{number}.tif", "index": number, "imageinfo": [{**usual, **info}]}


def test_commons(server: Server) -> None:
    pages = [
        file_of(3, "CC BY-SA 4.0"),
        file_of(1, "CC BY-SA 3.0 de"),
        file_of(4, "GFDL"),
        file_of(2, "Public domain", extmetadata={"LicenseShortName": {"value": "Public domain"}}),
        file_of(5, "CC0", mime="application/pdf"),
        {"title": "File:6.jpg", "index": 6},
    ]
    server.answers["/w/api.php"] = told({"batchcomplete": True, "query": {"pages": pages}})
    found = opened(server, "commons").search(['red kite -"sky" insource:/x/'], 4)[0]
    query = asked(server)
    assert query["gsrsearch"] == "red kite sky insource x filetype:bitmap"
    assert (query["gsrnamespace"], query["gsrlimit"], query["iiurlwidth"]) == ("6", "4", "1280")
    assert "(+lab@example.org)" in server.heads[-1]
    assert [hit.licence for hit in found] == ["CC-BY-SA-3.0-DE", "public-domain", "CC-BY-SA-4.0"]
    assert found[0].caption == "Kite & sky 1"
    assert found[0].author == "Ana Lima"
    assert found[0].url == "https://upload.wikimedia.org/thumb/1280px-1.jpg"
    assert found[0].page == "https://commons.wikimedia.org/wiki/File:1.tif"
    assert (found[1].caption, found[1].author) == ("2", "")


def test_commons_without_a_picture(server: Server) -> None:
    server.answers["/w/api.php"] = told({"batchcomplete": True})
    search = opened(server, "commons")
    assert search.search(["kite", "?!"], 4) == [[], []]
    assert server.asked("/w/api.php") == 1
    server.answers["/w/api.php"] = told({"error": {"code": "maxlag", "info": "Waiting"}})
    with pytest.raises(Reject, match="maxlag") as caught:
        search.search(["kite"], 4)
    assert caught.value.code == "blocked"
    for answer in ({}, {"query": []}, {"query": {"pages": {}}}):
        server.answers["/w/api.php"] = told(answer)
        with pytest.raises(Reject) as caught:
            search.search(["kite"], 4)
        assert caught.value.code == "unreadable"


LICENCES = [
    {"id": "0", "name": "All Rights Reserved", "url": ""},
    {"id": 4, "name": "Attribution License", "url": "https://creativecommons.org/licenses/by/2.0/"},
    {"id": 6, "name": "x", "url": "https://creativecommons.org/licenses/by-nd/2.0/"},
    {"id": 11, "name": "CC BY-NC 4.0", "url": "https://creativecommons.org/licenses/by-nc/4.0/"},
]


def flickr(server: Server, *photos: dict[str, Any]) -> None:
    table = told({"stat": "ok", "licenses": {"license": LICENCES}})
    found = told({"stat": "ok", "photos": {"page": 1, "photo": list(photos)}})
    server.answers["/services/rest/"] = [table, found]


def test_flickr(server: Server) -> None:
    usual = {"id": "77", "owner": "9@N1", "ownername": "Ana", "title": "Kite", "license": "4"}
    flickr(
        server,
        {**usual, "url_l": "https://live.staticflickr.com/l.jpg", "url_z": "https://x.org/z.jpg"},
        {**usual, "url_z": "https://live.staticflickr.com/z.jpg", "license": 11},
        {**usual, "url_z": "https://live.staticflickr.com/0.jpg", "license": "0"},
        usual,
    )
    search = opened(server, "flickr", api_key="SECRET")
    first, second = search.search(["red kite"], 5)[0]
    query = asked(server)
    assert (query["text"], query["safe_search"], query["license"]) == ("red kite", "1", "4,11")
    assert first.url == "https://live.staticflickr.com/l.jpg"
    assert first.page == "https://www.flickr.com/photos/9@N1/77"
    assert (first.licence, first.author, first.caption) == ("CC-BY-2.0", "Ana", "Kite")
    assert second.licence == "CC-BY-NC-4.0"
    search.search(["blue kite"], 5)
    assert len(server.paths) == 3, "the table of licences is asked for once"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"stat": "fail", "code": 100, "message": "Invalid API Key"}, BackendError),
        ({"stat": "fail", "code": 105, "message": "Down for SECRET"}, Reject),
        ({"stat": "ok"}, Reject),
        ({"hello": 1}, Reject),
    ],
)
def test_flickr_refuses(server: Server, answer: Any, error: type[Exception]) -> None:
    server.answers["/services/rest/"] = told(answer)
    with pytest.raises(error) as caught:
        opened(server, "flickr", api_key="SECRET").search(["kite"], 3)
    assert "SECRET" not in str(caught.value)


def test_what_is_missing_is_told_at_once() -> None:
    with pytest.raises(ConfigError, match="MCU_WEB_API_KEY"):
        open_web(web(backend="flickr"))
    with pytest.raises(ConfigError, match=r"web\.contact"):
        open_web(web(backend="commons", contact=""))
    with pytest.raises(ConfigError, match=r"web\.contact"):
        open_web(web(backend="openverse", contact="\n\x01x"))
