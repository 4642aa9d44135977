"""Ultron records of one episode: what is asked, what is answered, and what is not told."""

from typing import Any

import pytest
from stages.people import ALBUM, ENTRIES, GOAL, NARRATIVE, PERSONA, episode, face

from mcu.errors import ConfigError
from mcu.export.answers import NotShared, Shared, parse_share
from mcu.export.templates import ULTRON, Template, own_template
from mcu.export.ultron import Options, _check, records
from mcu.records import ASSISTANT, Picture, Place, Plan, Record, Session, SharedImage, Turn
from mcu.release.episodes import Episode
from mcu.stages.derive.summary import Summary

NAME = PERSONA.name
KITCHEN = "a bright restaurant kitchen with copper pans"
PAN = ALBUM[0].description


def shows(speaker: str, words: str, description: str, album: int = 0) -> Turn:
    image = SharedImage(
        description=description,
        rationale="It shows what is meant.",
        source="mobile" if album else "internet",
        keywords=["kitchen"],
        album=album,
    )
    return Turn(speaker=speaker, utterance=words, image=image)


TURNS = [
    Turn(speaker=NAME, utterance="I found a kitchen!"),
    Turn(speaker=ASSISTANT, utterance="Show me."),
    Turn(speaker=NAME, utterance="It is small. Here am I."),
    shows(NAME, "", PAN, album=1),
    shows(ASSISTANT, "It could look like this.", KITCHEN),
    Turn(speaker=ASSISTANT, utterance="<RET> What does it cost?"),
]
EVENTS = episode(4)
SESSIONS = [
    Session(
        parent=EVENTS.id, number=n, date=event.date, event=event.event, turns=TURNS, album=ENTRIES
    )
    for n, event in enumerate(EVENTS.events, 1)
]
SUMMARIES = [
    Summary(parent=EVENTS.id, number=n, text=f"What was in session {n}.", round="next")
    for n in (1, 2, 4)
]


def picture(key: str, session: int, turn: int, copy: bool = True) -> Picture:
    return Picture(
        parent=EVENTS.id,
        slot="s",
        description=PAN,
        album=0,
        places=[Place(session=session, turn=turn)],
        plan=Plan(route="web", prompt="p"),
        key=key,
        image="0" * 64,
        route="web",
        source="cc12m",
        copy_allowed=copy,
    )


PICTURES = [picture("k1", 1, 4), picture("k2", 1, 5, copy=False)]


def relatives(kind: type[Record]) -> list[Record]:
    return [*SUMMARIES] if kind is Summary else []


EPISODE = Episode(
    split="train",
    persona=PERSONA,
    face=face(),
    inference=GOAL,
    narrative=NARRATIVE,
    events=EVENTS,
    sessions=SESSIONS,
    pictures=PICTURES,
    relatives=relatives,
)
BARE = Template("{dialogue}", ULTRON, "bare")


def made(template: Template | None = BARE, **options: Any) -> list[dict[str, Any]]:
    return list(records(EPISODE, 7, Options(template=template, **options)))


def asked(record: dict[str, Any]) -> str:
    text = record["messages"][0]["content"][0]["text"]
    assert isinstance(text, str)
    return text


def answered(record: dict[str, Any]) -> str:
    text = record["messages"][1]["content"][0]["text"]
    assert isinstance(text, str)
    return text


def test_one_record_a_picture() -> None:
    found = made()
    assert len(found) == 2 * len(SESSIONS)
    first, second = found[:2]
    assert first == {
        "id": first["id"],
        "unique_id": f"7:{PERSONA.id}-goal",
        "split_group": PERSONA.id,
        "session": 1,
        "turn": 4,
        "speaker": NAME,
        "shares": True,
        "description": PAN,
        "image_key": "k1",
        "face_key": "face:k",
        "images": ["images/k.jpg"],
        "messages": [
            {
                "role": "user",
                "content": [
                    {
                        "type": "text",
                        "text": f"{NAME}: I found a kitchen!\n{ASSISTANT}: Show me.\n"
                        f"{NAME}: It is small. Here am I.\n{NAME}:",
                    },
                    {"type": "image"},
                ],
            },
            {
                "role": "assistant",
                "content": [{"type": "text", "text": f"<RET> <h> {PAN} </h>"}],
            },
        ],
    }
    assert second["image_key"] == "url:k2"
    assert asked(second) == (
        f"{asked(first)} [shares a picture: {PAN}]\n"
        f"{ASSISTANT}: It could look like this.\n{ASSISTANT}:"
    )
    assert [record["image_key"] for record in found[2:]] == [""] * 6
    assert len({record["id"] for record in made(negatives=True)}) == 7 * len(SESSIONS)


def test_negatives_answer_in_words() -> None:
    found = made(negatives=True)[:7]
    assert [record["shares"] for record in found] == [False, False, False, True, False, True, False]
    assert [record["turn"] for record in found] == [1, 2, 3, 4, 5, 5, 6]
    assert asked(found[0]) == f"{NAME}:"
    assert answered(found[0]) == "I found a kitchen!"
    assert answered(found[4]) == "It could look like this."
    assert answered(found[6]) == "What does it cost?", "words that look like the sign are no sign"
    assert found[0]["description"] == found[0]["image_key"] == ""


def test_merged_history() -> None:
    found = made(history="merged", negatives=True)[:5]
    assert [record["turn"] for record in found] == [1, 2, 4, 5, 6]
    assert [record["shares"] for record in found] == [False, False, True, True, False]
    assert asked(found[2]) == f"{NAME}: I found a kitchen!\n{ASSISTANT}: Show me.\n{NAME}:"
    assert answered(found[2]) == f"It is small. Here am I. <RET> <h> {PAN} </h>"
    assert asked(found[4]).split("\n")[2:] == [
        f"{NAME}: It is small. Here am I. [shares a picture: {PAN}]",
        f"{ASSISTANT}: It could look like this. [shares a picture: {KITCHEN}]",
        f"{ASSISTANT}:",
    ]
    assert [answered(r) for r in made(history="merged")[:2]] == [answered(r) for r in found[2:4]]


@pytest.mark.parametrize("history", ["turns", "merged"])
@pytest.mark.parametrize("template", [None, BARE])
def test_every_answer_is_read_back(history: str, template: Template | None) -> None:
    for record in made(template, history=history, negatives=True, summaries=True):
        for output in (answered(record), f"{asked(record)} {answered(record)}"):
            found = parse_share(output, asked(record))
            if record["shares"]:
                assert isinstance(found, Shared)
                assert (found.description, found.flaws) == (record["description"], ())
            else:
                assert found == NotShared("no <RET>", answered(record))


def test_the_marker() -> None:
    text = asked(made(marker="(photo of {description}, {name})")[1])
    assert f"{NAME}: (photo of {PAN}, {{name}})\n" in text
    for bad in ("(photo)", "{description}\n"):
        with pytest.raises(ConfigError, match="--marker"):
            _check(Options(marker=bad), BARE)


def test_summaries_are_of_earlier_sessions_alone() -> None:
    found = made(None, summaries=True)
    told = {n: f"{SESSIONS[n - 1].date}: What was in session {n}." for n in (1, 2, 4)}
    for record in found:
        known = [told[n] for n in told if n < record["session"]]
        start = "What they spoke about before:\n"
        assert (start in asked(record)) == bool(known)
        assert [line for line in asked(record).split("\n") if "What was in" in line] == known
    assert not any("What was in" in asked(record) for record in made(None))
    with pytest.raises(ConfigError, match=r"no slot \{summary\}"):
        _check(Options(summaries=True), BARE)
    _check(Options(summaries=True), own_template("ultron"))


def test_nothing_later_is_told() -> None:
    """Each prompt ends with the speaker's tag, and its history is what went before."""
    for record in made(None, negatives=True):
        lines = asked(record).split("\n")
        assert lines[-1] == f"{record['speaker']}:"
        assert asked(record).count("I found a kitchen!") == (record["turn"] > 1)
        assert asked(record).count(KITCHEN) == (record["turn"] > 5)
