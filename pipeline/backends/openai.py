"""The `openai` chat backend: calls shared out over servers, paced, tried again and paid for."""

import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import get_args

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type
from tenacity.stop import stop_base

from mcu.backends import ChatReply, ChatRequest, Dispatch
from mcu.backends.endpoint import Endpoint, endpoints_of
from mcu.backends.failures import Passing, failure_of
from mcu.backends.openai_wire import budget_of, prompt_of, schema_size
from mcu.budget import Budget
from mcu.config import Config
from mcu.errors import BackendError, ConfigError, Incomplete, McuError, Reject
from mcu.flow import Flow
from mcu.limits import Bucket, Lane, Ticket
from mcu.log import logger
from mcu.prices import price_of
from mcu.sections import Written

_FIRST_WAIT, _LONGEST_WAIT, _LONGEST_SILENCE = 0.1, 60.0, 300.0
_OUTAGE = 3  # requests given up in a row, with no answer to any other, before the run stops


class _Patience(stop_base):
    """When to give a request up: after so many failures, where being told to wait is none.

    A server that tells everybody to wait, and answers nobody for a long time, is given up, too.
    """

    def __init__(self, retries: int, last_answer: Callable[[], float]) -> None:
        self._left = retries
        self._last_answer = last_answer
        self._since = time.monotonic()

    def __call__(self, retry_state: RetryCallState) -> bool:
        if (error := failure_of(retry_state)) and error.kind == "busy":
            return time.monotonic() - max(self._since, self._last_answer()) > _LONGEST_SILENCE
        self._left -= 1
        return self._left < 0


class OpenAIChat:
    """Calls to one server or several, each with as many in flight as it takes.

    Args:
        config: of the run.
        budget: what may be spent; without one there is no cap.
    """

    def __init__(self, config: Config, budget: Budget | None = None) -> None:
        chat = config.chat
        self._config = config
        self._budget = budget or Budget()
        self._prices = {model: price_of(model, config.prices) for model in _models(config)}
        if self._budget.capped and (odd := [m for m, price in self._prices.items() if not price]):
            raise ConfigError(
                f"run.max_usd needs a price for {odd[0]!r}: "
                f"set prices.{odd[0]!r}.input and .output, in dollars per million tokens"
            )
        self._sections = endpoints_of(chat)
        self._endpoints = {n: Endpoint(n, section, chat) for n, section in self._sections.items()}
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._flow = Flow()
        self._schemas: dict[str, int] = {}  # bytes, by name: measuring takes long
        self._last_answer = 0.0
        self._silence = 0

    async def complete(self, request: ChatRequest, dispatch: Dispatch) -> ChatReply:
        """Answer one request, asking again after passing failures.

        A request that fails again and again is given up alone. When several in a row are, with no
        answer to anybody meanwhile, the run stops: to go on would make rejects of what a resume
        can still get.

        Raises:
            Reject: no answer within the allowed tries.
            BackendError: the server answers nothing, or refuses for good: key, model, quota.
            Incomplete: the call could pass `run.max_usd`.
        """
        try:
            try:
                return await self._attempt(request, dispatch)
            except Passing as error:
                return await self._again(request, dispatch, error)
        except (BackendError, Incomplete) as error:
            self.stop(error)
            raise

    async def _again(self, request: ChatRequest, dispatch: Dispatch, failure: Passing) -> ChatReply:
        """All tries after the first, which most requests never need."""
        known = True  # the first try is the one that failed
        # Before the others of its stage: it has waited longest, and may fail again.
        first = replace(dispatch, priority=(dispatch.priority[0], -1))

        async def attempt() -> ChatReply:
            nonlocal failure, known
            if known:
                known = False
                raise failure
            try:
                return await self._attempt(request, first)
            except Passing as error:
                failure = error
                raise

        started, retries = time.monotonic(), self._config.chat.retries
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Passing),
            stop=_Patience(retries, lambda: self._last_answer),
            wait=_wait,
            sleep=lambda seconds: self._flow.rest(seconds, failure.lane),
            before_sleep=_note,
            reraise=True,
        )
        try:
            return await retrying(attempt)
        except Passing as error:
            if error.kind == "unreached":
                raise BackendError(f"the model's server cannot be reached: {error}") from error
            self._silence = self._silence + 1 if self._last_answer < started else 0
            if self._silence >= _OUTAGE:
                raise BackendError(
                    f"the model's server answers nothing but errors ({error}); resume later"
                ) from error
            reason = f"no answer in {retries + 1} tries: {error}"
            raise Reject("unanswered", reason) from error

    async def _attempt(self, request: ChatRequest, dispatch: Dispatch) -> ChatReply:
        price = self._prices.get(request.model)
        prompt, reply = self.tokens(request)
        tier = self._config.chat.service_tier
        lanes = self.lanes(request.model, dispatch.endpoints)
        ticket = await self._flow.enter(lanes, dispatch.priority, prompt + reply)
        sent = False
        try:
            async with self._budget.hold(price.most(prompt, reply, tier) if price else 0.0) as hold:
                sent = True
                answer = await self._send(ticket, request, tier)
                hold.paid = answer.usd or 0.0
                return answer
        except (BackendError, Incomplete) as error:
            self.stop(error)  # before the next is let in
            raise
        finally:
            if not sent:
                ticket.lane.answered(ticket, time.monotonic(), 0)
            self._flow.pump()

    async def _send(self, ticket: Ticket, request: ChatRequest, tier: str) -> ChatReply:
        """One call on a lane, which learns from how it ends."""
        lane, now = ticket.lane, time.monotonic
        try:
            reply, headers = await self._endpoints[lane.name].send(request, tier)
        except Passing as failure:
            lane.observe(ticket, failure.headers, now())
            match failure.kind:
                case "busy":
                    lane.busy(ticket, now(), failure.wait)
                    failure.lane = lane
                case "late":
                    lane.late(ticket, now())
                case _:
                    lane.failed(ticket, now())
            raise
        except BaseException:
            lane.answered(ticket, now())
            raise
        self._last_answer = now()
        lane.answered(ticket, self._last_answer, reply.prompt_tokens + reply.completion_tokens)
        lane.observe(ticket, headers, self._last_answer)
        return self.priced(reply, request.model, tier)

    def tokens(self, request: ChatRequest) -> tuple[int, int]:
        """Most tokens of a request's prompt and of its reply."""
        name = request.schema_name
        if name not in self._schemas:
            self._schemas[name] = schema_size(request)
        return prompt_of(request, self._schemas[name]), budget_of(request)

    def priced(self, reply: ChatReply, model: str, tier: str) -> ChatReply:
        """The reply with what it cost: what the server says, else by the table."""
        price = self._prices.get(model)
        tier = reply.tier or tier
        if reply.usd is not None or price is None:
            return replace(reply, tier=tier)
        tokens = (reply.prompt_tokens, reply.cached_tokens, reply.completion_tokens)
        return replace(reply, tier=tier, usd=price.usd(*tokens, tier, reply.written_tokens))

    def lanes(self, model: str, names: tuple[str, ...]) -> tuple[Lane, ...]:
        """The lanes that a request may take, one for each server."""
        return tuple(self._lane(name, model) for name in names or tuple(self._endpoints))

    def _lane(self, name: str, model: str) -> Lane:
        if (lane := self._lanes.get((name, model))) is None:
            chat, section = self._config.chat, self._sections[name]
            lane = self._lanes[name, model] = Lane(
                name,
                section.max_in_flight or chat.max_in_flight,
                Bucket(section.requests_per_minute or chat.requests_per_minute),
                Bucket(section.tokens_per_minute or chat.tokens_per_minute),
            )
        return lane

    def stop(self, error: McuError) -> None:
        """Begin no call any more; those waiting get the error."""
        self._flow.stop(error)

    def load(self) -> str:
        """Calls in flight of those allowed, and how many were refused."""
        lanes = list(self._lanes.values())
        busy, most = sum(lane.in_flight for lane in lanes), sum(lane.limit for lane in lanes)
        refused = sum(lane.refused for lane in lanes)
        return f"{busy}/{most} in flight" + (f", {refused:,} refused" if refused else "")

    async def close(self) -> None:
        """Give the connections back."""
        for endpoint in self._endpoints.values():
            await endpoint.close()


def _models(config: Config) -> set[str]:
    return {str(config.chat.of(stage).model) for stage in get_args(Written)} | {config.chat.model}


def _note(state: RetryCallState) -> None:
    pause, number = state.next_action.sleep if state.next_action else 0.0, state.attempt_number + 1
    logger.warning("asking again in %.1f s, try %d: %s", pause, number, failure_of(state))


def _wait(state: RetryCallState) -> float:
    """What the server asked for, else soon, then later; jittered, not to come all together."""
    asked = error.wait if (error := failure_of(state)) else 0.0
    pause = asked or min(_FIRST_WAIT * 3.0 ** min(state.attempt_number - 1, 9), _LONGEST_WAIT)
    return pause * random.uniform(1.0, 1.25) if asked else pause * random.uniform(0.5, 1.0)
