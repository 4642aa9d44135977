"""Stage 11: a chat about two pictures with four last turns, and solvers that agree on each."""

from collections.abc import Sequence

from mcu.context import Context
from mcu.contract import Reply, stage
from mcu.errors import Fault, Reject
from mcu.records import Events, Picture, Record, Row
from mcu.stages.derive.coref_check import Chat, both, check
from mcu.stages.derive.coref_plan import Plan, plans
from mcu.stages.derive.coref_words import Words, words_of
from mcu.stages.derive.objects import Objects, Thing

LETTERS = "ABCDEF"


class Line(Row):
    """A turn; `photo` is 1 or 2 where a photo is posted with it, else 0."""

    speaker: str
    text: str
    photo: int = 0


class Mention(Row):
    """Where an object is spoken of, objects and turns from 1: by which words, with which topic."""

    object: int
    turn: int
    words: str
    topic: str


class Shot(Row):
    """A photo of the chat."""

    picture: str
    key: str
    owner: str
    caption: str
    objects: list[Thing]


class LastTurn(Row):
    """A last turn: its text, the place of the demonstrative in it, and the object that it means.

    `agreed` is the share of the solvers that found it, `guessed` tells that a solver without the
    captions named it, too.
    """

    text: str
    demonstrative: str
    start: int
    gold: int
    topic: str
    agreed: float = 0.0
    guessed: bool = False


class Coref(Record):
    """A chat about two photos. Objects 1 and 2 are of the first, 3 and 4 of the second.

    `endings` holds pairs of last turns that differ in their topic alone.
    """

    number: int
    language: str
    shots: list[Shot]
    lines: list[Line]
    mentions: list[Mention]
    named: bool
    last: str
    endings: list[list[LastTurn]]


class Solved(Reply):
    """A solver's answer."""

    reason: str
    answer: str


@stage(
    11,
    takes=Events,
    makes=Coref,
    needs=(Picture, Objects),
    uses=("chat", "checks", "derive"),
    prompts=("coref", "coref_solve"),
    version=1,
)
async def coref(episode: Events, ctx: Context) -> list[Coref]:
    """The chats of an episode whose endings all solvers agree on, in each language."""
    seen, settings = ctx.all(Objects), ctx.config.derive
    asked = [
        (words, plan)
        for words in map(words_of, settings.languages)
        for plan in plans(seen, words, settings.pairs, ctx.rng(words.code))
    ]
    found = await ctx.all_of(_chat(episode, plan, words, ctx) for words, plan in asked)
    return [chat for chat in found if chat is not None]


async def _chat(episode: Events, plan: Plan, words: Words, ctx: Context) -> Coref | None:
    try:
        chat = await ctx.ask(
            "coref",
            Chat,
            language=words.language,
            plan=plan,
            check=lambda reply: check(reply, plan, words),
        )
        record = _record(episode, plan, words, chat)
        kept = await ctx.all_of(_solved(record, pair, words, ctx) for pair in record.endings)
    except Reject as loss:
        ctx.reject(loss.code, f"{words.code} chat {plan.number}: {loss}", loss.raw)
        return None
    endings = [pair for pair in kept if pair]
    if not endings:
        return None
    fields = record.model_dump(exclude={"id", "endings"})
    return Coref(**fields, endings=endings)


def _record(episode: Events, plan: Plan, words: Words, chat: Chat) -> Coref:
    return Coref(
        parent=episode.id,
        number=plan.number,
        language=words.code,
        shots=_shots(plan),
        lines=[Line(speaker=t.speaker, text=t.text, photo=t.photo) for t in chat.turns],
        mentions=[
            Mention(
                object=turn.object,
                turn=number,
                words=turn.words,
                topic=plan.objects[turn.object - 1].topic,
            )
            for number, turn in enumerate(chat.turns, 1)
            if turn.object
        ],
        named=bool(plan.naming),
        last=plan.last,
        endings=[
            [
                LastTurn(
                    text=text,
                    demonstrative=asked.demonstrative,
                    start=words.places(text, asked.demonstrative)[0],
                    gold=gold,
                    topic=topic,
                )
                for text, gold, topic in zip(both(written), asked.golds, asked.topics, strict=True)
            ]
            for written, asked in zip(chat.endings, plan.endings, strict=True)
        ],
    )


def _shots(plan: Plan) -> list[Shot]:
    return [
        Shot(
            picture=picture.picture,
            key=picture.key,
            owner=plan.owners[photo],
            caption=plan.captions[photo],
            objects=[one.thing for one in plan.objects if one.photo == photo],
        )
        for photo, picture in enumerate(plan.pictures)
    ]


async def _solved(
    chat: Coref, pair: Sequence[LastTurn], words: Words, ctx: Context
) -> list[LastTurn]:
    """A pair with what the solvers found; empty unless all agree, and the captions are needed."""
    solvers = ctx.config.derive.solvers
    found = []
    for last in pair:
        answers = await ctx.all_of(
            _answer(chat, last, number, model, words, ctx) for number, model in enumerate(solvers)
        )
        agreed = sum(answer == last.gold for answer in answers) / len(answers)
        if agreed < 1:
            told = ", ".join(str(answer or "none") for answer in answers)
            reason = f"solvers found {told}, not {last.gold}: {last.text}"
            ctx.reject("not_unique", f"{words.code} chat {chat.number}: {reason}")
            return []
        found.append(last.model_copy(update={"agreed": agreed}))
    blind = [await _answer(chat, last, last.gold, solvers[0], words, ctx, True) for last in found]
    done = [
        last.model_copy(update={"guessed": answer == last.gold})
        for last, answer in zip(found, blind, strict=True)
    ]
    if all(last.guessed for last in done):
        ctx.reject("guessable", f"{words.code} chat {chat.number}: solved without the captions")
        return []
    return done


async def _answer(
    chat: Coref,
    last: LastTurn,
    turn: int,
    model: str,
    words: Words,
    ctx: Context,
    blind: bool = False,
) -> int:
    """The object that a solver takes to be meant, with the options turned so far; 0 for none."""
    options = options_of(chat, words)
    order = [(place + turn) % len(options) for place in range(len(options))]
    reply = await ctx.ask(
        "coref_solve",
        Solved,
        model=model,
        language=words.language,
        blind=blind,
        dialogue=dialogue_of(chat, last, words, hidden=blind),
        demonstrative=last.demonstrative,
        options=[options[place] for place in order],
        check=_one_letter,
    )
    place = LETTERS.index(reply.answer.strip(" .)").upper())
    return order[place] + 1 if place < len(order) else 0


def _one_letter(reply: Solved) -> None:
    letter = reply.answer.strip(" .)").upper()
    if len(letter) != 1 or letter not in LETTERS:
        raise Fault("the answer must be one letter from A to F")


def options_of(chat: Coref, words: Words) -> list[str]:
    """The texts of the four options, in order of the objects."""
    return [
        words.option_of(thing.name_in(chat.language), shot.owner)
        for shot in chat.shots
        for thing in shot.objects
    ]


def dialogue_of(
    chat: Coref, last: LastTurn | None, words: Words, *, hidden: bool = False
) -> list[str]:
    """The chat line by line, photos by their captions or, if hidden, as mere places."""
    lines = []
    for line in chat.lines:
        lines.append(f'{line.speaker}: "{line.text}"')
        if line.photo:
            lines.append(photo_line(line.photo, chat.shots[line.photo - 1].caption, words, hidden))
    return lines if last is None else [*lines, f'{chat.last}: "{last.text}"']


def photo_line(number: int, caption: str, words: Words, hidden: bool = False) -> str:
    """A photo as a line of the chat."""
    form = words.hidden if hidden else words.photo
    return f"({form.format(number=number, caption=caption.rstrip('.'))})"
