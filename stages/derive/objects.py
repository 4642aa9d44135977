"""Stage 10: what is to be seen in each picture, thing by thing."""

import io
from collections.abc import Sequence
from functools import cache
from typing import Any

from PIL import Image
from pydantic import Field

from mcu.backends import Encoder
from mcu.context import Context
from mcu.contract import Reply, stage
from mcu.errors import Fault, Reject
from mcu.languages import written_in
from mcu.records import Events, Persona, Picture, Record, Row
from mcu.release.rows import key_of
from mcu.stages.derive.alike import FREE, alike
from mcu.stages.text import content_words, mentions, one_line

_MOST = 6  # objects of a reply
_ALIKE = 0.5  # cosine of two names that may mean one thing; unrelated ones stay below 0.3
_BEATEN = 0.8  # share of the other pictures that a picture must beat to be said to show a thing
_DIGITS = 4


class Thing(Row):
    """An object of a picture.

    `detail` is what the caption says of this object and of no other of the picture, without naming
    any; empty where it says nothing. `in_pixels` is None where nobody looked. `also` holds name and
    detail in further languages, by code.
    """

    name: str
    detail: str = ""
    in_caption: bool = True
    in_pixels: bool | None = None
    score: float | None = Field(None, description="Cosine of its name and detail, and the picture.")
    also: dict[str, list[str]] = Field(default_factory=dict)

    def name_in(self, language: str) -> str:
        """Its name in a language."""
        return self.also[language][0] if language in self.also else self.name

    def detail_in(self, language: str) -> str:
        """Its detail in a language."""
        return self.also[language][1] if language in self.also else self.detail


class Objects(Record):
    """What a picture shows; `key` is as in `images_key`, `also` has captions in other languages."""

    picture: str
    key: str
    caption: str
    objects: list[Thing]
    also: dict[str, str] = Field(default_factory=dict)

    def caption_in(self, language: str) -> str:
        """The caption in a language."""
        return self.also.get(language, self.caption)


class Named(Reply):
    """An object as the model gives it."""

    name: str
    detail: str


class NamedTwice(Named):
    """An object in two languages."""

    name_korean: str
    detail_korean: str


class Seen(Reply):
    """A picture as the model tells of it."""

    caption: str
    objects: list[Named]


class SeenTwice(Reply):
    """A picture in two languages."""

    caption: str
    objects: list[NamedTwice]
    caption_korean: str


@stage(
    10,
    takes=Events,
    makes=Objects,
    needs=(Persona, Picture),
    uses=("chat", "encoder", "checks", "derive"),
    prompts=("objects",),
    version=1,
)
async def objects(episode: Events, ctx: Context) -> list[Objects]:
    """A list a picture, of things that no other picture of the episode shows better."""
    pictures = ctx.all(Picture)
    found = await ctx.all_of(_listed(picture, ctx) for picture in pictures)
    kept = [(p, reply) for p, reply in zip(pictures, found, strict=True) if reply is not None]
    scores = await _scores(kept, ctx)
    told = [picture.description for picture, _ in kept]
    return [
        _record(episode, picture, reply, [_seen(own, rows, told) for rows in scores[own]])
        for own, (picture, reply) in enumerate(kept)
    ]


async def _listed(picture: Picture, ctx: Context) -> Seen | SeenTwice | None:
    """The model's list without twins, or None where it gave none that is usable."""
    korean = "ko" in ctx.config.derive.languages
    name = ctx.of(Persona).name
    shape: type[Seen] | type[SeenTwice] = SeenTwice if korean else Seen
    try:
        reply: Seen | SeenTwice = await ctx.ask(
            "objects",
            shape,
            name=name,
            korean=korean,
            description=picture.description,
            check=lambda r: check(r, picture.description, name),
        )
    except Reject as loss:
        ctx.reject(loss.code, f"{picture.slot}: {loss}", loss.raw)
        return None
    names = [one.name for one in reply.objects]
    likeness = await _likeness(names, ctx)
    kept: list[int] = []
    for i, one in enumerate(names):
        if not any(alike(names[j], one) or likeness[i][j] > _ALIKE for j in kept):
            kept.append(i)
    return reply.model_copy(update={"objects": [reply.objects[i] for i in kept]})


def _record(
    episode: Events, picture: Picture, reply: Seen | SeenTwice, seen: list[dict[str, Any]]
) -> Objects:
    things = []
    for number, one in enumerate(reply.objects):
        also = {}
        if isinstance(one, NamedTwice):
            also["ko"] = [one.name_korean, one.detail_korean]
        looked = seen[number] if seen else {}
        things.append(Thing(name=one.name, detail=one.detail, also=also, **looked))
    return Objects(
        parent=episode.id,
        picture=picture.id,
        key=key_of(picture),
        caption=reply.caption,
        objects=things,
        also={"ko": reply.caption_korean} if isinstance(reply, SeenTwice) else {},
    )


def _seen(own: int, found: tuple[str, list[float]], told: list[str]) -> dict[str, Any]:
    name, cosines = found
    others = [not mentions(text, name) for text in told]
    return {"in_pixels": confirmed(own, cosines, others), "score": cosines[own]}


def check(reply: Seen | SeenTwice, description: str, person: str) -> None:
    """Raise Fault unless the reply follows the description and its details tell things apart."""
    one_line("the caption", reply.caption, 1, 60)
    if mentions(reply.caption, person):
        raise Fault("the caption must not name the person")
    extra = content_words(reply.caption) - content_words(description) - {"someon", "person"}
    if extra:
        raise Fault(f"the caption says more than the description: {sorted(extra)[0]!r}")
    if len(reply.objects) > _MOST:
        raise Fault(f"there must be {_MOST} objects at most, not {len(reply.objects)}")
    for one in reply.objects:
        one_line("a name", one.name, 1, 3)
        if not (mentions(description, one.name) and mentions(reply.caption, one.name)):
            raise Fault(f"{one.name!r} must stand in the description and in the caption")
        _check_detail(one.detail, reply)
    if isinstance(reply, SeenTwice):
        _check_korean(reply)


def _check_detail(detail: str, reply: Seen | SeenTwice) -> None:
    if not detail:
        return
    one_line("a detail", detail, 1, 12)
    if sum(one.detail.casefold() == detail.casefold() for one in reply.objects) > 1:
        raise Fault(f"the detail {detail!r} is given twice")
    for one in reply.objects:
        if mentions(detail, one.name):
            raise Fault(f"the detail {detail!r} must not name {one.name!r}")
    strange = content_words(detail) - content_words(reply.caption) - {w[:6] for w in FREE}
    if strange:
        raise Fault(f"{sorted(strange)[0]!r} of the detail {detail!r} is not in the caption")


def _check_korean(reply: SeenTwice) -> None:
    if not written_in(reply.caption_korean, "Korean"):
        raise Fault("caption_korean must be in Korean")
    for one in reply.objects:
        if not one.name_korean or one.name_korean not in reply.caption_korean:
            raise Fault(f"{one.name_korean!r} must stand in caption_korean")
        if bool(one.detail_korean) != bool(one.detail):
            raise Fault(f"{one.name!r} needs a detail in both languages or in none")
        for other in reply.objects:
            if other.name_korean in one.detail_korean.split():
                raise Fault(f"the detail {one.detail_korean!r} must not name an object")


async def _likeness(names: Sequence[str], ctx: Context) -> list[list[float]]:
    """The cosine of each two names by static word vectors, whichever encoder compares pictures."""
    if len(names) < 2:
        return [[0.0]] * len(names)
    encoder = _word_vectors()

    def look() -> dict[str, Any]:
        vectors = encoder.encode(names)
        return {"cosines": _rounded(vectors @ vectors.T)}

    content = {"names": list(names), "encoder": encoder.name}
    answer = await ctx.once("alike", content, lambda: ctx.off_loop(look))
    found: list[list[float]] = answer["cosines"]
    return found


@cache
def _word_vectors() -> Encoder:
    from mcu.indexes.encoders import CaptionEncoder

    return CaptionEncoder()


async def _scores(
    kept: Sequence[tuple[Picture, Seen | SeenTwice]], ctx: Context
) -> list[list[tuple[str, list[float]]]]:
    """For each picture its objects, each with its cosine with every picture; empty if unseen."""
    names = sorted({one.name for _, reply in kept for one in reply.objects})
    if not (ctx.services.encoder.sees and names and len(kept) > 1):
        return [[] for _ in kept]
    images = [picture.image for picture, _ in kept]

    def look() -> dict[str, Any]:
        opened = [Image.open(io.BytesIO(ctx.picture(image))).convert("RGB") for image in images]
        texts = ctx.services.encoder.encode([f"a photo of {name}" for name in names])
        return {"cosines": _rounded(texts @ ctx.services.encoder.pictures(opened).T)}

    content = {"names": names, "images": images, **ctx.config.rows("encoder")}
    answer = await ctx.once("seen", content, lambda: ctx.off_loop(look))
    rows = dict(zip(names, answer["cosines"], strict=True))
    return [[(one.name, rows[one.name]) for one in reply.objects] for _, reply in kept]


def _rounded(cosines: Any) -> list[list[float]]:
    return [[round(float(x), _DIGITS) for x in row] for row in cosines]


def confirmed(own: int, cosines: Sequence[float], others: Sequence[bool]) -> bool | None:
    """Whether a picture shows an object better than most that are not said to have it.

    Args:
        own: index of the picture.
        cosines: of the object's name with each picture.
        others: which pictures are not said to have it.

    Returns:
        None where there is no other picture to compare with.
    """
    rest = [score for score, other in zip(cosines, others, strict=True) if other]
    if not rest:
        return None
    return sum(score < cosines[own] for score in rest) >= _BEATEN * len(rest)
