"""Stage 7: an episode's sessions, one after the other (paper §3.1, step 7)."""

from typing import Literal

from mcu.context import Context
from mcu.contract import Reply, stage
from mcu.errors import Fault, Reject
from mcu.languages import ENGLISH, written_in
from mcu.records import (
    ASSISTANT,
    AlbumEntry,
    Commonsense,
    DeviceImage,
    Event,
    Events,
    Narrative,
    Persona,
    Session,
    SharedImage,
    Turn,
)
from mcu.stages.text import one_line

_NEW = "new added image"


class Sharing(Reply):
    """A picture as the model shares it."""

    description: str
    rationale: str
    source: Literal["internet", "mobile"]
    keywords: list[str]
    image_id_from_mobile: str


class Line(Reply):
    """A turn as the model writes it."""

    speaker: str
    utterance: str
    image: Sharing | None


class Script(Reply):
    """A session as the model writes it."""

    turns: list[Line]


@stage(
    7,
    takes=Events,
    makes=Session,
    needs=(Persona, Commonsense, Narrative, DeviceImage),
    uses=("chat", "checks"),
    prompts=("dialogue",),
    version=1,
)
async def dialogue(episode: Events, ctx: Context) -> list[Session]:
    """The sessions in order; each knows what was said and which pictures exist before it.

    A session that fails ends the episode: those before it are kept when they are enough for an
    episode, and all are lost when not.
    """
    album = [
        AlbumEntry(number=image.number, description=image.description, category=image.category)
        for image in sorted(ctx.all(DeviceImage), key=lambda image: image.number)
    ]
    sessions: list[Session] = []
    for event in episode.events:
        try:
            session = await _session(episode, event, album, sessions, ctx)
        except Reject as loss:
            if len(sessions) < ctx.config.run.sessions[0]:
                raise
            ctx.reject(loss.code, f"session {event.number}: {loss}", loss.raw)
            break
        sessions.append(session)
    return sessions


async def _session(
    episode: Events,
    event: Event,
    album: list[AlbumEntry],
    earlier: list[Session],
    ctx: Context,
) -> Session:
    persona, run, language = ctx.of(Persona), ctx.config.run, ctx.language
    now = earlier[-1].album if earlier else album
    reply = await ctx.ask(
        "dialogue",
        Script,
        language=language,
        persona=persona,
        inference=ctx.of(Commonsense),
        narrative=ctx.of(Narrative),
        album=album,
        earlier=earlier,
        event=event,
        total=len(episode.events),
        turns=run.turns,
        moments=run.moments,
        check=lambda r: check(r, persona.name, now, run.moments, language),
    )
    turns, now = _turns(reply, persona.name, now)
    return Session(
        parent=episode.id,
        number=event.number,
        date=event.date,
        event=event.event,
        interval=event.interval,
        experience=event.experience,
        op=event.op,
        turns=turns,
        album=now,
    )


def _turns(
    script: Script, name: str, album: list[AlbumEntry]
) -> tuple[list[Turn], list[AlbumEntry]]:
    """The turns of a session, and the album after it."""
    turns: list[Turn] = []
    for line in script.turns:
        image = None
        if line.image is not None:
            image, album = _share(line.image, album)
        speaker = _speaker(line.speaker, name)
        turns.append(Turn(speaker=speaker, utterance=" ".join(line.utterance.split()), image=image))
    return turns, album


def _share(sharing: Sharing, album: list[AlbumEntry]) -> tuple[SharedImage, list[AlbumEntry]]:
    """A sharing moment, and the album after it: a new picture joins at the end."""
    new = sharing.source == "mobile" and sharing.image_id_from_mobile == _NEW
    number = 0
    description = sharing.description
    if new:
        number = len(album) + 1
        entry = AlbumEntry(number=number, description=description, category=sharing.keywords[0])
        album = [*album, entry]
    elif sharing.source == "mobile":
        number = _number(sharing, album)
        description = album[number - 1].description
    image = SharedImage(
        description=description,
        rationale=sharing.rationale,
        source=sharing.source,
        keywords=sharing.keywords,
        album=number,
        new=new,
    )
    return image, album


def check(
    script: Script, name: str, album: list[AlbumEntry], moments: int, language: str = ENGLISH
) -> None:
    """Raise Fault for the first turn that breaks a rule of the session."""
    if len(script.turns) < 4:
        raise Fault(f"a session needs at least 4 turns, not {len(script.turns)}")
    shared: set[str] = set()
    speakers = {_speaker(line.speaker, name) for line in script.turns}
    if len(speakers) < 2:
        raise Fault(f"both {name} and {ASSISTANT} must speak")
    if not written_in(" ".join(line.utterance for line in script.turns), language, [name]):
        raise Fault(f"the utterances must be written in {language}")
    for number, line in enumerate(script.turns, 1):
        if line.image is None:
            if not line.utterance:
                raise Fault(f"turn {number} has neither words nor a picture")
            continue
        _check_image(number, line.image, line.speaker, name)
        picture, album = _share(line.image, album)
        if picture.description.casefold() in shared:
            raise Fault(f"turn {number} shares a picture that was already shared in this session")
        shared.add(picture.description.casefold())
    if len(shared) < moments:
        raise Fault(f"at least {moments} pictures must be shared, not {len(shared)}")


def _check_image(number: int, image: Sharing, speaker: str, name: str) -> None:
    one_line(f"the picture's description in turn {number}", image.description, 2, 60)
    one_line(f"the rationale in turn {number}", image.rationale, 1, 80)
    if not 1 <= len(image.keywords) <= 5:
        raise Fault(f"turn {number}: the picture needs one to five keywords")
    for keyword in image.keywords:
        one_line(f"a keyword in turn {number}", keyword, 1, 6)
    if image.source == "mobile" and _speaker(speaker, name) != name:
        raise Fault(f"turn {number}: only the person can share a picture from the device")
    texts = (image.description, image.rationale, *image.keywords)
    if not all(written_in(text, ENGLISH, [name]) for text in texts):
        raise Fault(f"turn {number}: all that is said about the picture must be in {ENGLISH}")


def _number(image: Sharing, album: list[AlbumEntry]) -> int:
    text = image.image_id_from_mobile
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0
    if not 1 <= number <= len(album):
        raise Fault(
            f"image_id_from_mobile {text[:40]!r} is not a device picture from 1 to {len(album)}, "
            f"nor {_NEW!r}"
        )
    return number


def _speaker(text: str, name: str) -> str:
    """One spelling for each of the two speakers; anyone else is a fault, never the user."""
    plain = " ".join(text.casefold().split())
    if plain in (name.casefold(), "user"):
        return name
    if plain in ("ai assistant", "assistant", "ai"):
        return ASSISTANT
    raise Fault(f"the speaker {text[:40]!r} is neither {name!r} nor {ASSISTANT!r}")
