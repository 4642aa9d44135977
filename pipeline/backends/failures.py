"""What went wrong with a call: it may pass, it is of this request alone, or it is for good."""

import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal

from mcu.errors import BackendError
from mcu.limits import Lane

if TYPE_CHECKING:
    from tenacity import RetryCallState

_LONGEST_WAIT, _SOON = 60.0, 3600.0
_ABOUT_FORMAT = re.compile(r"response_format|json_schema|json_object|schema|grammar", re.I)
# Refusals that say nothing about the next request, and the finish reason that they become.
_OF_THIS_REQUEST = {
    "content_filter": re.compile(r"content_filter|content management policy", re.I),
    "context_length": re.compile(
        r"context_length|context length|exceed_context|context size", re.I
    ),
}
_UNSUPPORTED = re.compile(r"unsupported|not supported|does not support|unrecognized", re.I)
_SPENT = re.compile(r"insufficient_quota|billing_hard_limit|billing_not_active", re.I)
_OPTIONAL = (
    *("max_tokens", "max_completion_tokens", "temperature", "top_p", "seed"),
    *("frequency_penalty", "presence_penalty", "reasoning_effort"),
)
_ADVICE = {
    401: "check the API key",
    402: "the account has no money left",
    403: "the key may not use this model",
    404: "check chat.model and chat.base_url",
    429: "the account has no quota left",
}

Kind = Literal["failed", "busy", "late", "unreached"]


class Passing(Exception):
    """A failure that asking again may cure.

    Attributes:
        kind: `busy` was told to wait, `late` timed out, `unreached` never had a connection.
        wait: seconds that the server asked for.
        headers: of its answer.
        lane: which was busy, once that is known.
    """

    def __init__(
        self, reason: str, kind: Kind = "failed", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(reason)
        self.kind = kind
        self.lane: Lane | None = None
        self.headers = headers or {}
        self.wait = _retry_after(self.headers)


class OfThisRequest(Exception):
    """A refusal of one request alone; `finish` says why in place of a finish reason."""

    def __init__(self, finish: str, text: str) -> None:
        super().__init__(text)
        self.finish = finish


def failure_of(state: "RetryCallState") -> Passing | None:
    """The failure after which another try is thought of."""
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, Passing) else None


def judge(code: int, said: str, public: str, headers: Mapping[str, str]) -> Exception:
    """A status other than 200 as one of the three.

    Args:
        code: the status.
        said: all that the server says.
        public: the same without secrets, for people.
        headers: of the answer.
    """
    if code in (400, 413):
        for finish, sign in _OF_THIS_REQUEST.items():
            if sign.search(said):
                return OfThisRequest(finish, f"the model's server answered {code}: {public}")
    spent = _SPENT.search(said) is not None
    if (code in (408, 409, 425, 429) and not spent) or code >= 500:
        busy = code in (429, 503, 529)
        return Passing(f"status {code}", "busy" if busy else "failed", headers)
    advice = _ADVICE.get(code, "the request itself is refused")
    return BackendError(f"the model's server answered {code}, {advice}: {public}")


def unsupported(code: int, said: str) -> set[str]:
    """The optional settings that a server says it does not know."""
    if code != 400 or not _UNSUPPORTED.search(said):
        return set()
    return {name for name in _OPTIONAL if re.search(rf"\b{name}\b", said)}


def about_format(code: int, said: str) -> bool:
    """Whether a server refuses the form of structured output."""
    return code in (400, 422) and _ABOUT_FORMAT.search(said) is not None


def said_by(error: Any) -> str:
    """What the server says of an error, code and all; the library gives the message alone."""
    text: str = error.response.text
    return text if text.strip() else str(error)


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds from a Retry-After header; 0 when there is none that can be read."""
    given = headers.get("retry-after", "")
    try:
        milliseconds = headers.get("retry-after-ms")
        seconds = float(milliseconds) / 1000 if milliseconds else float(given)
    except ValueError:
        seconds = _until(given)
    return min(max(seconds, 0.0), _LONGEST_WAIT) if math.isfinite(seconds) else 0.0


def _until(date: str) -> float:
    """Seconds until a date in the form of HTTP; 0 for no date, and for one that is far off."""
    try:
        seconds = parsedate_to_datetime(date).timestamp() - time.time()
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
    return seconds if seconds < _SOON else 0.0
