"""Tiny random diffusion models, written to disk in the layouts of the real ones."""

import re
import sys
from pathlib import Path
from typing import Any

_WORDS = re.findall(
    r"\w+",
    "a an the of in on at with and man woman boy girl person photo picture portrait red blue green "
    "old young img smiling wearing hat street park beach dog cat table year years from",
)
_KEPT: list[Any] = []


def torch_ready() -> None:
    """One thread; and torchvision's operators, where only its Python half is installed."""
    import torch

    torch.set_num_threads(1)
    try:
        import torchvision  # noqa: F401
    except ModuleNotFoundError:
        return
    except RuntimeError:
        for name in [name for name in sys.modules if name.startswith("torchvision")]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _KEPT.append(library)  # the operators go when it does


def write_sdxl(folder: Path, *, true_widths: bool = False, seed: int = 0) -> Path:
    """A tiny SDXL: 64 px pictures from 8 x 8 latents; with SDXL's text widths where asked."""
    torch_ready()
    import torch
    from diffusers import (
        AutoencoderKL,
        EulerDiscreteScheduler,
        StableDiffusionXLPipeline,
        UNet2DConditionModel,
    )

    torch.manual_seed(seed)
    widths = (768, 1280) if true_widths else (32, 32)
    pipe = StableDiffusionXLPipeline(
        vae=AutoencoderKL(
            block_out_channels=(8, 8, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4,
            norm_num_groups=4,
            sample_size=64,
        ),
        text_encoder=_text_encoder(widths[0], projected=False),
        text_encoder_2=_text_encoder(widths[1], projected=True),
        tokenizer=write_tokenizer(folder / "words", "<|endoftext|>"),
        tokenizer_2=write_tokenizer(folder / "words_2", "!"),
        unet=UNet2DConditionModel(
            sample_size=8,
            block_out_channels=(8, 16),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=(2, 4),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            transformer_layers_per_block=(1, 2),
            projection_class_embeddings_input_dim=6 * 8 + widths[1],
            cross_attention_dim=sum(widths),
            norm_num_groups=4,
        ),
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
        ),
        add_watermarker=False,
    )
    pipe.save_pretrained(folder)
    return folder


def _text_encoder(width: int, *, projected: bool) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=1000,
        hidden_size=width,
        intermediate_size=2 * width,
        projection_dim=width,
        num_hidden_layers=3,
        num_attention_heads=4,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    return CLIPTextModelWithProjection(config) if projected else CLIPTextModel(config)


def write_tokenizer(folder: Path, pad: str) -> Any:
    """A CLIP tokenizer that knows all letters and a few words whole."""
    from transformers import CLIPTokenizer

    letters = [chr(code) for code in range(33, 127)]
    vocabulary = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{c}</w>" for c in letters)]
    merges = []
    for word in _WORDS:
        parts = [*word[:-1], f"{word[-1]}</w>"]
        while len(parts) > 1:
            if (pair := f"{parts[0]} {parts[1]}") not in merges:
                merges.append(pair)
            parts[:2] = [parts[0] + parts[1]]
            if parts[0] not in vocabulary:
                vocabulary.append(parts[0])
    return CLIPTokenizer(
        {token: number for number, token in enumerate(vocabulary)},
        [tuple(pair.split()) for pair in merges],
        pad_token=pad,
        model_max_length=77,
    )
