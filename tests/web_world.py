"""Servers on loopback that say what they are told to, byte by byte, and note who came."""

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ssl import SSLContext
from typing import Any

from PIL import Image

from mcu.sections import WebSection

Answer = bytes | Callable[["Visit"], None]


def web(**settings: Any) -> WebSection:
    """Settings for loopback servers, in a hurry."""
    own: dict[str, Any] = {"allow_private": True, "rate": 10_000.0, "timeout": 5.0}
    return WebSection(**{**own, "contact": "lab@example.org", **settings})


def photo(size: tuple[int, int] = (64, 48), kind: str = "JPEG", **options: Any) -> bytes:
    """A picture's file: blue on the left, red on the right."""
    image = Image.new("RGB", size, (200, 40, 40))
    image.paste((20, 60, 220), (0, 0, size[0] // 2, size[1]))
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def response(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    """A whole response; underscores in names are dashes."""
    said = {"Content-Length": str(len(body)), "Connection": "close"}
    said |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in said.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def redirect(to: str, status: int = 302) -> bytes:
    return response(b"", f"{status} Found", Location=to)


class Visit:
    """One connection of a server, once its request was read."""

    def __init__(self, server: "Server", connection: socket.socket) -> None:
        self._server = server
        self._connection = connection

    def send(self, data: bytes) -> bool:
        """Send bytes; False once the visitor has left or the server closes."""
        if self._server.closing.is_set():
            return False
        with suppress(OSError):
            self._connection.sendall(data)
            return True
        return False

    def pause(self, seconds: float) -> bool:
        """Wait, but no longer than the server lives."""
        return not self._server.closing.wait(seconds)


class Server:
    """Gives each path its answer, others a 404.

    Attributes:
        visits: connections made; heads: of the requests, as they came; times: of the requests.
        sent: bytes that visitors took at most, over all.
    """

    def __init__(self, host: str = "127.0.0.1", tls: SSLContext | None = None) -> None:
        self.answers: dict[str, Answer | list[Answer]] = {}
        self.visits = 0
        self.heads: list[str] = []
        self.times: list[float] = []
        self.closing = threading.Event()
        self._tls = tls
        self._socket = socket.create_server((host, 0))
        self._socket.settimeout(0.05)
        self.host, self.port = self._socket.getsockname()[:2]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def base(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.host}:{self.port}"

    @property
    def paths(self) -> list[str]:
        """What was asked for, with queries."""
        return [head.split(" ")[1] for head in self.heads]

    def asked(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(one.partition("?")[0] == path for one in self.paths)

    def close(self) -> None:
        self.closing.set()
        for thread in self._threads:
            thread.join()
        self._socket.close()

    def _accept(self) -> None:
        while not self.closing.is_set():
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            self.visits += 1
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(2)
        with suppress(OSError), self._wrapped(connection) as link:
            head = b""
            while b"\r\n\r\n" not in head:
                piece = link.recv(65536)
                if not piece:
                    return
                head += piece
            self.heads.append(head.decode("latin-1"))
            self.times.append(time.monotonic())
            path = self.paths[-1].partition("?")[0]
            answer = self.answers.get(path, response(b"", "404 Not Found"))
            if isinstance(answer, list):
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
            if callable(answer):
                answer(Visit(self, link))
            else:
                link.sendall(answer)

    def _wrapped(self, connection: socket.socket) -> socket.socket:
        if self._tls is None:
            return connection
        with connection:
            return self._tls.wrap_socket(connection, server_side=True)


@contextmanager
def serving(**options: Any) -> Iterator[Server]:
    """A server for as long as the block lasts."""
    server = Server(**options)
    try:
        yield server
    finally:
        server.close()
