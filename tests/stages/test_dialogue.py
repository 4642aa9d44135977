"""Stage 7: what a session must be, and the album that grows from one to the next."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from authors import act, field, says
from people import ALBUM, ENTRIES, LINE, PERSONA, PICTURES, episode

from mcu.errors import Fault
from mcu.records import ASSISTANT, Events, Session
from mcu.stages.dialogue import Script, check, dialogue

NAME = PERSONA.name
NEW = "new added image"
Change = Callable[[list[dict[str, Any]]], object]


def image(text: str, number: str = "", **more: Any) -> dict[str, Any]:
    """A shared picture, from the device when it has a number."""
    return {
        "description": text,
        "rationale": "It shows what she means.",
        "source": "mobile" if number else "internet",
        "keywords": ["kitchen"],
        "image_id_from_mobile": number,
        **more,
    }


def turn(speaker: str, words: str, picture: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"speaker": speaker, "utterance": words, "image": picture}


def session() -> list[dict[str, Any]]:
    return [
        turn(NAME, "I found a kitchen!"),
        turn(ASSISTANT, "Show me."),
        turn(NAME, "", image("anything at all", "4")),
        turn(ASSISTANT, "It could look like this.", image("a bright restaurant kitchen")),
    ]


def judge(turns: list[dict[str, Any]], moments: int = 2, language: str = "English") -> None:
    check(Script.model_validate({"turns": turns}), NAME, ENTRIES, moments, language)


def share(number: int, **values: Any) -> Change:
    return lambda turns: turns[number - 1]["image"].update(values)


def put(number: int, **values: Any) -> Change:
    return lambda turns: turns[number - 1].update(values)


@pytest.mark.parametrize(
    "change",
    [
        lambda turns: None,
        put(1, speaker="User"),
        put(1, speaker=f"  {NAME.upper()} "),
        put(2, speaker="assistant"),
        put(2, speaker="AI"),
        put(2, speaker="ai  assistant"),
        share(3, image_id_from_mobile="1"),
        share(3, image_id_from_mobile="5"),
        share(3, image_id_from_mobile="005"),
        share(3, image_id_from_mobile=NEW),
        share(3, keywords=["a", "b", "c", "d", "e"]),
        share(4, image_id_from_mobile="77"),
        put(3, utterance="Here."),
        put(1, image=image("her new pan in the sun", NEW)),
    ],
)
def test_good_sessions(change: Change) -> None:
    turns = session()
    change(turns)
    judge(turns)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda turns: turns.pop(0), "a session needs at least 4 turns, not 3"),
        (lambda turns: turns.clear(), "a session needs at least 4 turns, not 0"),
        (
            put(1, speaker="Narrator"),
            "the speaker 'Narrator' is neither 'Luc\u00eda' nor 'AI",
        ),
        (put(1, speaker=""), "the speaker '' is neither"),
        (put(1, speaker="Luc\u00eda's mother"), "the speaker .* is neither"),
        (put(1, utterance=""), "turn 1 has neither words nor a picture"),
        (share(3, description="Hm"), "the picture's description in turn 3 must have 2 to 60 words"),
        (share(3, description="so " * 61), "the picture's description in turn 3 must have"),
        (share(3, description="one\ntwo three"), "the picture's description in turn 3 must be one"),
        (share(3, rationale=""), "the rationale in turn 3 must have 1 to 80 words, not 0"),
        (share(3, rationale="so " * 81), "the rationale in turn 3 must have 1 to 80 words, not 81"),
        (share(3, keywords=[]), "turn 3: the picture needs one to five keywords"),
        (share(3, keywords=list("abcdef")), "turn 3: the picture needs one to five keywords"),
        (share(3, keywords=["a", ""]), "a keyword in turn 3 must have 1 to 6 words, not 0"),
        (share(3, keywords=["a b c d e f g"]), "a keyword in turn 3 must have 1 to 6 words, not 7"),
        (share(3, keywords=["a\nb"]), "a keyword in turn 3 must be one line"),
        (share(4, source="mobile"), "turn 4: only .* can share a picture from the device"),
        (put(3, speaker=ASSISTANT), "turn 3: only .* can share a picture from the device"),
        (share(3, image_id_from_mobile="0"), "image_id_from_mobile '0' is not a device picture"),
        (
            share(3, image_id_from_mobile="6"),
            "'6' is not a device picture from 1 to 5, nor",
        ),
        (share(3, image_id_from_mobile="-1"), "'-1' is not a device picture"),
        (share(3, image_id_from_mobile="1.0"), "'1.0' is not a device picture"),
        (share(3, image_id_from_mobile="\u0663"), "is not a device picture"),
        (share(3, image_id_from_mobile=""), "'' is not a device picture"),
        (share(3, image_id_from_mobile="new image"), "'new image' is not a device picture"),
        (share(4, description=PICTURES[3].upper()), "turn 4 shares a picture that was already"),
        (
            put(1, image=image("another name for it", "4")),
            "turn 3 shares a picture that was",
        ),
        (put(4, image=None), "at least 2 pictures must be shared, not 1"),
    ],
)
def test_bad_sessions(change: Change, words: str) -> None:
    turns = session()
    change(turns)
    with pytest.raises(Fault, match=words):
        judge(turns)


def test_both_must_speak() -> None:
    turns = session()
    for one in turns:
        one.update(speaker=NAME)
    with pytest.raises(Fault, match="both Luc\u00eda and AI Assistant must speak"):
        judge(turns)


def in_korean() -> list[dict[str, Any]]:
    turns = session()
    for one, words in zip(
        turns, ("부엌을 찾았어요!", "보여 주세요.", "", "이럴 수도 있겠네요."), strict=True
    ):
        one["utterance"] = words
    return turns


@pytest.mark.parametrize(
    "change",
    [
        lambda turns: None,
        put(1, utterance=f"{NAME}의 부엌을 찾았어요, paella 냄새가 나요!"),
        put(2, utterance="OK, show me. 네, 보여 주세요. 정말 궁금했어요."),
        share(4, description="a shop sign that says 임대 in red"),
    ],
)
def test_good_sessions_in_korean(change: Change) -> None:
    turns = in_korean()
    change(turns)
    judge(turns, language="Korean")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put(4, utterance="It could look like this, I think."), "must be written in Korean"),
        (share(3, description="부엌에 있는 고양이 사진"), "turn 3: .* must be in English"),
        (share(4, rationale="부엌을 보여 주려고"), "turn 4: .* must be in English"),
        (share(4, keywords=["kitchen", "부엌"]), "turn 4: .* must be in English"),
    ],
)
def test_bad_sessions_in_korean(change: Change, words: str) -> None:
    turns = in_korean()
    change(turns)
    with pytest.raises(Fault, match=words):
        judge(turns, language="Korean")


def test_a_session_in_another_language_than_asked_for() -> None:
    with pytest.raises(Fault, match="the utterances must be written in English"):
        judge(in_korean())
    turns = session()
    turns[0]["utterance"] = (
        "I found a kitchen that would be big enough for the two of us, and it is not far from you. "
        "There is a garden with an apple tree, too!"
    )
    with pytest.raises(Fault, match="the utterances must be written in French"):
        judge(turns, language="French")


@pytest.mark.parametrize("moments", [0, 1, 2, 3])
def test_moments_are_as_many_as_asked_for(moments: int) -> None:
    if moments <= 2:
        judge(session(), moments)
        return
    with pytest.raises(Fault, match="at least 3 pictures must be shared, not 2"):
        judge(session(), moments)


def script(*pictures: dict[str, Any]) -> str:
    """A session in which the person shares these and the assistant one of its own."""
    turns = [turn(NAME, f"And {n}?", picture) for n, picture in enumerate(pictures)]
    while len(turns) < 3:
        turns.append(turn(NAME, "Well."))
    turns.append(turn(ASSISTANT, "Like that?", image(f"a stove with {len(pictures)} pans")))
    return json.dumps({"turns": turns})


def write(
    replies: list[str], events: Events, folder: Path, **run: Any
) -> tuple[list[Session], list[dict[str, str]], Any]:
    author = says(*replies)
    sections = {"run": {"sessions": [4, 6], **run}, "chat": {"repairs": 0}}
    made, losses = act(dialogue, events, author, folder, [*LINE, *ALBUM], **sections)
    return made, losses, author


def test_the_album_grows_and_its_new_pictures_can_be_shared_later(tmp_path: Path) -> None:
    pan = "her new pan in the sun"
    replies = [
        script(image("whatever she calls it", "2")),
        script(image(pan, NEW, keywords=["pan", "sun"]), image("her hand", NEW)),
        script(image("the pan again", "6")),
        script(image("my old bowl", "3"), image("the hand", "7")),
    ]
    made, losses, author = write(replies, episode(4), tmp_path)
    assert not losses
    assert [len(s.album) for s in made] == [5, 7, 7, 7]
    assert [e.number for e in made[-1].album] == list(range(1, 8))
    assert [(e.description, e.category) for e in made[1].album[5:]] == [
        (pan, "pan"),
        ("her hand", "kitchen"),
    ]
    shared = [[t.image for t in s.turns if t.image and t.image.source == "mobile"] for s in made]
    found = [[(i.album, i.new, i.description) for i in images] for images in shared]
    assert found == [
        [(2, False, PICTURES[1])],
        [(6, True, pan), (7, True, "her hand")],
        [(6, False, pan)],
        [(3, False, PICTURES[2]), (7, False, "her hand")],
    ]
    web = [t.image for s in made for t in s.turns if t.image and t.image.source == "internet"]
    assert all(i.album == 0 and not i.new for i in web)
    asked = author.requests[2].messages[1]["content"]
    assert f"Device picture 6 [pan]: {pan}" in asked
    assert f"Picture shared in session 2: {pan}" in asked
    assert "Device picture 6" not in author.requests[1].messages[1]["content"]


def test_a_prompt_begins_as_the_one_before(tmp_path: Path) -> None:
    """New pictures stand after the session that added them, so that what came before stays."""
    replies = [
        script(image("her new pan in the sun", NEW)),
        script(image("her hand", NEW), image("her other hand", NEW)),
        script(image("that one", "1")),
    ]
    _, _, author = write(replies, episode(5), tmp_path)
    asked = [request.messages[1]["content"] for request in author.requests]
    for before, after in pairwise(asked):
        assert after.startswith(before[: before.index("\nSession: ") + 1])
    assert len({request.messages[0]["content"] for request in author.requests}) == 1
    lines = [line.split(":")[0] for line in asked[3].splitlines()]
    start = lines.index("Earlier session 1 on 2023.01.01")
    assert lines[start - 1] == "Device picture 5 [food]"
    place = lines.index("Device picture 6 [kitchen]")
    assert start < place < lines.index("Earlier session 2 on 2023.01.08")
    assert lines.index("Device picture 7 [kitchen]") + 1 == lines.index(
        "Device picture 8 [kitchen]"
    )
    assert sum(line.startswith("Device picture") for line in lines) == 8


def test_a_number_is_not_known_before_its_picture_is_taken(tmp_path: Path) -> None:
    made, losses, _ = write([script(image("the pan", "6"))], episode(4), tmp_path)
    assert made == []
    assert "'6' is not a device picture from 1 to 5" in losses[0]["reason"]


def test_sessions_carry_their_event(tmp_path: Path) -> None:
    events = episode(5)
    made, _, author = write([script(image("that one", "1"))], events, tmp_path)
    for found, event in zip(made, events.events, strict=True):
        assert found.parent == events.id
        for key in ("number", "date", "event", "interval", "experience", "op"):
            assert getattr(found, key) == getattr(event, key)
    assert [field(r, "Session") for r in author.requests] == [f"{n} of 5" for n in range(1, 6)]
    assert field(author.requests[1], "Time since the session before") == "1 week"


def test_speakers_have_one_spelling_and_words_one_line(tmp_path: Path) -> None:
    turns = session()
    turns[0].update(speaker="USER", utterance="I found\n\na  kitchen!")
    turns[1].update(speaker="assistant")
    made, _, _ = write([json.dumps({"turns": turns})], episode(4), tmp_path)
    assert {t.speaker for s in made for t in s.turns} == {NAME, ASSISTANT}
    assert made[0].turns[0].utterance == "I found a kitchen!"


@pytest.mark.parametrize(("failing", "kept"), [(1, 0), (3, 0), (4, 0), (5, 4), (6, 5), (7, 6)])
def test_a_session_that_fails_ends_the_episode(failing: int, kept: int, tmp_path: Path) -> None:
    """Those before it are kept when they are enough, else all are lost; it is one reject."""
    replies = [script(image("that one", "1"))] * (failing - 1) + ["no words"]
    made, losses, author = write(replies, episode(6), tmp_path)
    assert [s.number for s in made] == list(range(1, kept + 1))
    assert len(losses) == (0 if failing == 7 else 1)
    assert len(author.requests) == min(failing, 6), "nothing is written after it"
    if kept and losses:
        assert losses[0]["reason"].startswith(f"session {failing}: ")
        assert losses[0]["raw"] == "no words"


def test_without_an_album_there_is_no_dialogue(tmp_path: Path) -> None:
    author = says(script(image("that one", "1")))
    assert act(dialogue, episode(4), author, tmp_path, LINE) == ([], [])
    assert not author.requests
