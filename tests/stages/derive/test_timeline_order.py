"""Task timeline-order: labels are the order of the dates, and no option stands out."""

from collections import Counter
from datetime import date
from itertools import permutations

import pytest
from derived import Hand, happening, shot, told_by_hand
from hypothesis import given
from hypothesis import strategies as st

from mcu.release.episodes import Episode
from mcu.stages.derive.timeline_order import GROUPS, TASK, OrderItem, items, question

DATES = ["2023.01.05", "2023.02.01", "2023.02.02", "2023.06.09", "2023.06.10"]
TEXTS = ["paints a boat", "mends a net", "bakes a pie", "reads a map", "feeds a goat"]


def episode(dates: list[str], texts: list[str], person: str = "p") -> Episode:
    events = [
        happening(n, date, f"Ana {text}.")
        for n, (date, text) in enumerate(zip(dates, texts, strict=True), 1)
    ]
    said = {event.number: [f"Today: {event.event}", "", "Look.", ""] for event in events}
    pictures = [shot(e.number, 2, f"A view of number {e.number * 7}") for e in events]
    return told_by_hand(events, said, pictures, person=person)


def order_told(item: OrderItem) -> list[str]:
    """The dates in the order that the answer gives."""
    dates = {str(moment.number): moment.date for moment in item.moments}
    return [dates[number] for number in item.answer_text.split(" - ")]


@given(st.permutations(TEXTS), st.lists(st.dates(), min_size=5, max_size=5, unique=True))
def test_the_label_is_the_order_of_the_dates(texts: list[str], days: list[date]) -> None:
    dates = [f"{day:%Y.%m.%d}".rjust(10, "0") for day in sorted(days)]
    for item in items(Hand(episode(dates, texts))):
        assert order_told(item) == sorted(moment.date for moment in item.moments)


def test_an_episode_gives_events_and_pictures_with_their_keys() -> None:
    found = list(items(Hand(episode(DATES, TEXTS))))
    assert [item.kind for item in found] == ["events", "pictures"]
    assert all(m.image_key == f"key of {m.text}" for m in found[1].moments)
    assert found[1].source.image_keys == [
        f"key of {m.text}" for m in sorted(found[1].moments, key=lambda m: m.date)
    ]


@pytest.mark.parametrize(
    "text", ["opens the first box", "rests on Monday", "goes there again", "recalls May 2021"]
)
def test_a_text_that_tells_its_time_is_not_asked_about(text: str) -> None:
    timed = [text, *TEXTS[1:]]
    found = [item for item in items(Hand(episode(DATES, timed))) if item.kind == "events"]
    assert all(text not in moment.text for item in found for moment in item.moments)
    assert not [i for i in items(Hand(episode(DATES[:4], timed[:4]))) if i.kind == "events"]


def test_two_talks_of_one_day_are_not_ordered() -> None:
    same = [DATES[0], DATES[0], DATES[1], DATES[2]]
    material = Hand(episode(same, TEXTS[:4]))
    assert not list(items(material))
    assert sum(material.lost.values()) == 2


@pytest.mark.parametrize("group", GROUPS)
def test_no_order_of_a_group_is_special(group: tuple[tuple[int, ...], ...]) -> None:
    """Seen from any of the four, the others differ from it in the same ways."""

    def seen_from(way: tuple[int, ...]) -> set[tuple[int, ...]]:
        return {tuple(way.index(n) for n in other) for other in group}

    def told_from(way: tuple[int, ...]) -> set[tuple[int, ...]]:
        return {tuple(other[way.index(n)] for n in range(4)) for other in group}

    assert len(set(group)) == 4
    assert all(told_from(way) == set(group) for way in group)
    assert all(seen_from(way) == set(group) for way in group)


def test_given_the_options_each_is_as_likely_to_be_right() -> None:
    """Over all listings of four texts, a set of options is met with each of its orders as gold."""
    for group in GROUPS:
        met: dict[frozenset[tuple[int, ...]], Counter[tuple[int, ...]]] = {}
        for listed in permutations(range(4)):
            orders = [tuple(listed[n] for n in way) for way in group]
            met.setdefault(frozenset(orders), Counter())[orders[0]] += 1
        assert all(set(golds.values()) == {1} and len(golds) == 4 for golds in met.values())


def test_probes_see_the_list_with_and_without_the_talks() -> None:
    [item, _] = items(Hand(episode(DATES, TEXTS)))
    seen = question(item)
    assert seen.views["full"].startswith("Talk 1 on 2023.01.05")
    assert "2023" not in seen.views["no talks"]
    assert all(moment.text in seen.views["no talks"] for moment in item.moments)
    assert TASK.chat is not None
    assert TASK.chat(item)[-1]["content"] == f"{item.answer}) {item.answer_text}"
