"""The files and batches pages of a server: called, called again, and never two batches for one."""

import asyncio
import json
import random
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, Any, TypeVar
from urllib.parse import quote

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from mcu.backends.batch.facts import OURS, Facts, facts_of, page_of, text_of
from mcu.backends.batch.files import PAGE
from mcu.backends.endpoint import Endpoint
from mcu.backends.failures import Passing, failure_of, judge, said_by
from mcu.errors import BackendError
from mcu.log import logger

T = TypeVar("T")

_DOUBTS = (0.0, 0.4, 0.7, 1.0)  # seconds before each look for a batch that may be there
_CLOCKS = 3600.0  # seconds that two clocks may differ
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 60.0
_PATIENCE, _LONG_PATIENCE = 300.0, 3600.0  # seconds: when told to wait; for paid answers
_TRANSFER = 3600.0  # seconds that a file may take
_NO_FILE = re.compile(r"(?:no such|cannot find|could not find) file", re.I)


class Unknown(BackendError):
    """What was asked for is not there, or over."""


class BatchApi:
    """The pages of one server. What may pass is tried again; the rest is a BackendError."""

    def __init__(self, endpoint: Endpoint, retries: int) -> None:
        self._endpoint = endpoint
        self._retries = retries

    async def upload(self, file: IO[bytes], name: str) -> str:
        """Give the server an input file; gives its id."""

        async def attempt() -> str:
            file.seek(0)
            with self._judged("POST /files"):
                async with asyncio.timeout(_TRANSFER):
                    found = await self._endpoint.client.files.create(
                        file=(name, file, "application/jsonl"), purpose="batch"
                    )
                return text_of(found.id)

        return await self._again(attempt)

    async def create(self, file: str, ours: str, since: float) -> Facts:
        """Make a batch of a file. When an answer was lost, the batch is looked for first."""
        body = {
            "input_file_id": file,
            "endpoint": PAGE,
            "completion_window": "24h",
            "metadata": {OURS: ours},
        }
        sent = False

        async def attempt() -> Facts:
            nonlocal sent
            if sent and (found := await self.find(ours, file, since)):
                return found
            sent = True
            return await self._call("POST", "/batches", facts_of, body)

        return await self._again(attempt)

    async def find(self, ours: str, file: str, since: float) -> Facts | None:
        """A batch with our own id or our file, if there is one: it is looked for more than once.

        Args:
            ours: the id; some servers do not keep it.
            file: the id of the input file.
            since: when the batch cannot have been there yet.
        """
        for pause in _DOUBTS:
            await asyncio.sleep(pause)
            if found := await self._again(partial(self._look, ours, file, since)):
                return found
        return None

    async def _look(self, ours: str, file: str, since: float) -> Facts | None:
        """Read the list of batches, the newest first, as far back as need be."""
        query = "limit=100"
        while True:
            rows, more = await self._call("GET", f"/batches?{query}", page_of)
            for facts in rows:
                if facts.ours == ours or facts.input == file:
                    return facts
            past = rows and 0 < rows[-1].created < since - _CLOCKS
            if past or not (rows and more):
                return None
            query = f"limit=100&after={quote(rows[-1].id, safe='')}"

    async def show(self, batch: str) -> Facts:
        """What became of a batch; a server that is away is waited for, up to an hour."""
        path = f"/batches/{quote(batch, safe='')}"
        try:
            return await self._again(partial(self._call, "GET", path, facts_of), _LONG_PATIENCE)
        except Unknown:
            raise Unknown(
                f"the model's server knows no batch {batch}: set chat.base_url and the key as "
                f"they were when it was sent, or give it up with `mcu cancel`"
            ) from None

    async def cancel(self, batch: str) -> Facts | None:
        """End a batch; None when it has ended already, or is not known."""
        path = f"/batches/{quote(batch, safe='')}/cancel"
        try:
            return await self._again(partial(self._call, "POST", path, facts_of))
        except Unknown:
            return None

    async def download(self, file: str, into: IO[bytes]) -> bool:
        """Fetch a file; False when the server has it no more."""
        try:
            await self._again(partial(self._fetch, file, into), _LONG_PATIENCE)
        except Unknown:
            return False
        return True

    async def _fetch(self, file: str, into: IO[bytes]) -> None:
        into.seek(0)
        into.truncate()
        pages = self._endpoint.client.files.with_streaming_response
        with self._judged(f"GET /files/{file}"):
            async with asyncio.timeout(_TRANSFER), pages.content(file) as answer:
                async for chunk in answer.iter_bytes(1 << 16):
                    into.write(chunk)

    async def _call(
        self, method: str, path: str, read: Callable[[Any], T], body: dict[str, Any] | None = None
    ) -> T:
        import httpx2

        client = self._endpoint.client
        with self._judged(f"{method} {path.partition('?')[0]}"):
            if method == "GET":
                answer = await client.get(path, cast_to=httpx2.Response)
            else:
                answer = await client.post(path, cast_to=httpx2.Response, body=body or {})
            return read(json.loads(answer.content))

    async def _again(self, work: Callable[[], Awaitable[T]], patience: float = 0.0) -> T:
        """Try until it works, or does not for so many times, or seconds where those are given."""

        def enough(state: RetryCallState) -> bool:
            busy = (error := failure_of(state)) is not None and error.kind == "busy"
            if busy or patience:
                return (state.seconds_since_start or 0.0) > max(patience, _PATIENCE)
            return state.attempt_number > self._retries

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Passing),
            stop=enough,
            wait=_wait,
            before_sleep=_note,
            reraise=True,
        )
        try:
            return await retrying(work)
        except Passing as error:
            if error.kind == "unreached":
                raise BackendError(f"the model's server cannot be reached: {error}") from None
            raise BackendError(
                f"the model's server takes no batches at present ({error}); resume later"
            ) from None

    @contextmanager
    def _judged(self, what: str) -> Iterator[None]:
        """Make what can go wrong with a call one of Passing and BackendError."""
        import aiohttp
        import httpx2
        import openai

        try:
            yield
        except openai.APIStatusError as error:
            raise self._refusal(what, error) from None
        except TimeoutError:
            raise Passing("it timed out", "late") from None
        except (openai.APIConnectionError, httpx2.HTTPError) as error:
            raise self._endpoint.lost(
                error
            ) from None  # without its cause, whose text may hold the key
        except (openai.OpenAIError, aiohttp.ClientError, LookupError, TypeError, ValueError):
            raise Passing("its answer was torn, or is none") from None

    def _refusal(self, what: str, error: Any) -> Exception:
        """A status other than 200 as something that passes, or as a sentence for the user."""
        code, said = error.status_code, said_by(error)
        public = self._endpoint.public(said)
        if what == "POST /batches" and code in (400, 404) and _NO_FILE.search(said):
            return Passing(f"status {code}: {public}")  # the file is too new for this page
        if what.endswith("/cancel") and code in (400, 409):
            return Unknown(public)
        if code in (404, 405, 501) and what in ("POST /files", "POST /batches", "GET /batches"):
            return BackendError(
                f'this server has no batches (it answered {code} to {what}): use chat.mode = "live"'
            )
        if code == 404:
            return Unknown(f"the model's server answered 404 to {what}: {public}")
        if code == 403:
            return BackendError(f"the key may not use files and batches ({what}): {public}")
        problem = judge(code, said, public, error.response.headers)
        if isinstance(problem, Passing | BackendError):
            return problem
        return BackendError(f"the model's server answered {code} to {what}: {public}")


def _wait(state: RetryCallState) -> float:
    """What the server asked for, else doubling; jittered so that batches do not come together."""
    asked = error.wait if (error := failure_of(state)) else 0.0
    pause = asked or min(_FIRST_WAIT * 2.0 ** min(state.attempt_number - 1, 9), _LONGEST_WAIT)
    return pause * random.uniform(1.0, 1.25)


def _note(state: RetryCallState) -> None:
    pause = state.next_action.sleep if state.next_action else 0.0
    logger.warning("batches: asking again in %.1f s: %s", pause, failure_of(state))
