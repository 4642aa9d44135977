"""How the scripted author writes one session: blocks of turns, chosen, ordered and filled."""

import re
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any

from mcu.author.events import bring_inference
from mcu.author.grammar import Voice, lowered, sentences, to_first, verb, verb_base
from mcu.author.sheet import Scene, Sheet, episode, library
from mcu.author.shots import Shots, gist_of, session_of
from mcu.author.times import ago, spoken

ASSISTANT = "AI Assistant"
_RECALL = 0.5  # share of later sessions with a block of their own that looks back
_HELP = 0.8  # share of sessions in which the assistant is asked for help, however long they are
_LONG = 3  # lines of a block that has a shorter counterpart when there are more
# A block that needs the first of a pair gets both.
_PAIRS = {"q": "a", "ask": "tip", "side": "back"}


@dataclass
class Draft:
    """A session while it is written."""

    sheet: Sheet
    speaker: Voice
    scene: Scene
    shots: Shots
    pairs: dict[str, list[str]]
    tells: list[str]
    turns: list[dict[str, Any]] = field(default_factory=list)


def dialogue(sheet: Sheet, rng: Random) -> dict[str, Any]:
    """Answer the dialogue task."""
    speaker = episode(sheet, rng)
    speaker.deal = (f"{sheet.name} {sheet.get('Narrative')}", session_of(sheet) * 3)
    bring_inference(speaker, sheet)
    event = _first_person(sheet.get("Event", "Someone rests."), sheet)
    scene = _scene(sheet, event)
    _set_event(speaker, event)
    _set_past(speaker, sheet, rng)
    moments = sheet.number("Fewest pictures", 2, 0, 12)
    images = max(moments, rng.choices((1, 2, 3), (0, 4, 1))[0])
    target = sheet.number("Turns", 10, 4, 60) + rng.choice((-2, -1, -1, 0, 0, 1))
    draft = Draft(
        sheet,
        speaker,
        scene,
        Shots(sheet, speaker, scene),
        {
            "q": _shuffled([*scene.qa], rng),
            "ask": [*_shuffled([*scene.help], rng), *_shuffled([*sheet.group["help"]], rng)],
        },
        _shuffled([*scene.tell], rng),
    )
    for block in _blocks(draft, images, target):
        _write(draft, block)
    return {"turns": draft.turns}


def _shuffled(items: list[str], rng: Random) -> list[str]:
    return rng.sample(items, len(items))


def _first_person(text: str, sheet: Sheet) -> str:
    """An event's sentence as base verb and rest, seen by the person: "cook for my sister"."""
    text = text.strip().rstrip(".!?")
    if text.casefold().startswith(sheet.name.casefold() + " "):
        text = text[len(sheet.name) + 1 :]
    first, _, rest = text.partition(" ")
    return f"{verb_base(first)} {to_first(rest, sheet.pronoun)}".strip()


def _scene(sheet: Sheet, event: str) -> Scene:
    """The scene that this event was made from, else one for any event."""
    shelf = library().scenes
    for group in (*sheet.shelves, sheet.get("Relation"), "life"):
        for scene in shelf.get(group, []):
            if scene.pattern.match(event):
                return scene
    return shelf["any"][0]


def _set_event(speaker: Voice, event: str) -> None:
    first, _, rest = event.partition(" ")
    speaker.slots["ev"] = event
    speaker.slots["ev_past"] = f"{verb(first, 1)} {rest}".strip()
    speaker.slots["ev_ing"] = f"{verb(first, 2)} {rest}".strip()


def _set_past(speaker: Voice, sheet: Sheet, rng: Random) -> None:
    """Slots for the time since the last session and for something said or shown before."""
    slots = speaker.slots
    experience = sheet.get("Experience since then").rstrip(".!?")
    if experience.casefold().startswith(sheet.name.casefold() + " "):
        experience = experience[len(sheet.name) + 1 :]
    slots["exp"] = to_first(experience, sheet.pronoun) or "had a quiet time"
    slots["gap"] = spoken(sheet.get("Time since the session before"))
    earlier: list[tuple[str, str]] = []
    pictures: list[tuple[str, str]] = []
    for label, text in sheet.rows:
        if found := re.fullmatch(r"Earlier session \d+ on ([\d.]+)", label):
            earlier.append((found[1], _first_person(text, sheet)))
        elif label.startswith("Picture shared in session") and earlier:
            pictures.append((earlier[-1][0], text))
    if not earlier:
        return
    first, _, rest = earlier[-1][1].partition(" ")
    slots["last_past"] = f"{verb(first, 1)} {rest}"
    slots["last_ing"] = f"{verb(first, 2)} {rest}"
    day, event = rng.choice(earlier)
    first, _, rest = event.partition(" ")
    slots["old_past"], slots["old_ing"] = f"{verb(first, 1)} {rest}", f"{verb(first, 2)} {rest}"
    slots["ago"] = ago(day, sheet.get("Date"))
    if pictures:
        day, text = rng.choice(pictures)
        slots["old_bit"] = gist_of(text, sheet.name)
        slots["shot_ago"] = ago(day, sheet.get("Date"))


def _blocks(draft: Draft, images: int, target: int) -> list[list[str]]:
    """The session's blocks in order, as many as bring it to about the turns asked for."""
    speaker = draft.speaker
    later = "last_past" in speaker.slots
    opening = _pick(speaker, "open_later" if later else "open_first")
    closing = _pick(speaker, "close")
    middle = [_pick(speaker, kind) for kind in draft.shots.plan(images)]
    extra: list[list[str]] = []
    if later and speaker.rng.random() < _RECALL:
        with_picture = "old_bit" in speaker.slots and speaker.rng.random() < 0.5
        extra.append(_pick(speaker, "recall_picture" if with_picture else "recall"))
    if speaker.rng.random() < _HELP:
        extra.append(_pick(speaker, "help"))
    while extra and _count([opening, *middle, *extra, closing]) > target + 2:
        extra.pop()
    middle += extra
    while _count([opening, *middle, closing]) < target - 1:
        middle.append(_pick(speaker, speaker.rng.choice(("help", "chat", "chat"))))
    speaker.rng.shuffle(middle)
    if _count([opening, *middle, closing]) > target + 2:
        middle = [_shorter(block) for block in middle]
    return [opening, *middle, closing]


def _shorter(block: list[str]) -> list[str]:
    """A long block's place taken by the shortest that shows the same kind of picture."""
    if len(block) <= _LONG:
        return block
    kind = "web_assistant" if any("@w" in line for line in block) else "new"
    return min(library().talk["blocks"][kind], key=len)


def _pick(speaker: Voice, kind: str) -> list[str]:
    """A block of that kind; the sessions of an episode take turns with them."""
    blocks: list[list[str]] = library().talk["blocks"][kind]
    return blocks[int(speaker.draw(f"block {kind}", [str(n) for n in range(len(blocks))]))]


def _count(blocks: list[list[str]]) -> int:
    """Turns after neighbours of one speaker are joined."""
    lines = [_line(line)[:2] for block in blocks for line in block]
    return sum(now != before or now[1] != "" for before, now in pairwise([("", ""), *lines]))


def _line(line: str) -> tuple[str, str, str]:
    """Speaker, kind of picture and pattern of a line such as `U@m: Look!`."""
    head, _, text = line.partition(":")
    speaker, _, kind = head.partition("@")
    return speaker, kind, text.strip()


def _write(draft: Draft, block: list[str]) -> None:
    """Fill a block's turns and join them to what is written."""
    slots = draft.speaker.slots
    text = " ".join(block)
    for first, second in _PAIRS.items():
        if f"<{first}>" in text:
            spare = draft.speaker.rules[f"spare_{first}"]
            pair = (draft.pairs.get(first) or [draft.speaker.draw(f"spare {first}", spare)]).pop(0)
            one, _, two = pair.partition(" => ")
            slots[first] = lowered(draft.speaker.say(one))
            slots[second] = draft.speaker.say(two)
    image: dict[str, Any] | None = None
    lines = [_line(line) for line in block]
    if kind := next((kind for _, kind, _ in lines if kind), ""):
        image = draft.shots.take(kind).sharing()
    for who, kind, line in lines:
        if "<tell>" in line:
            slots["tell"] = draft.speaker.say(draft.tells.pop() if draft.tells else "<spare_tell>")
        words = draft.speaker.say(line) if line else ""
        speaker = draft.sheet.name if who == "U" else ASSISTANT
        _add(draft.turns, speaker, words, image if kind else None)


def _add(
    turns: list[dict[str, Any]], speaker: str, words: str, image: dict[str, Any] | None
) -> None:
    last = turns[-1] if turns else None
    if last and not image and not last["image"] and last["speaker"] == speaker:
        last["utterance"] = sentences(f"{last['utterance']} {words}")
    else:
        turns.append({"speaker": speaker, "utterance": words, "image": image})
