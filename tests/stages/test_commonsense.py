"""Stage 3: five clauses, each completing its sentence."""

import json
from pathlib import Path

import pytest
from authors import act, says
from people import PERSONA

from mcu.errors import Fault
from mcu.records import RELATIONS
from mcu.stages.commonsense import Inferences, check, check_clause, commonsense

CLAUSES = {
    "characteristic": "never leaves a guest hungry",
    "routine": "buy rice at the harbour",
    "goal": "open a small kitchen",
    "experience": "burnt a pan for thirty people",
    "relationship": "share every recipe",
}


@pytest.mark.parametrize(
    ("relation", "clause"),
    [
        *CLAUSES.items(),
        ("goal", "see Mount Fuji"),
        ("goal", "Skype with my brother"),
        ("routine", "drink tea at 4 p.m. with Dr. Li"),
        ("experience", "was told that one day I want too much"),
        ("characteristic", "thinks i regularly do too much"),
        ("goal", "a " * 30),
    ],
)
def test_good_clauses(relation: str, clause: str) -> None:
    check_clause(relation, clause)


@pytest.mark.parametrize(
    ("relation", "clause", "words"),
    [
        ("goal", "", "'goal' must have 2 to 30 words, not 0"),
        ("goal", "rest", "'goal' must have 2 to 30 words, not 1"),
        ("goal", "a " * 31, "'goal' must have 2 to 30 words, not 31"),
        ("routine", "buy rice\nat the harbour", "'routine' must be one line"),
        ("routine", "buy rice.", "'routine' must be a clause without a full stop"),
        ("routine", "buy rice! ", "'routine' must be a clause without a full stop"),
        ("routine", "do I buy rice?", "'routine' must be a clause without a full stop"),
        ("routine", "I buy rice", "'routine' must not repeat the words that it completes"),
        ("routine", "I regularly buy rice", "'routine' must not repeat"),
        ("goal", "One day I want to open a kitchen", "'goal' must not repeat"),
        ("characteristic", "I am someone who is kind", "'characteristic' must not repeat"),
        ("experience", "In the past I burnt a pan", "'experience' must not repeat"),
        ("relationship", "with the people around me, I share", "'relationship' must not repeat"),
    ],
)
def test_bad_clauses(relation: str, clause: str, words: str) -> None:
    with pytest.raises(Fault, match=words):
        check_clause(relation, clause)


def test_all_are_checked_and_must_differ() -> None:
    check(Inferences(**CLAUSES))
    for relation in RELATIONS:
        with pytest.raises(Fault, match=f"{relation!r} must be a clause"):
            check(Inferences(**{**CLAUSES, relation: "do so."}))
    with pytest.raises(Fault, match="must all be different"):
        check(Inferences(**{**CLAUSES, "goal": CLAUSES["routine"].upper()}))


def test_one_record_a_relation(tmp_path: Path) -> None:
    made, losses = act(commonsense, PERSONA, says(json.dumps(CLAUSES)), tmp_path)
    assert {m.relation: m.inference for m in made} == CLAUSES
    assert [m.relation for m in made] == list(RELATIONS)
    assert {m.parent for m in made} == {PERSONA.id}
    assert not losses


def test_a_clause_that_stays_wrong_is_lost_alone(tmp_path: Path) -> None:
    author = says(json.dumps({**CLAUSES, "goal": "rest", "relationship": CLAUSES["routine"]}))
    made, losses = act(commonsense, PERSONA, author, tmp_path, chat={"repairs": 1})
    assert len(author.requests) == 2
    assert [m.relation for m in made] == ["characteristic", "routine", "experience"]
    assert [(row["code"], row["raw"]) for row in losses] == [
        ("bad_clause", "rest"),
        ("bad_clause", CLAUSES["routine"]),
    ]
    assert "repeats another" in losses[1]["reason"]
