"""Stage 4: a short narrative for each commonsense inference (paper §3.1, step 4)."""

from mcu.context import Context
from mcu.contract import Reply, stage
from mcu.errors import Fault
from mcu.records import Commonsense, Face, Narrative, Persona
from mcu.stages.face import face_of
from mcu.stages.text import content_words, mentions, sentences


class Story(Reply):
    """Two or three sentences in the first person."""

    narrative: str


@stage(
    4,
    takes=Commonsense,
    makes=Narrative,
    needs=(Persona, Face),
    uses=("chat", "checks"),
    prompts=("narrative",),
    version=1,
)
async def narrative(inference: Commonsense, ctx: Context) -> list[Narrative]:
    """The persona's facts and the inference as two or three sentences."""
    face_of(ctx)  # without a face there will be no episode, so that nothing is paid for one
    persona = ctx.of(Persona)
    reply = await ctx.ask(
        "narrative",
        Story,
        persona=persona,
        inference=inference,
        check=lambda r: keeps_facts(r.narrative, persona, inference),
    )
    return [Narrative(parent=inference.id, text=" ".join(reply.narrative.split()))]


def keeps_facts(text: str, persona: Persona, inference: Commonsense) -> None:
    """Raise Fault for the first fact that was lost."""
    facts = (
        persona.name,
        str(persona.age),
        persona.birthplace,
        persona.residence,
        persona.entity_value,
    )
    for fact in facts:
        if not mentions(text, fact):
            raise Fault(f"the narrative must mention {fact!r}")
    wanted = content_words(inference.inference)
    kept = wanted & content_words(text)
    if 2 * len(kept) < len(wanted):
        raise Fault(f"the narrative must keep the inference {inference.inference!r}")
    if not 2 <= sentences(text) <= 3:
        raise Fault(f"the narrative must have two or three sentences, not {sentences(text)}")
