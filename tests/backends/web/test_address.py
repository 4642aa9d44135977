"""Which URLs and addresses pass: a table of spellings, none of which may lead inside."""

import pytest

from mcu.backends.web.address import check_address, check_url, gate
from mcu.errors import Reject

PUBLIC = ["93.184.215.14", "1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "2a00:1450:4001::1"]
OWN = ["127.0.0.1", "127.255.255.254", "10.0.0.1", "172.31.0.9", "192.168.1.1", "100.64.0.1"]
OWN += ["::1", "fd00::1"]
NEVER = [
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",  # the metadata of many clouds
    "169.254.0.1",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::7f00:1",
    "100::1",
    "2001::1",  # Teredo
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "5f00::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "fd00::1%eth0",
    "fd00:ec2::254",
    "100.100.100.200",
    "localhost",
    "",
]


@pytest.mark.parametrize("ip", PUBLIC)
def test_public_addresses_pass(ip: str) -> None:
    check_address(ip)
    check_address(ip, own=True)


@pytest.mark.parametrize("ip", OWN)
def test_own_addresses_pass_in_trials_alone(ip: str) -> None:
    check_address(ip, own=True)
    with pytest.raises(Reject, match="not a public") as caught:
        check_address(ip)
    assert caught.value.code == "refused_address"


@pytest.mark.parametrize("ip", NEVER)
@pytest.mark.parametrize("own", [False, True])
def test_other_addresses_never_pass(ip: str, own: bool) -> None:
    with pytest.raises(Reject) as caught:
        check_address(ip, own)
    assert caught.value.code == "refused_address"


def test_no_socket_is_made_for_a_refused_address() -> None:
    import socket

    with pytest.raises(Reject, match="not a public"):
        gate(False)((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.1.2.3", 80)))
    gate(False)((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("1.1.1.1", 80))).close()


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a.jpg",
        "https://example.org:8443/a%20b.jpg?x=1&y=a@b",
        "http://пример.испытание/я.jpg",
        "http://93.184.215.14/a.jpg",
        "http://[2606:4700:4700::1111]/a.jpg",
        "HTTPS://EXAMPLE.ORG/A.JPG",
        "http://example.org/#<script>",
    ],
)
def test_urls_that_pass(url: str) -> None:
    made = check_url(url)
    assert made.raw_fragment == ""
    assert check_url(made) == made


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/a.jpg",
        "//example.org/a.jpg",
        "example.org/a.jpg",
        "file:///etc/passwd",
        "ftp://example.org/a.jpg",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "data:image/png;base64,iVBORw0KGgo=",
        "javascript:alert(1)",
        "http:///a.jpg",
        "http://user@example.org/",
        "http://user:password@example.org/",
        "http://example.org@127.0.0.1/",
        "http://example.org\\@127.0.0.1/",
        "http://example.org\t/",
        "http://example.org/\r\nHost: x",
        "http://exa mple.org/",
        "http://example.org/\x00",
        "http://exa%6dple.org/",
        "http://[::1%25eth0]/",
        "http://[::1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://127.0.0.1./",
        "http://256.1.1.1/",
        "http://1.2.3.4.5/",
        "http://example.0x7f/",
        "http://example.org:0/",
        "http://example.org:22/",
        "http://example.org:25/",
        "http://example.org:6379/",
        "http://example.org:99999/",
        "http://example.org:-1/",
        "http://example.org/" + "a" * 2048,
        "http://example.org/\udcff",
    ],
)
def test_urls_that_do_not(url: str) -> None:
    with pytest.raises(Reject) as caught:
        check_url(url)
    assert caught.value.code == "bad_url"
    assert "example" not in str(caught.value)


def test_other_digits_are_read_before_they_are_checked() -> None:
    """What a browser takes for 127.0.0.1 is 127.0.0.1 here, too."""
    for url in ("http://①②⑦.0.0.1/", "http://127。0。0。1/", "http://\uff11\uff12\uff17.0.0.1/"):
        host = check_url(url).raw_host
        assert host == "127.0.0.1"
        with pytest.raises(Reject):
            check_address(host)
