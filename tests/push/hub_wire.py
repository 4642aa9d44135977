"""One connection to the loopback Hub: bodies, answers, faults, and who may do what."""

import json
import re
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from hub import Commit, Fault, Hub, Repo

_PIECE = 1 << 20


class Wire(BaseHTTPRequestHandler):
    """One connection of a client: requests to the method of their route, with faults on the way."""

    routes: ClassVar[tuple[tuple[str, str, str, str], ...]] = ()

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def hub(self) -> Hub:
        return self.server.hub  # type: ignore[attr-defined,no-any-return]

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._route()

    def do_HEAD(self) -> None:
        self._route()

    def do_POST(self) -> None:
        self._route()

    def do_PUT(self) -> None:
        self._route()

    def _route(self) -> None:
        self.hub.requests.append(f"{self.command} {self.path}")
        self._read = 0
        path = unquote(urlsplit(self.path).path)
        for method, pattern, name, kind in self.routes:
            match = re.fullmatch(pattern, path)
            if match and self.command in method:
                fault = self.hub.fault(kind) if kind else None
                if fault is None or fault.late:
                    self._late = fault
                    getattr(self, name)(**match.groupdict())
                else:
                    self._spoil(fault)
                return
        self._body()
        self._answer(404, {"error": f"no route for {self.command} {path}"})

    def _spoil(self, fault: Fault) -> None:
        """Read so many bytes of the body, then answer with an error or hang up."""
        for piece in self._pieces():
            if not fault.status and self._read + len(piece) > fault.cut:
                break
        if fault.call:
            fault.call()
        if fault.status:
            self._answer(fault.status, {"error": fault.message}, fault.headers)
        else:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    # Bodies in and out.

    def _pieces(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                data = self.rfile.read(size)
                self.rfile.readline()
                yield data
                self._read += size
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left:
            piece = self.rfile.read(min(_PIECE, left))
            if not piece:
                raise ConnectionError("the client hung up")
            yield piece
            self._read += len(piece)
            left -= len(piece)

    def _body(self) -> bytes:
        return b"".join(self._pieces())

    def _answer(self, status: int, body: Any = None, headers: dict[str, str] | None = None) -> None:
        if getattr(self, "_late", None) is not None:
            self._hang_up()
            return
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        if isinstance(body, dict) and "error" in body:
            self.send_header("X-Error-Message", str(body["error"]))
        self.send_header("Content-Type", "application/json")
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    # Who may do what.

    def _authorised(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {self.hub.token}"

    def _repo(self, name: str, write: bool = False) -> Repo | None:
        """The repository, or None after an error was answered; nobody sees private ones."""
        repo = self.hub.repos.get(name)
        if repo is None or (repo.private and not self._authorised()):
            self._body()
            self._answer(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
            return None
        if write and (self.hub.role != "write" or not self._authorised()):
            self._body()
            self._answer(403, {"error": "You don't have the required permissions"})
            return None
        return repo

    def _commit(self, name: str, revision: str) -> tuple[Repo, Commit] | None:
        if (repo := self._repo(name)) is None:
            return None
        if (commit := repo.at(revision)) is None:
            self._answer(404, {"error": "Invalid rev"}, {"X-Error-Code": "RevisionNotFound"})
            return None
        return repo, commit
