"""What one process of a run shares: backends, limits, counters and the worker threads."""

import io
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from PIL import Image

from mcu.backends import Chat, FaceCheck, ImageGenerator, Safety, Search, build
from mcu.budget import Budget
from mcu.config import Config
from mcu.errors import Incomplete, McuError
from mcu.sections import StageChatSection
from mcu.store import Store


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
        roles = {"chat": ("chat",), "image": ("images",), "checks": ("faces", "safety")}
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
    def search(self) -> Mapping[str, Search]:
        """Picture searches: "retrieval" over the index, and "web"."""
        index = build.open_index(self.config.index.name)
        return {"retrieval": index, "web": build.open_web(self.config, index)}

    def count_faces(self, image: bytes) -> int:
        """Faces in a picture; one where the check is off."""
        if self.faces is None:
            return 1
        return self.faces.count(Image.open(io.BytesIO(image)))

    def stop(self, error: BaseException) -> None:
        """Begin no call any more, because of an error; those in flight are waited for by others."""
        self.stopping = True
        if self._chat is not None:
            reason = error if isinstance(error, McuError) else Incomplete("the run was stopped")
            self._chat.stop(reason)
        self.pool.shutdown(wait=False, cancel_futures=True)

    async def close(self) -> None:
        """Give connections and threads back."""
        if self._chat is not None:
            await self._chat.close()
        self.pool.shutdown(cancel_futures=True)
