"""Stage 9: what a summary must be, what the model is told, and the items made of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from authors import Author, act, field, says
from stages.people import ENTRIES, LINE, PERSONA, episode

from mcu.errors import Fault
from mcu.records import ASSISTANT, Session, SharedImage, Turn
from mcu.stages.derive.summary import Summary, check, summary

NAME = PERSONA.name
PAN = "a copper pan with a long wooden handle on a blue table"
EVENTS = episode(4)
TURNS = [
    Turn(speaker=NAME, utterance="I signed the lease for the little kitchen this morning!"),
    Turn(speaker=ASSISTANT, utterance="Congratulations. Ask the owner about the gas pipe first."),
    Turn(
        speaker=NAME,
        utterance="",
        image=SharedImage(description=PAN, rationale="r", source="internet", keywords=["pan"]),
    ),
    Turn(speaker=ASSISTANT, utterance="Would it survive thirty plates on a Sunday, you think?"),
]
SESSIONS = [
    Session(
        parent=EVENTS.id,
        number=event.number,
        date=event.date,
        event=event.event,
        interval=event.interval,
        turns=[
            Turn(speaker=NAME, utterance=f"This is what I say in session {event.number}."),
            *TURNS,
        ],
        album=ENTRIES,
    )
    for event in EVENTS.events
]
GOOD = (
    f"On 1 January 2023 {NAME} told the AI Assistant that she now rents her own small kitchen. She "
    f"showed a copper pan with a wooden handle, and was advised to have the gas checked."
)
LATER = (
    f"A week on, {NAME} has begun to cook there. The AI Assistant wondered how the copper pan with "
    f"its wooden handle would stand so many guests, which made her laugh."
)

KOREAN = (
    "루시아는 오늘 아침 작은 주방을 빌렸다고 말했고, 인공지능 비서는 먼저 가스관을 살펴보라고 "
    "조언했다. 루시아는 긴 손잡이가 달린 구리 냄비 사진도 보여 주었다."
)


def judge(text: str, previous: str = "", language: str = "English") -> None:
    check(text, SESSIONS[0], previous, NAME, language)


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD.upper(),
        GOOD.replace("1 January 2023", "2023.01.01"),
        GOOD.replace("1 January 2023", "2022-12-31"),
        GOOD.replace("small kitchen", "small kitchen, as planned in 1999"),
    ],
)
def test_good_summaries(text: str) -> None:
    judge(text)
    judge(text, LATER)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (GOOD, f"{NAME} met the AI Assistant.", "must have 20 to 160 words, not 5"),
        (".", ". " + "word " * 160, "must have 20 to 160 words"),
        (NAME, "Somebody", f"must name '{NAME}'"),
        ("AI Assistant", "other one", "must tell what the AI Assistant said or did"),
        ("copper pan with a wooden handle", "thing", "must mention the picture of 'a copper pan"),
        ("1 January 2023", "2023.01.02", r"must not tell of 2023.01.02, which is after 2023.01.01"),
        ("1 January 2023", "1 January 2024", "must not tell of 2024"),
        ("she now", f"{KOREAN} {KOREAN} she now", "must be written in English"),
    ],
)
def test_bad_summaries(old: str, new: str, words: str) -> None:
    assert old in GOOD
    with pytest.raises(Fault, match=words):
        judge(GOOD.replace(old, new))


def test_a_copy_is_no_summary() -> None:
    said = " ".join(turn.utterance for turn in SESSIONS[0].turns)
    with pytest.raises(Fault, match="not a copy of what was said"):
        judge(f"{NAME}: {said} [{PAN}] {ASSISTANT}.")


def test_the_summary_before_is_not_told_again() -> None:
    judge(LATER, GOOD)
    with pytest.raises(Fault, match="must not repeat the previous summary"):
        judge(f"{GOOD} And so on.", GOOD)


def test_a_picture_that_is_shown_again_is_told_again() -> None:
    before = f"{NAME} showed {PAN} to the AI Assistant."
    now = f"Once more {NAME} and the AI Assistant looked at {PAN}, because she had signed at last."
    judge(now, before)


def test_other_languages() -> None:
    judge(KOREAN, language="Korean")
    with pytest.raises(Fault, match="must be written in Korean"):
        judge(GOOD, language="Korean")
    with pytest.raises(Fault, match="30 to 1500 characters"):
        judge("네.", language="Korean")
    with pytest.raises(Fault, match=f"must name '{NAME}'"):
        judge("Sie hat heute eine kleine Küche gemietet und freut sich sehr.", language="German")


def made(author: Author, folder: Path, **sections: Any) -> tuple[list[Summary], list[Any]]:
    return act(summary, EVENTS, author, folder, [*LINE, *SESSIONS], **sections)


def reply(text: str) -> str:
    return json.dumps({"summary": text})


def by_session(texts: Callable[[int], str]) -> Author:
    """An author that writes what is given for the session it is asked about."""
    dates = [session.date for session in SESSIONS]
    return Author(lambda request, _: reply(texts(dates.index(field(request, "Date")) + 1)))


WRITTEN = [GOOD, LATER, GOOD, LATER]


def test_rounds(tmp_path: Path) -> None:
    author = by_session(lambda number: WRITTEN[number - 1])
    found, losses = made(author, tmp_path)
    assert not losses
    assert [(one.number, one.round, one.text) for one in found] == [
        (n, "first" if n == 1 else "next", WRITTEN[n - 1]) for n in range(1, 5)
    ]
    assert author.tasks == ["summary_first", *["summary_next"] * 3]
    for number, request in enumerate(author.requests, 1):
        text = request.messages[1]["content"]
        assert field(request, "Previous summary") == (WRITTEN[number - 2] if number > 1 else "")
        assert field(request, "Time since the session before") == ("1 week" if number > 1 else "")
        assert field(request, "Date of the session before") == (
            SESSIONS[number - 2].date if number > 1 else ""
        )
        assert field(request, f"Picture shared in turn 4, {NAME}") == PAN
        # Of all sessions the model sees this one, and nothing of those after it.
        assert [n for n in range(1, 5) if f"say in session {n}." in text] == [number]


def test_a_lost_summary_does_not_end_the_episode(tmp_path: Path) -> None:
    author = by_session(lambda number: WRITTEN[number - 1] if number != 2 else "No.")
    found, losses = made(author, tmp_path, chat={"repairs": 0})
    assert [(one.number, one.round) for one in found] == [(1, "first"), (3, "first"), (4, "next")]
    assert [(loss["code"], loss["reason"]) for loss in losses] == [
        ("bad_reply", "session 2: the summary must have 20 to 160 words, not 1")
    ]


def test_it_is_told_what_was_wrong(tmp_path: Path) -> None:
    author = says(reply("No."), reply(GOOD), reply(LATER), reply(GOOD), reply(LATER))
    found, losses = made(author, tmp_path)
    assert len(found) == 4
    assert not losses
    assert "20 to 160 words, not 1" in author.requests[1].messages[-1]["content"]


def test_the_text_is_one_line(tmp_path: Path) -> None:
    author = by_session(lambda number: WRITTEN[number - 1].replace(". ", ".\n\n"))
    assert [one.text for one in made(author, tmp_path)[0]] == WRITTEN


def test_the_scripted_author(tmp_path: Path) -> None:
    found, losses = made(Author(), tmp_path)
    assert not losses
    assert len({one.text for one in found}) == 4
    for one in found:
        assert "signed the lease for the little kitchen" in one.text
        assert "a picture of a copper pan" in one.text.casefold()
        assert one.text.startswith(NAME) or "told" in one.text or "learned" in one.text
