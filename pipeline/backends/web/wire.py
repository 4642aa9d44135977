"""One request on the wire: to checked addresses alone, and never more than was agreed to.

aiohttp does the talking: it keeps one time limit over the whole exchange, makes its sockets by a
function of ours, which so sees the very address that is connected to, and hands the body over in
the pieces in which it came, undecoded.
"""

import asyncio
import io
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import TYPE_CHECKING, Any

from yarl import URL

from mcu.backends.web import address
from mcu.backends.web.robots import refusal
from mcu.errors import Reject

if TYPE_CHECKING:
    from aiohttp import ClientResponse, TCPConnector


class Passing(Exception):
    """A failure that asking again may cure.

    Attributes:
        loss: what is told when it does not.
        busy: whether the server asked for patience; wait: for so many seconds.
    """

    def __init__(self, loss: Reject, busy: bool = False, wait: float = 1.0) -> None:
        super().__init__(str(loss))
        self.loss = loss
        self.busy = busy
        self.wait = wait


@dataclass(frozen=True)
class Answer:
    """A response, its body read where its status is 200.

    Attributes:
        headers: lower-case names, each with all its values.
    """

    url: URL
    status: int
    headers: Mapping[str, list[str]] = field(default_factory=dict)
    # Not for show: asyncio.run makes the repr of its result.
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> str:
        """The first value of a header, or an empty string."""
        return next(iter(self.headers.get(name, ())), "")


@dataclass(frozen=True)
class Terms:
    """What holds for one request.

    Attributes:
        most: bytes of the body; a longer one is refused, or `cut` off there.
        polite: whether headers that keep content from models are obeyed.
        seconds: for all of it, from the look-up of the host to the last byte.
        own: whether this machine and its network may be asked.
        tls: checks certificates; None takes the system's authorities.
    """

    most: int
    headers: Mapping[str, str]
    seconds: float
    cut: bool = False
    polite: bool = False
    own: bool = False
    tls: SSLContext | None = None


async def ask(url: URL, terms: Terms) -> Answer:
    """Get what is behind a URL that `address.check_url` passed; redirects are not followed.

    Raises:
        Reject: the address, the answer's headers or its length are not fit.
        Passing: there was no answer, or not in time.
    """
    import aiohttp

    host = url.raw_host
    try:
        async with (
            aiohttp.ClientSession(
                connector=_connector(terms),
                headers={"Accept-Encoding": "identity", **terms.headers},
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=terms.seconds),
                auto_decompress=False,
            ) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            named: dict[str, list[str]] = {}
            for name, value in response.headers.items():
                named.setdefault(name.lower(), []).append(value)
            if terms.polite and (reason := refusal(named)):
                raise Reject("noai", f"{host} keeps its content from models ({reason})")
            body = await _body(response, terms) if response.status == 200 else b""
            return Answer(url, response.status, named, body)
    # What the library says may hold the whole URL, and so a key: none of it is passed on.
    except TimeoutError:
        raise Passing(Reject("timeout", f"{host} did not finish in time")) from None
    except aiohttp.ClientSSLError:
        raise Reject("tls", f"{host} does not prove that it is {host}") from None
    except aiohttp.ClientConnectorError:
        raise Passing(Reject("unreached", f"{host} cannot be reached")) from None
    except aiohttp.ServerDisconnectedError:
        raise Passing(Reject("broken", f"{host} hung up")) from None
    except (aiohttp.ClientError, OSError, ValueError):
        raise Reject("broken", f"{host} broke off, or does not speak HTTP") from None


async def _body(response: "ClientResponse", terms: Terms) -> bytes:
    host = response.url.raw_host
    encodings = response.headers.getall("Content-Encoding", ())
    if {value.strip().casefold() for value in encodings} - {"", "identity"}:
        raise Reject("encoding", f"{host} sent a compressed body that was not asked for")
    kept, left = io.BytesIO(), terms.most
    if not terms.cut and (response.content_length or 0) > left:
        raise Reject("too_large", f"{host} has more than {terms.most:,} bytes to send")
    async for piece in response.content.iter_any():
        if len(piece) > left and not terms.cut:
            raise Reject("too_large", f"{host} sent more than {terms.most:,} bytes")
        kept.write(piece[:left])
        left -= len(piece)
        if left < 0:
            break
    return kept.getvalue()


def _connector(terms: Terms) -> "TCPConnector":
    """A way to hosts all of whose addresses are fit to be talked to."""
    import aiohttp
    from aiohttp.abc import AbstractResolver, ResolveResult

    class Resolver(AbstractResolver):
        async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
            found = await asyncio.wrap_future(_looked_up(host, port))
            for _, ip in found:
                address.check_address(ip, terms.own)
            if not found:
                raise OSError("the name has no address")
            return [
                ResolveResult(hostname=host, host=ip, port=port, family=kind, proto=0, flags=0)
                for kind, ip in found
            ]

        async def close(self) -> None:
            pass

    return aiohttp.TCPConnector(
        resolver=Resolver(),
        use_dns_cache=False,
        happy_eyeballs_delay=None,
        socket_factory=address.gate(terms.own),
        force_close=True,
        ssl=terms.tls or True,
    )


def _looked_up(host: str, port: int) -> "Future[Any]":
    """`address.lookup` in a thread that nobody waits for: a name server may never answer."""
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()

    def work() -> None:
        try:
            future.set_result(address.lookup(host, port))
        except (OSError, UnicodeError) as error:
            future.set_exception(OSError(f"{type(error).__name__} for that name"))

    threading.Thread(target=work, name="lookup", daemon=True).start()
    return future
