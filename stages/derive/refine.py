"""Stage 12: a student chooses a shared picture, a teacher who knows it helps without telling it."""

import re
from collections.abc import Sequence
from itertools import product
from random import Random
from typing import Any, Literal

from pydantic import Field

from mcu.context import Context
from mcu.contract import Reply, stage
from mcu.errors import Fault, Reject
from mcu.items import LABELS
from mcu.records import Events, Persona, Picture, Place, Record, Row, Session
from mcu.stages.derive.choice import PHOTO, sentences_of
from mcu.stages.text import content_words, one_line

MOMENTS = 3  # of an episode, at most
ROUNDS = 3
BEST = 10
_LINES = 6  # of the talk that are told
_FEWEST = 8  # content words that the talk must have
Kind = Literal["right", "same talk", "near miss", "other event"]
_NAMED = re.compile(
    r"(?:picture|photo|image|option|choice|letter|answer)\s+[A-D]\b|\b[A-D]\)|\b[BCD]\b"
)
_POINTER = re.compile(r"\blines? \d+(?:(?:,| and| or|, and) \d+)*", re.IGNORECASE)
# Words that say nothing of what a picture shows, though descriptions have them.
_PLAIN_WORDS = """
but not very enough picture pictures photo photos image images internet caption clear clearest plain
kind several similar search first quick tries found one ones look looks see seen time best people
shared many times online version general recognise easy once makes things needs would page made
straight taken
"""
_PLAIN = frozenset(word[:6] for word in _PLAIN_WORDS.split())


class Round(Row):
    """One try: the candidate's index, the reason, what the teacher says of it."""

    choice: int
    reason: str
    score: int
    feedback: str

    @property
    def letter(self) -> str:
        """What the student called it."""
        return LABELS[self.choice]


class Refined(Record):
    """One sharing moment with four candidates of the episode, and the tries at it.

    `lines` is the talk up to the picture, without sentences that name what a candidate shows;
    `kinds` tells what each candidate is to the right one.
    """

    place: Place
    lines: list[str]
    pictures: list[str] = Field(description="Ids of the four Pictures, in the order shown.")
    candidates: list[str] = Field(description="Their descriptions.")
    kinds: list[Kind]
    gold: int
    rounds: list[Round]


class Guess(Reply):
    """The student's try."""

    choice: Literal["A", "B", "C", "D"]
    reason: str


class Verdict(Reply):
    """The teacher's answer."""

    score: int
    feedback: str


@stage(
    12,
    takes=Events,
    makes=Refined,
    needs=(Persona, Session, Picture),
    uses=("chat", "encoder", "checks"),
    prompts=("refine_student", "refine_teacher"),
    version=1,
)
async def refine(episode: Events, ctx: Context) -> list[Refined]:
    """Up to three moments, each tried until it is right or three tries are over."""
    sessions, pictures = ctx.all(Session), ctx.all(Picture)
    name = ctx.of(Persona).name
    rng = ctx.rng()
    shown = [p for p in pictures if len({place.session for place in p.places}) == 1]
    alike = await _alike(shown, ctx)
    sets = _sets(shown, alike, rng)
    moments = [m for four in sets if (m := _moment(episode, four, alike, sessions, name, rng))]
    found = await ctx.all_of(_tried(moment, ctx) for moment in moments[:MOMENTS])
    return [moment for moment in found if moment is not None]


Likeness = dict[tuple[str, str], float]


def _sets(shown: Sequence[Picture], alike: Likeness, rng: Random) -> list[tuple[Picture, ...]]:
    """Fours of two talks, two pictures each, of which one pair across the talks is much alike.

    Each of the four is as likely as the others to be asked for, so that none stands out among them.
    """
    pairs = [(p, q) for p, q in product(shown, repeat=2) if _talk(p) < _talk(q)]
    rng.shuffle(pairs)
    pairs.sort(key=lambda pair: -alike[pair[0].id, pair[1].id])
    found: list[tuple[Picture, ...]] = []
    used: set[str] = set()
    for pair in pairs:
        mates = [[p for p in shown if p is not one and _talk(p) == _talk(one)] for one in pair]
        if not all(mates) or used & {one.id for one in pair}:
            continue
        four = (*pair, *(rng.choice(near) for near in mates))
        fresh = all({p.id for p in four} != {p.id for p in other} for other in found)
        if fresh and len({one.description.casefold() for one in four}) == len(four):
            found.append(four)
            used |= {one.id for one in pair}
    return found


def _talk(picture: Picture) -> int:
    return picture.places[0].session


async def _alike(pictures: Sequence[Picture], ctx: Context) -> Likeness:
    """The cosine of the descriptions of each two pictures, by their ids."""
    texts = [picture.description for picture in pictures]

    def look() -> dict[str, Any]:
        vectors = ctx.services.encoder.encode(texts)
        return {"cosines": [[round(float(x), 4) for x in row] for row in vectors @ vectors.T]}

    if not texts:
        return {}
    content = {"texts": texts, **ctx.config.rows("encoder")}
    answer = await ctx.once("alike", content, lambda: ctx.off_loop(look))
    return {
        (p.id, q.id): answer["cosines"][i][j]
        for (i, p), (j, q) in product(enumerate(pictures), repeat=2)
    }


def _moment(
    episode: Events,
    four: Sequence[Picture],
    alike: Likeness,
    sessions: Sequence[Session],
    name: str,
    rng: Random,
) -> Refined | None:
    """The moment of one of the four, not tried yet; None where the talk before one is too short.

    Were that asked of the right one alone, it would often be one that is shown late in its talk.
    """
    heard = {p.id: _lines(sessions, p.first, four, name) for p in four}
    if any(sum(len(content_words(line)) for line in lines) < _FEWEST for lines in heard.values()):
        return None
    right = rng.choice(four)
    order = rng.sample(four, len(four))
    away = [picture for picture in order if _talk(picture) != _talk(right)]
    near = max(away, key=lambda picture: alike[right.id, picture.id])
    kinds: list[Kind] = [
        "right" if p is right else "near miss" if p is near else "other event" if p in away
        else "same talk"
        for p in order
    ]  # fmt: skip
    return Refined(
        parent=episode.id,
        place=right.first,
        lines=heard[right.id],
        pictures=[picture.id for picture in order],
        candidates=[picture.description for picture in order],
        kinds=kinds,
        gold=order.index(right),
        rounds=[],
    )


def _lines(
    sessions: Sequence[Session], place: Place, four: Sequence[Picture], name: str
) -> list[str]:
    """The talk up to the picture, without what names one of the four."""
    # After the first comma it is told how the picture was taken or found.
    shown = [telling(picture.description.split(",")[0], name) for picture in four]
    turns = next(s for s in sessions if s.number == place.session).turns[: place.turn]
    found = []
    for number, turn in enumerate(turns, 1):
        kept = [s for s in sentences_of(turn.utterance) if not any(_names(s, w) for w in shown)]
        mark = PHOTO if number == place.turn else "[another photo]" if turn.image else ""
        text = " ".join([*kept, mark]).strip()
        if text:
            found.append(f"{turn.speaker}: {text}")
    return found[-_LINES:]


def telling(description: str, name: str = "") -> set[str]:
    """The content words of a description that tell what is seen."""
    return content_words(description) - content_words(name) - _PLAIN


def _names(sentence: str, words: set[str]) -> bool:
    """Whether a sentence has half of the words."""
    return bool(words) and 2 * len(content_words(sentence) & words) >= len(words)


async def _tried(moment: Refined, ctx: Context) -> Refined | None:
    """The moment with its rounds; None where a reply could not be used."""
    rounds: list[Round] = []
    try:
        while len(rounds) < ROUNDS and not (rounds and rounds[-1].choice == moment.gold):
            rounds.append(await _round(moment, rounds, ctx))
    except Reject as loss:
        where = f"{moment.place.session}.{moment.place.turn}"
        ctx.reject(loss.code, f"the moment at {where}: {loss}", loss.raw)
        return None
    fields = moment.model_dump(exclude={"id", "rounds"})
    return Refined(**fields, rounds=rounds)


async def _round(moment: Refined, rounds: list[Round], ctx: Context) -> Round:
    tried = {one.choice for one in rounds}
    student = await ctx.ask(
        "refine_student",
        Guess,
        check=lambda r: check_guess(r, tried),
        rounds=rounds,
        lines=moment.lines,
        candidates=moment.candidates,
    )
    choice = LABELS.index(student.choice)
    teacher = await ctx.ask(
        "refine_teacher",
        Verdict,
        check=lambda r: check_verdict(r, choice == moment.gold, moment.candidates),
        right=LABELS[moment.gold],
        number=len(rounds) + 1,
        choice=student.choice,
        reason=student.reason,
        lines=moment.lines,
        candidates=moment.candidates,
    )
    return Round(
        choice=choice,
        reason=student.reason,
        score=teacher.score,
        feedback=" ".join(teacher.feedback.split()),
    )


def check_guess(reply: Guess, tried: set[int]) -> None:
    """Raise Fault for a try that was made before, or a reason that names letters."""
    if LABELS.index(reply.choice) in tried:
        raise Fault(f"{reply.choice} was tried before and is wrong")
    one_line("the reason", reply.reason, 3, 60)
    if _NAMED.search(reply.reason):
        raise Fault("the reason must not name a letter")


def check_verdict(reply: Verdict, right: bool, candidates: Sequence[str]) -> None:
    """Raise Fault unless the score agrees with what is right and the feedback gives nothing away.

    Words of the wrong candidates are as forbidden as those of the right one: what rules some out
    points to the rest. The name of a person whom a picture shows is such a word.
    """
    if right != (reply.score == BEST) or not 1 <= reply.score <= BEST:
        raise Fault("the score must be 10 for the right choice, and 1 to 9 for any other")
    one_line("the feedback", " ".join(reply.feedback.split()), 3, 80)
    if _NAMED.search(reply.feedback):
        raise Fault("the feedback must not name a letter")
    said = content_words(_POINTER.sub("", reply.feedback))
    for text in candidates:
        if told := sorted(said & telling(text)):
            raise Fault(f"the feedback must not speak of what a picture shows: {told[0]!r}")
