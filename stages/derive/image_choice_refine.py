"""Task image-choice-refine: choose the picture that is shared, with feedback that tells nothing."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from mcu.derive import Material, Message, Task
from mcu.ids import rng_of
from mcu.items import LABELS, Question
from mcu.records import Picture, Row
from mcu.release.episodes import Episode
from mcu.release.rows import key_of
from mcu.stages.derive.choice import (
    Choice,
    Deck,
    Evidence,
    chat,
    envelope,
    labelled,
    question_of,
    seat,
    utter_id,
)
from mcu.stages.derive.refine import Refined, refine

NAME, VERSION = "image-choice-refine", 1
_SIZE = 4
_ASKED = "Which picture is shared where [photo] stands?"


class Try(Row):
    """One round: the label chosen and why, the teacher's score, 1 to 10, and feedback."""

    answer: str
    reason: str
    score: int
    feedback: str


class RefineItem(Choice):
    """An item of image-choice-refine: wrong at first, right at last.

    An option has no key where its picture is kept off this side of the split; the check `published
    pictures` tells the share that has one. `context` is the talk up to the picture, `need` what the
    student is asked, `kinds` what each option is to the right one: same talk, near miss, other
    event.
    """

    context: list[str]
    need: str
    kinds: list[str]
    rounds: list[Try]


@dataclass(frozen=True)
class Rates:
    """FIRE's figures over free dialogues.

    Attributes:
        dialogues: how many there were, kept or not.
        turns: mean tries to a right answer, of those that came to one (AT).
        gain: mean gain of score a dialogue (ADR).
        gain_a_turn: gain of score a try after the first (ATR).
        refined: share wrong first and right last (RR).
    """

    dialogues: int
    turns: float
    gain: float
    gain_a_turn: float
    refined: float


def rates(found: Iterable[Refined]) -> Rates:
    """The figures over all dialogues, those that gave no item included."""
    sums: Counter[str] = Counter()
    for one in found:
        rounds = one.rounds
        right = rounds[-1].choice == one.gold
        sums["all"] += 1
        sums["right"] += right
        sums["turns"] += len(rounds) if right else 0
        sums["gain"] += rounds[-1].score - rounds[0].score
        sums["steps"] += len(rounds) - 1
        sums["refined"] += right and len(rounds) > 1
    return Rates(
        sums["all"],
        sums["turns"] / max(1, sums["right"]),
        sums["gain"] / max(1, sums["all"]),
        sums["gain"] / max(1, sums["steps"]),
        sums["refined"] / max(1, sums["all"]),
    )


def items(material: Material) -> Iterator[RefineItem]:
    """Every dialogue that was wrong first and right last, with a score that only rose."""
    seed = material.config.run.seed
    places = Deck(_SIZE, seed, NAME, "place")
    for episode in material.episodes():
        pictures = {picture.id: picture for picture in episode.pictures}
        for refined in episode.of(Refined):
            if reason := _loss(refined):
                material.drop(reason)
            else:
                yield _item(material, episode, refined, pictures, places.take(episode.split))


def _loss(refined: Refined) -> str:
    """Why a dialogue gives no item, or an empty text."""
    scores = [one.score for one in refined.rounds]
    if refined.rounds[-1].choice != refined.gold:
        return "not right within three rounds"
    if len(scores) == 1:
        return "right at once"
    if any(later < earlier for earlier, later in pairwise(scores)):
        return "a score that fell"
    return ""


def _item(
    material: Material,
    episode: Episode,
    refined: Refined,
    pictures: dict[str, Picture],
    place: int,
) -> RefineItem:
    rng = rng_of(material.config.run.seed, NAME, refined.id)
    wrong = [number for number in range(_SIZE) if number != refined.gold]
    order = seat(refined.gold, rng.sample(wrong, _SIZE - 1), place)
    found = [pictures.get(refined.pictures[number]) for number in order]
    keys = [key_of(picture) if picture else "" for picture in found]
    options = labelled([refined.candidates[number] for number in order], keys)
    where = utter_id(refined.place)
    return RefineItem(
        **envelope(NAME, VERSION, material, episode, refined.id, places=[where], pictures=keys),
        provenance=material.provenance(refine),
        checks={"published pictures": sum(map(bool, keys)) / _SIZE},
        kind=f"{len(refined.rounds)} rounds",
        question=_ASKED,
        options=options,
        answer=options[place].label,
        answer_text=options[place].text,
        evidence=[Evidence(session=refined.place.session, utter_id=where)],
        context=refined.lines,
        need=_ASKED,
        kinds=[refined.kinds[number] for number in order],
        rounds=[
            Try(
                answer=options[order.index(one.choice)].label,
                reason=one.reason,
                score=one.score,
                feedback=one.feedback,
            )
            for one in refined.rounds
        ],
    )


def question(item: RefineItem) -> Question:
    """The item as probes see it; the feedback alone must not tell what the picture is."""
    said = "\n".join(item.context)
    helped = "\n".join(one.feedback for one in item.rounds[:-1])
    return question_of(
        item,
        views={
            "full": f"{said}\n{helped}\n{item.question}",
            "feedback alone": helped,
            "scores alone": " ".join(str(one.score) for one in item.rounds[:-1]),
            "reasons alone": "\n".join(one.reason for one in item.rounds[:-1]),
        },
        bins={"rounds": str(len(item.rounds)), "first try": _first(item)},
    )


def _first(item: RefineItem) -> str:
    """What the picture that was tried first is to the right one."""
    return item.kinds[LABELS.index(item.rounds[0].answer)]


def messages(item: RefineItem) -> list[Message]:
    """The item as chat: the talk and the pictures, then tries and feedback in turns."""
    asked, right = chat(item, "\n".join(item.context))
    found: list[Message] = [asked]
    for one in item.rounds[:-1]:
        chosen = item.options[LABELS.index(one.answer)]
        found += [
            {"role": "assistant", "content": f"{chosen.label}) {chosen.text}"},
            {"role": "user", "content": f"Score: {one.score}\nFeedback: {one.feedback}"},
        ]
    return [*found, right]


TASK = Task(
    name=NAME,
    folder="stark-image-choice-refine",
    version=VERSION,
    about="A shared picture is chosen among four, wrong at first, then right with feedback.",
    makes=RefineItem,
    items=items,
    stages=(refine,),
    question=question,
    chat=messages,
)
