"""The `openai` chat backend: OpenAI or any server that speaks its chat completions."""

import asyncio
import math
import random
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type
from tenacity.stop import stop_base

from mcu.backends import ChatReply, ChatRequest
from mcu.backends.openai_wire import MODES, arguments_of, reply_of
from mcu.config import ChatSection
from mcu.errors import BackendError, ConfigError, Reject
from mcu.log import logger

_FIRST_WAIT, _LONGEST_WAIT, _LONGEST_SILENCE = 0.5, 60.0, 300.0
_OUTAGE = 3  # requests given up in a row, with no answer to any other, before the run stops
_ABOUT_FORMAT = re.compile(r"response_format|json_schema|json_object|schema|grammar", re.I)
# Refusals that say nothing about the next request.
_OF_THIS_REQUEST = {
    "refused": re.compile(r"content_filter|content management policy", re.I),
    "too_long": re.compile(r"context_length|context length|exceed_context|context size", re.I),
}
_UNSUPPORTED = re.compile(r"unsupported|not supported|does not support|unrecognized", re.I)
_OPTIONAL = (
    *("max_tokens", "temperature", "top_p", "seed"),
    *("frequency_penalty", "presence_penalty"),
)


class _Passing(Exception):
    """A failure that asking again may cure; `wait` is what the server asked for, in seconds."""

    def __init__(
        self, reason: str, wait: float = 0.0, connected: bool = True, busy: bool = False
    ) -> None:
        super().__init__(reason)
        self.wait = wait
        self.connected = connected
        self.busy = busy


class _Patience(stop_base):
    """When to give a request up: after so many failures, where being told to wait is none.

    A server that tells everybody to wait, and answers nobody for a long time, is given up, too.
    """

    def __init__(self, retries: int, last_answer: Callable[[], float]) -> None:
        self._left = retries
        self._last_answer = last_answer
        self._since = time.monotonic()

    def __call__(self, retry_state: RetryCallState) -> bool:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        if isinstance(error, _Passing) and error.busy:
            return time.monotonic() - max(self._since, self._last_answer()) > _LONGEST_SILENCE
        self._left -= 1
        return self._left < 0


class OpenAIChat:
    """AsyncOpenAI over aiohttp, whose connection pool is the faster one.

    Structured output is asked for as `json_schema`; a server that refuses it is asked for
    `json_object`, then for plain text with the schema in the system message. What it accepts is
    remembered.
    """

    def __init__(self, chat: ChatSection) -> None:
        self._key = _checked_key(chat)
        _check_url(chat.base_url)
        from openai import AsyncOpenAI, DefaultAioHttpClient

        self._retries = chat.retries
        self._timeout = chat.timeout
        self._mode = 0 if chat.structured == "auto" else MODES.index(chat.structured)
        self._may_fall_back = chat.structured == "auto"
        self._last_answer = 0.0
        self._silence = 0
        self._dropped: set[str] = set()
        self._client = AsyncOpenAI(
            api_key=self._key or "none",
            base_url=chat.base_url or None,
            timeout=chat.timeout,
            max_retries=0,
            http_client=DefaultAioHttpClient(timeout=chat.timeout),
        )

    async def complete(self, request: ChatRequest) -> ChatReply:
        """Answer one request, asking again after passing failures.

        A request that fails again and again is given up alone. When several in a row are, with no
        answer to anybody meanwhile, the run stops: to go on would make rejects of what a resume
        can still get.

        Raises:
            Reject: no answer within the allowed tries, or this one request is refused.
            BackendError: the server answers nothing, or refuses for good: key, model, quota.
        """
        try:
            return await self._send(request)
        except _Passing as error:
            return await self._send_again(request, error)

    async def _send_again(self, request: ChatRequest, failure: _Passing) -> ChatReply:
        """All tries after the first, which most requests never need."""
        failures = [failure]

        async def attempt() -> ChatReply:
            if failures:
                raise failures.pop()
            return await self._send(request)

        started = time.monotonic()
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_Passing),
            stop=_Patience(self._retries, lambda: self._last_answer),
            wait=_wait,
            before_sleep=_note,
            reraise=True,
        )
        try:
            return await retrying(attempt)
        except _Passing as error:
            if not error.connected:
                raise BackendError(f"the model's server cannot be reached: {error}") from error
            self._silence = self._silence + 1 if self._last_answer < started else 0
            if self._silence >= _OUTAGE:
                raise BackendError(
                    f"the model's server answers nothing but errors ({error}); resume later"
                ) from error
            reason = f"no answer in {self._retries + 1} tries: {error}"
            raise Reject("unanswered", reason) from error

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.close()

    async def _send(self, request: ChatRequest) -> ChatReply:
        import aiohttp
        import openai

        mode = self._mode
        try:
            # The client's own time-outs are between two bytes; this one is of the whole call.
            async with asyncio.timeout(self._timeout):
                # `chat.completions.create` would walk through every schema and message, and build
                # an object of every part of the answer: longer work than all the rest of a call.
                answer = await self._client.post(
                    "/chat/completions", cast_to=object, body=self._arguments(request, mode)
                )
            reply = reply_of(answer)
            self._last_answer = time.monotonic()
            return reply
        except openai.APIStatusError as error:
            if not self._falls_back(error, mode):
                # Without its cause, whose text may hold the key.
                raise self._judge(error) from None
        except openai.APIConnectionError as error:
            raise self._unreached(error) from None
        except TimeoutError:
            raise _Passing("it timed out") from None
        except (openai.OpenAIError, aiohttp.ClientError, ValueError, RecursionError):
            raise _Passing("its answer was torn, or no chat completion") from None
        return await self._send(request)

    def _arguments(self, request: ChatRequest, mode: int) -> dict[str, Any]:
        arguments = {k: v for k, v in arguments_of(request, mode).items() if k not in self._dropped}
        if "max_tokens" in self._dropped:
            arguments["max_completion_tokens"] = request.max_tokens
        return arguments

    def _falls_back(self, error: Any, mode: int) -> bool:
        """Do without what this server refuses: an optional setting, or a form of structured output.

        What it refused is remembered, so that it is refused once.
        """
        if error.status_code == 400 and _UNSUPPORTED.search(_said(error)):
            named = {name for name in _OPTIONAL if name in _said(error)} - self._dropped
            self._dropped |= named
            if named:
                return True
        refused = error.status_code in (400, 422) and _ABOUT_FORMAT.search(_said(error))
        if not (refused and self._may_fall_back and mode < len(MODES) - 1):
            return False
        self._mode = max(self._mode, mode + 1)
        return True

    def _unreached(self, error: BaseException) -> _Passing:
        """A connection that failed: never made, which no other record will change, or lost."""
        import aiohttp

        never = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, never):
            cause = cause.__cause__
        if cause is not None:
            return _Passing(self._public(cause), connected=False)
        return _Passing(f"the connection was lost: {self._public(error.__cause__ or error)}")

    def _judge(self, error: Any) -> Exception:
        """A status error as one that may pass, one of this request alone, or one for good."""
        code, text = error.status_code, self._public(_said(error))
        for reason, sign in _OF_THIS_REQUEST.items():
            if code in (400, 413) and sign.search(_said(error)):
                return Reject(reason, f"the model's server answered {code}: {text}")
        spent = "insufficient_quota" in _said(error)
        if (code in (408, 409, 425, 429) and not spent) or code >= 500:
            wait = _retry_after(error.response.headers)
            return _Passing(f"status {code}", wait, busy=code == 429)
        advice = {
            401: "check the API key",
            403: "the key may not use this model",
            404: "check chat.model and chat.base_url",
            429: "the account has no quota left",
        }.get(code, "the request itself is refused")
        return BackendError(f"the model's server answered {code}, {advice}: {text}")

    def _public(self, error: object) -> str:
        """An error's text without the key, which some servers repeat."""
        text = " ".join(str(error).split())
        if self._key:
            text = text.replace(self._key, "***")
        return re.sub(r"\bsk-[\w*-]+", "***", text)[:300]


def _said(error: Any) -> str:
    """What the server says of an error, code and all; the library gives the message alone."""
    text: str = error.response.text
    return text if text.strip() else str(error)


def _checked_key(chat: ChatSection) -> str:
    key = chat.api_key.get_secret_value().strip()
    if not key and not chat.base_url:
        raise ConfigError(
            "no API key: set OPENAI_API_KEY, or chat.base_url for a server that needs none"
        )
    if not (key.isascii() and key.isprintable()):
        raise ConfigError("the API key holds characters that no key has; copy it again")
    return key


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if url and not good:
        raise ConfigError(f"chat.base_url must be such as https://host/v1, not {url!r}")


def _note(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    pause = state.next_action.sleep if state.next_action else 0.0
    logger.warning("asking again in %.1f s, try %d: %s", pause, state.attempt_number + 1, error)


def _wait(state: RetryCallState) -> float:
    """What the server asked for, else doubling; jittered so that waiters do not come together."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.wait if isinstance(error, _Passing) else 0.0
    pause = asked or min(_FIRST_WAIT * 2.0 ** (state.attempt_number - 1), _LONGEST_WAIT)
    return pause * random.uniform(1.0, 1.25) if asked else pause * random.uniform(0.5, 1.0)


def _retry_after(headers: Any) -> float:
    """Seconds from a Retry-After header; 0 when there is none that can be read."""
    try:
        seconds = float(headers.get("retry-after", 0))
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), _LONGEST_WAIT) if math.isfinite(seconds) else 0.0
