"""Task multi-image-qa: questions that several pictures of one episode must be seen for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from mcu.derive import Material, Message, Task
from mcu.ids import rng_of
from mcu.items import Question
from mcu.records import Picture, Row
from mcu.release.episodes import Episode
from mcu.release.rows import key_of
from mcu.stages.derive.choice import (
    Choice,
    Deck,
    chat,
    envelope,
    labelled,
    question_of,
    seat,
    utter_id,
)
from mcu.stages.derive.objects import objects
from mcu.stages.derive.traits import Trait, traits

NAME, VERSION = "multi-image-qa", 1
_SIZE = 4
_MOST = 12  # pictures of a question
_HIDDEN = "[not shown]"
_NUMBERS = ("none", "one", "two", "three")
_PLACES = ("first", "second", "third", "last")
# What the best guess gets with one picture hidden. Of four dates, the right one is in sight three
# times in four; a count is sure if none or three are in sight, else one of two. All others: half.
_GUESS = {"count": 0.625, "order": 0.75}


class Image(Row):
    """A picture of a question; `date` is empty where the question is not about time."""

    number: int
    image_key: str
    caption: str
    date: str = ""


class MultiImageItem(Choice):
    """An item of multi-image-qa.

    count: how many show something. identity, compare, style: which show the person, which a thing,
    which are no photographs. order: which was shown at some place in time. `uses` are the keys that
    the answer hangs on, `hidden` the one that is left out to see whether that hurts. `face_key`
    is the person's portrait, where the person is asked for.
    """

    images: list[Image]
    uses: list[str]
    hidden: str
    face_key: str = ""


@dataclass(frozen=True)
class _Found:
    """A question with its pictures in order, options and what is right."""

    kind: str
    question: str
    pictures: tuple[Picture, ...]
    options: list[str]
    gold: int
    uses: tuple[Picture, ...]
    hidden: Picture
    person: bool = False


def items(material: Material) -> Iterator[MultiImageItem]:
    """The questions of each episode that its pictures allow, one of each kind at most."""
    seed = material.config.run.seed
    places, ranks = Deck(_SIZE, seed, NAME, "place"), Deck(_SIZE, seed, NAME, "rank")
    for episode in material.episodes():
        known = traits(episode)
        for kind in ("count", "identity", "compare", "style", "order"):
            rng = rng_of(seed, NAME, kind, episode.events.id)
            place = places.left(episode.split, kind)[0]
            rank = ranks.left(episode.split, kind)[0]
            if kind == "order":
                found = _order(episode, place, rank, rng)
            elif kind == "count":
                found = _count(known, place, rng)
            else:
                found = _which([t for t in known if t.kind == kind], place, rank, rng)
            if found is None:
                material.drop(f"too few pictures for the kind {kind}")
                continue
            places.take(episode.split, kind)
            if kind != "count":
                ranks.take(episode.split, kind)
            yield _item(material, episode, found)


def _count(known: list[Trait], count: int, rng: Random) -> _Found | None:
    """How many show it: from none to three, each as often, so only what could be three is asked."""
    most = len(_NUMBERS) - 1
    fitting = [t for t in known if len(t.those) >= most and len(t.others) >= _SIZE]
    if not fitting:
        return None
    trait = rng.choice(fitting)
    those = rng.sample(trait.those, count)
    others = rng.sample(trait.others, rng.randint(_SIZE - min(count, 2), len(trait.others)))
    pictures = [*those, *others[: _MOST - count]]
    hidden = rng.choice(those if those and rng.random() < 0.5 else pictures[count:])
    rng.shuffle(pictures)
    return _Found(
        "count",
        f"How many of these pictures {trait.text}?",
        tuple(pictures),
        list(_NUMBERS),
        count,
        tuple(pictures),
        hidden,
        trait.kind == "identity",
    )


def _which(known: list[Trait], place: int, bits: int, rng: Random) -> _Found | None:
    """Which of four show it. Two of the four decide, and every answer on them is an option.

    So none of the options stands out, and whoever misses one of the two is left with two options:
    that the others show it or not tells nothing of these.
    """
    fitting = [t for t in known if len(t.those) >= 2 and len(t.others) >= _SIZE]
    if not fitting:
        return None
    trait = rng.choice(fitting)
    those, others = (rng.sample(ps, len(ps)) for ps in (trait.those, trait.others))
    sure = those[2:3]  # one for sure, where there are enough
    rest = [*sure, *others[2 : _SIZE - len(sure)]]
    deciding = [(those if bits & 1 << n else others)[n] for n in range(2)]
    listed = rng.sample([*deciding, *rest], _SIZE)
    answers = [
        [p for p in listed if p in sure or (p in deciding and mask & 1 << deciding.index(p))]
        for mask in range(_SIZE)
    ]
    texts = [_numbers([listed.index(picture) + 1 for picture in one]) for one in answers]
    wrong = rng.sample([text for mask, text in enumerate(texts) if mask != bits], _SIZE - 1)
    return _Found(
        trait.kind,
        f"Which of these pictures {trait.text}?",
        tuple(listed),
        seat(texts[bits], wrong, place),
        place,
        tuple(deciding),
        rng.choice(deciding),
        trait.kind == "identity",
    )


def _numbers(numbers: list[int]) -> str:
    if len(numbers) < 2:
        return f"only {numbers[0]}" if numbers else "none of them"
    return f"{', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def _order(episode: Episode, place: int, rank: int, rng: Random) -> _Found | None:
    """Which was shown first, second, third or last, of four dates that are told."""
    by_day: dict[str, list[Picture]] = {}
    for picture in episode.pictures:
        if picture.places:
            by_day.setdefault(_date(episode, picture), []).append(picture)
    if len(by_day) < _SIZE:
        return None
    four = [rng.choice(by_day[day]) for day in sorted(rng.sample(sorted(by_day), _SIZE))]
    others = rng.sample([p for n, p in enumerate(four) if n != rank], _SIZE - 1)
    return _Found(
        "order",
        f"Which of these four pictures was shown {_PLACES[rank]}?",
        tuple(seat(four[rank], others, place)),
        [f"picture {n + 1}" for n in range(_SIZE)],
        place,
        tuple(four),
        rng.choice(four),
    )


def _date(episode: Episode, picture: Picture) -> str:
    """When a picture was shown first."""
    return episode.sessions[min(place.session for place in picture.places) - 1].date


def _item(material: Material, episode: Episode, found: _Found) -> MultiImageItem:
    keys = [key_of(picture) for picture in found.pictures]
    spots = [utter_id(place) for picture in found.pictures for place in picture.places]
    options = labelled(found.options)
    return MultiImageItem(
        **envelope(
            NAME,
            VERSION,
            material,
            episode,
            found.kind,
            found.question,
            keys,
            places=spots,
            pictures=keys,
        ),
        provenance=material.provenance(objects),
        kind=found.kind,
        question=found.question,
        options=options,
        answer=options[found.gold].label,
        answer_text=options[found.gold].text,
        images=[
            Image(
                number=number,
                image_key=key,
                caption=picture.description,
                date=_date(episode, picture) if found.kind == "order" else "",
            )
            for number, (key, picture) in enumerate(zip(keys, found.pictures, strict=True), 1)
        ],
        uses=[key_of(picture) for picture in found.uses],
        hidden=key_of(found.hidden),
        face_key=f"face:{episode.face.key}" if found.person else "",
    )


def listed(item: MultiImageItem, tell: Callable[[Image], str]) -> str:
    """The pictures as numbered lines."""
    return "\n".join(f"Picture {image.number}: {tell(image)}" for image in item.images)


def _told(image: Image) -> str:
    return f"{image.caption} (shown on {image.date})" if image.date else image.caption


def question(item: MultiImageItem) -> Question:
    """The item as probes see it: without pictures, without dates, or with one picture hidden."""

    def part(image: Image) -> str:
        return _HIDDEN if image.image_key == item.hidden else _told(image)

    views = {
        "full": f"{listed(item, _told)}\n{item.question}",
        "no pictures": f"{listed(item, lambda image: _HIDDEN)}\n{item.question}",
        "one picture hidden": f"{listed(item, part)}\n{item.question}",
    }
    if item.kind == "order":
        views["no dates"] = f"{listed(item, lambda image: image.caption)}\n{item.question}"
    return question_of(
        item,
        views=views,
        chance={"one picture hidden": _GUESS.get(item.kind, 0.5)},
        bins={"kind": item.kind, "pictures": str(len(item.images))},
    )


def messages(item: MultiImageItem) -> list[Message]:
    """The item as chat: the pictures by their captions, the question."""
    return chat(item, listed(item, _told))


TASK = Task(
    name=NAME,
    folder="stark-multi-image-qa",
    version=VERSION,
    about="Questions over several pictures of one person: counts, pairs and order.",
    makes=MultiImageItem,
    items=items,
    stages=(objects,),
    question=question,
    chat=messages,
)
