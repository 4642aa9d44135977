"""Addresses: which URLs may be asked at all, and which machines may be talked to."""

import ipaddress
import re
import socket
from collections.abc import Sequence
from typing import Any

from yarl import URL

from mcu.errors import Reject

MOST_URL = 2048  # characters
_BAD_CHARACTERS = re.compile(r"[\x00-\x20\x7f-\x9f\\\ud800-\udfff]")
_NUMBER = re.compile(r"(?:0x[0-9a-f]*|\d+)", re.I)
_USUAL_PORTS = (80, 443)
# Above 1023 a picture may be anywhere but behind these: what browsers refuse, then databases,
# caches and machine control.
_BAD_PORTS = {
    *(1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6679, 6697, 10080),
    *range(6665, 6670),
    *(2375, 2376, 2379, 3306, 5432, 6379, 6443, 9200, 10250, 11211, 27017),
}
_UNICAST6 = ipaddress.ip_network("2000::/3")
# Networks of the library's "global" ones that lead on to an IPv4 address, or nowhere.
_DETOURS = [
    ipaddress.ip_network(net)
    for net in ("2002::/16", "2001::/32", "3fff::/20", "192.88.99.0/24", "64:ff9b::/96")
]
_OWN = [
    ipaddress.ip_network(net)
    for net in (
        *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"),
        *("::1/128", "fc00::/7"),
    )
]
# Where clouds tell a machine its secrets, in networks that could be one's own.
_METADATA = [ipaddress.ip_address(ip) for ip in ("100.100.100.200", "fd00:ec2::254")]


def check_url(url: str | URL) -> URL:
    """A URL that may be asked, as the client will read it.

    Only http and https, no user or password, no odd spelling of an IP address, port 80, 443 or a
    harmless one above 1023. The host's addresses are checked when they are known.

    Raises:
        Reject: with the code `bad_url`; the sentence does not repeat the URL.
    """
    text = str(url)
    if len(text) > MOST_URL or _BAD_CHARACTERS.search(text):
        raise Reject("bad_url", "the URL is too long, or has characters that no URL has")
    try:
        made = URL(text).with_fragment(None)
        host, port = made.raw_host or "", made.port
    except ValueError as error:
        raise Reject("bad_url", "the URL cannot be read") from error
    if made.scheme not in ("http", "https"):
        raise Reject("bad_url", "only http and https are fetched")
    if made.raw_user is not None or made.raw_password is not None:
        raise Reject("bad_url", "the URL has a user name in it")
    if not host or "%" in host or _is_odd_address(host):
        raise Reject("bad_url", "the URL's host is not a name or a plain IP address")
    if port not in _USUAL_PORTS and (port is None or port < 1024 or port in _BAD_PORTS):
        raise Reject("bad_url", f"nobody serves pictures at port {port}")
    return made


def check_address(address: str, own: bool = False) -> None:
    """Refuse an IP address that is not public; `own` lets this machine and its network pass.

    Raises:
        Reject: with the code `refused_address`.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError as error:
        raise Reject("refused_address", "the host's address cannot be read") from error
    mine = own and any(ip in net for net in _OWN if net.version == ip.version)
    if "%" in address or ip in _METADATA or not (mine or _is_public(ip)):
        raise Reject("refused_address", "the host's address is not a public one")


def gate(own: bool) -> Any:
    """A socket factory for aiohttp: no socket is made for an address that may not be talked to.

    It sees the address that is connected to next, whoever resolved it and however it was spelled.
    """

    def make(info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, sockaddr = info
        check_address(str(sockaddr[0]), own)
        return socket.socket(family, kind, protocol)

    return make


def lookup(host: str, port: int) -> Sequence[tuple[int, str]]:
    """The system's answer for a host: family and address, in its order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(int(family), str(sockaddr[0])) for family, _, _, _, sockaddr in found]


def _is_public(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if any(ip in net for net in _DETOURS if net.version == ip.version):
        return False
    if ip.version == 6 and ip not in _UNICAST6:  # so no mapped, translated or scoped address
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def _is_odd_address(host: str) -> bool:
    """Whether the host ends in a number, as 2130706433 or 0x7f.1 do, but is no plain address."""
    if ":" in host or not _NUMBER.fullmatch(host.rstrip(".").rsplit(".", 1)[-1]):
        return False
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return True
    return False
