"""robots.txt by RFC 9309, and the headers that keep pictures from models."""

import time

import pytest

from mcu.backends.web.robots import parse_robots, refusal


def allowed(text: str, path: str) -> bool:
    return parse_robots(text.encode()).allows(path)


@pytest.mark.parametrize(
    ("text", "path", "may"),
    [
        ("", "/a", True),
        ("User-agent: *\nDisallow:", "/a", True),
        ("User-agent: *\nDisallow: /", "/a", False),
        ("user-AGENT : *\n disallow : /a # all", "/abc", False),
        ("User-agent: *\nDisallow: /a", "/A", True),
        ("User-agent: other\nDisallow: /", "/a", True),
        ("User-agent: other\nUser-agent: *\nDisallow: /", "/a", False),
        ("User-agent: other\nDisallow: /x\nUser-agent: *\nDisallow: /", "/a", False),
        ("User-agent: *\nDisallow: /\nUser-agent: mcu\nAllow: /", "/a", True),
        ("User-agent: MCU/0.1\nDisallow: /\nUser-agent: *\nAllow: /", "/a", False),
        (
            "User-agent: mcu\nDisallow: /a\nUser-agent: x\nUser-agent: mcu\nDisallow: /b",
            "/b",
            False,
        ),
        ("User-agent: *\nDisallow: /\nAllow: /pictures/", "/pictures/a", True),
        ("User-agent: *\nAllow: /\nDisallow: /pictures/", "/pictures/a", False),
        ("User-agent: *\nDisallow: /a\nAllow: /a", "/a", True),
        ("User-agent: *\nDisallow: /*.jpg$", "/x/y.jpg", False),
        ("User-agent: *\nDisallow: /*.jpg$", "/x/y.jpg?z", True),
        ("User-agent: *\nDisallow: /*.jpg$", "/x/y.jpg.png", True),
        ("User-agent: *\nDisallow: /*/private*/x", "/a/private-b/x.png", False),
        ("User-agent: *\nDisallow: /*a*a$", "/a", True),
        ("User-agent: *\nDisallow: /a$", "/ab", True),
        ("User-agent: *\nDisallow: /%7Ejoe", "/~joe/a", False),
        ("User-agent: *\nDisallow: /~joe", "/%7ejoe/a", False),
        ("User-agent: *\nDisallow: /a%2Ab", "/axb", True),
        ("User-agent: *\nDisallow: /?q=", "/?q=1", False),
        ("\ufeffUser-agent: *\r\nDisallow: /\r\n", "/a", False),
        ("Disallow: /\nno colon\n\x00", "/a", True),
        ("User-agent: *\nContent-Signal: search=yes, ai-train=no\nAllow: /", "/a", False),
        ("User-agent: *\nContent-Signal: search=yes, ai-train=yes\nAllow: /", "/a", True),
    ],
)
def test_rules(text: str, path: str, may: bool) -> None:
    assert allowed(text, path) is may


def test_delay() -> None:
    assert parse_robots(b"User-agent: *\nCrawl-delay: 2.5").delay == 2.5
    for bad in (b"-1", b"1e9", b"nan", b"inf", b""):
        assert parse_robots(b"User-agent: *\nCrawl-delay: " + bad).delay == 0


def test_no_rule_takes_for_ever() -> None:
    rule = b"User-agent: *\n" + b"Disallow: /" + b"*a" * 1000 + b"*b$\n"
    began = time.monotonic()
    assert parse_robots(rule * 50).allows("/" + "a" * 2000)
    assert time.monotonic() - began < 2


def test_a_huge_file_is_cut() -> None:
    filler = b"# " + b"x" * 1000 + b"\n"
    text = b"User-agent: *\n" + filler * 2000 + b"Disallow: /\n"
    assert parse_robots(text).allows("/a")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("noai", "noai"),
        ("NoImageAI", "noimageai"),
        ("nofollow, noindex", "noindex"),
        ("none", "none"),
        ("nofollow", ""),
        ("all", ""),
        ("googlebot: noindex", ""),
        ("mcu: noimageindex", "noimageindex"),
        ("*: noai", "noai"),
        ("googlebot: nofollow, noindex", ""),
        ("unavailable_after: 25 Jun 2030 15:00:00 PST, noai", "noai"),
        ("max-snippet:20, noai", "noai"),
        ("", ""),
    ],
)
def test_headers(value: str, reason: str) -> None:
    assert refusal({"x-robots-tag": [value]}) == reason


def test_every_header_counts() -> None:
    assert refusal({"x-robots-tag": ["googlebot: noindex", "noai"]}) == "noai"
    assert refusal({"tdm-reservation": ["1"]}) == "tdm-reservation"
    assert refusal({"tdm-reservation": ["0"]}) == ""
    assert refusal({}) == ""
