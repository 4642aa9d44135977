"""Stage 8: plan and find or draw the picture of every slot (paper §3.2)."""

import re
from dataclasses import dataclass, field

from mcu.backends import Hit, ImageRequest
from mcu.context import Context
from mcu.contract import Reply, stage
from mcu.errors import Fault, Reject
from mcu.ids import uuid4_of
from mcu.records import (
    ASSISTANT,
    Candidate,
    Commonsense,
    DeviceImage,
    Events,
    Face,
    Persona,
    Picture,
    Place,
    Plan,
    Route,
    Session,
)
from mcu.stages.face import face_of
from mcu.stages.text import mentions, one_line

_TRIGGER = "img"
_DRAWN, _SOUGHT = 55, 120  # words; SDXL reads 77 tokens of a prompt
_OF_GENDER = dict.fromkeys(("man", "boy", "guy", "gentleman"), "male")
_OF_GENDER |= dict.fromkeys(("woman", "girl", "lady"), "female")


class Planned(Reply):
    """A route with its prompt or query."""

    route: Route
    class_word: str
    prompt: str


@dataclass
class Slot:
    """One place for an image: a picture of the album, or one from the internet in a turn."""

    name: str
    description: str
    category: str = ""
    album: int = 0
    keywords: list[str] = field(default_factory=list)
    sharer: str = ""
    places: list[Place] = field(default_factory=list)


@stage(
    8,
    takes=Events,
    makes=Picture,
    needs=(Persona, Commonsense, Face, DeviceImage, Session),
    uses=("chat", "image", "encoder", "index", "web", "checks"),
    prompts=("plan",),
    version=2,
)
async def align(episode: Events, ctx: Context) -> list[Picture]:
    """A picture a slot. A slot that finds none is a reject; the episode keeps its text."""
    sessions = sorted(ctx.all(Session), key=lambda session: session.number)
    face = face_of(ctx)
    found = await ctx.all_of(_fill(slot, face, episode, ctx) for slot in slots(sessions))
    for loss in found:  # in the order of the slots, whichever was first to fail
        if isinstance(loss, Reject):
            ctx.reject(loss.code, str(loss), loss.raw)
    return [picture for picture in found if isinstance(picture, Picture)]


def slots(sessions: list[Session]) -> list[Slot]:
    """An episode's slots: a device picture is one, in however many sessions it is shared."""
    made: dict[str, Slot] = {}
    name = next((t.speaker for s in sessions for t in s.turns if t.speaker != ASSISTANT), "")
    for entry in sessions[-1].album if sessions else []:
        key = f"album:{entry.number}"
        made[key] = Slot(key, entry.description, entry.category, entry.number, sharer=name)
    for session in sessions:
        for number, turn in enumerate(session.turns, 1):
            if turn.image is None:
                continue
            place = Place(session=session.number, turn=number)
            key = f"session{session.number}:turn{number}"
            if turn.image.album:
                key = f"album:{turn.image.album}"
            slot = made.setdefault(
                key, Slot(key, turn.image.description, "", turn.image.album, sharer=turn.speaker)
            )
            slot.keywords = slot.keywords or turn.image.keywords
            slot.places.append(place)
    return list(made.values())


async def _fill(slot: Slot, face: Face, episode: Events, ctx: Context) -> Picture | Reject:
    persona = ctx.of(Persona)
    try:
        plan = await _plan(slot, persona, ctx)
        if plan.route in ("web", "retrieval"):
            return await _found(slot, plan, episode, ctx)
        return await _drawn(slot, plan, face, episode, ctx)
    except Reject as loss:
        return Reject(loss.code, f"{slot.name}: {loss}", loss.raw)


async def _plan(slot: Slot, persona: Persona, ctx: Context) -> Plan:
    reply = await ctx.ask(
        "plan",
        Planned,
        persona=persona,
        sharer=slot.sharer,
        source="mobile" if slot.album else "internet",
        category=slot.category,
        keywords=slot.keywords,
        description=slot.description,
        check=lambda r: check(r, slot, persona),
    )
    return Plan(route=reply.route, prompt=reply.prompt, class_word=reply.class_word)


def check(plan: Planned, slot: Slot, persona: Persona) -> None:
    """Raise Fault unless the route suits the slot and its prompt has that route's form."""
    one_line("the prompt", plan.prompt, 1, _DRAWN if "t2i" in plan.route else _SOUGHT)
    triggers = len(re.findall(rf"\b{_TRIGGER}\b", plan.prompt))
    if plan.route != "p-t2i":
        if triggers:
            raise Fault(f"the word {_TRIGGER!r} belongs in prompts for p-t2i only")
        return
    if not (slot.album and mentions(slot.description, persona.name)):
        raise Fault(f"p-t2i is only for pictures from the device that show {persona.name} by name")
    one_line("the class_word", plan.class_word, 1, 2)
    if _OF_GENDER.get(plan.class_word.casefold(), persona.gender) != persona.gender:
        raise Fault(f"the class_word {plan.class_word!r} does not fit a {persona.gender} person")
    if triggers != 1 or not mentions(plan.prompt, f"{plan.class_word} {_TRIGGER}"):
        raise Fault(f"the prompt must have {_TRIGGER!r} once, right after {plan.class_word!r}")
    if mentions(plan.prompt, persona.name):
        raise Fault(f"the prompt must say {plan.class_word!r} instead of the person's name")


async def _drawn(slot: Slot, plan: Plan, face: Face, episode: Events, ctx: Context) -> Picture:
    own = plan.route == "p-t2i"
    request = ImageRequest(
        kind="p-t2i" if own else "t2i",
        prompt=plan.prompt,
        seed=0,
        look=face.look if own else {},
        faces=(ctx.picture(face.image),) if own else (),
    )
    drawn = await ctx.draw(request, slot.name)
    return _picture(
        slot,
        plan,
        episode,
        drawn.image,
        plan.route,
        drawn.tried,
        seed=drawn.seed,
        verification=drawn.scores,
    )


async def _found(slot: Slot, plan: Plan, episode: Events, ctx: Context) -> Picture:
    """The best hit that can be fetched; what was passed over is kept with its reason."""
    hits = await ctx.find(plan.route, plan.prompt)
    candidates: list[Candidate] = []
    for hit in hits:
        score = round(hit.score, 4)
        try:
            image = await ctx.fetch(plan.route, hit)
        except Reject as loss:
            candidates.append(
                Candidate(source=hit.source, file=hit.file, score=score, reason=str(loss))
            )
            continue
        chosen = Candidate(source=hit.source, file=hit.file, score=score, image=image)
        rest = [
            Candidate(source=h.source, file=h.file, score=round(h.score, 4))
            for h in hits[len(candidates) + 1 :]
        ]
        return _picture(slot, plan, episode, image, hit.source, [*candidates, chosen, *rest], hit)
    raise Reject("no_picture", f"nothing was found for {plan.prompt!r}")


def _picture(
    slot: Slot,
    plan: Plan,
    episode: Events,
    image: str,
    source: str,
    candidates: list[Candidate],
    hit: Hit | None = None,
    seed: int = 0,
    verification: dict[str, float] | None = None,
) -> Picture:
    return Picture(
        parent=episode.id,
        slot=slot.name,
        description=slot.description,
        album=slot.album,
        places=slot.places,
        plan=plan,
        key=uuid4_of("image", source, image),
        image=image,
        source=source,
        caption=hit.caption if hit else "",
        url=hit.url if hit else "",
        page=hit.page if hit else "",
        licence=hit.licence if hit else "",
        author=hit.author if hit else "",
        copy_allowed=hit.copy if hit else True,
        seed=seed,
        candidates=candidates,
        verification=verification or {},
    )
