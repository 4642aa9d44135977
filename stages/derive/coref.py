"""The coref task: what a demonstrative in a chat about two photos means, of four objects."""

from collections.abc import Iterator, Sequence

from mcu.derive import Material, Task
from mcu.ids import rng_of, uuid4_of
from mcu.items import LABELS, ItemSource
from mcu.records import Picture
from mcu.release.episodes import Episode
from mcu.release.rows import key_of
from mcu.stages.derive.alike import alike
from mcu.stages.derive.choice import Deck, seat
from mcu.stages.derive.coref_item import Choice, CorefItem, Difficulty, Rationale, Shown, Target
from mcu.stages.derive.coref_scene import Coref, LastTurn, Line, coref, options_of
from mcu.stages.derive.coref_view import chat, question, seed
from mcu.stages.derive.coref_words import Words, words_of
from mcu.stages.derive.objects import objects
from mcu.stages.text import words

# What a detail calls another object by whose own detail it goes on.
_STANDS_FOR = frozenset({"part", "parts", "thing", "things", "one", "ones", "bit", "whatever"})


def items(material: Material) -> Iterator[CorefItem]:
    """Items pair by pair; the place of the answer goes round in each split and language."""
    deck = Deck(len(LABELS), "coref", material.config.run.seed)
    left = material.config.derive.items or float("inf")
    for episode in material.episodes():
        pictures = {picture.id: picture for picture in episode.pictures}
        for talk in episode.of(Coref):
            if any(shot.picture not in pictures for shot in talk.shots):
                material.drop("coref: a picture is kept off this side of the split")
                continue
            for pair in talk.endings:
                if left < len(pair):
                    return
                left -= len(pair)
                ids = [uuid4_of("coref", talk.id, last.text) for last in pair]
                for last, own, twin in zip(pair, ids, reversed(ids), strict=True):
                    place = deck.take(talk.language, episode.split)
                    yield _item(material, episode, talk, last, (own, twin), place)


def _item(
    material: Material,
    episode: Episode,
    talk: Coref,
    last: LastTurn,
    ids: tuple[str, str],
    place: int,
) -> CorefItem:
    sources = {p.id: p for p in episode.pictures}
    pictures = [sources[shot.picture] for shot in talk.shots]
    others = [number for number in range(1, 5) if number != last.gold]
    order = seat(last.gold, rng_of("options", ids[0]).sample(others, 3), place)
    options = _options(talk, order, words_of(talk.language))
    where = [p.at for picture in pictures for p in picture.places]
    return CorefItem(
        item_id=ids[0],
        task="coref",
        task_version=TASK.version,
        language=talk.language,
        split=episode.split,
        split_group=episode.persona.id,
        source=ItemSource(
            unique_id=episode.index(material.config.run.seed),
            sessions=sorted({session for session, _ in where}),
            utter_ids=[f"{session}.{turn}" for session, turn in sorted(where)],
            image_keys=[key_of(picture) for picture in pictures],
        ),
        provenance=material.provenance(coref),
        checks={"solvers": last.agreed, "captions_needed": float(not last.guessed)},
        turns=[*talk.lines, Line(speaker=talk.last, text=last.text)],
        images=_images(talk, pictures),
        mentions=talk.mentions,
        target=_target(talk, last),
        options=options,
        answer=LABELS[place],
        answer_text=options[place].text,
        rationale=_rationale(talk, last, order, options, ids[0]),
        difficulty=_difficulty(talk, last, pictures),
        twin_id=ids[1],
    )


def _target(talk: Coref, last: LastTurn) -> Target:
    return Target(
        turn=len(talk.lines) + 1,
        speaker=talk.last,
        text=last.text,
        demonstrative=last.demonstrative,
        start=last.start,
        end=last.start + len(last.demonstrative),
        topic=last.topic,
    )


def _images(talk: Coref, pictures: Sequence[Picture]) -> list[Shown]:
    turns = {line.photo: number for number, line in enumerate(talk.lines, 1) if line.photo}
    return [
        Shown(
            key=key_of(picture),
            owner=shot.owner,
            turn=turns[number],
            caption=shot.caption,
            objects=shot.objects,
        )
        for number, (shot, picture) in enumerate(zip(talk.shots, pictures, strict=True), 1)
    ]


def _options(talk: Coref, order: Sequence[int], forms: Words) -> list[Choice]:
    texts = options_of(talk, forms)
    found = []
    for label, number in zip(LABELS, order, strict=True):
        shot = talk.shots[(number - 1) // 2]
        name = shot.objects[(number - 1) % 2].name_in(talk.language)
        text = texts[number - 1]
        choice = Choice(label=label, text=text, object=name, image_key=shot.key, owner=shot.owner)
        found.append(choice)
    return found


def _rationale(
    talk: Coref, last: LastTurn, order: Sequence[int], options: Sequence[Choice], item_id: str
) -> Rationale:
    """Reasons made of what the chat says, so that they are true of it."""
    forms, rng = words_of(talk.language), rng_of("reasons", item_id)
    said = {mention.object: mention for mention in talk.mentions}
    answer, wrong = "", {}
    for number, option in zip(order, options, strict=True):
        mention = said[number]
        values: dict[str, str | int] = {
            "speaker": talk.last,
            "topic": last.topic,
            "own": mention.topic,
            "turn": mention.turn,
            "words": mention.words,
            "option": option.text,
            "name": option.object,
            "owner": option.owner,
        }
        if number == last.gold:
            answer = forms.fill(rng.choice(forms.answer), **values)
        else:
            wrong[option.label] = forms.fill(rng.choice(forms.wrong), **values)
    return Rationale(answer=answer, wrong=wrong)


def _difficulty(talk: Coref, last: LastTurn, pictures: Sequence[Picture]) -> Difficulty:
    things = [thing for shot in talk.shots for thing in shot.objects]
    gold = things[last.gold - 1]
    turn = next(mention.turn for mention in talk.mentions if mention.object == last.gold)
    shown = [{place.session for place in picture.places} for picture in pictures]
    where = "album" if not all(shown) else "same" if shown[0] & shown[1] else "different"
    return Difficulty(
        turns_since=len(talk.lines) + 1 - turn,
        rivals=sum(thing is not gold and alike(thing.name, gold.name) for thing in things),
        named=talk.named,
        by_place=bool(_STANDS_FOR & {*words(gold.detail)}),
        sessions=where,
        agreement=last.agreed,
        guessed=last.guessed,
    )


TASK = Task(
    name="coref",
    folder="stark-coref",
    version=1,
    about="What a demonstrative means in a chat about two photos: four objects, one is right.",
    makes=CorefItem,
    items=items,
    stages=(objects, coref),
    question=question,
    chat=chat,
    forms={"seed": seed},
)
