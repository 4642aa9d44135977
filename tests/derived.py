"""Episodes by hand and small runs, for tests of the derived tasks."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from mcu.config import Config, parse_config
from mcu.derive import Material, Task
from mcu.items import Item, Question, Split
from mcu.records import (
    ASSISTANT,
    AlbumEntry,
    Commonsense,
    Event,
    Events,
    Face,
    Narrative,
    Persona,
    Picture,
    Place,
    Plan,
    Record,
    Session,
    SharedImage,
    Turn,
)
from mcu.release.episodes import Episode
from mcu.run import Run

NAME = "Ana"


class Hand(Material):
    """Material of episodes that are given."""

    def __init__(self, *given: Episode, **sections: Any) -> None:
        self.config: Config = parse_config(sections)
        self.lost = Counter()
        self._given = given

    def episodes(self) -> Iterator[Episode]:
        """The episodes, at each call."""
        return iter(self._given)


def shot(
    session: int,
    turn: int,
    text: str,
    album: int = 0,
    route: str = "retrieval",
    also: Sequence[tuple[int, int]] = (),
) -> Picture:
    """A picture with a key that its description tells."""
    places = [Place(session=s, turn=t) for s, t in ((session, turn), *also)]
    return Picture(
        slot=text,
        description=text,
        album=album,
        places=places if session else [],
        plan=Plan(route=route, prompt=text),  # type: ignore[arg-type]
        key=f"key of {text}",
        image="",
        route=route,  # type: ignore[arg-type]
        source="starter",
    )


def happening(
    number: int, date: str, text: str, *causes: int, news: str = "", op: str = ""
) -> Event:
    """An event."""
    return Event(
        number=number,
        date=date,
        event=text,
        caused_by=list(causes),
        experience=news,
        op=op,  # type: ignore[arg-type]
    )


def told_by_hand(
    events: Sequence[Event],
    said: dict[int, list[str]],
    pictures: Sequence[Picture] = (),
    split: Split = "train",
    person: str = "",
    relatives: Sequence[Record] = (),
) -> Episode:
    """An episode; `said` gives the utterances of each session, the person's first."""
    shown = {(p.session, p.turn): picture for picture in pictures for p in picture.places}
    album = [AlbumEntry(number=p.album, description=p.description) for p in pictures if p.album]
    sessions = []
    for event in events:
        lines = said[event.number]
        turns = []
        for number, text in enumerate(lines, 1):
            picture = shown.get((event.number, number))
            image = picture and SharedImage(
                description=picture.description,
                rationale="",
                source="mobile" if picture.album else "internet",
                keywords=[],
                album=picture.album,
            )
            speaker = NAME if number % 2 else ASSISTANT
            turns.append(Turn(speaker=speaker, utterance=text, image=image))
        sessions.append(
            Session(
                number=event.number, date=event.date, event=event.event, turns=turns, album=album
            )
        )
    persona = Persona(
        id=person,
        category="hobby",
        entity_key="hobby",
        entity_value="chess",
        sentence="I play chess.",
        name=NAME,
        age=30,
        gender="female",
        birthplace="Chile",
        residence="Peru",
    )
    graph = Events(parent=person, events=list(events))
    face = Face(name=NAME, description="", look={}, key="face", image="")
    return Episode(
        split=split,
        persona=persona,
        face=face,
        inference=Commonsense(relation="goal", inference="win"),
        narrative=Narrative(text=""),
        events=graph,
        sessions=sessions,
        pictures=list(pictures),
        relatives=lambda kind: [r for r in relatives if type(r) is kind],
    )


def made(run: Run, task: Task) -> tuple[list[Item], list[Question]]:
    """A task's items and what probes see of them."""
    assert task.question is not None
    found = list(task.items(Material(run, task)))
    return found, [task.question(item) for item in found]


def check_sound(found: list[Item], questions: list[Question]) -> None:
    """What must hold of every task's items."""
    assert found
    assert len({item.item_id for item in found}) == len(found)
    for item, question in zip(found, questions, strict=True):
        assert len(set(question.options)) == len(question.options) == 4
        row = item.model_dump()
        assert row["options"][question.answer]["label"] == row["answer"]
        assert row["options"][question.answer]["text"] == row["answer_text"]
        assert question.views["full"]
        assert type(item).model_validate(row) == item
    for split in {question.split for question in questions}:
        counts = Counter(q.answer for q in questions if q.split == split)
        assert max(counts.values()) - min(counts[n] for n in range(4)) <= 5
