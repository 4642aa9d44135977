"""Stage 6: the pictures on the persona's device (paper §3.1, step 6)."""

from mcu.context import Context
from mcu.contract import Reply, stage
from mcu.errors import Fault
from mcu.records import DeviceImage, Narrative, Persona
from mcu.stages.text import mentions, one_line

_PICTURES = 5


class Image(Reply):
    """A device picture as the model gives it."""

    description: str
    category: str


class Album(Reply):
    """Five pictures."""

    images: list[Image]


@stage(
    6,
    takes=Narrative,
    makes=DeviceImage,
    needs=(Persona,),
    uses=("chat", "checks"),
    prompts=("album",),
    version=1,
)
async def album(narrative: Narrative, ctx: Context) -> list[DeviceImage]:
    """Five captions of the persona's own pictures, numbered from 1."""
    persona = ctx.of(Persona)

    def check_people(reply: Album) -> None:
        check(reply, persona)
        for image in reply.images:
            if famous := ctx.famous(image.description):
                raise Fault(f"{famous!r} is a real person, who may not be in an album")

    reply = await ctx.ask("album", Album, persona=persona, narrative=narrative, check=check_people)
    return [
        DeviceImage(
            parent=narrative.id,
            number=number,
            description=image.description,
            category=image.category.casefold(),
        )
        for number, image in enumerate(reply.images, 1)
    ]


def check(reply: Album, persona: Persona) -> None:
    """Raise Fault unless there are five different captions around this person."""
    if len(reply.images) != _PICTURES:
        raise Fault(f"there must be five images, not {len(reply.images)}")
    for image in reply.images:
        one_line("a description", image.description, 4, 60)
        one_line("a category", image.category, 1, 4)
    if len({i.description.casefold() for i in reply.images}) < _PICTURES:
        raise Fault("the five descriptions must be different")
    if sum(mentions(i.description, persona.name) for i in reply.images) < 2:
        raise Fault(f"at least two images must show {persona.name} by name")
