"""Stage 3: one commonsense inference for each PeaCoK relation (paper §3.1, step 3)."""

from mcu.context import Context
from mcu.contract import Reply, stage
from mcu.errors import Fault
from mcu.records import RELATIONS, Commonsense, Persona
from mcu.stages.text import one_line, words


class Inferences(Reply):
    """One clause a relation."""

    characteristic: str
    routine: str
    goal: str
    experience: str
    relationship: str


# The last words before each clause; a clause that says them again would double them.
_STEMS = {
    "characteristic": "i am someone who",
    "routine": "i regularly",
    "goal": "one day i want to",
    "experience": "in the past i",
    "relationship": "with the people around me i",
}


@stage(
    3,
    takes=Persona,
    makes=Commonsense,
    uses=("chat", "checks"),
    prompts=("commonsense",),
    version=1,
)
async def commonsense(persona: Persona, ctx: Context) -> list[Commonsense]:
    """Five inferences; one that stays wrong after the repairs is lost alone."""
    reply = await ctx.ask("commonsense", Inferences, persona=persona, check=check, lenient=True)
    made: list[Commonsense] = []
    for relation in RELATIONS:
        clause = getattr(reply, relation)
        try:
            check_clause(relation, clause)
            if any(clause.casefold() == other.inference.casefold() for other in made):
                raise Fault(f"{relation!r} repeats another relation's inference")
        except Fault as fault:
            ctx.reject("bad_clause", str(fault), clause)
            continue
        made.append(Commonsense(parent=persona.id, relation=relation, inference=clause))
    return made


def check(reply: Inferences) -> None:
    """Raise Fault for the first clause that does not complete its sentence."""
    clauses = [getattr(reply, relation) for relation in RELATIONS]
    for relation, clause in zip(RELATIONS, clauses, strict=True):
        check_clause(relation, clause)
    if len({c.casefold() for c in clauses}) < len(clauses):
        raise Fault("the five inferences must all be different")


def check_clause(relation: str, clause: str) -> None:
    """Raise Fault unless a clause can follow the relation's opening words."""
    one_line(f"{relation!r}", clause, 2, 30)
    if clause.rstrip().endswith((".", "!", "?")):
        raise Fault(f"{relation!r} must be a clause without a full stop")
    opening = words(_STEMS[relation])
    if words(clause)[: len(opening)] == opening or words(clause)[:1] == ["i"]:
        raise Fault(f"{relation!r} must not repeat the words that it completes")
