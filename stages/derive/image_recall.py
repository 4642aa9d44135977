"""Task image-recall: which earlier photo is meant when a talk comes back to one?"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from random import Random

from pydantic import Field

from mcu.derive import Material, Message, Task
from mcu.ids import rng_of
from mcu.items import Question
from mcu.records import Picture, Place
from mcu.release.episodes import Episode
from mcu.release.rows import key_of
from mcu.stages.derive.choice import (
    PHOTO,
    Choice,
    Deck,
    Evidence,
    Said,
    Talk,
    chat,
    days_between,
    envelope,
    labelled,
    lines_of,
    question_of,
    seat,
    talks,
    told,
    utter_id,
    without,
)
from mcu.stages.text import content_words

NAME, VERSION = "image-recall", 1
_SIZE = 4
_BEFORE, _AFTER = 3, 1  # turns around the later mention that are told


class RecallItem(Choice):
    """An item of image-recall.

    again: a device picture is shown once more in a later session, where it is masked, as are the
    sentences of that talk that describe it; `context` is what is left around it. dated: a picture
    is asked for by the date of its session. `distance` counts sessions, `days`
    days, from the one to the other.
    """

    context: list[Said] = Field(default_factory=list)
    image_key: str
    distance: int
    days: int


@dataclass(frozen=True)
class _Recall:
    """Four pictures, the right one first; the place where it was shown first and the later one."""

    pictures: tuple[Picture, ...]
    first: Place
    later: Place | None = None


def items(material: Material) -> Iterator[RecallItem]:
    """An item for each picture shown again, and one an episode that asks for a date."""
    seed = material.config.run.seed
    places, ranks = Deck(_SIZE, seed, NAME, "place"), Deck(_SIZE, seed, NAME, "rank")
    for episode in material.episodes():
        rng = rng_of(seed, NAME, episode.events.id)
        for recall in _again(material, episode, rng):
            yield _item(material, episode, recall, places.take(episode.split, "again"), rng)
        dated = _dated(episode, ranks.left(episode.split), rng)
        if dated is None:
            material.drop("no four pictures of four dates")
            continue
        rank, recall = dated
        ranks.take(episode.split, number=rank)
        yield _item(material, episode, recall, places.take(episode.split, "dated"), rng)


def _again(material: Material, episode: Episode, rng: Random) -> Iterator[_Recall]:
    """Pictures shown in several sessions, each with three others of the device, shown elsewhere.

    Had the others not been shown, the talks alone would tell. They are drawn blindly: the nearest
    in topic would gather around the right one, which then could be told by its place in the middle.
    """
    days = {session.number: session.date for session in episode.sessions}
    for picture in episode.pictures:
        spots = sorted(picture.places, key=lambda p: p.at)
        if not picture.album or len({p.session for p in spots}) != 2:
            continue
        first = spots[0]
        later = next(p for p in spots if p.session > first.session)
        others = [
            other
            for other in episode.pictures
            if other is not picture
            and other.album
            and other.places
            and not any(days[p.session] == days[first.session] for p in other.places)
        ]
        same_day = days[first.session] == days[later.session]
        if len(others) < _SIZE - 1 or same_day:
            material.drop("a picture shown again, without three others to tell it from")
            continue
        yield _Recall((picture, *rng.sample(others, _SIZE - 1)), first, later)


def _dated(episode: Episode, ranks: tuple[int, ...], rng: Random) -> tuple[int, _Recall] | None:
    """Four pictures of four dates, of which the one that was dealt by time is asked for."""
    days = {session.number: session.date for session in episode.sessions}
    by_day: dict[str, list[tuple[Place, Picture]]] = {}
    for picture in episode.pictures:
        if len({days[p.session] for p in picture.places}) == 1:
            place = picture.first
            by_day.setdefault(days[place.session], []).append((place, picture))
    if len(by_day) < _SIZE:
        return None
    rows = [rng.choice(by_day[day]) for day in rng.choice([*combinations(sorted(by_day), _SIZE)])]
    if len({picture.description.casefold() for _, picture in rows}) < _SIZE:
        return None
    rank = ranks[0]
    others = [picture for n, (_, picture) in enumerate(rows) if n != rank]
    return rank, _Recall((rows[rank][1], *others), rows[rank][0])


def _item(
    material: Material, episode: Episode, recall: _Recall, place: int, rng: Random
) -> RecallItem:
    gold, *others = recall.pictures
    seated = seat(gold, rng.sample(others, _SIZE - 1), place)
    keys = [key_of(picture) for picture in seated]
    options = labelled([picture.description for picture in seated], keys)
    later, first = recall.later, recall.first
    days = {session.number: session.date for session in episode.sessions}
    end = later.session if later else len(episode.sessions)
    name, day = episode.persona.name, days[first.session]
    if later:
        asked = (
            f"On {days[later.session]} {name} shows a picture once more, here masked as {PHOTO}. "
            f"It was first shown on {day}. Which is it?"
        )
    else:
        asked = f"Which of these pictures was shown in the talk on {day}?"
    spots = [utter_id(first), *([utter_id(later)] if later else [])]
    heard = _masked(talks(episode), gold, later, name)
    return RecallItem(
        **envelope(NAME, VERSION, material, episode, gold.id, asked, places=spots, pictures=keys),
        provenance=material.provenance(),
        kind="again" if later else "dated",
        sessions=heard,
        question=asked,
        options=options,
        answer=options[place].label,
        answer_text=gold.description,
        evidence=[Evidence(session=first.session, utter_id=utter_id(first))],
        context=_context(heard, later) if later else [],
        image_key=key_of(gold),
        distance=end - first.session,
        days=days_between(day, days[end]),
    )


def _masked(found: list[Talk], picture: Picture, at: Place | None, name: str) -> list[Talk]:
    """The talks; the one of the later mention without what describes the picture."""
    if at is None:
        return found
    words = content_words(picture.description) - content_words(name)
    turns = []
    for turn in found[at.session - 1].turns:
        text = without(turn.text, words)
        if turn.utter_id == utter_id(at):
            turn = turn.model_copy(update={"image_key": "", "caption": ""})
            text = f"{text} {PHOTO}".strip()
        if text or turn.caption:
            turns.append(turn.model_copy(update={"text": text}))
    talk = found[at.session - 1].model_copy(update={"turns": turns})
    return [*found[: at.session - 1], talk, *found[at.session :]]


def _context(found: list[Talk], at: Place) -> list[Said]:
    """What is said around the later mention, from masked talks."""
    turns = found[at.session - 1].turns
    here = next(n for n, turn in enumerate(turns) if turn.utter_id == utter_id(at))
    return turns[max(0, here - _BEFORE) : here + _AFTER + 1]


def question(item: RecallItem) -> Question:
    """The item as probes see it: without the earlier talks, or with the talks alone."""
    asked = "\n".join([*lines_of(item.context), item.question])
    heard = told(item.sessions)
    return question_of(
        item,
        views={
            "full": f"{heard}\n\n{asked}",
            "no talks": asked,
            "no question": heard,
        },
        bins={"kind": item.kind, "distance": str(item.distance)},
    )


def messages(item: RecallItem) -> list[Message]:
    """The item as chat: the talks, what is said around the later mention, the question."""
    return chat(item, told(item.sessions), "\n".join(lines_of(item.context)))


TASK = Task(
    name=NAME,
    folder="stark-image-recall",
    version=VERSION,
    about="Which of four earlier pictures a later talk comes back to, asked by its date.",
    makes=RecallItem,
    items=items,
    question=question,
    chat=messages,
)
