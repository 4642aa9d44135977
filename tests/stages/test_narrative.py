"""Stage 4: the story keeps every fact of the persona and of the inference."""

import json
from pathlib import Path

import pytest
from authors import act, field, says
from people import GOAL, PERSONA, STORY, face

from mcu.errors import Fault
from mcu.records import Narrative
from mcu.stages.narrative import keeps_facts, narrative
from mcu.stages.text import sentences


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


KOREAN = (
    "저는 Lucía이고 34살이에요. 스페인에서 태어나 캐나다에 살면서 paella를 만들어요. "
    "언젠가는 작은 가게를 열고 싶어요."
)
FRENCH = (
    "Je m'appelle Lucía, j'ai 34 ans, je suis née en Espagne et je vis au Canada, où je cuisine la "
    "paella. Un jour, je veux ouvrir une petite cuisine à moi."
)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (KOREAN, "Korean"),
        (KOREAN.replace("Lucía", "루시아").replace("paella", "파에야"), "Korean"),
        (KOREAN.replace("스페인", "Spain").replace("캐나다", "Canada"), "Korean"),
        ("私はルシア。34歳です。いつか小さな台所を開きたいです。", "Japanese"),
        ("我叫露西亚。我今年34岁。有一天我想开一家小小的厨房!", "Chinese"),
        ("मेरा नाम लूसिया है और मैं ३४ साल की हूँ। एक दिन मैं रसोई खोलूँगी।", "Hindi"),
        ("أنا لوسيا، عمري ٣٤ سنة وأعيش في كندا. أليس المطبخ حلمي؟", "Arabic"),
        ("میرا نام لوسیا ہے اور میری عمر ۳۴ سال ہے\u06d4 میں کینیڈا میں رہتی ہوں\u06d4", "Urdu"),
        ("ฉันชื่อลูเซีย อายุ ๓๔ ปี เกิดที่สเปน อยากเปิดครัวเล็กๆ สักวันหนึ่ง", "Thai"),
        (FRENCH, "French"),
        (FRENCH.replace("Lucía", "LUCIA"), "French"),
        ("Lucíának hívnak, 34 éves vagyok. Egy nap saját konyhát nyitok.", "Hungarian"),
        (FRENCH.replace("Lucía", "Lucie"), "Occitan"),
    ],
)
def test_good_stories_in_other_languages(text: str, language: str) -> None:
    keeps_facts(text, PERSONA, GOAL, language)


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        (STORY, "Korean", "the narrative must be written in Korean"),
        (STORY, "French", "the narrative must be written in French"),
        (FRENCH, "Korean", "the narrative must be written in Korean"),
        (KOREAN, "Japanese", "the narrative must be written in Japanese"),
        (KOREAN.replace("34", "서른네 "), "Korean", "must mention the age, 34, in digits"),
        (KOREAN.replace("34", "134"), "Korean", "must mention the age, 34, in digits"),
        (FRENCH.replace("Lucía", "Lou"), "French", "the narrative must mention 'Lucía'"),
        (KOREAN.replace(". ", ", "), "Korean", "two or three sentences, not 1"),
        (KOREAN + " 네. 아니요.", "Korean", "two or three sentences, not 5"),
        ("私はルシアで、34歳です。", "Japanese", "two or three sentences, not 1"),
    ],
)
def test_bad_stories_in_other_languages(text: str, language: str, words: str) -> None:
    with pytest.raises(Fault, match=words):
        keeps_facts(text, PERSONA, GOAL, language)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("一。二\uff1f三\uff01", 3),
        ("「はい。」と言った。「いいえ」", 3),
        ("एक। दो॥", 2),
        ("ایک\u06d4 دو\u06d4 تین؟", 3),
        ("Մեկ\u0589 Երկու\u0589", 2),
        ("អ្នក។ ខ្ញុំ។", 2),
        ("네. 「아니요.」 그래요… 좋아요!", 4),
        ("3.5 of 4. Yes!", 2),
    ],
)
def test_full_stops(text: str, count: int) -> None:
    assert sentences(text) == count


def test_a_story_in_another_language(tmp_path: Path) -> None:
    author = says(json.dumps({"narrative": STORY}), json.dumps({"narrative": KOREAN}))
    chat = {"backend": "openai", "language": "ko"}
    made, losses = act(narrative, GOAL, author, tmp_path, [PERSONA, face()], chat=chat)
    assert (made, losses) == ([Narrative(parent=GOAL.id, text=KOREAN)], [])
    first, second = author.requests
    assert "Write the story in Korean" in first.messages[0]["content"]
    assert field(first, "Name") == PERSONA.name
    assert "must be written in Korean" in second.messages[-1]["content"]
