"""One batch through an SDXL pipeline: text vectors and seeds in, pictures out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from PIL import Image

from mcu.backends.diffusers.text import Texts
from mcu.errors import Reject

Result = Image.Image | Reject


@dataclass(frozen=True)
class Job:
    """What a batch is drawn from.

    Attributes:
        texts: n prompts.
        negative: one or n negative prompts; used where guidance is above 1.
        seeds: n numbers, a generator each, so that no picture depends on the others.
        merged: prompts that take the place of `texts` from step `merge_step + 1` on.
        extra: further arguments of the pipeline.
    """

    texts: Texts
    negative: Texts
    seeds: Sequence[int]
    steps: int
    guidance: float
    size: int
    merged: Texts | None = None
    merge_step: int = 0
    extra: dict[str, Any] = field(default_factory=dict)


def latents(pipe: Any, job: Job) -> torch.Tensor:
    """The job's latents [n, 4, size / 8, size / 8] after all steps."""
    return _run(pipe, job, "latent")


def draw(pipe: Any, job: Job) -> list[Result]:
    """The job's pictures."""
    return pictures(_run(pipe, job, "pt"))


def pictures(pixels: torch.Tensor) -> list[Result]:
    """Pictures of [n, 3, height, width] from 0 to 1.

    What came out as no number is a Reject (fp16 overflows do that).
    """
    sound = torch.isfinite(pixels).flatten(1).all(1).tolist()
    array = (pixels.clamp(0, 1) * 255).round().nan_to_num(0).to(torch.uint8)
    found = array.permute(0, 2, 3, 1).cpu().numpy()
    return [
        Image.fromarray(picture)
        if good
        else Reject("bad_image", "the model gave no numbers; bf16 overflows less than fp16")
        for picture, good in zip(found, sound, strict=True)
    ]


def _run(pipe: Any, job: Job, output: str) -> torch.Tensor:
    guided = job.guidance > 1
    negative = _repeated(job.negative, len(job.seeds)) if guided else None
    with torch.inference_mode():
        result = pipe(
            prompt_embeds=job.texts.embeds,
            pooled_prompt_embeds=job.texts.pooled,
            negative_prompt_embeds=negative.embeds if negative else None,
            negative_pooled_prompt_embeds=negative.pooled if negative else None,
            generator=[torch.Generator("cpu").manual_seed(seed) for seed in job.seeds],
            num_inference_steps=job.steps,
            guidance_scale=job.guidance,
            height=job.size,
            width=job.size,
            output_type=output,
            callback_on_step_end=_swap(job, negative) if job.merged else None,
            callback_on_step_end_tensor_inputs=["prompt_embeds", "add_text_embeds"],
            **job.extra,
        )
    images: torch.Tensor = result.images
    return images


def _swap(job: Job, negative: Texts | None) -> Callable[..., dict[str, torch.Tensor]]:
    """A callback that puts the merged prompts in place after the merge step."""
    merged = job.merged
    assert merged is not None
    after = Texts.joined([negative, merged]) if negative else merged

    def swap(pipe: Any, step: int, time: Any, given: dict[str, Any]) -> dict[str, torch.Tensor]:
        if step != job.merge_step:
            return {}
        return {"prompt_embeds": after.embeds, "add_text_embeds": after.pooled}

    return swap


def _repeated(texts: Texts, times: int) -> Texts:
    if len(texts.embeds) == times:
        return texts
    return Texts(texts.embeds.repeat(times, 1, 1), texts.pooled.repeat(times, 1))
