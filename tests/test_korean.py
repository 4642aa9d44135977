"""Runs in Korean: what a model is asked for, what is kept, and what is asked for again."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from aiohttp import web
from backends.chat_server import completion

import mcu
from helpers import rejects
from mcu.backends.checks import WordLists
from mcu.backends.scripted import answer
from mcu.languages import written_in
from mcu.records import Narrative, Session

Serve = Callable[[Any], str]
HANGUL = re.compile("[가-힣]")
SAID = (
    "오늘은 정말 긴 하루였어요.",
    "그랬군요, 무슨 일이 있었는지 천천히 들려주세요.",
    "지난번에 이야기한 일을 드디어 시작했거든요!",
    "잘됐네요. 그때보다 훨씬 자신감이 생긴 것 같아요.",
    "사진도 몇 장 찍어 두었어요. 한번 보실래요?",
    "물론이죠, 어서 보고 싶어요.",
    "다음 주에는 친구들도 함께하기로 했어요.",
    "그럼 그 이야기도 꼭 다시 들려주세요.",
)
TOLD = {
    "characteristic": "한번 시작한 일은 끝까지 해내야 마음이 놓이는 사람이에요.",
    "routine": "아침마다 작은 파란 수첩에 그날 할 일을 적어 두곤 해요.",
    "goal": "언젠가는 꼭 나만의 작은 가게를 열고 싶어요.",
    "experience": "예전에 길을 잃고 낯선 마을에서 하룻밤을 보낸 적이 있어요.",
    "relationship": "일요일이면 이웃들과 긴 식탁에 둘러앉아 밥을 먹어요.",
}


class Translator:
    """The scripted author behind HTTP; where Korean is asked for, it writes it.

    Args:
        tasks: those that it translates; others stay in English, whatever was asked for.
        at_once: whether it does so before it is told to.
    """

    def __init__(self, *tasks: str, at_once: bool = True) -> None:
        self._tasks = tasks
        self._at_once = at_once
        self.asked: list[tuple[str, list[dict[str, str]]]] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        messages = body["messages"]
        task = re.match(r"Task: (\w+)", messages[0]["content"])
        assert task
        self.asked.append((task[1], messages))
        text = answer(messages[:2], 0)
        told = self._at_once or "must be written in Korean" in messages[-1]["content"]
        if task[1] in self._tasks and "Korean" in messages[0]["content"] and told:
            text = json.dumps(TRANSLATE[task[1]](messages[1]["content"], json.loads(text)))
        return web.json_response(completion(text))


def narrative(prompt: str, reply: dict[str, Any]) -> dict[str, Any]:
    fields = dict(re.findall(r"^([\w ]+): (.*)$", prompt, re.MULTILINE))
    text = (
        f"저는 {fields['Name']}이고 올해 {fields['Age']}살이에요. {fields['Birthplace']}에서 "
        f"태어나 지금은 {fields['Residence']}에 살고, 요즘은 {fields['Entity value']} 생각뿐이죠. "
    )
    return {"narrative": text + TOLD[fields["Relation"]]}


def dialogue(prompt: str, reply: dict[str, Any]) -> dict[str, Any]:
    for number, turn in enumerate(reply["turns"]):
        turn["utterance"] = turn["utterance"] and SAID[number % len(SAID)]
    return reply


TRANSLATE = {"narrative": narrative, "dialogue": dialogue}


def run_of(root: Path, url: str, chat: dict[str, Any], **run: Any) -> Any:
    """A small run whose model is at a URL."""
    asked = {"backend": "openai", "base_url": url, "model": "m", "api_key": "none", **chat}
    sizes = {"episodes": 5, "sessions": [2, 3], "turns": 6, "max_reject_share": 1.0, **run}
    return mcu.make_run(root, run=sizes, chat=asked)


def test_a_whole_run(serve: Serve, tmp_path: Path) -> None:
    server = Translator("narrative", "dialogue")
    run = run_of(tmp_path / "a", serve(server), {"language": "ko"}, sessions=[4, 6], turns=10)
    state = run.execute()
    assert state["state"] == "complete" and not rejects(tmp_path / "a")
    assert len(list(run.records(Narrative))) == 5
    for story in run.records(Narrative):
        assert written_in(story.text, "Korean")
        assert story.text.startswith("저는 ")
    sessions = list(run.records(Session))
    assert len(sessions) >= 20
    for session in sessions:
        words = [turn.utterance for turn in session.turns]
        assert {word for word in words if word} <= {*SAID}
        for image in (turn.image for turn in session.turns if turn.image):
            assert not HANGUL.search(image.model_dump_json())
    released = tmp_path / "a/release/stark-dialogue/stark.parquet"
    rows = pq.read_table(released).to_pylist()
    assert len(rows) == 5
    for row in rows:
        assert HANGUL.search(row["narrative"]) and HANGUL.search(row["session4:utterances"])
        assert not HANGUL.search(row["session4:image_descriptions"])
    assert all(len(messages) == 2 for _, messages in server.asked), "nothing was repaired"


def test_what_is_asked_for(serve: Serve, tmp_path: Path) -> None:
    server = Translator("narrative", "dialogue")
    run_of(tmp_path / "a", serve(server), {"language": "Korean"}).execute((1, 7))
    for task, messages in server.asked:
        assert ("Korean" in messages[0]["content"]) == (task in TRANSLATE)
        assert "Korean" not in messages[1]["content"]
    stories = [m[1]["content"] for task, m in server.asked if task == "dialogue"]
    assert all(re.search("^Narrative: 저는 ", story, re.MULTILINE) for story in stories)
    later = [text for text in stories if "Earlier session 1" in text]
    assert later and all(re.search("^End of session 1, .*[가-힣]", t, re.MULTILINE) for t in later)


@pytest.mark.parametrize("task", ["narrative", "dialogue"])
def test_a_stage_can_have_its_own(task: str, serve: Serve, tmp_path: Path) -> None:
    server = Translator(task)
    chat = {"stages": {task: {"language": "ko"}}}
    run = run_of(tmp_path / "a", serve(server), chat)
    run.execute((1, 7))
    assert not rejects(tmp_path / "a")
    korean = [written_in(story.text, "Korean") for story in run.records(Narrative)]
    assert korean == [task == "narrative"] * 5
    for session in run.records(Session):
        words = " ".join(turn.utterance for turn in session.turns)
        assert written_in(words, "Korean") == (task == "dialogue")


def test_english_is_asked_for_again(serve: Serve, tmp_path: Path) -> None:
    server = Translator("narrative", "dialogue", at_once=False)
    run = run_of(tmp_path / "a", serve(server), {"language": "ko", "repairs": 1})
    run.execute((1, 7))
    assert not rejects(tmp_path / "a")
    for task in TRANSLATE:
        sizes = [len(messages) for name, messages in server.asked if name == task]
        assert sizes.count(2) == sizes.count(4) > 0
    assert all(written_in(story.text, "Korean") for story in run.records(Narrative))


@pytest.mark.parametrize(
    ("translated", "task", "reason"),
    [
        ((), "narrative", "the narrative must be written in Korean"),
        (("narrative",), "dialogue", "the utterances must be written in Korean"),
    ],
)
def test_a_model_that_stays_with_english_is_rejected(
    translated: tuple[str, ...], task: str, reason: str, serve: Serve, tmp_path: Path
) -> None:
    server = Translator(*translated)
    run = run_of(tmp_path / "a", serve(server), {"language": "ko", "repairs": 1})
    run.execute((1, 7))
    lost = rejects(tmp_path / "a")
    assert len(lost) == 5
    assert {(row["code"], row["reason"]) for row in lost} == {("bad_reply", reason)}
    asked = [messages for name, messages in server.asked if name == task]
    assert [len(messages) for messages in asked].count(4) == 5
    assert all(reason in m[-1]["content"] for m in asked if len(m) == 4)
    assert list(run.records(Session)) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("어제 hentai를 봤어요", "sexual content: 'hentai'"),
        ("그건 mass shooting이었대요", "violence: 'mass shooting'"),
        ("popcorn을 먹었어요", ""),
    ],
)
def test_unsafe_words_are_found_before_endings(text: str, reason: str) -> None:
    assert WordLists().text(text) == reason


def test_the_famous_are_found_before_endings() -> None:
    assert WordLists().famous("오늘 Taylor Swift의 노래를 들었어요") == "Taylor Swift"
    assert WordLists().famous("오늘 Taylor Swiftly의 노래를 들었어요") == ""
