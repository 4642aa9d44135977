"""What a stage is given besides its record: relatives, the model, pictures, rejects."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from pydantic import BaseModel

from mcu import finding, prompts, tries
from mcu.backends import ChatRequest, Dispatch, Hit, ImageRequest
from mcu.config import Config
from mcu.contract import Stage
from mcu.errors import Fault, Gone, Reject
from mcu.family import Family
from mcu.ids import canonical, digest, rng_of, seed_of, sha256
from mcu.journal import Answer, UnitJournal
from mcu.languages import language_name
from mcu.parse import parse
from mcu.records import Candidate, Record
from mcu.schema import schema_digest, schema_of
from mcu.services import Services
from mcu.tries import Drawn

R = TypeVar("R", bound=Record)
M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

_SENTENCE = 300  # characters of a fault
_QUOTED = 4_000  # characters of a bad reply that the model is shown again and a reject keeps
# Finish reasons after which asking again is waste: the code of the reject, and what is said.
_FINAL = {
    "content_filter": ("filtered", "the provider's filter stopped the reply"),
    "refusal": ("refused", "the model refused"),
    "context_length": ("too_long", "the request is longer than the model's context"),
    "length": ("cut_off", "the reply was cut off, at twice its usual length, too"),
}
_REFUSAL = re.compile(
    r"\W*(?:i'?m sorry|i am sorry|sorry|i can(?:'?t|not)|i (?:won't|am unable)|as an ai)", re.I
)


@dataclass
class Context:
    """The world as one run of a stage on one record sees it; it names no file and no service."""

    services: Services
    stage: Stage
    shard: int
    record: Record
    family: Family
    journal: UnitJournal
    losses: list[dict[str, str]] = field(default_factory=list)
    hashes: dict[str, int | None] = field(default_factory=dict)  # of pictures seen, perceptual

    @property
    def config(self) -> Config:
        """The run's configuration."""
        return self.services.config

    @property
    def language(self) -> str:
        """The English name of the language that this stage writes in."""
        return language_name(str(self.services.writing(self.stage.name).language))

    def rng(self, name: str = "") -> Random:
        """A generator seeded from the run's seed, the stage, the input record and a name."""
        return rng_of(self.config.run.seed, self.stage.name, self.record.id, name)

    def of(self, kind: type[R]) -> R:
        """The one ancestor or sibling of that type; raises Gone when it was rejected."""
        return self.all(kind)[0]

    def all(self, kind: type[R]) -> list[R]:
        """Every relative of that type, in order; raises Gone when all were rejected."""
        found = [r for r in self.family.of(self.record, kind) if isinstance(r, kind)]
        if not found:
            raise Gone(f"no {kind.__name__} is left for this {type(self.record).__name__}")
        return found

    async def all_of(self, work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
        """Do several things at once; when one fails, the others are stopped before it is told."""
        tasks = [asyncio.ensure_future(one) for one in work]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def reject(self, code: str, reason: str, raw: str = "") -> None:
        """Note a loss inside a record that is otherwise kept."""
        row = {"id": self.record.id, "code": code, "reason": reason, "raw": raw[:_QUOTED]}
        self.losses.append(row)

    async def ask(
        self,
        prompt: str,
        reply: type[M],
        *,
        check: Callable[[M], None] | None = None,
        lenient: bool = False,
        model: str = "",
        **variables: Any,
    ) -> M:
        """Fill a prompt by name, ask the model, parse, check, and ask again with the fault quoted.

        Args:
            prompt: the template.
            reply: schema of the answer.
            check: raises Fault with the sentence that the model is then shown.
            lenient: give the last safe reply back although `check` fails, for what is good in it.
            model: asked in place of the stage's own, where several must agree.
            **variables: exactly the template's own.

        Raises:
            Reject: no usable reply within `chat.repairs` repairs.
        """
        messages = prompts.load(prompt).fill(**variables)
        history, last = messages, None
        for attempt in range(self.config.chat.repairs + 1):
            text = await self._whole(prompt, reply, history, attempt, model)
            try:
                value = parse(text, reply)
                self._check_safety(value)
                last = value
                if check:
                    check(value)
                return value
            except Fault as fault:
                failure = _brief(fault)
            history = [*messages, *_repair(text, failure)]
        if lenient and last is not None:
            return last
        raise _given_up(text, failure)

    async def _whole(
        self,
        prompt: str,
        reply: type[BaseModel],
        messages: list[dict[str, str]],
        attempt: int,
        model: str,
    ) -> str:
        """The text of an answer; one that was cut off is asked for once more, with more room."""
        answer = await self._complete(prompt, reply, messages, attempt, model)
        if answer["finish"] == "length":
            answer = await self._complete(prompt, reply, messages, attempt, model, budget=2)
        if (final := _FINAL.get(answer["finish"])) is not None:
            raise Reject(*final, answer["text"])
        return str(answer["text"])

    async def _complete(
        self,
        prompt: str,
        reply: type[BaseModel],
        messages: list[dict[str, str]],
        attempt: int,
        model: str,
        budget: int = 1,
    ) -> Answer:
        """One answer, from the journal or the model; `budget` times the usual reply budget."""
        own = self.services.writing(self.stage.name)
        sampling = dict(prompts.load(prompt).sampling)
        usual = sampling.get("max_tokens", ChatRequest.max_tokens)
        sampling |= {name: v for name in sampling if (v := getattr(own, name)) is not None}
        sampling["max_tokens"] = budget * (own.max_tokens or usual)
        request = ChatRequest(
            messages=messages,
            schema_name=prompt,
            schema=schema_of(reply),
            model=model or str(own.model),
            seed=seed_of(self.config.run.seed, self.stage.name, self.record.id, attempt),
            reasoning_effort=own.reasoning_effort or "",
            extra=own.extra or {},
            **sampling,  # type: ignore[arg-type]
        )
        content = {k: v for k, v in vars(request).items() if k != "schema"}
        asked = canonical(content)  # once, for its hash and for the journal
        key = sha256(b'["chat",%b,"%b"]' % (asked, schema_digest(reply).encode()))
        dispatch = Dispatch(key, self.priority, own.endpoints or ())
        meter = self.services.meter
        made: list[Answer] = []

        async def make() -> Answer:
            made.append(dict(vars(await self.services.chat.complete(request, dispatch))))
            meter.add(made[0])
            return made[0]

        answer = await self.journal.once(key, "chat", self.record.id, asked, make)
        meter.replayed += not made
        return answer

    def _check_safety(self, value: BaseModel) -> None:
        safety = self.services.safety
        if safety is None:
            return
        # All fields as one text, for speed; JSON's own signs part them.
        if reason := safety.text(value.model_dump_json().replace("\\n", " ")):
            raise Fault(f"the reply is unsafe: {reason}")

    def famous(self, text: str) -> str:
        """The real person whom a text names, or an empty text."""
        safety = self.services.safety
        return safety.famous(text) if safety else ""

    @property
    def priority(self) -> tuple[int, int]:
        """Lower goes first, as `Unit.priority`."""
        return -self.stage.number, self.shard

    async def draw(self, request: ImageRequest, name: str, description: str = "") -> Drawn:
        """Draw pictures until one passes the checks, and keep it; see `tries.draw`."""
        return await tries.draw(self, request, name, description)

    async def find(self, where: str, query: str) -> list[Hit]:
        """Search for pictures: `where` is "retrieval" for the indexes or "web".

        Raises:
            Reject: the place cannot be asked now.
        """
        return await finding.find(self, where, query)

    def candidates(
        self, where: str, hits: list[Hit], description: str
    ) -> AsyncIterator[tuple[Hit, Candidate]]:
        """The hits in the order of their fit with a description; see `finding.candidates`."""
        return finding.candidates(self, where, hits, description)

    @property
    def sees(self) -> bool:
        """Whether the encoder looks at pictures, all of a search before the first is given."""
        return self.services.encoder.sees

    def phash(self, image: str) -> str:
        """The perceptual hash of a picture seen here, in hex; empty without any contrast."""
        seen = self.hashes.get(image)
        return "" if seen is None else f"{seen:016x}"

    def twin(self, image: str, others: dict[str, str]) -> str:
        """What is told of a picture much like this one, or an empty text; see `finding.twin`."""
        return finding.twin(self, image, others)

    async def once(
        self,
        kind: str,
        content: dict[str, Any],
        make: Callable[[], Awaitable[Answer]],
        good: Callable[[Answer], bool] = lambda answer: True,
    ) -> Answer:
        """The journalled answer to something asked, or a new one; see `UnitJournal.once`."""
        key = digest([kind, content])
        return await self.journal.once(key, kind, self.record.id, content, make, good)

    def is_kept(self, answer: Answer) -> bool:
        """Whether an answer's picture, if it has one, is still in the run."""
        return not answer["image"] or self.services.store.image_path(answer["image"]).is_file()

    def picture(self, digest: str) -> bytes:
        """The bytes of a picture that was kept."""
        return self.services.store.image(digest)

    async def off_loop(self, work: Callable[..., Answer], *arguments: Any) -> Answer:
        """Do something slow in a worker thread."""
        loop = asyncio.get_running_loop()
        job: Awaitable[Answer] = loop.run_in_executor(self.services.pool, work, *arguments)
        return await job


def _brief(fault: Fault) -> str:
    """A fault's sentence, which may quote the model, at a length that may be sent and kept."""
    text = str(fault)
    return text if len(text) <= _SENTENCE else text[:_SENTENCE] + "..."


def _given_up(text: str, fault: str) -> Reject:
    """Why no reply could be used; the last one is kept."""
    code = "refused" if _REFUSAL.match(text) else "bad_reply" if text.strip() else "empty"
    return Reject(code, fault, text)


def _repair(text: str, fault: str) -> list[dict[str, str]]:
    shown = text[:_QUOTED].encode("utf-8", "replace").decode() or "(nothing)"
    return [{"role": "assistant", "content": shown}, *prompts.load("repair").fill(fault=fault)]
