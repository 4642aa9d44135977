"""The route of a slot: what a plan must be like, and where to look when its route fails."""

import re

from mcu.contract import Reply
from mcu.errors import Fault
from mcu.records import Persona, Route
from mcu.stages.slots import Slot
from mcu.stages.text import mentions, one_line

_TRIGGER = "img"
_DRAWN, _SOUGHT = 55, 120  # words; SDXL reads 77 tokens of a prompt
_OF_GENDER = dict.fromkeys(("man", "boy", "guy", "gentleman"), "male")
_OF_GENDER |= dict.fromkeys(("woman", "girl", "lady"), "female")
# Where a slot goes when its plan gave nothing good. Nobody else can stand in for the persona.
_NEXT: dict[Route, tuple[Route, ...]] = {
    "p-t2i": (),
    "t2i": ("retrieval",),
    "web": ("retrieval", "t2i"),
    "retrieval": ("web", "t2i"),
}
_QUERY = 10  # words that a search engine is asked


class Planned(Reply):
    """A route with its prompt or query."""

    route: Route
    class_word: str
    prompt: str


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
    # As it is written: a rose may be in a picture of Rose.
    if re.search(rf"(?<!\w){re.escape(persona.name)}(?!\w)", plan.prompt):
        raise Fault(f"the prompt must say {plan.class_word!r} instead of the person's name")


def routes(plan: Planned, description: str) -> list[tuple[Route, list[str]]]:
    """Routes in the order in which they are tried, each with its prompt or its queries.

    An index is asked for the whole description as well, since the subject may not be among the few
    words of a query; search engines want few words.
    """
    sought = plan.prompt if plan.route in ("web", "retrieval") else ""
    query = sought or " ".join(description.split()[:_QUERY])
    asked: dict[Route, list[str]] = {
        "web": [query],
        "retrieval": list(dict.fromkeys((sought or description, description))),
        "t2i": [" ".join(description.split()[:_DRAWN])],
    }
    if plan.route in ("p-t2i", "t2i"):
        asked[plan.route] = [plan.prompt]
    return [(route, asked[route]) for route in (plan.route, *_NEXT[plan.route])]
