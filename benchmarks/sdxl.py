"""SDXL with PhotoMaker's ID encoder and random weights: at full size on a device, or tiny."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from tiny_photomaker import TINY, id_encoder, lora, write
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from mcu.backends.diffusers.base import open_sdxl, sister
from mcu.backends.diffusers.photomaker import open_photomaker
from mcu.backends.diffusers.photomaker.encoder import V1, IDEncoder
from mcu.backends.diffusers.quiet import quiet
from tiny import write_sdxl, write_tokenizer

# stabilityai/stable-diffusion-xl-base-1.0, the configuration files of its parts.
UNET: dict[str, Any] = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
    "use_linear_projection": True,
}
VAE: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "scaling_factor": 0.13025,
    "sample_size": 1024,
}
_TEXT = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12}
_TEXT_2 = {"hidden_size": 1280, "num_hidden_layers": 32, "num_attention_heads": 20}
_NOISE: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
}


@dataclass(frozen=True)
class Models:
    """What pictures are drawn with.

    Attributes:
        base: SDXL as it is, for faces.
        pipe: the same with PhotoMaker's LoRA fused in; at full size that one has no LoRA, for a
            fused one costs no time.
        size: pixels a side of the pictures.
    """

    base: Any
    pipe: Any
    encoder: IDEncoder
    size: int


def full_size(device: str) -> Models:
    """All parts of the published sizes in bf16; values are random, which changes no speed."""
    parts: dict[str, Any] = {
        "scheduler": EulerDiscreteScheduler(**_NOISE),
        "tokenizer": write_tokenizer(Path(), "<|endoftext|>"),
        "tokenizer_2": write_tokenizer(Path(), "!"),
    }
    with _made(device, torch.bfloat16):
        parts["unet"] = UNet2DConditionModel(**UNET)
        parts["vae"] = AutoencoderKL(**VAE)
        parts["text_encoder"] = CLIPTextModel(_text(_TEXT, "quick_gelu"))
        parts["text_encoder_2"] = CLIPTextModelWithProjection(_text(_TEXT_2, "gelu"))
        encoder = IDEncoder(V1)
    pipe = StableDiffusionXLPipeline(**parts, add_watermarker=False)
    for part in (pipe.unet, pipe.vae, pipe.text_encoder, pipe.text_encoder_2, encoder):
        part.eval().requires_grad_(False)
    pipe.set_progress_bar_config(disable=True)
    return Models(pipe, sister(pipe, pipe.unet), encoder, UNET["sample_size"] * 8)


def tiny(folder: Path) -> Models:
    """Pictures of 64 px; written to disk and opened as real weights are."""
    quiet()
    base = open_sdxl(str(write_sdxl(folder / "sdxl")), torch.float32)
    path = write(folder / "photomaker.safetensors", id_encoder(TINY), lora(base.unet))
    pipe, encoder = open_photomaker(base, str(path), 1)
    return Models(base, pipe, encoder, 64)


def _text(sizes: dict[str, int], activation: str) -> CLIPTextConfig:
    """SDXL's, but for the three tokens whose numbers the tokenizer at hand sets."""
    return CLIPTextConfig(
        **sizes,
        intermediate_size=4 * sizes["hidden_size"],
        projection_dim=sizes["hidden_size"],
        hidden_act=activation,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )


@contextmanager
def _made(device: str, dtype: torch.dtype) -> Iterator[None]:
    """Make tensors on a device and in a type unless they say otherwise."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            yield
    finally:
        torch.set_default_dtype(before)
