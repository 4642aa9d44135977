"""Finished runs written straight into the store: for tests of what is published, at any size."""

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from mcu import prompts
from mcu.config import Config, parse_config
from mcu.contract import Stage
from mcu.engine import fingerprint
from mcu.ids import sha256, uuid4_of
from mcu.items import SPLITS, Split
from mcu.phash import phash
from mcu.records import (
    ASSISTANT,
    RELATIONS,
    AlbumEntry,
    Commonsense,
    DeviceImage,
    Event,
    Events,
    Face,
    Interval,
    Narrative,
    Persona,
    Picture,
    Place,
    Plan,
    Record,
    Session,
    SharedImage,
    Turn,
)
from mcu.release.splits import split_of
from mcu.run import Run
from mcu.stages import STAGES
from mcu.store import Store, Unit
from mcu.unit import Output

R = TypeVar("R", bound=Record)
Kept = tuple[str, str]  # a picture's SHA-256 and perceptual hash
ALBUM, TURNS = 5, 10
_START = date(2021, 1, 4)
_SYLLABLES = [a + b for a in "bdfgkmstvz" for b in "aeou"]
_WORDS = [a + b + c for a in _SYLLABLES for b in _SYLLABLES for c in ("", "n", "r", "s")]
_COUNTRIES = ("Brazil", "China", "Germany", "India", "Italy", "Japan", "South Korea", "UK", "USA")


def words(rng: Random, number: int) -> str:
    """Made-up words, few of them often, as in a language."""
    drawn = (_WORDS[int(len(_WORDS) * rng.random() ** 2)] for _ in range(number))
    return " ".join(drawn).capitalize() + "."


@dataclass
class World:
    """What a run is made of; every part can be replaced.

    Attributes:
        text: gives a text of about so many words.
        name: gives a person's name.
        pools: pictures of each side of the split, so that none is on two.
    """

    pools: dict[Split, Sequence[Kept]]
    text: Callable[[Random, int], str] = words
    name: Callable[[Random], str] = lambda rng: rng.choice(_WORDS).capitalize()
    sessions: tuple[int, int] = (4, 6)
    change: Callable[[Picture], dict[str, Any]] = field(default=lambda picture: {})
    change_face: Callable[[Face], dict[str, Any]] = field(default=lambda face: {})


def pool(store: Store, number: int, seed: int = 0, side: int = 64) -> dict[Split, Sequence[Kept]]:
    """Small pictures, each unlike all others, in parts of 90, 5 and 5 %, of two at least."""
    rng = np.random.default_rng(seed)
    held = max(2, number // 20)
    found: dict[Split, Sequence[Kept]] = {}
    for split in SPLITS:
        wanted = number - 2 * held if split == "train" else held
        found[split] = [picture(store, rng, side) for _ in range(wanted)]
    return found


def picture(store: Store, rng: np.random.Generator, side: int = 64) -> Kept:
    """One more picture, of a few soft patches of colour."""
    patches = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    image = patches.resize((side, side), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    path = store.image_path(digest := sha256(buffer.getvalue()))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())  # not `add_image`, which waits for the disk
    seen = phash(image)
    return digest, "" if seen is None else f"{seen:016x}"


def write_run(
    root: Path,
    world: Callable[[Store], World],
    shards: Iterable[int] | None = None,
    **settings: dict[str, Any],
) -> Run:
    """A finished run, of those shards or all; the same arguments give the same bytes."""
    config = parse_config(settings)
    run = Run.create(root, config)
    made = world(run.store)
    for shard in range(config.shards) if shards is None else shards:
        _write_shard(run, shard, made)
    return run


def _write_shard(run: Run, shard: int, world: World) -> None:
    config = run.config
    first = shard * config.shard_size
    numbers = range(first, min(first + config.shard_size, config.personas))
    rows: dict[type[Record], list[Record]] = {stage.makes: [] for stage in STAGES}
    for number in numbers:
        for record in _person(config, number, world):
            rows[type(record)].append(record)
    sums: dict[str, str] = {}
    for stage in STAGES:
        output = Output(Unit(stage, shard), run.store)
        output.add([r.model_dump_json().encode() + b"\n" for r in rows[stage.makes]], [])
        output.finish(_origin(stage, config, sums), len(rows.get(stage.takes, ())), {})
        sums[stage.name] = (run.store.mark(Unit(stage, shard)) or {})["sha256"]


def _origin(stage: Stage, config: Config, sums: dict[str, str]) -> dict[str, Any]:
    needed = {stage.takes, *stage.needs}
    chosen = {name: getattr(getattr(config, name), "backend", "") for name in stage.uses}
    return {
        "fingerprint": fingerprint(stage, STAGES, config),
        "prompts": {name: prompts.load(name).hash for name in stage.prompts},
        "backends": {name: backend for name, backend in chosen.items() if backend},
        "model": config.chat.of(stage.name).model if "chat" in stage.uses else "",
        "upstream": {s.name: sums[s.name] for s in STAGES if s.makes in needed},
    }


def _person(config: Config, number: int, world: World) -> Iterable[Record]:
    rng = Random(f"{config.run.seed} {number}")
    place = rng.choice(_COUNTRIES)
    persona = Persona(
        category="food",
        entity_key="dish",
        entity_value=rng.choice(_WORDS),
        sentence=world.text(rng, 8),
        name=world.name(rng),
        age=rng.randint(18, 90),
        gender=rng.choice(("female", "male")),
        birthplace=place,
        residence=rng.choice(_COUNTRIES) if rng.random() < 0.3 else place,
        parent=str(number),
    )
    pictures = world.pools[split_of(persona.id, config.release)]
    yield persona
    face = Face(
        parent=persona.id,
        name=persona.name,
        description=world.text(rng, 20),
        look={"hair": "grey"},
        key=uuid4_of("face", persona.id),
        image=rng.choice(pictures)[0],
    )
    yield changed(face, world.change_face(face))
    left = config.run.episodes - number * len(RELATIONS)
    for relation in RELATIONS[:left]:
        inference = Commonsense(parent=persona.id, relation=relation, inference=world.text(rng, 6))
        yield inference
        yield from _episode(persona, inference, rng, world, pictures)


def _episode(
    persona: Persona, inference: Commonsense, rng: Random, world: World, pool: Sequence[Kept]
) -> Iterable[Record]:
    facts = f"I am {persona.name}, {persona.age}, and I live in {persona.residence}. "
    narrative = Narrative(parent=inference.id, text=facts + world.text(rng, 20))
    album = [
        DeviceImage(
            parent=narrative.id, number=n, description=world.text(rng, 12), category="nature"
        )
        for n in range(1, ALBUM + 1)
    ]
    start = _START + timedelta(days=rng.randrange(700))
    graph = Events(
        parent=narrative.id,
        events=[
            Event(
                number=n,
                date=f"{start + timedelta(weeks=n - 1):%Y.%m.%d}",
                event=world.text(rng, 8),
                caused_by=[n - 1] if n > 1 else [],
                interval=Interval(value=1, unit="week") if n > 1 else None,
                experience=world.text(rng, 8) if n > 1 else "",
                op="" if n == 1 else rng.choice(("add", "update")),
            )
            for n in range(1, rng.randint(*world.sessions) + 1)
        ],
    )
    sessions = [_session(persona, graph, event, album, rng, world) for event in graph.events]
    yield from (narrative, graph, *album, *sessions)
    yield from _pictures(graph, album, sessions, rng, world, pool)


def _session(
    persona: Persona,
    graph: Events,
    event: Event,
    album: list[DeviceImage],
    rng: Random,
    world: World,
) -> Session:
    turns = []
    for n in range(TURNS):
        speaker, image = (persona.name, ASSISTANT)[n % 2], None
        if n == 4:  # a picture of the album
            shown = album[(event.number - 1) % ALBUM]
            image = SharedImage(
                description=shown.description,
                rationale=world.text(rng, 8),
                source="mobile",
                keywords=[rng.choice(_WORDS)],
                album=shown.number,
            )
        elif n == 7:
            image = SharedImage(
                description=world.text(rng, 12),
                rationale=world.text(rng, 8),
                source="internet",
                keywords=[rng.choice(_WORDS), rng.choice(_WORDS)],
            )
        text = "" if image else world.text(rng, rng.randint(8, 24))
        turns.append(Turn(speaker=speaker, utterance=text, image=image))
    return Session(
        parent=graph.id,
        number=event.number,
        date=event.date,
        event=event.event,
        interval=event.interval,
        experience=event.experience,
        op=event.op,
        turns=turns,
        album=[
            AlbumEntry(number=d.number, description=d.description, category=d.category)
            for d in album
        ],
    )


def _pictures(
    graph: Events,
    album: list[DeviceImage],
    sessions: list[Session],
    rng: Random,
    world: World,
    pool: Sequence[Kept],
) -> Iterable[Picture]:
    slots: dict[str, tuple[str, int, list[Place]]] = {
        f"album:{device.number}": (device.description, device.number, []) for device in album
    }
    for session in sessions:
        for number, turn in enumerate(session.turns, 1):
            if (shared := turn.image) is None:
                continue
            name = f"session{session.number}:turn{number}"
            slot = slots.setdefault(
                f"album:{shared.album}" if shared.album else name, (shared.description, 0, [])
            )
            slot[2].append(Place(session=session.number, turn=number))
    for name, (description, number, places) in slots.items():
        image, seen = rng.choice(pool)
        made = Picture(
            parent=graph.id,
            slot=name,
            description=description,
            album=number,
            places=places,
            plan=Plan(route="t2i", prompt=description),
            key=uuid4_of("image", graph.id, name),
            image=image,
            phash=seen,
            route="t2i",
            source="t2i",
            seed=rng.randrange(2**31),
            verification={"relevance": round(rng.random(), 4)},
        )
        yield changed(made, world.change(made))


def changed(record: R, changes: dict[str, Any]) -> R:
    """The record with other values, and the id that goes with them."""
    return type(record)(**{**record.model_dump(exclude={"id"}), **changes}) if changes else record
