"""Pictures found for a description: searched, fetched, looked at, in the order of their fit."""

import io
from collections.abc import AsyncIterator
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from PIL import Image

from mcu import pictures
from mcu.backends import Hit
from mcu.errors import Reject
from mcu.journal import Answer
from mcu.phash import near, phash
from mcu.records import Candidate
from mcu.relevance import rank, relevances, told
from mcu.services import Services

if TYPE_CHECKING:
    from mcu.context import Context

_DIGITS = 4  # of scores in a record


async def find(ctx: "Context", where: str, query: str) -> list[Hit]:
    """What a place has for a query; asked once, together with the queries of other records.

    Raises:
        Reject: the place cannot be asked now.
    """
    settings = ctx.config.rows("index" if where == "retrieval" else "web", "encoder")
    content = {"where": where, "query": query, "settings": settings}

    async def search() -> Answer:
        found = await ctx.services.finding.ask(where, query, ctx.priority)
        return {"hits": [asdict(hit) for hit in found]}

    answer = await ctx.once("search", content, search)
    return [Hit(**hit) for hit in answer["hits"]]


async def fetch(ctx: "Context", where: str, hit: Hit) -> str:
    """Keep a found picture, as a plain JPEG, and give its SHA-256.

    Raises:
        Reject: it cannot be had, or is not a picture that may be kept.
    """
    content = {"where": where, **asdict(hit), "checks": ctx.config.checks.pictures}

    def load() -> Answer:
        data = pictures.clean(ctx.services.search[where].fetch(hit))
        check = ctx.services.pictures
        if check and (reason := check.unsafe(Image.open(io.BytesIO(data)))):
            raise Reject("unsafe", f"the picture is not decent: {reason}")
        return {"image": ctx.services.store.add_image(data)}

    answer = await ctx.once("fetch", content, partial(ctx.off_loop, load), ctx.is_kept)
    return str(answer["image"])


async def candidates(
    ctx: "Context", where: str, hits: list[Hit], description: str
) -> AsyncIterator[tuple[Hit, Candidate]]:
    """The hits in the order of their fit with a description, each with why it cannot be taken.

    An encoder that sees pictures is shown them all; for one that knows captions alone, a picture
    is fetched when its turn comes.
    """
    if ctx.services.encoder.sees:
        looked = await ctx.all_of(_looked(ctx, where, hit, description) for hit in hits)
        by_hit = dict(zip(hits, looked, strict=True))
        for hit, _ in rank(hits, [one.checks.get("relevance") for one in looked]):
            yield hit, by_hit[hit]
        return
    fits = relevances(ctx.services.encoder, description, [(told(hit), None) for hit in hits])
    for hit, fit in rank(hits, fits):
        known = None if fit is None else round(fit, _DIGITS)
        if fault := fault_of(ctx, known):
            yield hit, _candidate(hit, "", known, fault)
        else:
            yield hit, await _looked(ctx, where, hit, description, known)


def fault_of(ctx: "Context", relevance: float | None) -> str:
    """Why a picture of this relevance does not pass, or an empty text."""
    bar = ctx.config.checks.relevance_bar or ctx.services.encoder.bar
    if relevance is None or relevance >= bar:
        return ""
    return f"its score for the description is {relevance}, below {bar:g}"


def looked_at(
    services: Services, image: Image.Image, description: str, caption: str = ""
) -> dict[str, Any]:
    """What is seen in a picture: its hash, and its fit with a description if that can be told."""
    found: dict[str, Any] = {"phash": phash(image), "relevance": None}
    if services.encoder.sees and description:
        [fit] = relevances(services.encoder, description, [(caption, image)])
        found["relevance"] = None if fit is None else round(fit, _DIGITS)
    return found


def twin(ctx: "Context", image: str, others: dict[str, str]) -> str:
    """What is told of another picture that is much like this one, or an empty text.

    Args:
        ctx: has seen all of them.
        image: SHA-256.
        others: what is told of each, by SHA-256.
    """
    own = ctx.hashes.get(image)
    return next((told for one, told in others.items() if near(own, ctx.hashes.get(one))), "")


async def _looked(
    ctx: "Context", where: str, hit: Hit, description: str, known: float | None = None
) -> Candidate:
    """A hit, fetched and looked at."""
    try:
        image = await fetch(ctx, where, hit)
    except Reject as loss:
        return _candidate(hit, "", known, str(loss))
    encoder = ctx.config.rows("encoder")
    content = {"image": image, "description": description, "caption": hit.caption, **encoder}

    def look() -> Answer:
        picture = Image.open(io.BytesIO(ctx.services.store.image(image)))
        return looked_at(ctx.services, picture, description, hit.caption)

    seen = await ctx.once("look", content, partial(ctx.off_loop, look))
    ctx.hashes[image] = seen["phash"]
    relevance = seen["relevance"] if known is None else known
    return _candidate(hit, image, relevance, fault_of(ctx, relevance))


def _candidate(hit: Hit, image: str, relevance: float | None, reason: str) -> Candidate:
    return Candidate(
        source=hit.source,
        file=hit.file,
        score=round(hit.score, _DIGITS),
        image=image,
        checks={} if relevance is None else {"relevance": relevance},
        reason=reason,
    )
