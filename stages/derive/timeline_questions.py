"""The questions of timeline-qa: each kind computed from one episode's events and dates."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from itertools import combinations
from random import Random

from mcu.records import Event
from mcu.release.episodes import Episode
from mcu.stages.derive.choice import Evidence, Talk, best_turn, day_of, days_between

NOT_TOLD = "That was not told."
SIZE = 4
_APART = 2  # days that a date without a talk keeps from every talk


@dataclass(frozen=True)
class Found:
    """A question before its options are seated: texts, the right one first."""

    question: str
    texts: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    rank: int = 0  # the number dealt that it was made for


@dataclass
class Asker:
    """One episode as questions are made of it."""

    episode: Episode
    talks: list[Talk]
    rng: Random
    strict: bool  # whether what is asked must be found in the words of a talk

    @property
    def name(self) -> str:
        """The person's name."""
        return self.episode.persona.name

    @cached_property
    def events(self) -> list[Event]:
        """The events that their talks tell, in order of time.

        What is not told is never offered either: else the talks alone would rule it out.
        """
        told = self.episode.events.events[: len(self.talks)]
        return [event for event in told if self.at(event)]

    @property
    def dated(self) -> list[Event]:
        """The events whose date no other talk has."""
        days = [talk.date for talk in self.talks]
        return [event for event in self.events if days.count(event.date) == 1]

    def at(self, event: Event, text: str = "") -> Evidence | None:
        """Where an event, or something else said in its talk, is told; None where it is not."""
        turn = best_turn(self.talks[event.number - 1], text or event.event, self.name)
        if self.strict and not turn:
            return None
        return Evidence(session=event.number, utter_id=turn)

    def later(self, event: Event) -> set[int]:
        """The numbers of the talks, other than its own, that tell an event, too."""
        return {
            talk.session
            for talk in self.talks
            if talk.session != event.number and best_turn(talk, event.event, self.name)
        }

    def hinted(self, event: Event, other: Event) -> bool:
        """Whether another event's talk has a third of an event's words."""
        talk = self.talks[other.number - 1]
        return bool(best_turn(talk, event.event, self.name, share=0.34))

    def fours(self) -> Iterator[tuple[Event, ...]]:
        """Every four events, in a random order of fours."""
        found = list(combinations(self.events, SIZE))
        yield from self.rng.sample(found, len(found))


def single(ask: Asker, ranks: tuple[int, ...]) -> Found | None:
    """What was told on a date, or on a date without a talk; rank 0 is of the second kind."""
    for rank in ranks:
        found = _abstain(ask) if rank == 0 else _single(ask, rank)
        if found is not None:
            return found
    return None


def _single(ask: Asker, rank: int) -> Found | None:
    """The right event is the earliest, the middle or the latest of the three that are offered."""
    chosen = list(combinations(ask.dated, SIZE - 1))
    for three in ask.rng.sample(chosen, len(chosen)):
        gold = three[rank - 1]
        if where := ask.at(gold):
            others = [event.event for event in three if event is not gold]
            texts = (gold.event, *others, NOT_TOLD)
            return Found(_on(ask, gold.date), texts, (where,), rank)
    return None


def _abstain(ask: Asker) -> Found | None:
    days = [day_of(talk.date) for talk in ask.talks]
    free = [
        day
        for day in (days[0] + timedelta(n) for n in range((days[-1] - days[0]).days))
        if all(abs((day - other).days) >= _APART for other in days)
    ]
    if not free or len(ask.dated) < SIZE - 1:
        return None
    texts = (NOT_TOLD, *(e.event for e in ask.rng.sample(ask.dated, SIZE - 1)))
    return Found(_on(ask, f"{ask.rng.choice(free):%Y.%m.%d}"), texts, (), 0)


def _on(ask: Asker, day: str) -> str:
    return f"What did {ask.name} tell of on {day}?"


def multi_hop(ask: Asker, ranks: tuple[int, ...]) -> Found | None:
    """The event of the talk before or after the one on a date, among four that have both.

    The first is before others alone and the last after others, and texts hint at which is which.
    """
    dated = {event.number for event in ask.dated}
    middle = [e for e in ask.events if {e.number - 1, e.number + 1} <= dated]
    if len(middle) < SIZE:
        return None
    four = sorted(ask.rng.sample(middle, SIZE), key=lambda event: event.number)
    gold, side = four[ranks[0]], ask.rng.choice(("before", "after"))
    by = next(e for e in ask.dated if e.number == gold.number + (1 if side == "before" else -1))
    where = ask.at(gold)
    if where is None:
        return None
    asked = f"What did {ask.name} tell of in the talk right {side} the one on {by.date}?"
    texts = (gold.event, *(event.event for event in four if event is not gold))
    return Found(asked, texts, (where, Evidence(session=by.number)), ranks[0])


def temporal(ask: Asker, ranks: tuple[int, ...]) -> Found | None:
    """Days between two events; the other options are what lies between other pairs."""
    gaps: dict[int, tuple[Event, Event]] = {}
    pairs = list(combinations(ask.events, 2))
    for one, other in ask.rng.sample(pairs, len(pairs)):
        days = days_between(one.date, other.date)
        if days and all(abs(days - known) > known // 10 for known in gaps):
            gaps[days] = (one, other)
    if len(gaps) < SIZE:
        return None
    four = sorted(ask.rng.sample(sorted(gaps), SIZE))
    for rank in ranks:
        one, other = ask.rng.sample(gaps[four[rank]], 2)
        where = (ask.at(one), ask.at(other))
        if where[0] is None or where[1] is None:
            continue
        asked = (
            f"How many days lay between the talks in which {ask.name} told of these two: "
            f'"{one.event}" and "{other.event}"?'
        )
        told = [four[rank], *(day for day in four if day != four[rank])]
        texts = tuple(f"{day} day{'s' * (day != 1)}" for day in told)
        return Found(asked, texts, (where[0], where[1]), rank)
    return None


def cause(ask: Asker, ranks: tuple[int, ...]) -> Found | None:
    """An earlier event that led to one, and of which that talk speaks, unlike of the others.

    Every earlier event leads to a later one in some way: only what is said decides. The others are
    spoken of in another talk than their own, too, or what is told twice would be the answer.
    """
    for rank in ranks:
        for four in ask.fours():
            gold, others = four[rank], [event for event in four if event is not four[rank]]
            for effect in ask.dated:
                if gold.number not in effect.caused_by or effect in four:
                    continue
                rivals = {event.number for event in others} & set(effect.caused_by)
                spoken = {event.number: ask.later(event) for event in four}
                if (
                    rivals
                    or effect.number not in spoken[gold.number]
                    or any(spoken[e.number] <= {effect.number} for e in others)
                    or any(ask.hinted(e, effect) for e in others)
                ):
                    continue
                asked = (
                    f"Which of these came up on {effect.date} as something that had led to what "
                    f"{ask.name} told of that day?"
                )
                turn = best_turn(ask.talks[effect.number - 1], gold.event, ask.name)
                where = Evidence(session=effect.number, utter_id=turn)
                return Found(asked, (gold.event, *(e.event for e in others)), (where,), rank)
    return None


def update(ask: Asker, ranks: tuple[int, ...]) -> Found | None:
    """The latest news as of a date, where one of the four changes something known before."""
    for rank in ranks:
        for four in ask.fours():
            gold = four[rank]
            if not all(e.experience for e in four) or all(e.op != "update" for e in four):
                continue
            day, where = _as_of(ask, gold), ask.at(gold, gold.experience)
            known = all(ask.at(e, e.experience) for e in four)
            if len({e.experience for e in four}) < SIZE or not (day and where and known):
                continue
            asked = f"Which of these was the latest news that {ask.name} had given by {day}?"
            texts = (gold.experience, *(e.experience for e in four if e is not gold))
            return Found(asked, texts, (where,), rank)
    return None


def _as_of(ask: Asker, event: Event) -> str:
    """A date at which an event's talk was the latest; none where another has the same date."""
    first = day_of(event.date)
    later = [talk.date for talk in ask.talks if talk.session > event.number]
    room = days_between(event.date, later[0]) if later else 30
    return f"{first + timedelta(ask.rng.randrange(room)):%Y.%m.%d}" if room else ""


Maker = Callable[[Asker, tuple[int, ...]], Found | None]
# Kind, how many an episode, and what makes one.
KINDS: tuple[tuple[str, int, Maker], ...] = (
    ("single", 2, single),
    ("multi-hop", 2, multi_hop),
    ("temporal", 1, temporal),
    ("cause", 1, cause),
    ("update", 1, update),
)
