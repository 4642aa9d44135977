"""Scores of answers: by hand, in rotations, in twins, and what an answer file must be."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scored_set import TASK, made, question

from mcu.errors import ConfigError
from mcu.items import Question
from mcu.scores.answers import LETTERS
from mcu.scores.choice import MEASURES, prompts, read_answers, records, report, rotated, scored
from mcu.scores.tables import score_lines

QUESTIONS = [question(item) for item in made(40)]


def gold(own: Question) -> str:
    return f"{LETTERS[own.answer]}) {own.options[own.answer]}"


def table(questions: Iterable[Question], answers: dict[str, str], **more: Any) -> dict[str, Any]:
    found = scored(questions, {(key, 0): text for key, text in answers.items()}, False)
    return report(found, **more)


def test_scores_by_hand() -> None:
    """Of eight three are exact, one lists all, one errs within the photo, one is mute, one lost."""
    own = QUESTIONS[:8]
    answers = {q.id: gold(q) for q in own[:3]}
    right = LETTERS[own[3].answer]
    answers[own[3].id] = f"{right}) x " + " ".join(f"{label})" for label in "ABCD")
    answers[own[4].id] = LETTERS[own[4].answer ^ 1]
    answers[own[5].id] = "no idea"
    answers[own[6].id] = f"정답은 {LETTERS[own[6].answer]}입니다."
    facts = table(own, answers)
    shares = {name: facts[name]["value"] for name in MEASURES}
    assert shares == {"object": 5 / 8, "strict": 4 / 8, "photo": 6 / 8, "exact": 3 / 8}
    assert (facts["items"], facts["answered"], facts["missing"]) == (8, 7, 1)
    assert facts["parse_none"]["value"] == pytest.approx(1 / 7, abs=1e-5)
    assert facts["multi_label"]["value"] == pytest.approx(1 / 7, abs=1e-5)
    assert facts["read"] == {"exact": 3, "labels": 2, "letter": 1, "none": 1}
    assert facts["chance"] == {"object": 0.25, "photo": 0.5}
    assert facts["object"]["low"] < 5 / 8 < facts["object"]["high"]
    # Twins are neighbours: 0 and 1, and 2 and 3, are both right.
    assert (facts["pairs"]["value"], facts["pairs"]["items"]) == (0.5, 4)
    assert sum(own["items"] for own in facts["bins"]["turns since"].values()) == 8
    lines = "\n".join(score_lines(facts))
    assert "1 are not answered and count as wrong" in lines
    assert "exact match" in lines
    assert "turns since" in lines


def test_always_one_label_has_recalls_of_nothing_and_all() -> None:
    facts = table(QUESTIONS, {q.id: "C" for q in QUESTIONS})
    assert {label: own["value"] for label, own in facts["recall"].items()} == {
        "A": 0.0,
        "B": 0.0,
        "C": 1.0,
        "D": 0.0,
    }
    assert facts["rstd"] == pytest.approx(0.43301, abs=1e-5)  # of 1, 0, 0, 0
    right = {q.id: gold(q) for q in QUESTIONS}
    assert table(QUESTIONS, right)["rstd"] == 0


def test_rotations_need_all_of_them() -> None:
    own = QUESTIONS[:10]
    always = {(q.id, turn): "A" for q in own for turn in range(4)}
    facts = report(scored(own, always, True))
    assert (facts["rotations"], facts["answered"]) == (4, 40)
    assert (facts["object"]["value"], facts["circular"]["value"]) == (0.25, 0.0)
    right = {(q.id, turn): gold(rotated(q, turn)) for q in own for turn in range(4)}
    facts = report(scored(own, right, True))
    assert (facts["object"]["value"], facts["circular"]["value"], facts["rstd"]) == (1, 1, 0)
    del right[own[0].id, 3]
    facts = report(scored(own, right, True))
    assert (facts["object"]["value"], facts["circular"]["value"]) == (0.975, 0.9)
    assert facts["missing"] == 1
    assert "circular" not in table(own, {})


@given(st.sampled_from(QUESTIONS), st.integers(0, 3))
def test_a_rotation_keeps_the_answer(own: Question, turn: int) -> None:
    moved = rotated(own, turn)
    assert moved.options[moved.answer] == own.options[own.answer]
    assert moved.options == own.options[turn:] + own.options[:turn]
    assert dict(zip(moved.options, moved.photos, strict=True)) == dict(
        zip(own.options, own.photos, strict=True)
    )
    assert {rotated(own, t).answer for t in range(4)} == {0, 1, 2, 3}


def test_prompts_show_what_is_scored() -> None:
    items = made(6)
    rows = list(prompts(items, TASK, True))
    assert len(rows) == 24
    for row in rows:
        (item,) = (one for one in items if one.item_id == row["item_id"])
        moved = rotated(question(item), row["rotation"])
        (message,) = row["messages"]
        shown = message["content"].splitlines()[-4:]
        assert shown == [f"{a}) {b}" for a, b in zip("ABCD", moved.options, strict=True)]
    plain = list(prompts(items, TASK, False))
    assert [set(row) for row in plain] == [{"item_id", "messages"}] * 6
    with pytest.raises(ConfigError, match="no prompts"):
        list(prompts(items, replace(TASK, chat=None), False))


def test_prompts_of_a_part_show_no_more() -> None:
    items = made(6)
    for item, row in zip(items, prompts(items, TASK, False, "options"), strict=True):
        texts = [f"{option.label}) {option.text}" for option in item.options]
        assert row["messages"] == [{"role": "user", "content": "\n".join(texts)}]
    (first, *_) = prompts(items, TASK, True, "full")
    assert first["messages"][0]["content"].startswith(items[0].talk[0])
    with pytest.raises(ConfigError, match="no view 'tail'; there are 'options', 'full'"):
        list(prompts(items, TASK, False, "tail"))


def test_intervals_over_groups_are_wider_where_people_are_alike() -> None:
    answers = {q.id: gold(q) if q.group == "person-0" else "no" for q in QUESTIONS}
    plain, grouped = table(QUESTIONS, answers), table(QUESTIONS, answers, by_group=True)
    assert plain["object"]["value"] == grouped["object"]["value"] == 0.5
    assert grouped["object"]["high"] - grouped["object"]["low"] == 1
    assert plain["object"]["high"] - plain["object"]["low"] < 0.31
    assert grouped["intervals"].startswith("bootstrap")


def test_every_measure_in_every_table_is_in_order() -> None:
    answers = {q.id: ["D", gold(q), "A) B)", "no", ""][at % 5] for at, q in enumerate(QUESTIONS)}
    facts = table(QUESTIONS, answers)
    assert (
        facts["photo"]["value"]
        >= facts["object"]["value"]
        >= facts["strict"]["value"]
        >= facts["exact"]["value"]
    )


def test_items_without_photos_have_no_photo_score() -> None:
    facts = table([replace(q, photos=()) for q in QUESTIONS], {})
    assert "photo" not in facts
    assert facts["chance"] == {"object": 0.25}
    assert all("photo" not in own for own in facts["bins"]["turns since"].values())


def test_each_answer_keeps_what_was_read() -> None:
    own = QUESTIONS[:2]
    rows = list(records(scored(own, {(own[0].id, 0): "so A) and B)"}, False)))
    assert rows[0]["said"] == ["A", "B"]
    assert rows[0]["read"] == "labels"
    assert rows[0]["answer"] == LETTERS[own[0].answer]
    assert rows[1] | {"item_id": ""} == {
        "item_id": "",
        "rotation": 0,
        "answer": LETTERS[own[1].answer],
        "said": [],
        "read": "missing",
        "object": False,
        "strict": False,
        "photo": False,
        "exact": False,
    }


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "has no answers"),
        ([{"item_id": "a", "answer": "A"}], "has no 'output'; its fields are item_id, answer"),
        ([{"item_id": "a", "output": None}], "must be text"),
        ([{"item_id": "a", "output": "A"}] * 2, "line 2: item 'a' is answered a second time"),
        ([{"item_id": "a", "output": "A", "rotation": "x"}], "'rotation' must be a number"),
        (
            [{"item_id": "a", "output": "A", "rotation": 1}, {"item_id": "a", "output": "A"}],
            "every row, or in none",
        ),
    ],
)
def test_answer_files_with_faults(tmp_path: Path, rows: list[dict[str, Any]], said: str) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(ConfigError, match=said):
        read_answers(path)


def test_answers_of_no_item() -> None:
    with pytest.raises(ConfigError, match="1 answers are of no item of this split, such as 'x'"):
        scored(QUESTIONS, {("x", 0): "A"}, False)
    with pytest.raises(ConfigError, match="rotation 4 of"):
        scored(QUESTIONS, {(QUESTIONS[0].id, 4): "A"}, True)
