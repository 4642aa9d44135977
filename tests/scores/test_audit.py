"""The audit: planted leaks are found, clean items pass, groups stay on one side."""

import json
from dataclasses import replace

import pytest
from made_items import items

from mcu.errors import ConfigError
from mcu.items import Question
from mcu.scores.audit import LIMIT, RISK, Audit, audit, sample
from mcu.scores.intervals import wilson
from mcu.scores.probe import folds_of, learn


def above(found: Audit) -> set[str]:
    return {look.name for look in found.failed}


@pytest.mark.parametrize(
    ("leak", "strength", "name"),
    [
        ("last", 0.25, "no captions: shape"),
        ("last", 0.25, "last mentioned"),
        ("twice", 0.25, "overlap with no captions"),
        ("longest", 0.25, "longest option"),
        ("longest", 0.25, "options: shape"),
        ("place", 0.25, "always D"),
        ("object", 0.6, "options: words"),
        ("topic", 0.6, "last turn: words"),
        ("demonstrative", 0.5, "last turn: words"),
    ],
)
def test_a_planted_leak_is_found(leak: str, strength: float, name: str) -> None:
    found = audit(items(600, 3, leak, strength))
    assert not found.passed
    assert name in above(found)
    assert "captions: words" not in above(found) or leak in ("longest", "place", "object")
    assert "ABOVE CHANCE" in "\n".join(found.lines())


def test_a_leak_in_korean_is_found() -> None:
    found = audit(items(400, 3, "longest", 0.4, language="ko"))
    assert "longest option" in above(found)


def test_clean_items_pass_nearly_always() -> None:
    found = [audit(items(200, 100 + seed)) for seed in range(10)]
    assert sum(not one.passed for one in found) <= 2
    for one in found[:3]:
        for look in one.looks:
            assert look.low <= look.alone[0] <= look.share <= look.alone[1] <= look.high
            assert look.passed == (look.kind == "control" or look.low <= look.chance)
            if look.low > look.chance:
                assert look.luck < RISK / len(one.looks)


def test_one_look_is_wilson_of_as_many_items_as_are_independent() -> None:
    found = audit([replace(q, group=q.id) for q in items(200)])
    (always,) = (look for look in found.looks if look.name == "always A" and not look.photo)
    assert always.independent == pytest.approx(199, abs=1.1)
    wide = wilson(always.share * always.independent, always.independent)
    assert (always.share, *always.alone) == pytest.approx(wide)
    assert always.low < always.alone[0]
    assert (always.items, always.chance) == (200, 0.25)


def test_the_full_view_is_shown_and_not_judged() -> None:
    questions = [
        replace(q, views={"full": f"it is {q.options[q.answer]}"}, rules={}) for q in items(200)
    ]
    found = audit(questions)
    (control,) = (look for look in found.looks if look.name == "full: shape" and not look.photo)
    assert control.share > 0.9
    assert control.passed
    assert found.passed
    seen = replace(questions[0], views={"last turn": "x"})
    leaking = [replace(q, views={"last turn": q.views["full"], **seen.views}) for q in questions]
    assert audit(leaking).passed  # the later view has replaced it
    assert not audit([replace(q, views={"last turn": q.views["full"]}) for q in questions]).passed


def test_nothing_is_learned_of_the_group_that_is_guessed() -> None:
    """Within a person all answers are alike, and the person is named: of others it says nothing."""
    questions = [
        replace(
            q,
            answer=int(q.group.split("-")[1]) % 4,
            views={"last turn": f"{q.group.replace('-', '')} speaks"},
            rules={},
            photos=(),
        )
        for q in items(400)
    ]
    assert audit(questions).passed
    mixed = [replace(q, group=f"{q.group}/{at}") for at, q in enumerate(questions)]
    assert "last turn: words" in above(audit(mixed))


def test_groups_are_in_one_fold_and_folds_are_as_large() -> None:
    questions = items(400)
    folds = folds_of([q.group for q in questions])
    by_group: dict[str, set[int]] = {}
    for question, fold in zip(questions, folds, strict=True):
        by_group.setdefault(question.group, set()).add(int(fold))
    assert all(len(own) == 1 for own in by_group.values())
    assert [int((folds == fold).sum()) for fold in range(5)] == [80] * 5
    tried = learn(questions, "last turn")["words"].items
    assert set(tried) == {at for at in range(400) if folds[at]}


def test_one_group_alone_leaves_rules_to_judge() -> None:
    found = audit([replace(q, group="one") for q in items(40)])
    assert {look.kind for look in found.looks} == {"rule"}


def test_rules_that_share_and_rules_without_opinion() -> None:
    more: dict[str, tuple[int, ...]] = {"none": (), "all": (0, 1, 2, 3)}
    questions = [
        replace(q, rules={"pair": (q.answer, q.answer - 1 if q.answer else 3), **more}, photos=())
        for q in items(200)
    ]
    found = audit(questions)
    shares = {look.name: look.share for look in found.looks if not look.photo}
    assert shares["pair"] == 0.5
    assert "none" not in shares
    assert "all" not in shares
    assert "pair" in above(found)
    told = [replace(q, chance={"pair": 0.5}) for q in questions]
    assert "pair" not in above(audit(told))


def test_languages_are_looked_at_apart() -> None:
    korean = [replace(q, id=f"ko-{q.id}") for q in items(200, 5, "place", language="ko")]
    found = audit([*items(200, 5), *korean])
    assert {look.language for look in found.failed} == {"ko"}
    assert {look.items for look in found.looks if look.kind == "rule"} == {200}
    assert "\n".join(found.lines()).count("chance") > 2


def test_large_sets_are_sampled_by_whole_groups() -> None:
    questions = items(1000)
    kept, total = sample(iter(questions), 300, 0)
    assert (total, len(kept)) == (1000, 300)
    assert all(sum(q.group == own.group for q in kept) == 20 for own in kept)
    assert sample(reversed(questions), 300, 0) == (kept, 1000)
    assert sample(questions, 300, 1)[0] != kept
    assert len(sample(questions, 5, 0)[0]) == 20
    assert sample(questions, LIMIT, 0) == (questions, 1000)
    told: list[tuple[int, int]] = []
    found = audit(questions, limit=300, tell=lambda done, of: told.append((done, of)))
    assert (found.items, found.of, found.groups) == (300, 1000, 15)
    assert told == [(at, 5) for at in range(5)]
    assert "300 items (of 1,000, by whole groups) of 15 groups" in found.lines()[0]


def test_it_does_not_depend_on_the_order() -> None:
    questions = items(200)
    assert audit(questions) == audit(reversed(questions))


def test_facts_are_plain_data() -> None:
    facts = json.loads(json.dumps(audit(items(100)).facts()))
    assert facts["passed"] is True
    names = {"name", "kind", "share", "low", "high", "alone", "chance", "luck", "passed"}
    assert names <= set(facts["looks"][0])


def test_what_cannot_be_audited() -> None:
    with pytest.raises(ConfigError, match="no items"):
        audit([])
    bad = Question("x", "g", "train", ("a", "b"), 2, {"full": ""})
    with pytest.raises(ConfigError, match="item x"):
        audit([bad])
