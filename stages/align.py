"""Stage 8: plan, find or draw, and verify the picture of every slot (paper §3.2)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from mcu.backends import Hit, ImageRequest
from mcu.context import Context
from mcu.contract import stage
from mcu.errors import Reject
from mcu.ids import uuid4_of
from mcu.records import (
    Candidate,
    Commonsense,
    DeviceImage,
    Events,
    Face,
    Further,
    Persona,
    Picture,
    Plan,
    Route,
    Session,
)
from mcu.relevance import pooled
from mcu.stages.face import face_of
from mcu.stages.routes import Planned, check, routes
from mcu.stages.slots import Slot, slots


@stage(
    8,
    takes=Events,
    makes=Picture,
    needs=(Persona, Commonsense, Face, DeviceImage, Session),
    uses=("chat", "image", "encoder", "index", "web", "checks"),
    prompts=("plan",),
    version=4,
)
async def align(episode: Events, ctx: Context) -> list[Picture]:
    """A picture a slot. A slot that nothing satisfies is a reject; the episode keeps its text."""
    sessions = sorted(ctx.all(Session), key=lambda session: session.number)
    face = face_of(ctx)
    searches = [Search(slot, face, ctx) for slot in slots(sessions)]
    await ctx.all_of(search.begin() for search in searches)
    taken: dict[str, str] = {}
    pictures = []
    for search in searches:  # in the order of the slots, so that who comes first is no chance
        try:
            pictures.append(await search.end(episode, taken))
        except Reject as loss:
            ctx.reject(loss.code, f"{search.slot.name}: {loss}", loss.raw)
    return pictures


_TOLD = ("caption", "url", "page", "licence", "author", "time")  # of a hit, kept as it is
_FURTHER = 4  # pictures kept behind the one that is taken; readers of Stark look at five a slot


@dataclass
class Option:
    """A picture that passed the checks, and where it comes from."""

    candidate: Candidate
    route: Route
    hit: Hit | None = None


@dataclass
class Search:
    """The way to the picture of one slot: routes in turn, candidates in turn, all of them kept."""

    slot: Slot
    face: Face
    ctx: Context
    candidates: list[Candidate] = field(default_factory=list)
    left: list[Hit] = field(default_factory=list)  # of the last place, not looked at
    passing: list[Option] = field(default_factory=list)  # of the last place, where all were seen
    plan: Plan | None = None
    loss: Reject | None = None

    def __post_init__(self) -> None:
        self._options = self._all()

    async def begin(self) -> None:
        """Plan, and find the first picture that passes."""
        try:
            self._next = await anext(self._options, None)
        except Reject as loss:
            self.loss = loss

    async def end(self, episode: Events, taken: dict[str, str]) -> Picture:
        """Take the first picture that no slot before took, nor one much like it.

        Raises:
            Reject: there is none.
        """
        if self.loss:
            raise self.loss
        while option := self._next:
            # What is drawn is drawn for this slot, like others of its kind as it may be.
            twin = option.hit and self.ctx.twin(option.candidate.image, taken)
            if not twin:
                taken[option.candidate.image] = self.slot.name
                further = self._further(option, taken)
                return self._picture(option, episode, further)
            self._refuse(option, f"much like the picture of {twin}")
            self._next = await anext(self._options, None)
        last = self.candidates[-1].reason if self.candidates else "nothing was found"
        raise Reject("no_picture", f"none of {len(self.candidates)} pictures is good; last: {last}")

    async def _all(self) -> AsyncIterator[Option]:
        """Pictures that pass, route by route."""
        reply = await self._asked()
        self.plan = Plan(route=reply.route, prompt=reply.prompt, class_word=reply.class_word)
        for route, asked in routes(reply, self.slot.description):
            options = self._drawn(route, *asked) if "t2i" in route else self._found(route, asked)
            async for option in options:
                yield option

    async def _asked(self) -> Planned:
        persona = self.ctx.of(Persona)
        return await self.ctx.ask(
            "plan",
            Planned,
            persona=persona,
            sharer=self.slot.sharer,
            source="mobile" if self.slot.album else "internet",
            category=self.slot.category,
            keywords=self.slot.keywords,
            description=self.slot.description,
            check=lambda reply: check(reply, self.slot, persona),
        )

    async def _drawn(self, route: Route, prompt: str) -> AsyncIterator[Option]:
        own = route == "p-t2i"
        request = ImageRequest(
            kind="p-t2i" if own else "t2i",
            prompt=prompt,
            seed=0,
            look=self.face.look if own else {},
            faces=(self.ctx.picture(self.face.image),) if own else (),
        )
        drawn = await self.ctx.draw(request, self.slot.name, self.slot.description)
        self.candidates += drawn.tried
        if drawn.best:
            yield Option(drawn.best, route)

    async def _found(self, route: Route, queries: list[str]) -> AsyncIterator[Option]:
        """Hits in the order of their fit with the whole description."""
        try:
            hits = pooled(await self.ctx.all_of(self.ctx.find(route, one) for one in queries))
        except Reject as loss:
            self.candidates.append(Candidate(source=route, reason=f"not searched: {loss}"))
            return
        found = self.ctx.candidates(route, hits, self.slot.description)
        if self.ctx.sees:  # all were looked at before the first is given
            looked = [pair async for pair in found]
            self.candidates += [candidate for _, candidate in looked]
            self.passing = [Option(c, route, hit) for hit, c in looked if not c.reason]
            for option in self.passing:
                yield option
            return
        self.left = list(hits)
        async for hit, candidate in found:
            self.left.remove(hit)
            self.candidates.append(candidate)
            if not candidate.reason:
                yield Option(candidate, route, hit)

    def _further(self, chosen: Option, taken: dict[str, str]) -> list[Further]:
        """The pictures behind the chosen one that pass, too, each unlike all others."""
        if chosen not in self.passing:
            return []
        seen = dict(taken)
        further: list[Further] = []
        for option in self.passing[self.passing.index(chosen) + 1 :]:
            twin = self.ctx.twin(option.candidate.image, seen)
            self._refuse(option, f"much like the picture of {twin}" if twin else "outranked")
            if not twin and len(further) < _FURTHER:
                seen[option.candidate.image] = self.slot.name
                further.append(Further(**self._published(option)))
        return further

    def _refuse(self, option: Option, reason: str) -> None:
        place = self.candidates.index(option.candidate)
        self.candidates[place] = option.candidate.model_copy(update={"reason": reason})

    def _picture(self, option: Option, episode: Events, further: list[Further]) -> Picture:
        assert self.plan is not None
        slot = self.slot
        return Picture(
            parent=episode.id,
            slot=slot.name,
            description=slot.description,
            album=slot.album,
            places=slot.places,
            plan=self.plan,
            route=option.route,
            seed=option.candidate.seed,
            candidates=[*self.candidates, *map(_unseen, self.left)],
            further=further,
            **self._published(option),
        )

    def _published(self, option: Option) -> dict[str, Any]:
        """What is published of a picture: its key, and where it comes from."""
        image, hit = option.candidate.image, option.hit
        source = hit.source if hit else option.route
        facts: dict[str, Any] = {"key": uuid4_of("image", source, image), "image": image}
        facts |= {"phash": self.ctx.phash(image), "source": source}
        facts["verification"] = option.candidate.checks
        if hit:
            facts |= {name: getattr(hit, name) for name in _TOLD}
            facts["copy_allowed"] = hit.copy
        return facts


def _unseen(hit: Hit) -> Candidate:
    return Candidate(source=hit.source, file=hit.file, score=round(hit.score, 4))
