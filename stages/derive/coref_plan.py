"""What a coreference chat is to be about: two pictures, four objects, and who says what of them.

Nothing here depends on which object is asked for: one chat gets four last turns, each of which
means another of the four objects. So every fact of a chat goes with each answer once.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from random import Random

from mcu.stages.derive.coref_words import Words
from mcu.stages.derive.objects import Objects, Thing

_TURNS = (7, 11)  # fewest and most, before the last
_NAMED = 4  # one chat in so many lists the objects by name
_GAP = 1  # words by which the longest name may be longer than the shortest
# The ways to make two pairs of the four objects, numbered from 1.
_MATCHES = (((1, 3), (2, 4)), ((1, 4), (2, 3)), ((1, 2), (3, 4)))


@dataclass(frozen=True)
class Planned:
    """An object of the chat; `photo` is 0 or 1, `thing` is as its picture's list has it."""

    name: str
    photo: int
    detail: str
    topic: str
    thing: Thing

    @property
    def posted(self) -> int:
        """Its photo's number in the chat."""
        return self.photo + 1


@dataclass(frozen=True)
class Ending:
    """A last turn and its twin: the objects that they mean, from 1, and by which topics."""

    demonstrative: str
    golds: tuple[int, int]
    topics: tuple[str, str]


@dataclass(frozen=True)
class Plan:
    """One chat. `owners` has who posts the first photo and who posts the second."""

    number: int
    pictures: tuple[Objects, Objects]
    owners: tuple[str, str]
    captions: tuple[str, str]
    objects: tuple[Planned, ...]
    order: tuple[int, ...]
    naming: tuple[str, ...]
    turns: int
    last: str
    endings: tuple[Ending, ...]


def plans(seen: Sequence[Objects], words: Words, most: int, rng: Random) -> Iterator[Plan]:
    """The chats of an episode in one language, over pairs of its pictures, `most` of them.

    Owners, last speakers and demonstratives go round within the episode.
    """
    deck = rng.sample(list(product(("AB", "BA"), "AB")), 4)
    demonstratives = rng.sample(words.demonstratives, len(words.demonstratives))
    named = rng.randrange(_NAMED)
    for number, (first, second) in enumerate(_pairs(seen, words, most, rng)):
        owners, last = deck[number % len(deck)]
        told = _objects((first, second), words, rng)
        names = [one.name for one in told]
        golds = [rng.sample(pair, 2) for pair in rng.sample(rng.choice(_MATCHES), 2)]
        asked = [demonstratives[(2 * number + i) % len(demonstratives)] for i in range(2)]
        yield Plan(
            number=number + 1,
            pictures=(first, second),
            owners=(owners[0], owners[1]),
            captions=(first.caption_in(words.code), second.caption_in(words.code)),
            objects=told,
            order=tuple(rng.sample(range(1, 5), 4)),
            naming=tuple(rng.sample(names, 4)) if number % _NAMED == named else (),
            turns=rng.randint(*_TURNS),
            last=last,
            endings=tuple(
                Ending(word, (one, two), (told[one - 1].topic, told[two - 1].topic))
                for word, (one, two) in zip(asked, golds, strict=True)
            ),
        )


def usable(thing: Thing, code: str) -> bool:
    """Whether an object has a detail in a language, and no picture says that it is not there."""
    return bool(thing.detail_in(code)) and thing.in_pixels is not False


def _pairs(
    seen: Sequence[Objects], words: Words, most: int, rng: Random
) -> list[tuple[Objects, Objects]]:
    """Pairs of pictures that can be told apart; each picture in as few of them as may be."""
    code = words.code
    fine = [one for one in seen if sum(usable(thing, code) for thing in one.objects) > 1]
    left = [pair for pair in combinations(rng.sample(fine, len(fine)), 2) if _apart(*pair, words)]
    used = dict.fromkeys((one.id for one in fine), 0)
    chosen: list[tuple[Objects, Objects]] = []
    while left and len(chosen) < most:
        pair = min(left, key=lambda pair: sum(used[one.id] for one in pair))
        left.remove(pair)
        chosen.append(pair)
        for one in pair:
            used[one.id] += 1
    return chosen


def _apart(one: Objects, other: Objects, words: Words) -> bool:
    """Whether no detail of one picture can be taken for something in the other."""
    code = words.code
    if one.key == other.key:
        return False
    for this, that in ((one, other), (other, one)):
        caption = words.signs(that.caption_in(code))
        for thing in this.objects:
            if words.signs(thing.detail_in(code)) & caption:
                return False
    names = [thing.name_in(code) for both in (one, other) for thing in both.objects]
    lengths = [len(name.split()) for name in names]
    details = [thing.detail_in(code) for both in (one, other) for thing in both.objects]
    clear = not any(words.names(detail, name) for detail in details for name in names)
    return clear and max(lengths) - min(lengths) <= _GAP


def _objects(pictures: tuple[Objects, Objects], words: Words, rng: Random) -> tuple[Planned, ...]:
    code = words.code
    things = []
    for photo, picture in enumerate(pictures):
        fine = [thing for thing in picture.objects if usable(thing, code)]
        kept = sorted(rng.sample(range(len(fine)), 2))
        things += [(photo, fine[at]) for at in kept]
    told = [text for p in pictures for text in _texts(p, code)]
    topics = topics_for(told, words, rng)
    return tuple(
        Planned(thing.name_in(code), photo, thing.detail_in(code), topic, thing)
        for (photo, thing), topic in zip(things, topics, strict=True)
    )


def _texts(picture: Objects, code: str) -> Iterator[str]:
    yield picture.caption_in(code)
    for thing in picture.objects:
        yield from (thing.name_in(code), thing.detail_in(code))


def topics_for(told: Iterable[str], words: Words, rng: Random) -> list[str]:
    """Four topics that share no word with what the pictures show, nor with each other."""
    taken = set[str]().union(*(words.signs(text) for text in told))
    found: list[str] = []
    for topic in rng.sample(words.topics, len(words.topics)):
        signs = words.signs(topic)
        if not signs & taken:
            found.append(topic)
            taken |= signs
        if len(found) == 4:
            break
    return found
