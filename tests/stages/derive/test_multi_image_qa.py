"""Task multi-image-qa: labels by hand, and that each question needs several pictures."""

import re
from collections import Counter, defaultdict

from derived import Hand, happening, shot, told_by_hand

from mcu.items import Question
from mcu.release.episodes import Episode
from mcu.stages.derive.multi_image_qa import TASK, MultiImageItem, items, question
from mcu.stages.derive.objects import Objects, Thing

DATES = ["2023.01.05", "2023.02.04", "2023.03.01", "2023.03.08"]
PERSON = ["Ana on a pier", "Ana under a tree", "Ana at a stove", "Ana with a dog"]
CHARTS = ["A bar chart of rain", "A line chart of sales"]
LAMPS = ["A desk with a lamp", "A lamp beside a bed"]
GUESSED = {"count": 0.625, "order": 0.75}
PLAIN = ["A bowl of soup", "A red kite", "A pair of boots", "An old bridge"]
TEXTS = [*PERSON, *CHARTS, *LAMPS, *PLAIN]


def episode(person: str = "p", pixels: bool | None = None) -> Episode:
    shots = [
        shot(
            n % 4 + 1,
            n // 4 + 1,
            text,
            album=0 if text in CHARTS else n + 1,
            route="p-t2i" if text in PERSON else "t2i",
        )
        for n, text in enumerate(TEXTS)
    ]
    listed = [
        Objects(
            picture=one.id,
            key=one.key,
            caption=one.description,
            objects=[Thing(name="lamp", in_pixels=pixels)] if one.description in LAMPS else [],
        )
        for one in shots
    ]
    events = [happening(n, date, f"Ana rests {n}.") for n, date in enumerate(DATES, 1)]
    said = {n: [f"Line {k}" for k in range(3)] for n in range(1, 5)}
    return told_by_hand(events, said, shots, person=person, relatives=listed)


def many(number: int = 24) -> list[MultiImageItem]:
    return list(items(Hand(*(episode(f"person {n}") for n in range(number)))))


def of(kind: str) -> list[MultiImageItem]:
    found = [item for item in many() if item.kind == kind]
    assert len(found) == 24
    return found


def named(item: MultiImageItem) -> set[str]:
    """The captions of the pictures that the answer names."""
    return {item.images[int(number) - 1].caption for number in re.findall(r"\d", item.answer_text)}


def test_count_counts_the_person() -> None:
    for item in of("count"):
        shown = sum(image.caption in PERSON for image in item.images)
        assert item.answer_text == ("none", "one", "two", "three")[shown]
        assert item.face_key == "face:face"
    assert set(Counter(item.answer for item in of("count")).values()) == {6}


def test_identity_names_those_with_the_person() -> None:
    for item in of("identity"):
        assert len(item.images) == 4
        assert named(item) == {image.caption for image in item.images} & set(PERSON)


def test_style_names_the_charts_and_compare_those_with_a_thing() -> None:
    for kind, those in (("style", CHARTS), ("compare", LAMPS)):
        for item in of(kind):
            assert named(item) == {image.caption for image in item.images} & set(those)


def test_a_thing_that_the_encoder_did_not_see_is_not_asked_for() -> None:
    assert all(item.kind != "compare" for item in items(Hand(episode(pixels=False))))


def test_order_goes_by_the_dates() -> None:
    for item in of("order"):
        dates = sorted(image.date for image in item.images)
        place = ("first", "second", "third", "last").index(item.question.split()[-1][:-1])
        assert item.images[item.gold].date == dates[place]
        assert item.answer_text == f"picture {item.gold + 1}"


def test_the_options_are_every_answer_on_the_two_that_decide() -> None:
    for item in many():
        if item.kind in ("identity", "style", "compare"):
            two = {str(i.number) for i in item.images if i.image_key in item.uses}
            options = [set(re.findall(r"\d", text)) for text in item.texts]
            assert len(two) == 2
            assert {frozenset(option & two) for option in options} == {
                frozenset(part) for part in ((), two, *((number,) for number in two))
            }
            assert len({frozenset(option - two) for option in options}) == 1


def test_each_answer_on_them_is_right_as_often() -> None:
    counts = Counter(len(named(item)) for item in of("style"))
    assert counts == {0: 6, 1: 12, 2: 6}


def test_the_hidden_picture_is_one_that_is_asked_about() -> None:
    for item in many():
        assert item.hidden in item.uses
        assert question(item).views["one picture hidden"].count("[not shown]") == 1
        assert question(item).views["no pictures"].count("[not shown]") == len(item.images)


def solve(question: Question, view: str) -> list[int]:
    """The options that what is seen leaves open, for one who reads captions and dates well."""
    lines = [line.split(": ", 1)[1] for line in question.views[view].splitlines()[:-1]]
    asked = question.views[view].splitlines()[-1]
    hidden = [line == "[not shown]" for line in lines]
    wanted = "lamp" if "lamp" in asked else "chart" if "charts" in asked else "Ana"
    shown = [wanted in line for line in lines]
    if "How many" in asked:
        return [n for n in range(4) if sum(shown) <= n <= sum(shown) + sum(hidden)]
    if "shown" in asked:
        return _by_date(lines, asked.split()[-1][:-1])
    named = [{int(n) - 1 for n in re.findall(r"\d", text)} for text in question.options]
    return [
        n
        for n, those in enumerate(named)
        if all(hidden[k] or shown[k] == (k in those) for k in range(4))
    ]


def _by_date(lines: list[str], place: str) -> list[int]:
    dates = [m[0] if (m := re.search(r"\d{4}\.\d\d\.\d\d", line)) else "" for line in lines]
    known = sorted(date for date in dates if date)
    rank = ("first", "second", "third", "last").index(place)
    if len(known) == 4:
        return [dates.index(known[rank])]
    # The hidden one may stand before, at or after the place.
    open_ = {dates.index(known[k]) for k in (rank - 1, rank) if 0 <= k < 3}
    return sorted(open_ | {dates.index("")})


def test_a_picture_less_hurts_even_one_who_sees_everything_else() -> None:
    """The share of the best guess with one picture hidden is within what the audit allows."""
    rows: dict[str, list[float]] = defaultdict(list)
    for item in many(60):
        seen = question(item)
        assert solve(seen, "full") == [seen.answer]
        left = solve(seen, "one picture hidden")
        assert seen.answer in left
        rows[item.kind].append(1 / len(left))
        assert seen.chance["one picture hidden"] == GUESSED.get(item.kind, 0.5)
    for kind, shares in rows.items():
        assert sum(shares) / len(shares) <= GUESSED.get(kind, 0.5) + 0.05


def test_items_are_the_same_twice() -> None:
    assert many(4) == many(4)
    item = many(1)[0]
    assert TASK.chat is not None
    assert TASK.chat(item)[1]["content"] == f"{item.answer}) {item.answer_text}"
