"""The tries at one picture: seeds drawn, what the checks find in each, and which is taken."""

import io
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from PIL import Image

from mcu import marks
from mcu.backends import ImageRequest
from mcu.errors import Reject
from mcu.ids import seed_of, sha256
from mcu.journal import Answer
from mcu.records import Candidate
from mcu.sections import ChecksSection
from mcu.services import Services

if TYPE_CHECKING:
    from mcu.context import Context

_ROW = 4  # decimals of a distance in a record


@dataclass(frozen=True)
class Drawn:
    """A picture that was kept, and how it came to be.

    Attributes:
        image: SHA-256 of the JPEG.
        tried: every seed with what was found in it, the one taken among them.
        scores: what the checks found in the one taken.
    """

    image: str
    seed: int
    tried: list[Candidate]
    scores: dict[str, float]


async def draw(ctx: "Context", request: ImageRequest, name: str) -> Drawn:
    """Draw up to `checks.face_tries` seeds, `checks.best_of` at once, until one passes.

    Of several that pass, the one likest to the persona's face is taken. The seed comes from the
    run's seed, the record and the name, so that a picture does not depend on its batch, its order
    or a resume.

    Raises:
        Reject: none passed.
    """
    checks = ctx.config.checks
    tried: list[Candidate] = []
    while len(tried) < checks.face_tries:
        numbers = range(len(tried), min(len(tried) + checks.best_of, checks.face_tries))
        found = await ctx.all_of(_try(ctx, request, name, number) for number in numbers)
        tried += found
        if passed := [one for one in found if not one.reason]:
            best = max(passed, key=lambda one: one.score)
            return Drawn(best.image, best.seed, tried, best.checks)
    raise Reject(
        "bad_image", f"no acceptable picture in {len(tried)} tries; the last: {tried[-1].reason}"
    )


async def _try(ctx: "Context", request: ImageRequest, name: str, number: int) -> Candidate:
    """One seed, drawn and looked at once; the bar is applied anew whenever the row is made."""
    checks = ctx.config.checks
    seeded = replace(request, seed=seed_of(ctx.config.run.seed, ctx.record.id, name, number))
    content = {
        **asdict(seeded),
        "faces": [sha256(face) for face in request.faces],
        "others": [sha256(face) for face in request.others],
        "image": ctx.config.rows("image"),
        "checks": [checks.faces, checks.pictures],
    }
    found = await ctx.once("image", content, partial(_make, ctx, seeded), ctx.is_kept)
    distance = found["distance"]
    scores: dict[str, Any] = {"faces": found["faces"], "distance": distance}
    return Candidate(
        source=request.kind,
        seed=seeded.seed,
        image=found["image"],
        score=1.0 if distance is None else round(1 - distance, _ROW),
        reason=_fault(found, checks),
        checks={key: value for key, value in scores.items() if value is not None},
    )


def _fault(found: Answer, checks: ChecksSection) -> str:
    """Why a try does not pass, or an empty text."""
    if found["failed"]:
        return str(found["failed"])
    if found["faces"] not in (None, 1):
        return f"{found['faces'] or 'no'} face{'s' * (found['faces'] > 1)} instead of one"
    if found["compared"] and found["distance"] is None:
        return "no face that could be compared with the persona's"
    if found["compared"] and found["distance"] > checks.identity_bar:
        return f"the face is {found['distance']} from the persona's, above {checks.identity_bar}"
    return ""


async def _make(ctx: "Context", request: ImageRequest) -> Answer:
    nothing = {"image": "", "failed": "", "faces": None, "distance": None, "compared": False}
    try:
        image = await ctx.services.batcher.draw(request, (-ctx.stage.number, ctx.shard))
    except Reject as loss:
        return {**nothing, "failed": str(loss)}
    return {**nothing, **await ctx.off_loop(_examine, ctx.services, request, image)}


def _examine(services: Services, request: ImageRequest, image: Image.Image) -> Answer:
    """What the checks find in a picture, which is kept unless it can never pass."""
    if services.pictures and (reason := services.pictures.unsafe(image)):
        return {"failed": f"unsafe: {reason}"}
    found: Answer = {}
    origin = services.images.origin(request)
    check = services.faces_for(origin)
    if check and request.kind == "face" and (count := check.count(image)) != 1:
        return {"faces": count}
    if check and request.kind == "face":
        found["faces"] = 1
    if check and check.identifies and request.kind == "p-t2i":
        distance = check.distance(image, Image.open(io.BytesIO(request.faces[0])))
        found["compared"] = True
        found["distance"] = None if distance is None else round(distance, _ROW)
    found["image"] = services.store.add_image(marks.sealed(image, origin))
    return found
