"""Task timeline-order: which order did four events, or four pictures, of an episode come in?"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product
from random import Random

from mcu.derive import Material, Message, Task
from mcu.ids import rng_of
from mcu.items import LABELS, Question
from mcu.records import Row
from mcu.release.episodes import Episode
from mcu.release.rows import key_of
from mcu.stages.derive.choice import (
    Choice,
    Deck,
    Evidence,
    chat,
    envelope,
    labelled,
    question_of,
    seat,
    talks,
    told,
    utter_id,
)
from mcu.stages.derive.prior import Prior

NAME, VERSION = "timeline-order", 1
_SIZE = 4
_TRIES = 80  # fours of an episode that are weighed up
_DRAWS = 2  # times the most texts of a day, of texts to learn from
_LEAD = 2.0  # log odds, about, by which texts may speak for one order over another
# What tells its own time, so that no talk is needed to place it.
_TIMED = re.compile(
    r"\b(?:\d{4}|\d+(?:st|nd|rd|th)|first|second|third|fourth|fifth|last|final(?:ly)?|again|"
    r"once more|then|later|earlier|next|yesterday|tomorrow|ago|anniversary|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|january|february|march|april|may|june|july|"
    r"august|september|october|november|december)\b",
    re.IGNORECASE,
)
# The ways to reorder four places that are closed under repetition: whichever of the four orders
# is the right one, the others differ from it in the same ways, so that none stands out.
GROUPS = (
    ((0, 1, 2, 3), (1, 0, 2, 3), (0, 1, 3, 2), (1, 0, 3, 2)),
    ((0, 1, 2, 3), (2, 1, 0, 3), (0, 3, 2, 1), (2, 3, 0, 1)),
    ((0, 1, 2, 3), (3, 1, 2, 0), (0, 2, 1, 3), (3, 2, 1, 0)),
    ((0, 1, 2, 3), (1, 0, 3, 2), (2, 3, 0, 1), (3, 2, 1, 0)),
    ((0, 1, 2, 3), (1, 2, 3, 0), (2, 3, 0, 1), (3, 0, 1, 2)),
    ((0, 1, 2, 3), (1, 3, 0, 2), (3, 2, 1, 0), (2, 0, 3, 1)),
    ((0, 1, 2, 3), (2, 3, 1, 0), (1, 0, 3, 2), (3, 2, 0, 1)),
)
_ASKED = {
    "events": "In which order did {name} tell of these, the earliest first?",
    "pictures": "In which order were these pictures first shown, the earliest first?",
}


class Moment(Row):
    """One of the four, in the order in which they are listed; the date is part of the answer."""

    number: int
    text: str
    image_key: str = ""
    session: int
    date: str


class OrderItem(Choice):
    """An item of timeline-order; `likeliest` is the option that the texts alone speak for most."""

    moments: list[Moment]
    likeliest: str


@dataclass(frozen=True)
class Step:
    """An event or a picture at its date."""

    session: int
    date: str
    text: str
    key: str = ""
    turn: str = ""


def items(material: Material) -> Iterator[OrderItem]:
    """One item of events and one of pictures an episode, as far as it has four dates.

    A pass before tells what texts alone say of their order; items are then chosen so that this
    guess is unsure, and right as often as chance.
    """
    priors = {kind: Prior() for kind in _ASKED}
    seed = material.config.run.seed
    for episode in material.episodes():
        for kind, prior in priors.items():
            days = steps_of(episode, kind)
            rng = rng_of(seed, NAME, "prior", kind, episode.events.id)
            for _ in range(_DRAWS * max(map(len, days), default=0)):
                prior.learn([rng.choice(day).text for day in days], episode.persona.id)
    places, ranks = Deck(_SIZE, seed, NAME, "place"), Deck(_SIZE, seed, NAME, "rank")
    for episode in material.episodes():
        for kind, prior in priors.items():
            rng = rng_of(seed, NAME, kind, episode.events.id)
            scored = _scored(steps_of(episode, kind), prior, episode.persona.id)
            plan = _plan(scored, ranks.left(episode.split, kind), rng)
            if plan is None:
                material.drop(f"no four {kind} whose order their texts do not give away")
                continue
            ranks.take(episode.split, kind, number=plan.rank)
            yield _item(material, episode, kind, plan, places.take(episode.split), rng)


def steps_of(episode: Episode, kind: str) -> list[list[Step]]:
    """Candidates by date, in order of time; texts that tell their own time are left out."""
    found: dict[str, list[Step]] = {}
    days = {session.number: session.date for session in episode.sessions}
    if kind == "events":
        steps = [Step(e.number, e.date, e.event) for e in episode.events.events]
    else:
        shown = [(p.first, p) for p in episode.pictures if p.places]
        steps = [
            Step(at.session, days[at.session], p.description, key_of(p), utter_id(at))
            for at, p in sorted(shown, key=lambda pair: pair[0].at)
        ]
    for step in steps:
        if step.session in days and not _TIMED.search(step.text):
            found.setdefault(step.date, []).append(step)
    return list(found.values())


def _scored(days: list[list[Step]], prior: Prior, group: str) -> list[list[tuple[Step, float]]]:
    """Each candidate with how late its text seems."""
    return [
        list(zip(day, prior.scores([step.text for step in day], group), strict=True))
        for day in days
    ]


@dataclass(frozen=True)
class _Plan:
    """Four steps in order of time and the ways to reorder them.

    `rank` is the number of orders that the texts speak more for than for the right one,
    `likeliest` the way that they speak most for, `lead` how much more than for the least.
    """

    steps: tuple[Step, ...]
    ways: tuple[tuple[int, ...], ...]
    rank: int
    likeliest: int
    lead: float


def _plan(
    days: list[list[tuple[Step, float]]], ranks: tuple[int, ...], rng: Random
) -> _Plan | None:
    """The least telling four and group of orders in which the right one has one of the ranks."""
    best: _Plan | None = None
    fours = [f for chosen in combinations(days, _SIZE) for f in product(*chosen)]
    for four in rng.sample(fours, min(len(fours), _TRIES)):
        for group in GROUPS:
            fits = [sum(at * four[way[at]][1] for at in range(_SIZE)) for way in group]
            rank, lead = sum(fit > fits[0] for fit in fits), max(fits) - min(fits)
            if rank in ranks and lead < (best.lead if best else _LEAD):
                steps = tuple(step for step, _ in four)
                best = _Plan(steps, group, rank, fits.index(max(fits)), lead)
    return best


def _item(
    material: Material, episode: Episode, kind: str, plan: _Plan, place: int, rng: Random
) -> OrderItem:
    listed = rng.sample(range(_SIZE), _SIZE)  # which step stands at each number
    orders = [" - ".join(str(listed.index(n) + 1) for n in way) for way in plan.ways]
    others = rng.sample(range(1, _SIZE), _SIZE - 1)
    seated = seat(0, others, place)
    options = labelled([orders[n] for n in seated])
    moments = [
        Moment(number=number, text=s.text, image_key=s.key, session=s.session, date=s.date)
        for number, s in enumerate((plan.steps[n] for n in listed), 1)
    ]
    return OrderItem(
        **envelope(
            NAME,
            VERSION,
            material,
            episode,
            kind,
            places=[s.turn or f"{s.session}.1" for s in plan.steps],
            pictures=[s.key for s in plan.steps],
        ),
        provenance=material.provenance(),
        kind=kind,
        sessions=talks(episode),
        question=_ASKED[kind].format(name=episode.persona.name),
        options=options,
        answer=options[place].label,
        answer_text=orders[0],
        evidence=[Evidence(session=s.session, utter_id=s.turn) for s in plan.steps],
        moments=moments,
        likeliest=options[seated.index(plan.likeliest)].label,
    )


def _listed(item: OrderItem) -> str:
    return "\n".join(f"{moment.number}. {moment.text}" for moment in item.moments)


def question(item: OrderItem) -> Question:
    """The item as probes see it; the talks alone must tell the order."""
    asked = f"{item.question}\n{_listed(item)}"
    return question_of(
        item,
        views={"full": f"{told(item.sessions)}\n\n{asked}", "no talks": asked},
        rules={
            "likeliest by the texts": (LABELS.index(item.likeliest),),
            "nearest to the list": _nearest(item),
        },
        bins={"kind": item.kind, "days": _span(item)},
    )


def _nearest(item: OrderItem) -> tuple[int, ...]:
    """The options with the fewest pairs out of the listed order."""
    turned = [sum(a > b for a, b in combinations(text.split(" - "), 2)) for text in item.texts]
    return tuple(n for n, count in enumerate(turned) if count == min(turned))


def _span(item: OrderItem) -> str:
    months = {moment.date[:7] for moment in item.moments}
    return f"{len(months)} months" if len(months) > 1 else "1 month"


def messages(item: OrderItem) -> list[Message]:
    """The item as chat: the talks, the list, the question."""
    return chat(
        item.model_copy(update={"question": f"{item.question}\n{_listed(item)}"}),
        told(item.sessions),
    )


TASK = Task(
    name=NAME,
    folder="stark-timeline-order",
    version=VERSION,
    about="Four events or pictures of one person's talks, to be put in the order of their dates.",
    makes=OrderItem,
    items=items,
    question=question,
    chat=messages,
)
