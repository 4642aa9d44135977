"""Task timeline-qa: labels by hand on small episodes."""

from collections import Counter

import pytest
from derived import Hand, happening, told_by_hand

from mcu.items import Split
from mcu.release.episodes import Episode
from mcu.stages.derive.timeline_qa import TASK, TimelineItem, items, question
from mcu.stages.derive.timeline_questions import NOT_TOLD

DATES = ["2023.01.05", "2023.01.15", "2023.03.01", "2023.03.08", "2023.08.08"]
TEXTS = ["paints a boat", "mends a net", "bakes a pie", "reads a map", "feeds a goat"]
NEWS = ["", "bought red varnish", "sold the kayak", "lost seven keys", "found a lantern"]
EVENTS = [f"Ana {text}." for text in TEXTS]


def episode(person: str = "p", split: Split = "train", dates: list[str] = DATES) -> Episode:
    causes = [(), (1,), (2,), (2,), (4,)]
    events = [
        happening(
            n + 1,
            dates[n],
            EVENTS[n],
            *causes[n],
            news=f"Ana {NEWS[n]}." if n else "",
            op=("", "add", "update", "add", "add")[n],
        )
        for n in range(5)
    ]
    said = {
        n + 1: [f"Since then I {NEWS[n]}." if n else "Hello.", "Oh?", f"Today I said: {EVENTS[n]}"]
        for n in range(5)
    }
    said[4].append("It goes back to the day you spoke of it: Ana mends a net.")
    said[5].append(f"Once I told you of all that: {EVENTS[0]} {EVENTS[2]}")
    said[3].append(f"What comes next is that {EVENTS[4]}")
    return told_by_hand(events, said, split=split, person=person)


def many(number: int = 40) -> list[TimelineItem]:
    return list(items(Hand(*(episode(f"person {n}") for n in range(number)))))


def of(kind: str) -> list[TimelineItem]:
    found = [item for item in many() if item.kind == kind]
    assert found
    return found


def event_of(date: str) -> str:
    return EVENTS[DATES.index(date)]


def test_single_asks_for_the_event_of_a_date() -> None:
    for item in of("single"):
        date = item.question.removesuffix("?").split()[-1]
        assert item.answer_text == event_of(date)
        assert NOT_TOLD in item.texts
        [where] = item.evidence
        assert where.utter_id == f"{DATES.index(date) + 1}.3"


def test_abstain_asks_for_a_date_without_a_talk() -> None:
    for item in of("abstain"):
        date = item.question.removesuffix("?").split()[-1]
        assert DATES[0] < date < DATES[-1]
        assert date not in DATES
        assert item.answer_text == NOT_TOLD


def test_not_told_is_right_as_often_as_the_three_events_beside_it() -> None:
    counts = Counter(item.kind for item in many())
    assert abs(3 * counts["abstain"] - counts["single"]) <= 4


def six(number: int = 40) -> list[TimelineItem]:
    """The multi-hop items of episodes of six talks."""
    days = [*DATES, "2023.09.30"]
    texts = [*EVENTS, "Ana writes a poem."]
    events = [happening(n, *pair) for n, pair in enumerate(zip(days, texts, strict=True), 1)]
    said = {event.number: [event.event] for event in events}
    given = [told_by_hand(events, said, person=f"person {n}") for n in range(number)]
    return [item for item in items(Hand(*given)) if item.kind == "multi-hop"]


def test_multi_hop_asks_for_the_neighbour_of_a_date() -> None:
    days = [*DATES, "2023.09.30"]
    for item in six():
        date = item.question.removesuffix("?").split()[-1]
        step = 1 if "right after" in item.question else -1
        assert item.answer_text == EVENTS[days.index(date) + step]


def test_multi_hop_offers_what_has_a_talk_before_and_after_alone() -> None:
    assert all(set(item.texts) == set(EVENTS[1:]) for item in six())
    assert all(item.kind != "multi-hop" for item in many())


def test_temporal_counts_the_days_between_two_events() -> None:
    days = [5, 15, 60, 67, 220]  # of the year
    for item in of("temporal"):
        one, other = (n for n, text in enumerate(EVENTS) if f'"{text}"' in item.question)
        assert item.answer_text == f"{days[other] - days[one]} days"


def test_cause_asks_for_what_that_talk_names_as_a_cause() -> None:
    for item in of("cause"):
        assert "2023.03.08" in item.question
        assert item.answer_text == "Ana mends a net."
        assert "Ana reads a map." not in item.texts  # the event itself
        assert item.evidence[0].utter_id == "4.4"


def test_update_asks_for_the_latest_news_as_of_a_date() -> None:
    for item in of("update"):
        date = item.question.removesuffix("?").split()[-1]
        latest = max(n for n, day in enumerate(DATES) if day <= date)
        assert item.answer_text == f"Ana {NEWS[latest]}."
        assert "Ana sold the kayak." in item.texts


def test_the_right_option_is_early_and_late_as_often() -> None:
    ranks = Counter(EVENTS[1:].index(item.answer_text) for item in six())
    assert max(ranks.values()) - min(ranks[n] for n in range(4)) <= 1


def test_seats_are_dealt_evenly() -> None:
    counts = Counter(item.answer for item in many())
    assert max(counts.values()) - min(counts.values()) <= 1


def test_a_date_of_two_talks_is_not_asked_for() -> None:
    dates = [DATES[0], DATES[1], DATES[1], DATES[3], DATES[4]]
    found = list(items(Hand(*(episode(f"person {n}", dates=dates) for n in range(20)))))
    assert found
    assert all(f"on {DATES[1]}" not in item.question for item in found)


def test_what_no_talk_tells_is_not_asked_for() -> None:
    silent = episode()
    for session in silent.sessions:
        session.turns.clear()
    kinds = {item.kind for item in items(Hand(silent))}
    assert kinds <= {"abstain"}


@pytest.mark.parametrize("language", ["Korean", "German"])
def test_talks_in_another_language_are_asked_about_by_their_dates(language: str) -> None:
    silent = episode()
    for session in silent.sessions:
        session.turns.clear()
    chat = {"backend": "openai", "model": "m", "stages": {"dialogue": {"language": language}}}
    found = list(items(Hand(silent, chat=chat)))
    assert {"single", "multi-hop", "temporal"} & {item.kind for item in found}
    assert all(where.utter_id == "" for item in found for where in item.evidence)


def test_items_are_the_same_twice() -> None:
    assert many(5) == many(5)


def test_probes_see_the_question_or_the_talks() -> None:
    item = many(1)[0]
    seen = question(item)
    assert seen.views["no talks"] == item.question
    assert item.question not in seen.views["no question"]
    assert TASK.chat is not None
    assert TASK.chat(item)[0]["content"].endswith(f"D) {item.options[3].text}")
