"""The derived tasks without a judge on one offline run: something of each kind, sound, the same."""

import re
from collections import Counter

import pytest
from derived import check_sound, made

from mcu.config import parse_config
from mcu.derive import Material, Task
from mcu.run import Run
from mcu.stages.derive import (
    image_choice_refine,
    image_recall,
    multi_image_qa,
    timeline_order,
    timeline_qa,
)
from mcu.stages.derive.objects import objects
from mcu.stages.derive.refine import ROUNDS, Refined, refine, telling
from mcu.stages.text import content_words

pytestmark = pytest.mark.slow  # a run of 60 episodes; the tasks have quick tests of their own
KINDS = {
    timeline_order.TASK.name: {"events", "pictures"},
    image_recall.TASK.name: {"again", "dated"},
    timeline_qa.TASK.name: {"single", "abstain", "multi-hop", "temporal", "cause", "update"},
    multi_image_qa.TASK.name: {"count", "identity", "compare", "style", "order"},
    image_choice_refine.TASK.name: {"2 rounds", "3 rounds"},
}


TASKS = (
    timeline_order.TASK,
    image_recall.TASK,
    timeline_qa.TASK,
    multi_image_qa.TASK,
    image_choice_refine.TASK,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished offline run with both stages done."""
    settings = {"run": {"episodes": 60}, "release": {"validation": 0.2, "test": 0.2}}
    found = Run.create(tmp_path_factory.mktemp("derived") / "run", parse_config(settings))
    found.execute()
    found.derive((objects, refine))
    return found


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_there_are_sound_items_of_every_kind_and_the_same_twice(run: Run, task: Task) -> None:
    found, questions = made(run, task)
    check_sound(found, questions)
    assert {item.model_dump()["kind"] for item in found} == KINDS[task.name]
    assert made(run, task)[0] == found
    assert len({item.split for item in found}) > 1
    groups = {(item.split_group, item.split) for item in found}
    assert len(groups) == len({group for group, _ in groups})


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_gold_is_at_every_place_as_often(run: Run, task: Task) -> None:
    _, questions = made(run, task)
    train = [q.answer for q in questions if q.split == "train"]
    counts = Counter(train)
    assert all(abs(counts[n] / len(train) - 0.25) < 0.05 for n in range(4))


def test_feedback_tells_nothing_of_any_candidate(run: Run) -> None:
    _, questions = made(run, image_choice_refine.TASK)
    for question in questions:
        words = content_words(re.sub(r"[Ll]ine \d+", "", question.views["feedback alone"]))
        for option in question.options:
            assert not words & telling(option)


def test_every_dialogue_ends_right_or_after_three_rounds(run: Run) -> None:
    material = Material(run, image_choice_refine.TASK)
    found = [r for episode in material.episodes() for r in episode.of(Refined)]
    assert found
    for refined in found:
        choices = [one.choice for one in refined.rounds]
        assert refined.gold not in choices[:-1]
        assert len(set(choices)) == len(choices)
        assert choices[-1] == refined.gold or len(choices) == ROUNDS
        assert sorted(refined.kinds).count("right") == 1
        assert refined.kinds[refined.gold] == "right"
