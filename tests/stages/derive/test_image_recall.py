"""Task image-recall: labels by hand, and what is masked."""

from collections import Counter

from derived import Hand, happening, shot, told_by_hand

from mcu.records import Picture
from mcu.release.episodes import Episode
from mcu.stages.derive.image_recall import TASK, RecallItem, items, question

DATES = ["2023.01.05", "2023.02.04", "2023.03.01", "2023.03.08", "2023.08.08"]
OARS = "Two oars on a jetty"
OTHERS = ["A net on a line", "A goat on a roof", "A lamp in a window"]
SAID = {
    1: ["Hello there.", "", "Here are the oars on the jetty.", "Nice."],
    2: ["Hello.", "", "So it goes.", "Yes."],
    3: ["Hello.", "", "So it goes.", "Yes."],
    4: ["It was a long week. Remember the oars?", "I do.", "Here they are.", "Lovely weather."],
    5: ["Hello.", "", "So it goes.", "Yes."],
}


def pictures(album: int = 1) -> list[Picture]:
    shared = [
        shot(n, 1, text, album=album and n) for n, text in zip((2, 3, 5), OTHERS, strict=True)
    ]
    return [shot(1, 3, OARS, album=1, also=[(4, 3)]), *shared]


def episode(person: str = "p", shown: list[Picture] | None = None) -> Episode:
    events = [happening(n, date, f"Ana rests {n}.") for n, date in enumerate(DATES, 1)]
    return told_by_hand(events, SAID, shown or pictures(), person=person)


def again(*given: Episode) -> list[RecallItem]:
    return [item for item in items(Hand(*given)) if item.kind == "again"]


def test_a_picture_shown_again_is_the_answer() -> None:
    [item] = again(episode())
    assert item.answer_text == OARS
    assert set(item.texts) == {OARS, *OTHERS}
    assert item.image_key == f"key of {OARS}"
    assert item.options[item.gold].image_key == item.image_key
    assert (item.distance, item.days) == (3, 62)
    assert "2023.03.08" in item.question
    assert "2023.01.05" in item.question
    assert item.evidence[0].utter_id == "1.3"
    assert item.source.utter_ids == ["1.3", "4.3"]


def test_the_later_talk_does_not_describe_it() -> None:
    [item] = again(episode())
    later = "\n".join(f"{turn.text} {turn.caption}" for turn in item.sessions[3].turns)
    assert "oars" not in later
    assert "It was a long week." in later
    assert later.count("[photo]") == 1
    assert [turn.utter_id for turn in item.context] == ["4.1", "4.2", "4.3", "4.4"]
    words = question(item).views["no talks"].split("?")[0]
    assert "oars" not in words.casefold()


def test_the_earlier_talk_still_shows_it() -> None:
    [item] = again(episode())
    assert item.sessions[0].turns[2].caption == OARS


def test_pictures_of_the_same_day_or_never_shown_are_no_rivals() -> None:
    rival = shot(1, 1, "A boat at sea", album=9)
    unseen = shot(0, 0, "A pier at night", album=8)
    shown = [*pictures(), rival, unseen]
    for number in range(5):
        [item] = again(episode(f"person {number}", shown))
        assert not {"A boat at sea", "A pier at night"} & set(item.texts)


def test_too_few_rivals_are_told() -> None:
    material = Hand(episode(shown=pictures()[:3]))
    assert not list(items(material))
    assert material.lost["a picture shown again, without three others to tell it from"] == 1


def test_a_dated_question_has_one_answer() -> None:
    shown = [shot(n, 1, text) for n, text in zip((1, 2, 3, 5), [*OTHERS, OARS], strict=True)]
    given = [episode(f"person {n}", shown) for n in range(16)]
    found = list(items(Hand(*given)))
    assert {item.kind for item in found} == {"dated"}
    texts = dict(zip((DATES[0], DATES[1], DATES[2], DATES[4]), [*OTHERS, OARS], strict=True))
    for item in found:
        date = item.question.removesuffix("?").split()[-1]
        assert item.answer_text == texts[date]
    asked = Counter(item.question for item in found)
    assert set(asked.values()) == {4}
    assert set(Counter(item.answer for item in found).values()) == {4}


def test_items_are_the_same_twice_and_chat_ends_in_the_answer() -> None:
    assert again(episode()) == again(episode())
    [item] = again(episode())
    assert TASK.chat is not None
    asked, answer = TASK.chat(item)
    assert answer["content"] == f"{item.answer}) {OARS}"
    assert item.question in asked["content"]
