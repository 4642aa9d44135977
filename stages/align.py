"""Stage 8: plan, find or draw, and verify the picture of every slot (paper §3.2)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

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
    version=3,
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
                return self._picture(option, episode)
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
        self.left = list(hits)
        async for hit, candidate in self.ctx.candidates(route, hits, self.slot.description):
            self.left.remove(hit)
            self.candidates.append(candidate)
            if not candidate.reason:
                yield Option(candidate, route, hit)

    def _refuse(self, option: Option, reason: str) -> None:
        place = self.candidates.index(option.candidate)
        self.candidates[place] = option.candidate.model_copy(update={"reason": reason})

    def _picture(self, option: Option, episode: Events) -> Picture:
        assert self.plan is not None
        taken, hit, slot = option.candidate, option.hit, self.slot
        source = hit.source if hit else option.route
        return Picture(
            parent=episode.id,
            slot=slot.name,
            description=slot.description,
            album=slot.album,
            places=slot.places,
            plan=self.plan,
            key=uuid4_of("image", source, taken.image),
            image=taken.image,
            route=option.route,
            source=source,
            caption=hit.caption if hit else "",
            url=hit.url if hit else "",
            page=hit.page if hit else "",
            licence=hit.licence if hit else "",
            author=hit.author if hit else "",
            time=hit.time if hit else "",
            copy_allowed=hit.copy if hit else True,
            seed=taken.seed,
            candidates=[*self.candidates, *map(_unseen, self.left)],
            verification=taken.checks,
        )


def _unseen(hit: Hit) -> Candidate:
    return Candidate(source=hit.source, file=hit.file, score=round(hit.score, 4))
