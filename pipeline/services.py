"""What one process of a run shares: backends, limits, counters and the worker threads."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from PIL.Image import Image

from mcu.backends import (
    Chat,
    Encoder,
    FaceCheck,
    Hit,
    ImageGenerator,
    ImageRequest,
    Origin,
    PictureSafety,
    Safety,
    Search,
    build,
)
from mcu.batching import Batcher
from mcu.budget import Budget
from mcu.config import Config
from mcu.errors import Incomplete, McuError
from mcu.sections import StageChatSection
from mcu.store import Store

_LINGER = 0.05  # seconds for which a batch of pictures waits to be full; it takes some itself
_QUERIES = 64  # in one search of the indexes
_SEARCHES = 4  # at once; one of the web waits for its server


@dataclass
class Meter:
    """Counts of this process, for the progress display."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    usd: float = 0.0
    unpriced: int = 0
    replayed: int = 0

    def add(self, answer: Mapping[str, Any]) -> None:
        """Count one finished call."""
        self.calls += 1
        self.prompt_tokens += answer["prompt_tokens"]
        self.completion_tokens += answer["completion_tokens"]
        self.cached_tokens += answer["cached_tokens"]
        self.usd += answer["usd"] or 0.0
        self.unpriced += answer["usd"] is None


class Services:
    """Everything outside a stage, opened once a process, and only what the stages use."""

    def __init__(self, config: Config, store: Store, budget: Budget | None = None) -> None:
        self.config = config
        self.store = store
        self.pool = ThreadPoolExecutor(config.image.workers, thread_name_prefix="pictures")
        self.meter = Meter()
        self.budget = budget or Budget()
        self.stopping = False
        self._chat: Chat | None = None
        self._writing: dict[str, StageChatSection] = {}

    def open(self, uses: Iterable[str]) -> None:
        """Open the backends of some configuration sections now, before there are threads.

        Raises:
            ConfigError: a setting names something that is not there, or a key is missing.
            BackendError: a backend's package is not installed; the message names the extra.
        """
        roles = {"chat": ("chat",), "image": ("images",), "checks": ("faces", "safety", "pictures")}
        for section in uses:
            for role in roles.get(section, ("search",)):
                getattr(self, role)

    @property
    def chat(self) -> Chat:
        """The language model."""
        if self._chat is None:
            self._chat = build.open_chat(self.config, self.budget, self.store.root / "journal")
        return self._chat

    def writing(self, stage: str) -> StageChatSection:
        """What a stage asks of the language model; looked up for each call."""
        if stage not in self._writing:
            self._writing[stage] = self.config.chat.of(stage)
        return self._writing[stage]

    def chat_load(self) -> str:
        """How busy the language model is, in a few words; empty before it is used."""
        return self._chat.load() if self._chat else ""

    @cached_property
    def images(self) -> ImageGenerator:
        """The image generator."""
        return build.open_images(self.config)

    @cached_property
    def faces(self) -> FaceCheck | None:
        """The face check, or None where it is off."""
        return build.open_faces(self.config)

    @cached_property
    def safety(self) -> Safety | None:
        """The check of texts, or None where it is off."""
        return build.open_safety(self.config)

    @cached_property
    def encoder(self) -> Encoder:
        """What compares texts with pictures, or with their captions."""
        return build.open_encoder(self.config)

    @cached_property
    def search(self) -> Mapping[str, Search]:
        """Picture searches: "retrieval" over the indexes, and "web"."""
        index = build.open_indexes(self.config, self.encoder)
        return {"retrieval": index, "web": build.open_web(self.config, index)}

    @cached_property
    def pictures(self) -> PictureSafety | None:
        """The check of drawn pictures, or None where it is off."""
        return build.open_pictures(self.config)

    @cached_property
    def drawing(self) -> Batcher[ImageRequest, Image]:
        """Where pictures are asked for."""
        images = self.images
        work = images.generate
        return Batcher(lambda _, asked: work(asked), images.most, images.lanes, _LINGER)

    @cached_property
    def finding(self) -> Batcher[str, list[Hit]]:
        """Where searches are asked for; those of the index go together, those of the web alone."""
        hits = {"retrieval": self.config.index.hits, "web": self.config.web.hits}

        def work(where: str, queries: Sequence[str]) -> list[list[Hit]]:
            return self.search[where].search(queries, hits[where])

        return Batcher(work, {"retrieval": _QUERIES, "web": 1}.__getitem__, _SEARCHES, 0.01)

    def faces_for(self, origin: Origin) -> FaceCheck | None:
        """The face check for a picture; one of photographs sees nothing in an illustration."""
        if self.faces is None or origin.source == "trainedAlgorithmicMedia":
            return self.faces
        return self._drawn_faces

    @cached_property
    def _drawn_faces(self) -> FaceCheck:
        return build.open_drawn_faces()

    def stop(self, error: BaseException) -> None:
        """Begin no call any more, because of an error; those in flight are waited for by others."""
        self.stopping = True
        reason = error if isinstance(error, McuError) else Incomplete("the run was stopped")
        if self._chat is not None:
            self._chat.stop(reason)
        for batcher in self._batchers():
            batcher.stop(reason)

    def _batchers(self) -> list[Batcher[Any, Any]]:
        """Those of the backends that are open."""
        opened = {"images": "drawing", "search": "finding"}
        return [getattr(self, name) for role, name in opened.items() if role in vars(self)]

    async def close(self) -> None:
        """Give connections and threads back."""
        if self._chat is not None:
            await self._chat.close()
        for batcher in self._batchers():
            await asyncio.to_thread(batcher.close)
        self.pool.shutdown(cancel_futures=True)
