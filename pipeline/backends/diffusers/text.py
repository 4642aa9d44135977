"""Prompts as SDXL reads them, each encoded once."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from mcu.lately import Lately

_KEPT = 128  # prompts; one takes 0.3 MB in half precision


class Texts(NamedTuple):
    """Prompts for the UNet.

    Attributes:
        embeds: [n, 77, 2048], the second-to-last hidden states of both encoders.
        pooled: [n, 1280], of the second encoder.
    """

    embeds: torch.Tensor
    pooled: torch.Tensor

    @staticmethod
    def joined(texts: "Sequence[Texts]") -> "Texts":
        """Several as one batch."""
        return Texts(torch.cat([t.embeds for t in texts]), torch.cat([t.pooled for t in texts]))


class TextCache:
    """Encodes prompts with a pipeline's text encoders; those of late are kept.

    Each prompt goes through the encoders alone, so that its vectors do not depend on the batch
    that it came in with. They cost a hundredth of what the UNet does.
    """

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe
        self._known: Lately[str, Texts] = Lately(_KEPT)

    def __call__(self, prompts: Sequence[str]) -> Texts:
        """The prompts' vectors, in order."""
        return Texts.joined([self._one(prompt) for prompt in prompts])

    def _one(self, prompt: str) -> Texts:
        return self._known.of(prompt, lambda: self._encoded(prompt))

    def _encoded(self, prompt: str) -> Texts:
        with torch.inference_mode():
            embeds, _, pooled, _ = self._pipe.encode_prompt(
                prompt, device=self._pipe._execution_device, do_classifier_free_guidance=False
            )
        return Texts(embeds, pooled)
