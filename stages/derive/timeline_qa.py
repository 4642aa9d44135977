"""Task timeline-qa: what happened when, in which order, why, and what was never told."""

from collections.abc import Iterator

from mcu.derive import Material, Message, Task
from mcu.ids import rng_of
from mcu.items import Question
from mcu.languages import ENGLISH, language_name
from mcu.stages.derive.choice import (
    Choice,
    Deck,
    chat,
    envelope,
    labelled,
    question_of,
    seat,
    talks,
    told,
)
from mcu.stages.derive.timeline_questions import KINDS, NOT_TOLD, SIZE, Asker, Found

NAME, VERSION = "timeline-qa", 1


class TimelineItem(Choice):
    """An item of timeline-qa; `kind` is its type.

    single: an event by its date. abstain: the same, for a date without a talk; single and abstain
    both offer "not told", which is right in one of four. multi-hop: an event by the date of its
    neighbour. temporal: days between two events. cause: what was said to have led to an event.
    update: the latest news as of a date, among news of which one changed what was known before.
    """


def items(material: Material) -> Iterator[TimelineItem]:
    """The questions of each episode. Which option is right in time, and where, is dealt."""
    seed = material.config.run.seed
    places, ranks = Deck(SIZE, seed, NAME, "place"), Deck(SIZE, seed, NAME, "rank")
    language = language_name(str(material.config.chat.of("dialogue").language))
    for episode in material.episodes():
        heard, seen = talks(episode), set[str]()
        for kind, count, make in KINDS:
            for number in range(count):
                rng = rng_of(seed, NAME, kind, number, episode.events.id)
                ask = Asker(episode, heard, rng, language == ENGLISH)
                found = make(ask, ranks.left(episode.split, kind))
                if found is None or found.question in seen:
                    material.drop(f"no further question of the kind {kind}")
                    continue
                seen.add(found.question)
                ranks.take(episode.split, kind, number=found.rank)
                yield _item(material, ask, kind, found, places.take(episode.split))


def _item(material: Material, ask: Asker, kind: str, found: Found, place: int) -> TimelineItem:
    gold, *others = found.texts
    options = labelled(seat(gold, ask.rng.sample(others, SIZE - 1), place))
    where = [f"{e.session}.1" if not e.utter_id else e.utter_id for e in found.evidence]
    return TimelineItem(
        **envelope(NAME, VERSION, material, ask.episode, kind, found.question, places=where),
        provenance=material.provenance(),
        kind="abstain" if gold == NOT_TOLD else kind,
        sessions=ask.talks,
        question=found.question,
        options=options,
        answer=options[place].label,
        answer_text=gold,
        evidence=list(found.evidence),
    )


def question(item: TimelineItem) -> Question:
    """The item as probes see it: without the talks, or without the question."""
    heard = told(item.sessions)
    return question_of(
        item,
        views={
            "full": f"{heard}\n\n{item.question}",
            "no talks": item.question,
            "no question": heard,
        },
        bins={"kind": item.kind, "talks": str(len(item.sessions))},
    )


def messages(item: TimelineItem) -> list[Message]:
    """The item as chat: the talks and the question."""
    return chat(item, told(item.sessions))


TASK = Task(
    name=NAME,
    folder="stark-timeline-qa",
    version=VERSION,
    about="Questions about what was told when, computed from the event graph.",
    makes=TimelineItem,
    items=items,
    question=question,
    chat=messages,
)
