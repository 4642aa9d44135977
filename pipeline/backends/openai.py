"""The `openai` chat backend: OpenAI or any server that speaks its chat completions."""

import asyncio
import json
import math
import random
import re
from typing import Any
from urllib.parse import urlsplit

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt

from mcu.backends import ChatReply, ChatRequest
from mcu.config import ChatSection
from mcu.errors import BackendError, ConfigError, Reject

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 60.0
_MOST_TOKENS = 2**31
_MODES = ("json_schema", "json_object", "text")
_ABOUT_FORMAT = re.compile(r"response_format|json_schema|json_object|schema|grammar", re.I)
# Refusals that say nothing about the next request.
_OF_THIS_REQUEST = {
    "refused": re.compile(r"content_filter|content management policy", re.I),
    "too_long": re.compile(r"context_length|context length|exceed_context|context size", re.I),
}
_PENALTIES = ("frequency_penalty", "presence_penalty")


class _Passing(Exception):
    """A failure that asking again may cure; `wait` is what the server asked for, in seconds."""

    def __init__(self, reason: str, wait: float = 0.0, connected: bool = True) -> None:
        super().__init__(reason)
        self.wait = wait
        self.connected = connected


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
        self._mode = 0 if chat.structured == "auto" else _MODES.index(chat.structured)
        self._may_fall_back = chat.structured == "auto"
        self._retrying = AsyncRetrying(
            retry=retry_if_exception_type(_Passing),
            stop=stop_after_attempt(chat.retries + 1),
            wait=_wait,
            reraise=True,
        )
        self._client = AsyncOpenAI(
            api_key=self._key or "none",
            base_url=chat.base_url or None,
            timeout=chat.timeout,
            max_retries=0,
            http_client=DefaultAioHttpClient(timeout=chat.timeout),
        )

    async def complete(self, request: ChatRequest) -> ChatReply:
        """Answer one request, asking again after passing failures.

        Raises:
            Reject: no answer within the allowed tries, or this one request is refused.
            BackendError: it cannot be reached, or refuses for good: key, model, quota, request.
        """
        try:
            return await self._retrying.copy()(self._send, request)
        except _Passing as error:
            if not error.connected:
                raise BackendError(f"the model's server cannot be reached: {error}") from error
            raise Reject(
                "unanswered", f"no answer in {self._retries + 1} tries: {error}"
            ) from error

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
                    "/chat/completions", cast_to=object, body=_arguments(request, mode)
                )
            return _reply(answer)
        except openai.APIStatusError as error:
            if not self._falls_back(error, mode):
                # Without its cause, whose text may hold the key.
                raise self._judge(error) from None
        except openai.APIConnectionError as error:
            raise self._unreached(error) from None
        except TimeoutError:
            raise _Passing("it timed out") from None
        except (openai.OpenAIError, aiohttp.ClientError, ValueError, RecursionError):
            raise _Passing("its answer was torn, or not JSON") from None
        return await self._send(request)

    def _falls_back(self, error: Any, mode: int) -> bool:
        """Go to the next simpler form of structured output when this one is what is refused."""
        refused = error.status_code in (400, 422) and _ABOUT_FORMAT.search(_said(error))
        if not (refused and self._may_fall_back and mode < len(_MODES) - 1):
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
            return _Passing(f"status {code}", _retry_after(error.response.headers))
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


def _arguments(request: ChatRequest, mode: int) -> dict[str, Any]:
    messages = [
        {name: text.encode("utf-8", "replace").decode() for name, text in message.items()}
        for message in request.messages
    ]
    arguments: dict[str, Any] = {
        "model": request.model,
        "seed": request.seed,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "max_tokens": request.max_tokens,
    }
    for name in _PENALTIES:
        if value := getattr(request, name):
            arguments[name] = value
    if _MODES[mode] == "json_schema":
        schema = {"name": request.schema_name, "schema": request.schema, "strict": True}
        arguments["response_format"] = {"type": "json_schema", "json_schema": schema}
    else:
        shape = json.dumps(request.schema, ensure_ascii=False)
        head = messages[0]["content"] + f"\n\nThe JSON has exactly this schema:\n{shape}"
        messages[0] = {**messages[0], "content": head}
        if _MODES[mode] == "json_object":
            arguments["response_format"] = {"type": "json_object"}
    return {**arguments, "messages": messages}


def _reply(answer: Any) -> ChatReply:
    """What the server sent as a reply; nothing in it can be trusted to have its type."""
    try:
        choice, usage = answer["choices"][0], answer.get("usage")
        text, refusal = choice["message"].get("content"), choice["message"].get("refusal")
        finish, model = choice.get("finish_reason"), answer.get("model")
    except (AttributeError, IndexError, KeyError, TypeError):
        raise _Passing("its answer is not a chat completion; check chat.base_url") from None
    return ChatReply(
        text=_text(text) or _text(refusal),
        finish="content_filter" if refusal else finish if isinstance(finish, str) else "stop",
        model=_text(model),
        prompt_tokens=_count(usage, "prompt_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
    )


def _text(value: object) -> str:
    """Text that any file can hold: half a surrogate pair as its escape, which JSON refuses."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else ""


def _count(usage: object, name: str) -> int:
    value = usage.get(name) if isinstance(usage, dict) else 0
    return value if isinstance(value, int) and 0 <= value < _MOST_TOKENS else 0


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
