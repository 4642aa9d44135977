"""What is published of an episode: its row of stark-dialogue, and the JSON beside pictures."""

import io
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from PIL import Image

from mcu.records import Face, Further, Picture, Session, SharedImage

if TYPE_CHECKING:
    from mcu.release.episodes import Episode

SESSIONS = 6
EPISODE_COLUMNS = (
    "index",
    "number_of_session",
    "name",
    "age",
    "gender",
    "birthplace",
    "residence",
    "human_face_description",
    "human_face_image_key",
    "persona_category",
    "persona_sentence",
    "persona_entity_key",
    "persona_entity_value",
    "persona_commonsense_relation",
    "persona_commonsense_inference",
)
SESSION_COLUMNS = (
    "date",
    "event",
    "experience",
    "speakers",
    "utterances",
    "rationales",
    "image_descriptions",
    "image_sources",
    "keywords",
    "image_id_from_mobile",
    "images_key",
    "images_module_name",
    "device_images_key",
)
# Ours, after the released ones.
EXTRA_COLUMNS = ("narrative", "split_group", "provenance")
EXTRA_SESSION_COLUMNS = (
    "time_interval",
    "experience_op",
    "caused_by",
    "device_image_descriptions",
    "device_image_categories",
    "relevance_scores",
)
_encode = json.JSONEncoder(ensure_ascii=False).encode


def columns() -> list[str]:
    """The released columns in order, then our own."""
    numbers = range(1, SESSIONS + 1)
    released = [*EPISODE_COLUMNS, *(f"session{n}:{c}" for n in numbers for c in SESSION_COLUMNS)]
    ours = (f"session{n}:{c}" for n in numbers for c in EXTRA_SESSION_COLUMNS)
    return [*released, *EXTRA_COLUMNS, *ours]


def row(episode: "Episode", seed: int, provenance: str) -> dict[str, Any]:
    """An episode's row; columns of sessions that do not exist are left out.

    Args:
        episode: as it is published.
        seed: the run's.
        provenance: what made the run, as JSON.
    """
    person = episode.persona
    found: dict[str, Any] = {
        "index": episode.index(seed),
        "number_of_session": len(episode.sessions),
        "name": person.name,
        "age": str(person.age),
        "gender": person.gender,
        "birthplace": person.birthplace,
        "residence": person.residence,
        "human_face_description": episode.face.description,
        "human_face_image_key": f"face:{episode.face.key}",
        "persona_category": person.category,
        "persona_sentence": person.sentence,
        "persona_entity_key": person.entity_key,
        "persona_entity_value": person.entity_value,
        "persona_commonsense_relation": episode.inference.relation,
        "persona_commonsense_inference": episode.inference.inference,
        "narrative": episode.narrative.text,
        "split_group": person.id,
        "provenance": provenance,
    }
    return found | _sessions(episode)


def _sessions(episode: "Episode") -> dict[str, str]:
    """The columns of the sessions that there are."""
    found: dict[str, str] = {}
    shown = episode.shown
    devices = {picture.album: picture for picture in episode.pictures if picture.album}
    for session in episode.sessions:
        caused_by = episode.events.events[session.number - 1].caused_by
        pictures = [shown.get((session.number, n)) for n in range(1, len(session.turns) + 1)]
        own = _session(session, pictures, devices) | {"caused_by": _encode(caused_by)}
        for column, value in own.items():
            found[f"session{session.number}:{column}"] = value
    return found


def _session(
    session: Session, pictures: list[Picture | None], devices: dict[int, Picture]
) -> dict[str, str]:
    turns, images = session.turns, [turn.image for turn in session.turns]
    return {
        "date": session.date,
        "event": session.event,
        "experience": session.experience,
        "speakers": _encode([turn.speaker for turn in turns]),
        "utterances": _encode([turn.utterance for turn in turns]),
        "rationales": _encode([image.rationale if image else "" for image in images]),
        "image_descriptions": _encode([image.description if image else "" for image in images]),
        "image_sources": _encode([image.source if image else "" for image in images]),
        "keywords": _encode([image.keywords if image else "" for image in images]),
        "image_id_from_mobile": _encode([_album_id(image) for image in images]),
        "images_key": _encode([_keys(picture) for picture in pictures]),
        "images_module_name": _encode([p.route if p else "" for p in pictures]),
        "device_images_key": _encode([key_of(devices.get(e.number)) for e in session.album]),
        "time_interval": str(session.interval) if session.interval else "",
        "experience_op": session.op,
        "device_image_descriptions": _encode([e.description for e in session.album]),
        "device_image_categories": _encode([e.category for e in session.album]),
        "relevance_scores": _encode([_relevance(picture) for picture in pictures]),
    }


def key_of(picture: Picture | Further | None) -> str:
    """A picture's key as columns hold it: `url:` before that of a link; empty for none."""
    if picture is None:
        return ""
    return picture.key if picture.copy_allowed else f"url:{picture.key}"


def _keys(picture: Picture | None) -> str | list[str]:
    """One key, or the ranked ones where several pictures are published."""
    if picture is None or not picture.further:
        return key_of(picture)
    return [key_of(one) for one in picture.ranked]


def _album_id(image: SharedImage | None) -> str:
    if image is None or not image.album:
        return ""
    return "new added image" if image.new else str(image.album)


def _relevance(picture: Picture | None) -> float | str:
    return picture.verification.get("relevance", "") if picture else ""


def face_fields(face: Face) -> dict[str, str]:
    """The JSON beside a face picture."""
    return {
        "face_description": face.description,
        "image_source": "t2i",
        "image_url": "",
        "index": face.key,
        "image_sha256": face.image,
    }


def pictures_of(picture: Picture) -> Iterable[tuple[Picture | Further, dict[str, str]]]:
    """The pictures published for a slot, each with the JSON beside it.

    That begins with the released fields, then says whom to thank.
    """
    for one in picture.ranked:
        yield (
            one,
            {
                "image_source": "web" if picture.route == "web" else one.source,
                "image_url": one.url,
                "index": one.key,
                "image_page": one.page,
                "image_licence": one.licence,
                "image_author": one.author,
                "image_time": one.time,
                "image_sha256": one.image,
                "image_phash": one.phash,
            },
        )


def seen_fields(data: bytes) -> dict[str, str]:
    """The size of a picture that is a link alone, when it was found.

    The SHA-256 is that of the JPEG that the run keeps, which nobody else can make for sure.
    `image_phash` is compared with that of whatever the link leads to later, see `mcu.phash`.
    """
    with Image.open(io.BytesIO(data)) as image:  # reads the header alone
        width, height = image.size
    return {
        "image_width": str(width),
        "image_height": str(height),
    }
