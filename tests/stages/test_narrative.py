"""Stage 4: the story keeps every fact of the persona and of the inference."""

import json
from pathlib import Path

import pytest
from authors import act, says
from people import GOAL, PERSONA, STORY, face

from mcu.errors import Fault
from mcu.records import Narrative
from mcu.stages.narrative import keeps_facts, narrative


@pytest.mark.parametrize(
    "text",
    [
        STORY,
        STORY.upper(),
        STORY.replace(". One", "! One"),
        STORY + " My cat is called Dr. No.",
        STORY.replace("34", "34-year-old"),
        STORY.replace("a small paella kitchen", "the smallest of all paella kitchens"),
        STORY.replace("cook paella.", 'cook "paella".'),
    ],
)
def test_good_stories(text: str) -> None:
    keeps_facts(text, PERSONA, GOAL)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("Luc\u00eda", "Lucy", "the narrative must mention 'Luc\u00eda'"),
        ("34", "thirty-four", "the narrative must mention '34'"),
        ("34", "134", "the narrative must mention '34'"),
        ("Spain", "Europe", "the narrative must mention 'Spain'"),
        ("Canada", "America", "the narrative must mention 'Canada'"),
        ("paella", "rice", "the narrative must mention 'paella'"),
        ("open a small paella kitchen", "sleep", "the narrative must keep the inference 'open a"),
        (". One", ", and one", "two or three sentences, not 1"),
        ("kitchen.", "kitchen. Yes. No.", "two or three sentences, not 4"),
    ],
)
def test_bad_stories(old: str, new: str, words: str) -> None:
    assert old in STORY
    with pytest.raises(Fault, match=words):
        keeps_facts(STORY.replace(old, new), PERSONA, GOAL)


def test_a_story_is_one_line(tmp_path: Path) -> None:
    author = says(json.dumps({"narrative": STORY.replace(". ", ".\n\n ")}))
    made, losses = act(narrative, GOAL, author, tmp_path, [PERSONA, face()])
    assert made == [Narrative(parent=GOAL.id, text=STORY)]
    assert not losses


def test_a_story_that_stays_wrong_is_a_reject(tmp_path: Path) -> None:
    author = says(json.dumps({"narrative": "I am here. I am glad."}))
    made, losses = act(narrative, GOAL, author, tmp_path, [PERSONA, face()], chat={"repairs": 1})
    assert made == []
    assert [(row["id"], row["code"]) for row in losses] == [(GOAL.id, "bad_reply")]
    assert "must mention 'Luc\u00eda'" in losses[0]["reason"]
