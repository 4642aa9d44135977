"""SDXL and SDXL-Lightning: scenes without the persona, and faces."""

from collections.abc import Sequence
from typing import Any

from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline

from mcu.backends import ImageRequest
from mcu.backends.diffusers.base import find_file, read_tensors, sister, unet_with, with_lora
from mcu.backends.diffusers.denoise import Job, Result, draw
from mcu.backends.diffusers.text import TextCache


class SDXL:
    """Text to picture with a pipeline that is in its place."""

    def __init__(self, pipe: Any, *, steps: int, guidance: float, size: int, negative: str) -> None:
        self.pipe = pipe
        self._texts = TextCache(pipe)
        self._fixed: dict[str, Any] = {"steps": steps, "guidance": guidance, "size": size}
        self._negative = negative

    def draw(self, requests: Sequence[ImageRequest]) -> list[Result]:
        """A picture a request, in order."""
        texts = self._texts([request.prompt for request in requests])
        negative = self._texts([self._negative])
        seeds = [request.seed for request in requests]
        return draw(self.pipe, Job(texts, negative, seeds, **self._fixed))


def open_lightning(base: StableDiffusionXLPipeline, weights: str) -> StableDiffusionXLPipeline:
    """The base with SDXL-Lightning's UNet or LoRA, and the scheduler that it was distilled for.

    Lightning wants guidance 0 and trailing timesteps (model card of ByteDance/SDXL-Lightning).
    """
    tensors = read_tensors(find_file(weights))
    if any("lora" in name for name in tensors):
        pipe = with_lora(base, tensors, "lightning")
    else:
        pipe = sister(base, unet_with(base, tensors, weights))
    pipe.scheduler = EulerDiscreteScheduler.from_config(
        base.scheduler.config, timestep_spacing="trailing"
    )
    return pipe
