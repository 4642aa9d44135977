"""Stage 4: a short narrative for each commonsense inference (paper §3.1, step 4)."""

import re

from mcu.context import Context
from mcu.contract import Reply, stage
from mcu.errors import Fault
from mcu.languages import ENGLISH, UNSTOPPED, keeps_names, written_in
from mcu.records import Commonsense, Face, Narrative, Persona
from mcu.stages.face import face_of
from mcu.stages.text import bare, content_words, mentions, sentences


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
        language=ctx.language,
        persona=persona,
        inference=inference,
        check=lambda r: keeps_facts(r.narrative, persona, inference, ctx.language),
    )
    return [Narrative(parent=inference.id, text=" ".join(reply.narrative.split()))]


def keeps_facts(
    text: str, persona: Persona, inference: Commonsense, language: str = ENGLISH
) -> None:
    """Raise Fault for the first fact that was lost, as far as that is told in the language."""
    if language == ENGLISH:
        _keeps_words(text, persona, inference)
    else:
        _keeps_signs(text, persona, language)
    if language not in UNSTOPPED and not 2 <= sentences(text) <= 3:
        raise Fault(f"the narrative must have two or three sentences, not {sentences(text)}")


def _keeps_words(text: str, persona: Persona, inference: Commonsense) -> None:
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


def _keeps_signs(text: str, persona: Persona, language: str) -> None:
    """What is told without a dictionary: places are translated, values at times transliterated."""
    given = (persona.name, persona.birthplace, persona.residence, persona.entity_value)
    if not written_in(text, language, given):
        raise Fault(f"the narrative must be written in {language}")
    if persona.age not in {int(digits) for digits in re.findall(r"\d{1,9}", text)}:
        raise Fault(f"the narrative must mention the age, {persona.age}, in digits")
    # The last letter may give way to an ending of the language.
    if keeps_names(language) and bare(persona.name)[:-1] not in bare(text):
        raise Fault(f"the narrative must mention {persona.name!r}")
