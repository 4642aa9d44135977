"""One server that speaks chat completions: its connections, its key, what it can do."""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from mcu.backends import ChatReply, ChatRequest
from mcu.backends import failures as f
from mcu.backends.openai_wire import MODES, arguments_of, refused_by, reply_of
from mcu.errors import ConfigError
from mcu.sections import ChatSection, EndpointSection


@dataclass
class Abilities:
    """What one model on one server was found to take; it refuses the rest once."""

    mode: int
    dropped: set[str] = field(default_factory=set)


class Endpoint:
    """AsyncOpenAI over aiohttp, whose connection pool is the faster one.

    Structured output is asked for as `json_schema`; a server that refuses it is asked for
    `json_object`, then for plain text with the schema in the system message. What it accepts is
    remembered, for each model.
    """

    def __init__(self, name: str, section: EndpointSection, chat: ChatSection) -> None:
        self.name = name
        self._key = _checked_key(name, section)
        _check_url(section.base_url)
        import httpx2
        from openai import AsyncOpenAI, DefaultAioHttpClient

        self._timeout = max(chat.timeout, 900.0) if chat.service_tier == "flex" else chat.timeout
        self._form = chat.structured
        self._abilities: dict[tuple[str, bool], Abilities] = {}
        most = (section.max_in_flight or chat.max_in_flight) + 16
        limits = httpx2.Limits(max_connections=most, max_keepalive_connections=most)
        self.client = AsyncOpenAI(
            api_key=self._key or "none",
            base_url=section.base_url or None,
            timeout=self._timeout,
            max_retries=0,
            http_client=DefaultAioHttpClient(timeout=self._timeout, limits=limits),
        )

    def abilities(self, request: ChatRequest) -> Abilities:
        """What is known of the request's model here; it may take more when it does not think."""
        key = (request.model, request.reasoning_effort == "none")
        if key not in self._abilities:
            mode = 0 if self._form == "auto" else MODES.index(self._form)
            refused = refused_by(request.model, request.reasoning_effort)
            self._abilities[key] = Abilities(mode, set(refused))
        return self._abilities[key]

    async def send(self, request: ChatRequest, tier: str) -> tuple[ChatReply, Mapping[str, str]]:
        """One call; more only while the server refuses settings that it can do without.

        Raises:
            Passing: asking again may help.
            BackendError: it cannot.
        """
        import openai

        abilities = self.abilities(request)
        while True:
            mode = abilities.mode
            body = arguments_of(request, mode, abilities.dropped, tier)
            try:
                return await self._post(body)
            except openai.APIStatusError as error:
                code, said, headers = error.status_code, f.said_by(error), error.response.headers
            if self.does_without(request, body, code, said):
                continue
            problem = f.judge(code, said, self.public(said), headers)
            if isinstance(problem, f.OfThisRequest):
                return ChatReply(str(problem), problem.finish, request.model), headers
            raise problem

    async def _post(self, body: Mapping[str, Any]) -> tuple[ChatReply, Mapping[str, str]]:
        import aiohttp
        import httpx2
        import openai

        started = asyncio.get_running_loop().time()
        try:
            # The client's own time-outs are between two bytes; this one is of the whole call.
            async with asyncio.timeout(self._timeout):
                # `chat.completions.create` would walk through every schema and message, and build
                # an object of every part of the answer: longer work than all the rest of a call.
                answer = await self.client.post(
                    "/chat/completions", cast_to=httpx2.Response, body=body
                )
            reply = reply_of(json.loads(answer.content))
        except openai.APIStatusError:
            raise
        except openai.APIConnectionError as error:
            # Without its cause, whose text may hold the key.
            raise self.lost(error) from None
        except TimeoutError:
            raise f.Passing("it timed out", "late") from None
        except (openai.OpenAIError, aiohttp.ClientError, ValueError, RecursionError):
            raise f.Passing("its answer was torn, or no chat completion") from None
        seconds = asyncio.get_running_loop().time() - started
        return replace(reply, endpoint=self.name, seconds=round(seconds, 4)), answer.headers

    def does_without(
        self, request: ChatRequest, body: Mapping[str, Any], code: int, said: str
    ) -> bool:
        """Leave out from now on what was refused, if that is a thing to do without.

        Args:
            request: as it was asked for.
            body: what was sent.
            code: the status of the answer.
            said: its text.
        """
        abilities = self.abilities(request)
        # Another call may have learned it meanwhile: what was sent counts.
        if refused := f.unsupported(code, said) & body.keys():
            abilities.dropped |= refused
            return True
        if not f.about_format(code, said) or self._form != "auto":
            return False
        form = body.get("response_format", {"type": "text"})
        mode = MODES.index(form["type"]) if isinstance(form, dict) else len(MODES) - 1
        if mode >= len(MODES) - 1:
            return False
        abilities.mode = max(abilities.mode, mode + 1)
        return True

    def lost(self, error: BaseException) -> f.Passing:
        """A connection that was never made, which no other call will change, or slow, or broken."""
        import aiohttp

        never = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, (*never, TimeoutError)):
            cause = cause.__cause__
        if isinstance(cause, never):
            return f.Passing(self.public(cause), "unreached")
        if cause is not None:
            return f.Passing("it timed out", "late")
        return f.Passing(f"the connection was lost: {self.public(error.__cause__ or error)}")

    def public(self, error: object) -> str:
        """An error's text without the key, which some servers repeat."""
        text = " ".join(str(error).split())
        if self._key:
            text = text.replace(self._key, "***")
        return re.sub(r"\bsk-[\w*-]+", "***", text)[:300]

    async def close(self) -> None:
        """Give the connections back."""
        await self.client.close()


def endpoints_of(chat: ChatSection) -> dict[str, EndpointSection]:
    """The servers by name; one without a name where none are listed."""
    if chat.endpoints:
        return dict(chat.endpoints)
    return {"": EndpointSection(base_url=chat.base_url, api_key=chat.api_key)}


def _checked_key(name: str, section: EndpointSection) -> str:
    key = section.api_key.get_secret_value().strip()
    if not key and section.api_key_env:
        raise ConfigError(f"no API key for endpoint {name!r}: set {section.api_key_env}")
    if not key and not section.base_url:
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
