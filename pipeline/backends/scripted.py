"""The scripted author: a deterministic language model for work without keys or network."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from mcu.author.coref import coref, coref_solve
from mcu.author.dialogue import dialogue
from mcu.author.events import events
from mcu.author.grammar import Voice
from mcu.author.objects import objects
from mcu.author.plan import plan
from mcu.author.refine import refine_student, refine_teacher
from mcu.author.sheet import RELATIONS, Sheet, Value, episode, library, voice
from mcu.author.summary import summary
from mcu.backends import ChatReply, ChatRequest, Dispatch
from mcu.errors import McuError
from mcu.ids import rng_of

_CHARACTERS_A_TOKEN = 4
_TRIES = 6  # an attribute asked for, before a value is used twice
_LONGEST = 25  # words of a persona sentence
_GROWN = 30  # from this age on, school is a memory
_TASK = re.compile(r"Task: (\w+)")


class Scripted:
    """A chat backend whose answers depend on the request alone."""

    async def complete(self, request: ChatRequest, dispatch: Dispatch) -> ChatReply:
        """Answer one request at once."""
        text = answer(request.messages, request.seed)
        asked = sum(len(_content(message)) for message in request.messages)
        return ChatReply(
            text=text,
            model=request.model,
            prompt_tokens=-(-asked // _CHARACTERS_A_TOKEN),
            completion_tokens=-(-len(text) // _CHARACTERS_A_TOKEN),
            usd=0.0,
        )

    def stop(self, error: McuError) -> None:
        """Nothing is ever in flight."""

    def load(self) -> str:
        """It is never busy."""
        return ""

    async def close(self) -> None:
        """Nothing is open."""


def answer(messages: Sequence[Mapping[str, Any]], seed: int) -> str:
    """The author's answer to a conversation: JSON for a task that it knows, else a sentence.

    Whatever the messages hold, nothing is raised; a repair conversation differs from the first
    question and so gets another answer.
    """
    turns = [(str(message.get("role", "")), _content(message)) for message in messages]
    rng = rng_of("scripted", turns, seed)
    system = next((text for role, text in turns if role == "system"), "")
    user = next((text for role, text in turns if role == "user"), "")
    task = _TASK.match(system)
    write = _TASKS.get(task[1]) if task else None
    if write is None:
        return str(rng.choice(library().talk["chat"]))
    said = {text for role, text in turns if role == "assistant"}
    for _ in range(_TRIES):
        text = json.dumps(write(Sheet(user), rng), ensure_ascii=False)
        if text not in said:
            break
    return text


def _content(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    return content if isinstance(content, str) else json.dumps(content, default=str)


def _persona(sheet: Sheet, rng: Random) -> dict[str, Any]:
    count = sheet.number("Number of attributes", 1, 1, 60)
    pool = library().pool(sheet.row)
    fitting = [v for v in pool if v.ages[0] <= sheet.age <= v.ages[1]] or pool
    made: dict[str, dict[str, str]] = {}
    spare: list[dict[str, str]] = []
    shuffled: list[Value] = []
    for _ in range(_TRIES * count):
        if len(made) == count:
            break
        shuffled = shuffled or rng.sample(fitting, len(fitting))
        speaker = voice(sheet, rng, shuffled.pop())
        text = speaker.slots["value"]
        row = {"value": text, "sentence": _sentence(speaker, _patterns(sheet))}
        if text.casefold() in made:
            spare.append(row)
        else:
            made[text.casefold()] = row
    return {"personas": [*made.values(), *spare][:count]}


def _patterns(sheet: Sheet) -> list[str]:
    """Sentence patterns; some categories speak of the past from a certain age on."""
    young = sheet.row.get("young")
    found: list[str] = young if young and sheet.age < _GROWN else sheet.row["say"]
    return found


def _sentence(speaker: Voice, patterns: list[str]) -> str:
    """A sentence of the length asked for, or the shortest of a few tries."""
    tries = (speaker.say(speaker.rng.choice(patterns)) for _ in range(4))
    short = []
    for text in tries:
        if len(text.split()) <= _LONGEST:
            return text
        short.append(text)
    return min(short, key=len)


def _commonsense(sheet: Sheet, rng: Random) -> dict[str, Any]:
    speaker, found = voice(sheet, rng), {}
    for relation in RELATIONS:
        clauses = [*sheet.group["infer"][relation], *_general(sheet, relation)]
        found[relation] = speaker.fill(rng.choice(clauses))
    return found


def _general(sheet: Sheet, relation: str) -> list[str]:
    """Clauses that fit most groups; few fit a home or an illness."""
    clauses: list[str] = library().talk["infer"][relation]
    match sheet.group.get("generic", "all"):
        case "all":
            return clauses
        case "talk" if relation != "experience":
            return [clause for clause in clauses if "<do>" not in clause]
    return []


def _narrative(sheet: Sheet, rng: Random) -> dict[str, Any]:
    speaker = voice(sheet, rng)
    talk = library().talk
    relation = sheet.get("Relation")
    speaker.slots["fact"] = _one_sentence(sheet)
    speaker.slots["inference"] = sheet.get("Inference", "try something new").rstrip(" .!?")
    speaker.slots["clause"] = speaker.fill(
        rng.choice(talk["clause"].get(relation, ["I {know|say} that I <inference>"]))
    )
    same = sheet.get("Birthplace").casefold() == sheet.get("Residence").casefold()
    shape = rng.choice(talk["narrative"]["stayed" if same else "moved"])
    return {"narrative": speaker.say(shape)}


def _one_sentence(sheet: Sheet) -> str:
    fact, value = sheet.get("Fact").rstrip(" .!?"), sheet.get("Entity value", "something new")
    if value.casefold() not in fact.casefold() or re.search(r"[.!?…]\s", fact):
        return f"what matters to me most is {value}"
    return fact


def _album(sheet: Sheet, rng: Random) -> dict[str, Any]:
    speaker = episode(sheet, rng)
    near, talk = sheet.group["album"], library().talk
    wide, stills = talk["album"], rng.sample(talk["stills"], 2)
    rows = [*rng.sample(near, min(2, len(near))), *stills, *rng.sample(wide, len(wide))]
    made: list[dict[str, str]] = []
    places: set[str] = set()
    with_name = 0
    for row in rows:
        text, category, spot = (part.strip() for part in row.split("|"))
        if spot in places or (len(made) - with_name == 3 and "<name>" not in text):
            continue
        places.add(spot)
        with_name += "<name>" in text
        made.append({"description": speaker.say(text), "category": category})
        if len(made) == 5:
            break
    rng.shuffle(made)
    return {"images": made}


_TASKS: dict[str, Callable[[Sheet, Random], dict[str, Any]]] = {
    "persona": _persona,
    "commonsense": _commonsense,
    "narrative": _narrative,
    "events": events,
    "album": _album,
    "dialogue": dialogue,
    "plan": plan,
    "refine_student": refine_student,
    "refine_teacher": refine_teacher,
    "objects": objects,
    "coref": coref,
    "coref_solve": coref_solve,
    "summary_first": summary,
    "summary_next": summary,
}
