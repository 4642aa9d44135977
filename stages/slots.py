"""The slots of an episode: every place for an image in its album and its dialogue."""

from dataclasses import dataclass, field

from mcu.records import ASSISTANT, Place, Session


@dataclass
class Slot:
    """One place for an image: a picture of the album, or one from the internet in a turn."""

    name: str
    description: str
    category: str = ""
    album: int = 0
    keywords: list[str] = field(default_factory=list)
    sharer: str = ""
    places: list[Place] = field(default_factory=list)


def slots(sessions: list[Session]) -> list[Slot]:
    """An episode's slots: a device picture is one, in however many sessions it is shared."""
    made: dict[str, Slot] = {}
    name = next((t.speaker for s in sessions for t in s.turns if t.speaker != ASSISTANT), "")
    for entry in sessions[-1].album if sessions else []:
        key = f"album:{entry.number}"
        made[key] = Slot(key, entry.description, entry.category, entry.number, sharer=name)
    for session in sessions:
        for number, turn in enumerate(session.turns, 1):
            if turn.image is None:
                continue
            place = Place(session=session.number, turn=number)
            key = f"session{session.number}:turn{number}"
            if turn.image.album:
                key = f"album:{turn.image.album}"
            slot = made.setdefault(
                key, Slot(key, turn.image.description, "", turn.image.album, sharer=turn.speaker)
            )
            slot.keywords = slot.keywords or turn.image.keywords
            slot.places.append(place)
    return list(made.values())
