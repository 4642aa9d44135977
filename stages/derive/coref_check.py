"""What a written coreference chat must keep to."""

from collections.abc import Sequence

from mcu.contract import Reply
from mcu.errors import Fault
from mcu.languages import written_in
from mcu.stages.derive.coref_plan import Ending, Plan
from mcu.stages.derive.coref_words import Words, same_but

_FEWEST, _MOST = 6, 18  # turns
_LONGEST = 400  # characters of a turn


class Said(Reply):
    """A turn as the model gives it."""

    speaker: str
    text: str
    photo: int
    object: int
    words: str


class Ended(Reply):
    """A last turn and its twin."""

    text: str
    twin: str


class Chat(Reply):
    """A chat as the model gives it."""

    turns: list[Said]
    endings: list[Ended]


def check(reply: Chat, plan: Plan, words: Words) -> None:
    """Raise Fault for the first rule of the plan that a chat breaks."""
    turns = reply.turns
    if not _FEWEST <= len(turns) <= _MOST:
        raise Fault(f"there must be {_FEWEST} to {_MOST} turns before the last, not {len(turns)}")
    if any(turn.speaker not in ("A", "B") or not turn.text for turn in turns):
        raise Fault("every turn needs a text, and A or B as its speaker")
    posted = [(turn.photo, turn.speaker) for turn in turns if turn.photo]
    if posted != [(1, plan.owners[0]), (2, plan.owners[1])] or any(t.photo for t in turns[2:]):
        raise Fault(f"the first two turns must post photo 1 by {plan.owners[0]}, then photo 2")
    texts = [*(turn.text for turn in turns), *(text for e in reply.endings for text in both(e))]
    if any("\n" in text or len(text) > _LONGEST for text in texts):
        raise Fault(f"a turn must be one line of at most {_LONGEST} letters")
    if not written_in(" ".join(texts), words.language, [o.topic for o in plan.objects]):
        raise Fault(f"the chat must be in {words.language}")
    for text in texts:
        if found := words.whose.search(text):
            raise Fault(f"{found[0]!r} tells whose a photo or a thing is, which nothing may tell")
    _check_naming(turns, plan, words)
    _check_mentions(turns, plan, words)
    _check_endings(reply.endings, plan, words)


def both(pair: Ended) -> tuple[str, str]:
    """The two texts of an ending."""
    return pair.text, pair.twin


def _check_naming(turns: Sequence[Said], plan: Plan, words: Words) -> None:
    """Names come up in the turn that lists them, if there is to be one, and nowhere else."""
    names = [one.name for one in plan.objects]
    naming = [
        number
        for number, turn in enumerate(turns)
        if any(words.names(turn.text, name) for name in names)
    ]
    if not plan.naming:
        if naming:
            raise Fault(f"turn {naming[0] + 1} names an object")
        return
    first = next((number for number, turn in enumerate(turns) if turn.object), len(turns))
    if len(naming) != 1 or not 2 <= naming[0] < first:
        raise Fault("one turn, before the objects are spoken of, must list all of their names")
    text = turns[naming[0]].text.casefold()
    at = 0
    for name in plan.naming:
        at = text.find(name.casefold(), at) + 1
        if not at:
            raise Fault(f"the names must stand in the order {', '.join(plan.naming)}")


def _check_mentions(turns: Sequence[Said], plan: Plan, words: Words) -> None:
    spoken = tuple(turn.object for turn in turns if turn.object)
    if spoken != plan.order:
        raise Fault(f"the objects must come up in the order {plan.order}, not {spoken}")
    for turn in turns:
        own = plan.objects[turn.object - 1] if turn.object else None
        if own and not turn.words:
            raise Fault(f"the turn of object {turn.object} must say which words stand for it")
        if own and not (turn.words in turn.text and own.topic.casefold() in turn.text.casefold()):
            raise Fault(f"the turn of object {turn.object} needs its words and {own.topic!r}")
        if own and (lost := words.signs(own.detail) - words.signs(turn.words)):
            raise Fault(f"{turn.words!r} lacks {sorted(lost)[0]!r} of {own.detail!r}")
        rest = words.signs(turn.text)
        for one in plan.objects:
            if one is own:
                continue
            if one.topic.casefold() in turn.text.casefold():
                raise Fault(f"{one.topic!r} belongs in the turn of its own object alone")
            told = words.signs(one.detail)
            near = own is not None and own.photo == one.photo
            if not near and told and told <= rest and not words.listed(turn.text, plan.naming):
                raise Fault(f"{one.detail!r} belongs in the turn of its own object alone")


def _check_endings(endings: Sequence[Ended], plan: Plan, words: Words) -> None:
    if len(endings) != len(plan.endings):
        raise Fault(f"there must be {len(plan.endings)} endings, not {len(endings)}")
    for pair, asked in zip(endings, plan.endings, strict=True):
        _check_ending(pair, asked, plan, words)


def _check_ending(pair: Ended, asked: Ending, plan: Plan, words: Words) -> None:
    if not same_but(pair.text, pair.twin, asked.topics, words.code):
        raise Fault(
            f"the two texts of an ending must be the same but for {asked.topics[0]!r} and "
            f"{asked.topics[1]!r}: {pair.text!r}, {pair.twin!r}"
        )
    for text in both(pair):
        if len(words.places(text, asked.demonstrative)) != 1:
            raise Fault(f"{asked.demonstrative!r} must stand once in {text!r}")
        for one in plan.objects:
            told = words.signs(one.detail)
            if words.names(text, one.name) or (told and told <= words.signs(text)):
                raise Fault(f"the last turn must not name or describe an object: {text!r}")
            if one.topic not in asked.topics and one.topic.casefold() in text.casefold():
                raise Fault(f"{one.topic!r} does not belong in this ending")
