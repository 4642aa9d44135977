"""Fetching from servers that mean well: what comes out, how politely, and what is asked again."""

import io
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image
from web_world import Server, photo, redirect, response, serving, web

from mcu.backends.web import Fetcher, fetch_url
from mcu.backends.web.fetch import user_agent_of
from mcu.errors import BackendError, ConfigError, Reject


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    assert image.format == "JPEG"
    assert image.mode == "RGB"
    image.load()
    return image


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "MPO"])
def test_every_known_type_whatever_its_header_says(server: Server, kind: str) -> None:
    server.answers["/a"] = response(photo(kind=kind), Content_Type="text/html")
    image = opened(fetch_url(f"{server.base}/a", web()))
    assert image.size == (64, 48)
    blue, red = image.getpixel((8, 24)), image.getpixel((56, 24))
    assert isinstance(blue, tuple) and blue[2] > 180
    assert isinstance(red, tuple) and red[0] > 160


def test_animations_metadata_and_what_is_behind_a_picture_are_left(server: Server) -> None:
    exif = Image.Exif()
    exif[0x010E] = "SECRET place"
    frames = [Image.new("RGB", (40, 40), (250, 120 * n, 0)) for n in range(3)]
    film = io.BytesIO()
    frames[0].save(film, "GIF", save_all=True, append_images=frames[1:])
    polyglot = photo(exif=exif, comment=b"SECRET") + b"PK\x03\x04<script>SECRET</script>"
    server.answers |= {"/a": response(polyglot), "/b": response(film.getvalue())}
    fetcher = Fetcher(web())
    assert b"SECRET" not in fetcher.fetch(f"{server.base}/a")
    assert getattr(opened(fetcher.fetch(f"{server.base}/b")), "n_frames", 1) == 1
    assert b"SECRET" in fetcher.download(f"{server.base}/a"), "as they were found"


def test_redirects_are_followed(server: Server) -> None:
    server.answers |= {
        "/1": redirect("/2?x=1", 301),
        "/2": redirect("3", 303),
        "/3": redirect(f"{server.base}/4", 307),
        "/4": redirect("//" + server.base.removeprefix("http://") + "/5", 308),
        "/5": redirect("./6"),
        "/6": response(photo()),
    }
    assert opened(Fetcher(web()).fetch(f"{server.base}/1"))
    server.answers["/0"] = redirect("/1")
    with pytest.raises(Reject, match="more than 5 times") as caught:
        Fetcher(web()).fetch(f"{server.base}/0")
    assert caught.value.code == "redirects"
    assert server.asked("/robots.txt") == 2


def test_who_asks(server: Server) -> None:
    server.answers["/a"] = response(photo(), Set_Cookie="a=b")
    fetcher = Fetcher(web(contact="mailto:lab@example.org"))
    for _ in range(2):
        fetcher.fetch(f"{server.base}/a")
    head = server.heads[-1]
    assert "User-Agent: mcu/0.1.0 (+mailto:lab@example.org)\r\n" in head
    assert "Accept-Encoding: identity\r\n" in head
    assert "Cookie" not in head
    assert "Referer" not in head
    assert user_agent_of(web(contact="")) == "mcu/0.1.0"
    assert user_agent_of(web(contact=" https://example.org/x ")).endswith(
        "(+https://example.org/x)"
    )


@pytest.mark.parametrize("contact", ["a\r\nX: y", "a\x00", "Jos\u00e9", "x) (y"])
def test_a_contact_that_is_no_header(contact: str) -> None:
    with pytest.raises(ConfigError, match=r"web\.contact"):
        Fetcher(web(contact=contact))


def test_robots_are_asked_once_and_obeyed(server: Server) -> None:
    robots = b"User-agent: *\nDisallow: /private/\nAllow: /private/but\n"
    server.answers |= {
        "/robots.txt": response(robots),
        **dict.fromkeys(("/a", "/private/a", "/private/but"), response(photo())),
    }
    fetcher = Fetcher(web())
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(fetcher.fetch, [f"{server.base}/a"] * 8))) == 1
    fetcher.fetch(f"{server.base}/private/but")
    with pytest.raises(Reject, match="does not allow") as caught:
        fetcher.fetch(f"{server.base}/private/a")
    assert caught.value.code == "robots"
    assert server.asked("/robots.txt") == 1
    assert server.asked("/private/a") == 0


def test_a_host_is_asked_so_often_by_all_threads(server: Server) -> None:
    server.answers["/a"] = response(photo())
    fetcher = Fetcher(web(rate=20.0))
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(fetcher.fetch, [f"{server.base}/a"] * 6))
    times = sorted(server.times)
    assert len(times) == 7, "robots.txt is asked for, too"
    gaps = [later - one for one, later in pairwise(times)]
    assert times[-1] - times[0] > 6 / 20 - 0.03
    assert min(gaps) > 0.02


def test_a_crawl_delay_is_kept(server: Server) -> None:
    delay = b"User-agent: *\nCrawl-delay: 0.2\n"
    server.answers |= {"/robots.txt": response(delay), "/a": response(photo())}
    fetcher = Fetcher(web())
    for _ in range(3):
        fetcher.fetch(f"{server.base}/a")
    assert server.times[3] - server.times[1] > 0.38


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
@pytest.mark.parametrize("how", ["seconds", "date"])
def test_a_busy_host_is_asked_once_more(server: Server, status: str, how: str) -> None:
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    busy = response(b"", status, Retry_After="1" if how == "seconds" else when)
    server.answers["/a"] = [busy, response(photo())]
    assert opened(Fetcher(web()).fetch(f"{server.base}/a"))
    assert server.times[-1] - server.times[-2] > 0.9
    server.answers["/a"] = [response(b"", status, Retry_After="0")]
    with pytest.raises(Reject, match=status[:3]):
        Fetcher(web()).fetch(f"{server.base}/a")
    assert server.asked("/a") == 4


def test_pictures_that_are_gone_are_not_asked_for_again(server: Server) -> None:
    server.answers["/a"] = response(b"", "500 Internal Server Error")
    with pytest.raises(Reject, match="status 500"):
        Fetcher(web()).fetch(f"{server.base}/a")
    assert server.asked("/a") == 1


def test_pages_of_results_are_asked_for_again(server: Server) -> None:
    server.answers["/s"] = [response(b"", "502 Bad Gateway"), b"", response(b"{}")]
    assert Fetcher(web()).read(f"{server.base}/s?q=a") == b"{}"
    assert server.asked("/s") == 3
    assert server.asked("/robots.txt") == 0


def test_a_service_that_refuses(server: Server) -> None:
    fetcher = Fetcher(web())
    for status in (401, 403, 429, 451):
        server.answers["/s"] = response(b"", f"{status} No", Retry_After="3600")
        with pytest.raises(Reject) as caught:
            fetcher.read(f"{server.base}/s?key=SECRET")
        assert caught.value.code == "blocked"
        assert "SECRET" not in str(caught.value)
    server.answers["/s"] = response(b"", "404 No")
    with pytest.raises(Reject) as caught:
        fetcher.read(f"{server.base}/s")
    assert caught.value.code == "unreadable"


def test_a_key_goes_nowhere_else(server: Server) -> None:
    key = {"Authorization": "Bearer SECRET"}
    with serving(host="127.0.0.3") as other:
        server.answers["/s"] = redirect(f"{other.base}/s")
        with pytest.raises(Reject, match=r"sent us to 127\.0\.0\.3"):
            Fetcher(web()).read(f"{server.base}/s", key)
        assert other.visits == 0
    server.answers["/s"] = response(b"", "401 Unauthorized")
    with pytest.raises(BackendError, match=r"does not take web\.api_key") as caught:
        Fetcher(web()).read(f"{server.base}/s", key)
    assert "SECRET" not in str(caught.value)


def test_nothing_is_told_of_a_url_but_its_host(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    server.answers["/s"] = b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"
    with pytest.raises(Reject) as caught:
        Fetcher(web()).read(f"{server.base}/s?api_key=SECRET")
    assert "SECRET" not in f"{caught.value}{caught.value.__cause__}"
    assert caught.value.__suppress_context__
    assert "SECRET" not in caplog.text


def certificate(folder: Path) -> tuple[Path, Path]:
    """A server's certificate for 127.0.0.1, signed by itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, False)
        .sign(key, hashes.SHA256())
    )
    chain, secret = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(made.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return chain, secret


def test_https(tmp_path: Path, server: Server) -> None:
    chain, key = certificate(tmp_path)
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(chain, key)
    trusted = ssl.create_default_context(cafile=str(chain))
    server.answers["/a"] = response(photo())
    with serving(tls=ours) as safe:
        safe.answers |= {"/a": response(photo()), "/down": redirect(f"{server.base}/a")}
        assert opened(Fetcher(web(), tls=trusted).fetch(f"{safe.base}/a"))
        with pytest.raises(Reject) as caught:
            Fetcher(web(), tls=trusted).fetch(f"{safe.base}/down")
        assert caught.value.code == "redirects"
        assert server.visits == 0
        server.answers["/up"] = redirect(f"{safe.base}/a")
        assert opened(Fetcher(web(), tls=trusted).fetch(f"{server.base}/up"))
        with pytest.raises(Reject) as caught:
            Fetcher(web()).fetch(f"{safe.base}/a")
        assert caught.value.code == "tls"


def test_no_thread_is_left(server: Server) -> None:
    server.answers["/a"] = response(photo())
    before = threading.active_count()
    fetcher = Fetcher(web())
    port = server.base.rsplit(":", 1)[1]
    fetcher.fetch(f"http://localhost:{port}/a")
    time.sleep(0.1)
    assert threading.active_count() <= before + 1, "the server's own"
