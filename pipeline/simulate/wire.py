"""What every page of the simulator shares: JSON answers, errors in OpenAI's shape, lists."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiohttp import web


class Refused(Exception):
    """A request that gets an error for an answer.

    Attributes:
        status: the status of HTTP.
        body: the answer's JSON.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
        wait: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {
            "error": {"message": message, "type": kind, "param": param, "code": code},
        }
        self._headers = {"Retry-After": wait} if wait else None

    def response(self) -> web.Response:
        """The error as an answer."""
        return respond(self.body, self.status, self._headers)


def respond(
    value: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A value as an answer in JSON."""
    return web.Response(
        body=json.dumps(value).encode(),
        status=status,
        headers=headers,
        content_type="application/json",
    )


def gone(request: web.Request) -> bool:
    """Whether nobody waits for the answer any more."""
    return request.transport is None or request.transport.is_closing()


def abort(request: web.Request) -> None:
    """Break the connection: nothing is sent any more."""
    if request.transport:
        request.transport.abort()


def page_of(handler: Callable[[web.Request], Awaitable[Any]]) -> Callable[..., Any]:
    """A handler that gives JSON, or raises Refused, as aiohttp wants it."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            found = await handler(request)
        except Refused as error:
            return error.response()
        return found if isinstance(found, web.StreamResponse) else respond(found)

    return handle


def page(rows: Sequence[Any], query: Mapping[str, str], usual: int, most: int) -> dict[str, Any]:
    """One page of a list, the newest first.

    Args:
        rows: objects with an `id`, the oldest first.
        query: of the request; `limit`, `order` and `after`, an id, are heeded.
        usual: rows of a page when no `limit` is given.
        most: the largest `limit`.
    """
    limit = query.get("limit", str(usual))
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= most):
        raise Refused(400, f"'limit' must be between 1 and {most}", param="limit")
    found = list(rows) if query.get("order") == "asc" else list(reversed(rows))
    if after := query.get("after"):
        places = [place for place, row in enumerate(found, 1) if row["id"] == after]
        if not places:
            raise Refused(404, f"No such object: {after}", param="after")
        found = found[places[0] :]
    shown = found[: int(limit)]
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": len(found) > len(shown),
    }
