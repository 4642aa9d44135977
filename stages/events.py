"""Stage 5: the temporal event sequence of an episode (paper §3.1, step 5)."""

import re
from datetime import date, timedelta
from typing import Literal

from mcu.context import Context
from mcu.contract import Reply, stage
from mcu.errors import Fault
from mcu.records import Commonsense, Event, Events, Interval, Narrative, Persona, Unit
from mcu.stages.text import one_line

_FIRST_YEAR = 1990
_DATE = re.compile(r"[0-9]{4}\.[0-9]{2}\.[0-9]{2}")
_MONTH = 30.4375  # days, on average; no real span of months is over three days off


class Span(Reply):
    """Time since the event before."""

    value: int
    unit: Unit


class Node(Reply):
    """An event as the model gives it."""

    id: int
    date: str
    event: str
    caused_by: list[int]
    time_interval: Span | None
    experience: str
    experience_op: Literal["add", "update", ""]


class Graph(Reply):
    """The events in order of time."""

    events: list[Node]


@stage(
    5,
    takes=Narrative,
    makes=Events,
    needs=(Persona, Commonsense),
    uses=("chat", "checks"),
    prompts=("events",),
    version=1,
)
async def events(narrative: Narrative, ctx: Context) -> list[Events]:
    """An event graph in order of time: one node a session."""
    fewest, most = ctx.config.run.sessions
    last_date = ctx.config.run.last_date
    reply = await ctx.ask(
        "events",
        Graph,
        persona=ctx.of(Persona),
        inference=ctx.of(Commonsense),
        narrative=narrative,
        fewest=fewest,
        most=most,
        last_date=f"{last_date:%Y.%m.%d}",
        check=lambda r: check(r, fewest, most, last_date),
    )
    return [Events(parent=narrative.id, events=[_event(node) for node in reply.events])]


def _event(node: Node) -> Event:
    span = node.time_interval
    first = node.id == 1
    return Event(
        number=node.id,
        date=node.date,
        event=node.event,
        caused_by=sorted(set(node.caused_by)),
        interval=Interval(value=span.value, unit=span.unit) if span and not first else None,
        experience="" if first else node.experience,
        op="" if first else node.experience_op,
    )


def check(graph: Graph, fewest: int, most: int, last_date: date) -> None:
    """Raise Fault for the first event that breaks a rule of the graph or of time."""
    nodes = graph.events
    if not fewest <= len(nodes) <= most:
        raise Fault(f"there must be {fewest} to {most} events, not {len(nodes)}")
    if [n.id for n in nodes] != list(range(1, len(nodes) + 1)):
        raise Fault("the ids must be 1, 2, 3 and so on, each once and in order of time")
    texts = [n.event.casefold() for n in nodes]
    if len(set(texts)) < len(texts):
        raise Fault("every event must be different")
    before: date | None = None
    for node in nodes:
        one_line(f"event {node.id}", node.event, 3, 60)
        _check_parents(node)
        day = _day(node)
        if day > last_date:
            raise Fault(f"event {node.id} is dated {node.date}, after {last_date:%Y.%m.%d}")
        if before is not None:
            _check_step(node, before, day)
        before = day


def _check_parents(node: Node) -> None:
    if node.id == 1 and node.caused_by:
        raise Fault("event 1 is the first, so that nothing earlier can have caused it")
    if node.id > 1 and not node.caused_by:
        raise Fault(f"event {node.id} must name the earlier events that caused it")
    for parent in node.caused_by:
        if not 1 <= parent < node.id:
            raise Fault(f"event {node.id} cannot be caused by {parent}: only by earlier events")


def _day(node: Node) -> date:
    try:
        if _DATE.fullmatch(node.date) is None:
            raise ValueError
        found = date.fromisoformat(node.date.replace(".", "-"))
    except ValueError:
        raise Fault(f"event {node.id}: {node.date!r} is not a date as YYYY.MM.DD") from None
    if found.year < _FIRST_YEAR:
        raise Fault(f"event {node.id} is dated before {_FIRST_YEAR}")
    return found


def _check_step(node: Node, before: date, day: date) -> None:
    span = node.time_interval
    if span is None or not 1 <= span.value <= 1000:
        raise Fault(f"event {node.id} needs the time_interval since the event before, from 1 up")
    if not node.experience or not node.experience_op:
        raise Fault(f"event {node.id} needs an experience and its experience_op")
    one_line(f"the experience of event {node.id}", node.experience, 3, 60)
    passed = (day - before).days
    low, high = days_of(span.value, span.unit)
    if not low <= passed <= high:
        raise Fault(
            f"event {node.id} is {passed} days after the event before, which does not agree with "
            f"{span.value} {span.unit}; {before + timedelta(days=low):%Y.%m.%d} would"
        )
    if passed == 0 and span.unit != "hour":
        raise Fault(f"event {node.id} must be later than the event before")


def days_of(value: int, unit: Unit) -> tuple[int, int]:
    """Fewest and most days that an interval may span; calendar units differ in length."""
    match unit:
        case "hour":
            return value // 24, -(-value // 24)
        case "day":
            return value, value
        case "week":
            return 7 * value - 1, 7 * value + 1
        case "month":
            return round(_MONTH * value) - 3, round(_MONTH * value) + 3
        case "year":
            return 365 * value + value // 4 - 5, 365 * value - (-value // 4) + 5
