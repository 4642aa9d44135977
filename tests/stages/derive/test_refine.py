"""Stage 12 and the task image-choice-refine: what student and teacher may say, and what is kept."""

from collections import Counter

import pytest
from derived import Hand, happening, shot, told_by_hand

from mcu.errors import Fault
from mcu.prompts import load
from mcu.records import Place
from mcu.release.episodes import Episode
from mcu.stages.derive.image_choice_refine import TASK, RefineItem, items, question, rates
from mcu.stages.derive.refine import Guess, Refined, Round, Verdict, check_guess, check_verdict

TEXTS = ["Two oars on a jetty", "A net on a line", "Ana with a goat", "A lamp in a window"]
PICTURES = [shot(n % 2 + 1, n // 2 + 1, text) for n, text in enumerate(TEXTS)]
EVENTS = [happening(1, "2023.01.05", "Ana rests."), happening(2, "2023.02.05", "Ana rows.")]
SAID = {1: ["Hello.", "Hello."], 2: ["Good day.", "Good day."]}


def tried(gold: int, *rounds: tuple[int, int]) -> Refined:
    kinds = ["same talk", "near miss", "other event"]
    kinds.insert(gold, "right")
    return Refined(
        parent="events",
        place=Place(session=1, turn=1),
        lines=["Ana: Look at this. [photo]"],
        pictures=[picture.id for picture in PICTURES],
        candidates=TEXTS,
        kinds=kinds,  # type: ignore[arg-type]
        gold=gold,
        rounds=[
            Round(choice=choice, reason="It fits.", score=score, feedback=f"Feedback {n}.")
            for n, (choice, score) in enumerate(rounds, 1)
        ],
    )


def episode(*found: Refined, person: str = "p") -> Episode:
    return told_by_hand(EVENTS, SAID, PICTURES, person=person, relatives=found)


KEPT = tried(2, (0, 3), (1, 4), (2, 10))


def test_wrong_first_and_right_last_is_kept_with_its_rounds() -> None:
    [item] = items(Hand(episode(KEPT)))
    assert item.answer_text == TEXTS[2]
    labels = {option.text: option.label for option in item.options}
    assert [one.answer for one in item.rounds] == [labels[TEXTS[n]] for n in (0, 1, 2)]
    assert [one.score for one in item.rounds] == [3, 4, 10]
    assert dict(zip(item.texts, item.kinds, strict=True))[TEXTS[2]] == "right"
    assert item.options[item.gold].image_key == f"key of {TEXTS[2]}"
    assert item.checks == {"published pictures": 1.0}


@pytest.mark.parametrize(
    ("rounds", "reason"),
    [
        ([(2, 10)], "right at once"),
        ([(0, 3), (1, 4), (3, 5)], "not right within three rounds"),
        ([(0, 5), (1, 4), (2, 10)], "a score that fell"),
    ],
)
def test_what_does_not_show_refinement_is_lost(rounds: list[tuple[int, int]], reason: str) -> None:
    material = Hand(episode(tried(2, *rounds)))
    assert not list(items(material))
    assert material.lost == {reason: 1}


def test_a_picture_kept_off_this_side_has_no_key() -> None:
    whole = episode(KEPT)
    part = type(whole)(**{**vars(whole), "pictures": PICTURES[:2]})
    [item] = items(Hand(part))
    assert sum(option.image_key == "" for option in item.options) == 2
    assert item.checks == {"published pictures": 0.5}


def test_seats_are_dealt_evenly() -> None:
    found: list[RefineItem] = list(items(Hand(*(episode(KEPT, person=f"{n}") for n in range(16)))))
    assert set(Counter(item.answer for item in found).values()) == {4}


def test_rates_are_those_of_all_dialogues() -> None:
    found = rates([KEPT, tried(2, (2, 10)), tried(2, (0, 3), (1, 4), (3, 5))])
    assert found.dialogues == 3
    assert found.turns == 2  # three tries and one
    assert found.gain == (7 + 0 + 2) / 3
    assert found.gain_a_turn == (7 + 0 + 2) / 4
    assert found.refined == 1 / 3


def test_chat_has_the_tries_and_ends_in_the_answer() -> None:
    [item] = items(Hand(episode(KEPT)))
    assert TASK.chat is not None
    found = TASK.chat(item)
    roles = [message["role"] for message in found]
    assert roles == ["user", "assistant"] * 3
    assert found[2]["content"] == "Score: 3\nFeedback: Feedback 1."
    assert found[-1]["content"] == f"{item.answer}) {TEXTS[2]}"


def test_the_last_feedback_is_not_shown_to_probes() -> None:
    [item] = items(Hand(episode(KEPT)))
    assert question(item).views["feedback alone"] == "Feedback 1.\nFeedback 2."


@pytest.mark.parametrize(
    ("verdict", "right"),
    [
        (Verdict(score=10, feedback="Yes, line 2 told you."), True),
        (Verdict(score=4, feedback="No. Read lines 1 and 2 again: what was she proud of?"), False),
    ],
)
def test_feedback_that_points_to_the_talk_is_let_through(verdict: Verdict, right: bool) -> None:
    check_verdict(verdict, right, TEXTS)


@pytest.mark.parametrize(
    ("score", "feedback", "right", "fault"),
    [
        (9, "Yes, that is the one.", True, "must be 10"),
        (10, "No, that is wrong.", False, "must be 10"),
        (0, "No, that is wrong.", False, "must be 10"),
        (3, "No, it is picture C.", False, "letter"),
        (3, "No: B would be nearer.", False, "letter"),
        (3, "No, think of the oars.", False, "oars"),
        (3, "No, a lamp does not go with it.", False, "lamp"),
        (3, "No, think of whom Ana sees.", False, "ana"),
        (3, "No", False, "words"),
    ],
)
def test_feedback_that_gives_something_away_is_a_fault(
    score: int, feedback: str, right: bool, fault: str
) -> None:
    with pytest.raises(Fault, match=fault):
        check_verdict(Verdict(score=score, feedback=feedback), right, TEXTS)


def test_a_line_of_the_talk_is_no_line_of_a_picture() -> None:
    check_verdict(Verdict(score=2, feedback="No, go by line 3."), False, ["A line chart"])
    with pytest.raises(Fault, match="line"):
        check_verdict(Verdict(score=2, feedback="No, no line."), False, ["A line chart"])


def test_a_student_tries_nothing_twice() -> None:
    guess = Guess(choice="B", reason="It goes with the talk.")
    check_guess(guess, {0})
    with pytest.raises(Fault, match="tried before"):
        check_guess(guess, {1})
    with pytest.raises(Fault, match="letter"):
        check_guess(Guess(choice="B", reason="It is picture B."), set())


def test_the_student_is_not_told_what_is_right() -> None:
    assert "right" not in load("refine_student").variables
    assert "right" in load("refine_teacher").variables
