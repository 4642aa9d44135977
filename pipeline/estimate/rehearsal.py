"""A rehearsal: the scripted author writes a few episodes, and what that takes is counted."""

import asyncio
import io
import tempfile
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mcu.backends import (
    ChatReply,
    ChatRequest,
    Dispatch,
    Encoder,
    FaceCheck,
    Hit,
    ImageRequest,
    Origin,
    PictureSafety,
    Search,
)
from mcu.backends.openai_wire import schema_size
from mcu.backends.scripted import Scripted
from mcu.config import Config
from mcu.engine import Engine
from mcu.errors import Reject
from mcu.estimate import charges_schema
from mcu.estimate.figures import Counts, Measured, given_up, is_repair
from mcu.services import Services
from mcu.store import Store, Unit

_PERSONAS = 8
_CHARACTERS_A_TOKEN = 4
_ON_A_GPU = 5.0  # seconds of a picture of 50 steps on one large card, until a sample tells


def rehearse(config: Config) -> Measured:
    """What each stage asks for and gets, for the first personas of a run.

    Every stage runs as it will, prompts, checks and repairs included. Only nothing is drawn or
    looked up: no request to the model depends on a picture.
    """
    from mcu.stages import STAGES

    small = _shortened(config)
    counts = {stage.name: Counts() for stage in STAGES}
    with tempfile.TemporaryDirectory(prefix="mcu-") as name:
        store = Store(Path(name))
        asyncio.run(_run(small, store, counts))
        marks = [store.mark(Unit(stage, 0)) or {} for stage in STAGES]
    for stage, mark in zip(STAGES, marks, strict=True):
        counts[stage.name].rejects = given_up(mark.get("rejects", {}))
    return Measured(
        personas=int(marks[0].get("records", 0)),
        seeds=int(marks[0].get("inputs", 0)),
        stages=counts,
        drawing=Measured.drawing if config.image.backend == "avatar" else _ON_A_GPU,
    )


def _shortened(config: Config) -> Config:
    """The same run, cut off after a few personas: it asks for the same as the whole of it."""
    personas = min(_PERSONAS, config.personas)
    small = config.with_run(
        episodes=5 * personas,
        shard_size=personas,
        personas_per_call=config.personas_per_call,
        max_reject_share=1.0,
    )
    # One thread, so that pictures are counted one after the other.
    image = config.image.model_copy(update={"workers": 1})
    return small.model_copy(update={"image": image})


async def _run(config: Config, store: Store, counts: dict[str, Counts]) -> None:
    from mcu.stages import STAGES

    engine = Engine(config, store, STAGES, STAGES, [0])
    services = _Rehearsed(config, store, counts)
    try:
        await engine.run(services)
    finally:
        await services.close()


class _Rehearsed(Services):
    """The services of a run that costs nothing and draws nothing."""

    def __init__(self, config: Config, store: Store, counts: dict[str, Counts]) -> None:
        super().__init__(config, store)
        self._chat = _Author(counts, charges_schema(config.chat))
        self._blank = _Blank(counts)

    @cached_property
    def images(self) -> "_Blank":
        """Draws nothing."""
        return self._blank

    @cached_property
    def faces(self) -> FaceCheck | None:
        """Takes every picture for a portrait."""
        return None

    @cached_property
    def pictures(self) -> PictureSafety | None:
        """Takes every picture for a decent one."""
        return None

    @cached_property
    def encoder(self) -> Encoder:
        """Takes everything for what was asked for."""
        return self._blank

    @cached_property
    def search(self) -> Mapping[str, Search]:
        """Finds the same picture for whatever is asked."""
        return {"retrieval": self._blank, "web": self._blank}


class _Author(Scripted):
    """The scripted author, who counts."""

    def __init__(self, counts: dict[str, Counts], with_schema: bool) -> None:
        from mcu.stages import STAGES

        self._counts = {stage.number: counts[stage.name] for stage in STAGES}
        self._with_schema = with_schema

    async def complete(self, request: ChatRequest, dispatch: Dispatch) -> ChatReply:
        """Answer one request at once."""
        reply = await super().complete(request, dispatch)
        counts = self._counts[-dispatch.priority[0]]
        counts.calls += 1
        counts.prompt_tokens += reply.prompt_tokens
        counts.completion_tokens += reply.completion_tokens
        counts.repairs += is_repair(request.messages)
        if self._with_schema:
            counts.prompt_tokens += schema_size(request) // _CHARACTERS_A_TOKEN
        return reply


class _Blank:
    """A picture of nothing, drawn and found; what is drawn is counted."""

    lanes = 1
    name, width, sees, bar = "blank", 1, False, -1.0

    def __init__(self, counts: dict[str, Counts]) -> None:
        self._counts = counts
        file = io.BytesIO()
        Image.new("RGB", (8, 8)).save(file, "JPEG")
        self._picture = file.getvalue()

    def most(self, kind: str) -> int:
        """One."""
        return 1

    def generate(self, requests: Sequence[ImageRequest]) -> list[Image.Image | Reject]:
        """One picture a request."""
        for request in requests:
            self._counts["face" if request.kind == "face" else "align"].pictures += 1
        return [Image.new("RGB", (8, 8)) for _ in requests]

    def origin(self, request: ImageRequest) -> Origin:
        """Nothing that anybody sees."""
        return Origin("rehearsal", request.seed, "algorithmicMedia")

    def encode(self, texts: Sequence[str]) -> Any:
        """The same vector for all."""
        return np.ones((len(texts), 1), np.float32)

    def pictures(self, images: Sequence[Image.Image]) -> Any:
        """The same vector for all."""
        return np.ones((len(images), 1), np.float32)

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """One hit a query."""
        return [[Hit(file="blank.jpg", caption="nothing", source="rehearsal")] for _ in queries]

    def fetch(self, hit: Hit) -> bytes:
        """The picture."""
        return self._picture
