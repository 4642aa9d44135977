"""Stage 5: the graph of events and its calendar."""

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from authors import act, says
from dateutil.relativedelta import relativedelta
from hypothesis import given
from hypothesis import strategies as st
from people import LINE, NARRATIVE

from mcu.errors import Fault
from mcu.records import Interval, Unit
from mcu.stages.events import Graph, check, days_of, events

LAST = date(2024, 4, 30)
Change = Callable[[list[dict[str, Any]]], object]


def node(number: int, day: str, span: tuple[int, str] | None = None) -> dict[str, Any]:
    return {
        "id": number,
        "date": day,
        "event": f"She takes step number {number}",
        "caused_by": [number - 1] if number > 1 else [],
        "time_interval": {"value": span[0], "unit": span[1]} if span else None,
        "experience": f"She had {number} bad nights" if span else "",
        "experience_op": "add" if span else "",
    }


def graph() -> list[dict[str, Any]]:
    return [
        node(1, "2024.01.31"),
        node(2, "2024.02.29", (1, "month")),
        node(3, "2024.03.14", (2, "week")),
        node(4, "2024.03.15", (20, "hour")),
    ]


def judge(nodes: list[dict[str, Any]], fewest: int = 4, most: int = 6, last: date = LAST) -> None:
    check(Graph.model_validate({"events": nodes}), fewest, most, last)


def put(number: int, **values: Any) -> Change:
    return lambda nodes: nodes[number - 1].update(values)


def since(number: int, value: int, unit: str) -> Change:
    return put(number, time_interval={"value": value, "unit": unit})


@pytest.mark.parametrize(
    "change",
    [
        lambda nodes: None,
        put(4, caused_by=[1, 3]),
        put(4, caused_by=[1, 1]),
        put(3, experience_op="update"),
        put(4, date="2024.03.14"),
        put(1, experience="Something", experience_op="add"),
        put(1, time_interval={"value": 3, "unit": "day"}),
        lambda nodes: nodes.append(node(5, "2024.04.30", (46, "day"))),
        lambda nodes: nodes.append(node(5, "2024.03.16", (1, "day"))),
    ],
)
def test_good_graphs(change: Change) -> None:
    nodes = graph()
    change(nodes)
    judge(nodes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda nodes: nodes.pop(), "there must be 4 to 6 events, not 3"),
        (lambda nodes: nodes.clear(), "there must be 4 to 6 events, not 0"),
        (lambda nodes: nodes.extend(nodes[:3]), "there must be 4 to 6 events, not 7"),
        (put(2, id=1), "the ids must be 1, 2, 3 and so on"),
        (put(4, id=5), "the ids must be 1, 2, 3 and so on"),
        (lambda nodes: nodes.reverse(), "the ids must be 1, 2, 3 and so on"),
        (put(2, event="SHE takes step number 1"), "every event must be different"),
        (put(2, event="She rests"), "event 2 must have 3 to 60 words, not 2"),
        (put(2, event="so " * 61), "event 2 must have 3 to 60 words, not 61"),
        (put(2, event="She takes\nanother step"), "event 2 must be one line"),
        (put(1, caused_by=[1]), "event 1 is the first, so that nothing earlier can have caused it"),
        (put(1, caused_by=[2]), "event 1 is the first"),
        (put(3, caused_by=[]), "event 3 must name the earlier events that caused it"),
        (put(3, caused_by=[3]), "event 3 cannot be caused by 3: only by earlier events"),
        (put(3, caused_by=[1, 4]), "event 3 cannot be caused by 4"),
        (put(3, caused_by=[0]), "event 3 cannot be caused by 0"),
        (put(3, caused_by=[-1]), "event 3 cannot be caused by -1"),
        (put(4, date="2024.05.01"), "event 4 is dated 2024.05.01, after 2024.04.30"),
        (put(1, date="1989.12.31"), "event 1 is dated before 1990"),
        (put(3, date="2024.02.28"), "event 3 is -1 days after the event before"),
        (put(3, time_interval=None), "event 3 needs the time_interval since the event before"),
        (since(3, 0, "week"), "event 3 needs the time_interval"),
        (since(3, -2, "week"), "event 3 needs the time_interval"),
        (since(3, 1001, "hour"), "event 3 needs the time_interval"),
        (since(3, 3, "week"), "does not agree with 3 week; 2024.03.20 would"),
        (since(3, 14, "month"), "event 3 is 14 days after the event before, which does not agree"),
        (since(3, 13, "day"), "which does not agree with 13 day; 2024.03.13 would"),
        (since(4, 49, "hour"), "which does not agree with 49 hour"),
        (put(4, date="2024.03.14", time_interval={"value": 1, "unit": "day"}), "does not agree"),
        (put(3, experience=""), "event 3 needs an experience and its experience_op"),
        (put(3, experience_op=""), "event 3 needs an experience and its experience_op"),
        (put(3, experience="Rain"), "the experience of event 3 must have 3 to 60 words, not 1"),
    ],
)
def test_bad_graphs(change: Change, words: str) -> None:
    nodes = graph()
    change(nodes)
    with pytest.raises(Fault, match=words.replace("(", r"\(")):
        judge(nodes)


@pytest.mark.parametrize(
    "day",
    [
        "2023.02.29",
        "2024.02.30",
        "2024.13.01",
        "2024.00.10",
        "2024.01.00",
        "2024-01-31",
        "31.01.2024",
        "2024.1.31",
        "24.01.31",
        "2024.01",
        "2024.01.31 ",
        "2024.01.31\n",
        "2024. 1. 9",
        "2024.+1.31",
        "2024.01.31T00",
        "\uff12\uff10\uff12\uff14.01.31",
        "",
        "soon",
    ],
)
def test_dates_that_are_none(day: str) -> None:
    nodes = graph()
    nodes[0]["date"] = day
    # a reply's texts are stripped when it is read, so that blanks around a date are no fault
    if day.strip() == "2024.01.31":
        judge(nodes)
        return
    with pytest.raises(Fault, match=r"event 1: .* is not a date as YYYY\.MM\.DD"):
        judge(nodes)


@pytest.mark.parametrize(
    ("value", "unit", "span"),
    [
        (1, "hour", (0, 1)),
        (23, "hour", (0, 1)),
        (24, "hour", (1, 1)),
        (30, "hour", (1, 2)),
        (48, "hour", (2, 2)),
        (1, "day", (1, 1)),
        (45, "day", (45, 45)),
        (1, "week", (6, 8)),
        (10, "week", (69, 71)),
    ],
)
def test_days_of_short_units(value: int, unit: Unit, span: tuple[int, int]) -> None:
    assert days_of(value, unit) == span


STARTS = [date(y, m, d) for y in (1999, 2000, 2003) for m in range(1, 13) for d in (1, 28)]
STARTS += [date(2000, 1, 31), date(2003, 1, 31), date(2000, 2, 29), date(2003, 12, 31)]


@pytest.mark.parametrize("value", [*range(1, 40), 60, 120, 240])
@pytest.mark.parametrize("unit", ["month", "year"])
def test_days_of_calendar_units(value: int, unit: Unit) -> None:
    """Every real interval lies inside, and none that is a week off."""
    if unit == "year" and value > 60:
        return
    low, high = days_of(value, unit)
    for start in STARTS:
        end = start + relativedelta(**{f"{unit}s": value})  # type: ignore[arg-type]
        passed = (end - start).days
        assert low <= passed <= high, (start, end)
        assert passed - 7 < low and high < passed + 7, (start, end)


SPAN = st.one_of(
    st.tuples(st.just("hour"), st.integers(1, 100)),
    st.tuples(st.just("day"), st.integers(1, 60)),
    st.tuples(st.just("week"), st.integers(1, 30)),
    st.tuples(st.just("month"), st.integers(1, 30)),
    st.tuples(st.just("year"), st.integers(1, 5)),
)
DAYS = st.dates(date(1990, 1, 1), date(2020, 12, 31))
MOMENT = st.builds(datetime.combine, DAYS, st.times())


def schedule(start: datetime, spans: list[tuple[str, int]]) -> list[dict[str, Any]]:
    """Events at real moments, each an interval after the one before."""
    nodes, now = [node(1, f"{start:%Y.%m.%d}")], start
    for number, (unit, value) in enumerate(spans, 2):
        now += relativedelta(**{f"{unit}s": value})  # type: ignore[arg-type]
        nodes.append(node(number, f"{now:%Y.%m.%d}", (value, unit)))
    return nodes


@given(MOMENT, st.lists(SPAN, min_size=1, max_size=5))
def test_any_real_schedule_is_accepted(start: datetime, spans: list[tuple[str, int]]) -> None:
    judge(schedule(start, spans), 2, 6, date(2100, 1, 1))


@given(MOMENT, st.lists(SPAN, min_size=1, max_size=5), st.data(), st.sampled_from([-7, 7]))
def test_a_week_off_is_refused(
    start: datetime, spans: list[tuple[str, int]], data: st.DataObject, off: int
) -> None:
    """All from one event on come a week too soon or too late."""
    nodes = schedule(start, spans)
    first = data.draw(st.integers(1, len(nodes) - 1))
    for later in nodes[first:]:
        day = date.fromisoformat(later["date"].replace(".", "-")) + timedelta(days=off)
        later["date"] = f"{day:%Y.%m.%d}"
    with pytest.raises(Fault, match=f"event {first + 1} (is .* does not agree|is dated before)"):
        judge(nodes, 2, 6, date(2100, 1, 1))


def test_the_record_of_a_graph(tmp_path: Path) -> None:
    nodes = graph()
    nodes[0].update(time_interval={"value": 1, "unit": "day"}, experience="x", experience_op="add")
    nodes[3]["caused_by"] = [3, 1, 3]
    author = says(json.dumps({"events": nodes}))
    made, losses = act(events, NARRATIVE, author, tmp_path, LINE)
    (found,) = made
    assert not losses and found.parent == NARRATIVE.id
    first, second, *_, last = found.events
    assert (first.interval, first.experience, first.op, first.caused_by) == (None, "", "", [])
    assert second.interval == Interval(value=1, unit="month")
    assert str(second.interval) == "1 month"
    assert (second.number, second.date, second.op) == (2, "2024.02.29", "add")
    assert last.caused_by == [1, 3]


def test_the_settings_are_asked_for_and_checked(tmp_path: Path) -> None:
    author = says(json.dumps({"events": graph()}))
    run = {"sessions": [2, 3], "last_date": date(2024, 3, 1)}
    made, losses = act(events, NARRATIVE, author, tmp_path, LINE, run=run, chat={"repairs": 0})
    asked = author.requests[0].messages[1]["content"]
    for line in ("Fewest events: 2", "Most events: 3", "Last date: 2024.03.01"):
        assert line in asked
    assert made == []
    assert "there must be 2 to 3 events, not 4" in losses[0]["reason"]
