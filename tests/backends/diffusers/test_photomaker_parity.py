"""PhotoMaker v1 gives the latents of the authors' own code, here as a package for tests alone."""

import contextlib
import copy
import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import tiny

tiny.torch_ready()
import photomaker.model  # noqa: E402
import tiny_photomaker as made  # noqa: E402
import torch  # noqa: E402
from photomaker.pipeline import PhotoMakerStableDiffusionXLPipeline  # noqa: E402
from PIL import Image  # noqa: E402
from transformers import CLIPImageProcessor, CLIPImageProcessorPil  # noqa: E402

from mcu.backends import ImageRequest  # noqa: E402
from mcu.backends.diffusers.base import open_sdxl  # noqa: E402
from mcu.backends.diffusers.denoise import latents  # noqa: E402
from mcu.backends.diffusers.photomaker import PhotoMaker, _processor, open_photomaker  # noqa: E402
from mcu.backends.diffusers.photomaker.prompt import encode  # noqa: E402

STEPS = 5
MERGES = (0, 3, STEPS - 1)
SIZE = 64
PROMPT = "a photo of a man img, smiling in the park's street; 21 years old"
NEGATIVE = "blurry, red table"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tiny.write_sdxl(tmp_path_factory.mktemp("sdxl"), true_widths=True)
    pipe = open_sdxl(str(folder), torch.float32)
    for name, weight in pipe.unet.named_parameters():
        if ".attn2." in name and name.endswith("weight"):
            weight.mul_(3)  # random attention hardly hears one word among 77
    return pipe


@pytest.fixture(scope="module", params=["lora", "no-lora"])
def pair(
    request: pytest.FixtureRequest, base: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Any, Any, float]]:
    """Their pipeline, ours with its encoder, and how far apart they may be.

    A LoRA is fused in ours and apart in theirs, which rounds otherwise.
    """
    with_lora = request.param == "lora"
    encoder = made.id_encoder(made.SHORT)
    lora = made.lora(base.unet, scale=0.1 if with_lora else 0.0)
    file = made.write(tmp_path_factory.mktemp("weights") / "photomaker.bin", encoder, lora)
    opened = open_photomaker(base, str(file), 1)
    file.unlink()
    yield reference(base, encoder, lora), opened, 1e-4 if with_lora else 2e-5


def reference(base: Any, encoder: dict[str, Any], lora: dict[str, Any]) -> Any:
    pipe = PhotoMakerStableDiffusionXLPipeline.from_pretrained(
        base.name_or_path, unet=copy.deepcopy(base.unet)
    )
    pipe.set_progress_bar_config(disable=True)
    weights = {"id_encoder": encoder, "lora_weights": lora}
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
        patch.setitem(photomaker.model.VISION_CONFIG_DICT, "num_hidden_layers", 1)
        pipe.load_photomaker_adapter(weights, "")  # says so, with all the weights
    pipe.id_encoder.eval()
    pipe.id_image_processor = CLIPImageProcessorPil()  # as it was when the authors wrote theirs
    return pipe


def start() -> torch.Tensor:
    return torch.randn(1, 4, SIZE // 8, SIZE // 8, generator=torch.Generator().manual_seed(5))


def theirs(pipe: Any, prompt: str, faces: list[bytes], step: int) -> torch.Tensor:
    result: torch.Tensor = pipe(
        prompt=prompt,
        negative_prompt=NEGATIVE,
        input_id_images=[Image.open(io.BytesIO(data)) for data in faces],
        start_merge_step=step,
        num_inference_steps=STEPS,
        guidance_scale=5.0,
        height=SIZE,
        width=SIZE,
        latents=start(),
        output_type="latent",
    ).images
    return result


def ours(opened: tuple[Any, Any], prompt: str, faces: list[bytes], step: int) -> torch.Tensor:
    route = PhotoMaker(
        *opened, steps=STEPS, guidance=5.0, strength=step / STEPS, size=SIZE, negative=NEGATIVE
    )
    job = route.job([ImageRequest("p-t2i", prompt, 0, faces=tuple(faces))])
    assert job.merge_step == step
    return latents(route.pipe, replace(job, extra={"latents": start()}))


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max())


@pytest.mark.parametrize("sizes", [[(224, 224)], [(224, 224), (300, 260)]])
def test_latents_equal_the_references(
    pair: tuple[Any, Any, float], sizes: list[tuple[int, int]]
) -> None:
    pipe, opened, bar = pair
    faces = [made.face(seed, size) for seed, size in enumerate(sizes)]
    wanted = {step: theirs(pipe, PROMPT, faces, step) for step in MERGES}
    found = {step: ours(opened, PROMPT, faces, step) for step in MERGES}
    for step in MERGES:
        assert apart(found[step], wanted[step]) < bar
    assert apart(found[0], wanted[3]) > 1e-2
    assert apart(found[STEPS - 1], wanted[3]) > 1e-3  # the last step takes little noise away
    assert apart(ours(opened, PROMPT, [made.face(9)], 0), wanted[0]) > 1e-2
    assert apart(ours(opened, PROMPT.replace("man", "dog"), faces, 0), wanted[0]) > 1e-2


@pytest.mark.parametrize("pictures", [1, 2, 4])
@pytest.mark.parametrize(
    "prompt",
    [
        "man img",
        PROMPT,
        "A businesswoman img's hat (red): it's 3 o'clock!",
        'Photo of the ÉTÉ girl   img\tin a café, 😀 "street"',
        "a young boy img" + " red hat" * 20,
    ],
)
def test_prompt_vectors_equal_the_references(
    pair: tuple[Any, Any, float], prompt: str, pictures: int
) -> None:
    pipe, (own, _), _ = pair
    with torch.inference_mode():
        embeds, pooled, mask = pipe.encode_prompt_with_trigger_word(prompt, None, pictures)
    expanded = encode(own, prompt, pictures)
    assert torch.equal(expanded.texts.embeds, embeds)
    assert torch.equal(expanded.texts.pooled, pooled)
    assert mask[0].nonzero()[:, 0].tolist() == list(range(77))[expanded.places]


def test_preparing_pictures_equals_the_references_to_a_rounding() -> None:
    for size in ((224, 224), (1024, 1024), (300, 260)):
        picture = Image.open(io.BytesIO(made.face(1, size)))
        own = _processor(224)(picture)
        assert own.shape == (1, 3, 224, 224)
        for kind in (CLIPImageProcessorPil, CLIPImageProcessor):
            other = kind()(picture, return_tensors="np").pixel_values
            assert np.abs(own - other).max() < 0.02  # one of 256 levels is 0.015
