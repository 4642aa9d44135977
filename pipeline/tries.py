"""The tries at one picture: seeds drawn, what the checks find in each, and which is taken."""

import io
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from PIL import Image

from mcu import marks
from mcu.backends import ImageRequest
from mcu.errors import Reject
from mcu.finding import fault_of, looked_at
from mcu.ids import seed_of, sha256
from mcu.journal import Answer
from mcu.phash import phash
from mcu.records import Candidate
from mcu.sections import ChecksSection
from mcu.services import Services

if TYPE_CHECKING:
    from mcu.context import Context

_ROW = 4  # decimals of a distance in a record


@dataclass(frozen=True)
class Drawn:
    """The tries at a picture.

    Attributes:
        tried: every seed with what was found in it.
        best: the one to take; None when none passed.
    """

    tried: list[Candidate]
    best: Candidate | None

    @property
    def why(self) -> str:
        """Why none passed."""
        return (
            f"no acceptable picture in {len(self.tried)} tries; the last: {self.tried[-1].reason}"
        )


async def draw(ctx: "Context", request: ImageRequest, name: str, description: str) -> Drawn:
    """Draw up to `checks.face_tries` seeds, `checks.best_of` at once, until one passes.

    Of several that pass, the one likest to the persona's face is taken, or the one that fits the
    description best. The seed comes from the run's seed, the record and the name, so that a
    picture does not depend on its batch, its order or a resume.
    """
    checks = ctx.config.checks
    tried: list[Candidate] = []
    while len(tried) < checks.face_tries:
        numbers = range(len(tried), min(len(tried) + checks.best_of, checks.face_tries))
        found = await ctx.all_of(
            _try(ctx, request, name, description, number) for number in numbers
        )
        tried += found
        if passed := [one for one in found if not one.reason]:
            return Drawn(tried, max(passed, key=lambda one: one.score))
    return Drawn(tried, None)


async def _try(
    ctx: "Context", request: ImageRequest, name: str, description: str, number: int
) -> Candidate:
    """One seed, drawn and looked at once; the bar is applied anew whenever the row is made."""
    checks = ctx.config.checks
    seeded = replace(request, seed=seed_of(ctx.config.run.seed, ctx.record.id, name, number))
    content = {
        **asdict(seeded),
        "faces": [sha256(face) for face in request.faces],
        "others": [sha256(face) for face in request.others],
        "image": ctx.config.rows("image"),
        "checks": [checks.faces, checks.pictures],
        "description": description,
        "encoder": ctx.config.rows("encoder"),
    }
    make = partial(_make, ctx, seeded, description)
    found = await ctx.once("image", content, make, ctx.is_kept)
    ctx.hashes[found["image"]] = found["phash"]
    distance, relevance = found["distance"], found["relevance"]
    scores: dict[str, Any] = {"faces": found["faces"], "distance": distance, "relevance": relevance}
    score = relevance if distance is None else round(1 - distance, _ROW)
    return Candidate(
        source=request.kind,
        seed=seeded.seed,
        image=found["image"],
        score=1.0 if score is None else score,
        reason=_fault(found, checks) or fault_of(ctx, relevance),
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


async def _make(ctx: "Context", request: ImageRequest, description: str) -> Answer:
    nothing = {"image": "", "failed": "", "faces": None, "compared": False}
    nothing |= {"distance": None, "relevance": None, "phash": None}
    try:
        image = await ctx.services.drawing.ask(request.kind, request, ctx.priority)
    except Reject as loss:
        return {**nothing, "failed": str(loss)}
    seen = await ctx.off_loop(_examine, ctx.services, request, image, description)
    return {**nothing, **seen}


def _examine(
    services: Services, request: ImageRequest, image: Image.Image, description: str
) -> Answer:
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
    if request.kind != "face":
        found |= looked_at(services, image, description)
    found["image"] = services.store.add_image(kept := marks.sealed(image, origin))
    if request.kind != "face":  # of the file as others will decode it, a few bits from the drawing
        found["phash"] = phash(Image.open(io.BytesIO(kept)))
    return found
