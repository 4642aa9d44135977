"""One made-up person and their episode, record by record, for tests of stages."""

from typing import Any

from mcu.records import (
    AlbumEntry,
    Commonsense,
    DeviceImage,
    Event,
    Events,
    Face,
    Interval,
    Narrative,
    Persona,
    PersonaSeed,
)

SEED = PersonaSeed(
    number=0,
    category="Preference > Food",
    entity_key="food",
    age=34,
    gender="female",
    birthplace="Spain",
    residence="Canada",
    count=1,
)
PERSONA = Persona(
    parent=SEED.id,
    category=SEED.category,
    entity_key=SEED.entity_key,
    entity_value="paella",
    sentence="I cook paella for my neighbours on Sundays.",
    name="Lucía",
    age=34,
    gender="female",
    birthplace="Spain",
    residence="Canada",
)
GOAL = Commonsense(parent=PERSONA.id, relation="goal", inference="open a small paella kitchen")
STORY = (
    "I am Lucía, 34, born in Spain and at home in Canada, where I cook paella. "
    "One day I want to open a small paella kitchen."
)
NARRATIVE = Narrative(parent=GOAL.id, text=STORY)
PICTURES = [
    "Lucía stirs a large pan of paella in a garden",
    "Lucía laughs beside a snowman in a yellow coat",
    "a blue bowl of saffron on a wooden table",
    "a shop window with a sign that says for rent",
    "a grey cat asleep on a cookery book",
]
ALBUM = [
    DeviceImage(parent=NARRATIVE.id, number=number, description=text, category="food")
    for number, text in enumerate(PICTURES, 1)
]
ENTRIES = [AlbumEntry(number=n, description=text) for n, text in enumerate(PICTURES, 1)]


def episode(sessions: int) -> Events:
    """An event graph with that many events, a week apart."""
    events = [Event(number=1, date="2023.01.01", event="Lucía looks at a kitchen for rent")]
    for number in range(2, sessions + 1):
        events.append(
            Event(
                number=number,
                date=f"2023.01.{7 * number - 6:02d}" if number < 6 else "2023.02.05",
                event=f"Lucía takes step {number} towards the kitchen",
                caused_by=[number - 1],
                interval=Interval(value=1, unit="week"),
                experience=f"She slept badly for {number} nights",
                op="add",
            )
        )
    return Events(parent=NARRATIVE.id, events=events)


def face(image: str = "0" * 64, relation: str = "") -> Face:
    """Her portrait."""
    look: dict[str, Any] = {"age": "34"}
    return Face(
        parent=PERSONA.id,
        relation=relation,
        name=PERSONA.name,
        description="a woman",
        look=look,
        key="k",
        image=image,
    )


LINE = [PERSONA, GOAL, NARRATIVE]
