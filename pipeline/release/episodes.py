"""One episode with all that belongs to it, and its row in the columns of stark-dialogue."""

import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from mcu.family import Family
from mcu.phash import phash
from mcu.records import (
    Commonsense,
    Events,
    Face,
    Narrative,
    Persona,
    Picture,
    Record,
    Session,
)
from mcu.store import Rows, Unit

if TYPE_CHECKING:
    from mcu.run import Run

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
EXTRA_COLUMNS = ("narrative",)
EXTRA_SESSION_COLUMNS = (
    "time_interval",
    "experience_op",
    "caused_by",
    "device_image_descriptions",
    "device_image_categories",
)


def columns() -> list[str]:
    """The released columns in order, then our own."""
    numbers = range(1, SESSIONS + 1)
    released = [*EPISODE_COLUMNS, *(f"session{n}:{c}" for n in numbers for c in SESSION_COLUMNS)]
    ours = (f"session{n}:{c}" for n in numbers for c in EXTRA_SESSION_COLUMNS)
    return [*released, *EXTRA_COLUMNS, *ours]


@dataclass(frozen=True)
class Episode:
    """Everything that is published about one episode."""

    persona: Persona
    face: Face
    inference: Commonsense
    narrative: Narrative
    events: Events
    sessions: list[Session]
    pictures: list[Picture]

    @property
    def complete(self) -> bool:
        """Whether every shared picture and every device picture was found."""
        shared = sum(t.image is not None for s in self.sessions for t in s.turns)
        kept = sum(len(picture.places) for picture in self.pictures)
        devices = sum(picture.album > 0 for picture in self.pictures)
        return kept == shared and devices == len(self.sessions[-1].album)

    def row(self, seed: int) -> dict[str, Any]:
        """The episode's row; sessions that do not exist have empty values."""
        person = self.persona
        row: dict[str, Any] = {
            "index": f"{seed}:{person.id}-{self.inference.relation}",
            "number_of_session": len(self.sessions),
            "name": person.name,
            "age": str(person.age),
            "gender": person.gender,
            "birthplace": person.birthplace,
            "residence": person.residence,
            "human_face_description": self.face.description,
            "human_face_image_key": f"face:{self.face.key}",
            "persona_category": person.category,
            "persona_sentence": person.sentence,
            "persona_entity_key": person.entity_key,
            "persona_entity_value": person.entity_value,
            "persona_commonsense_relation": self.inference.relation,
            "persona_commonsense_inference": self.inference.inference,
            "narrative": self.narrative.text,
        }
        for session in self.sessions:
            for column, value in self._session(session).items():
                row[f"session{session.number}:{column}"] = value
        return {column: row.get(column, "") for column in columns()}

    def _session(self, session: Session) -> dict[str, str]:
        shown = {
            (place.session, place.turn): picture
            for picture in self.pictures
            for place in picture.places
        }
        turns = [
            (turn, turn.image, shown.get((session.number, number)))
            for number, turn in enumerate(session.turns, 1)
        ]
        devices = {picture.album: picture for picture in self.pictures if picture.album}
        caused_by = self.events.events[session.number - 1].caused_by
        return {
            "date": session.date,
            "event": session.event,
            "experience": session.experience,
            "speakers": _list(turn.speaker for turn, _, _ in turns),
            "utterances": _list(turn.utterance for turn, _, _ in turns),
            "rationales": _list(image.rationale if image else "" for _, image, _ in turns),
            "image_descriptions": _list(i.description if i else "" for _, i, _ in turns),
            "image_sources": _list(image.source if image else "" for _, image, _ in turns),
            "keywords": _list(image.keywords if image else "" for _, image, _ in turns),
            "image_id_from_mobile": _list(_album_id(image) for _, image, _ in turns),
            "images_key": _list(_key(picture) for _, _, picture in turns),
            "images_module_name": _list(p.route if p else "" for _, _, p in turns),
            "device_images_key": _list(_key(devices.get(e.number)) for e in session.album),
            "time_interval": str(session.interval) if session.interval else "",
            "experience_op": session.op,
            "caused_by": _list(caused_by),
            "device_image_descriptions": _list(e.description for e in session.album),
            "device_image_categories": _list(e.category for e in session.album),
        }

    def face_fields(self) -> dict[str, str]:
        """The JSON beside the face picture."""
        return {
            "face_description": self.face.description,
            "image_source": "t2i",
            "image_url": "",
            "index": self.face.key,
        }

    @staticmethod
    def image_fields(picture: Picture) -> dict[str, str]:
        """The JSON beside a picture: the released fields, then whom to thank."""
        return {
            "image_source": "web" if picture.route == "web" else picture.source,
            "image_url": picture.url,
            "index": picture.key,
            "image_page": picture.page,
            "image_licence": picture.licence,
            "image_author": picture.author,
            "image_time": picture.time,
            "image_sha256": picture.image,
        }

    @staticmethod
    def link_fields(picture: Picture, data: bytes) -> dict[str, str]:
        """The JSON of a picture that is a link alone; also what it looked like when it was found.

        The SHA-256 is that of the JPEG that the run keeps, which nobody else can make for sure.
        `image_phash` is compared with that of whatever the link leads to later, see `mcu.phash`.
        """
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
            seen = phash(image)
        return {
            **Episode.image_fields(picture),
            "image_width": str(width),
            "image_height": str(height),
            "image_phash": "" if seen is None else f"{seen:016x}",
        }


def episodes(run: "Run", counts: Counter[str]) -> Iterator[Episode]:
    """Every episode that has a face and enough sessions, shard by shard; losses are counted."""
    from mcu.stages import STAGES

    for shard in range(run.config.shards):
        rows: dict[type[Record], Rows] = {}
        for stage in STAGES:
            unit = Unit(stage, shard)
            mark = run.store.mark(unit) or {}
            rows[stage.makes] = Rows(run.store.rows_path(unit), mark.get("sha256", ""))
        family = Family(STAGES, rows)
        for events in family.records(Events):
            episode = _episode(events, family)  # type: ignore[arg-type]
            if episode is None:
                counts["left out for a lost face or dialogue"] += 1
            else:
                yield episode
        family.close()


def _episode(events: Events, family: Family) -> Episode | None:
    def all_of(kind: type[Record]) -> list[Any]:
        return family.of(events, kind)

    inference = all_of(Commonsense)[0]
    faces = [f for f in all_of(Face) if f.relation in ("", inference.relation)]
    sessions = sorted(all_of(Session), key=lambda session: session.number)
    if not (faces and sessions):
        return None
    return Episode(
        persona=all_of(Persona)[0],
        face=faces[0],
        inference=inference,
        narrative=all_of(Narrative)[0],
        events=events,
        sessions=sessions,
        pictures=all_of(Picture),
    )


def _list(values: Any) -> str:
    return json.dumps(list(values), ensure_ascii=False)


def _album_id(image: Any) -> str:
    if image is None or not image.album:
        return ""
    return "new added image" if image.new else str(image.album)


def _key(picture: Picture | None) -> str:
    if picture is None:
        return ""
    return picture.key if picture.copy_allowed else f"url:{picture.key}"
