"""Stage 2: a face for each persona (paper §3.1, step 2)."""

from mcu.backends import ImageRequest
from mcu.context import Context
from mcu.contract import stage
from mcu.errors import Gone, Reject
from mcu.ids import uuid4_of
from mcu.records import RELATIONS, Candidate, Commonsense, Face, Persona
from mcu.stages.looks import check_look, describe, draw_look


@stage(2, takes=Persona, makes=Face, uses=("image", "checks"), version=2)
async def face(persona: Persona, ctx: Context) -> list[Face]:
    """One portrait a persona, or one an episode where `run.identity` says so."""
    relations = RELATIONS if ctx.config.run.identity == "episode" else ("",)
    faces = []
    for relation in relations:
        try:
            faces.append(await _portrait(persona, relation, ctx))
        except Reject as loss:
            ctx.reject(loss.code, f"{relation or 'the'} portrait: {loss}", loss.raw)
    return faces


def face_of(ctx: Context) -> Face:
    """The face of an episode; raises Gone when it was rejected."""
    relation = ctx.of(Commonsense).relation
    for found in ctx.all(Face):
        if found.relation in ("", relation):
            return found
    raise Gone("the face of this episode was rejected")


async def _portrait(persona: Persona, relation: str, ctx: Context) -> Face:
    tried: list[Candidate] = []
    # Where no seed gave one face, another look may: its clothes or its background were at fault.
    for name in (f"face {relation}", f"face {relation} again"):
        look, description = _look(persona, name, ctx)
        request = ImageRequest(kind="face", prompt=description, look=look, seed=0)
        drawn = await ctx.draw(request, name)
        tried += drawn.tried
        if drawn.best:
            return Face(
                parent=persona.id,
                relation=relation,
                name=persona.name,
                description=description,
                look=look,
                key=uuid4_of("face", persona.id, relation),
                image=drawn.best.image,
                seed=drawn.best.seed,
                candidates=tried,
            )
    raise Reject("bad_image", drawn.why)


def _look(persona: Persona, name: str, ctx: Context) -> tuple[dict[str, str], str]:
    person = (persona.age, persona.gender, persona.birthplace)
    look = draw_look(*person, ctx.rng(name))
    if wrong := check_look(look, *person):
        raise Reject("bad_look", f"the attributes do not agree: {wrong[0]}")
    return look, describe(look, *person)
