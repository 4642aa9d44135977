"""Tiny random IP-Adapters in the layouts of the real files, and portraits."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tiny import torch_ready

WIDTH = 64  # of the tiny SDXL's text
_SEEN = 32  # of the tiny image encoder
_ATTENTIONS = 16  # of the tiny SDXL's UNet, two a block
_CHANNELS = 16  # where it has attention
_RANK = 4


def portrait(number: int, size: int = 64) -> bytes:
    """A JPEG that stands for a person: the same number, the same bytes."""
    noise = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((size, size)).save(buffer, "JPEG")
    return buffer.getvalue()


def write_plus_face(folder: Path, *, width: int = _SEEN) -> Path:
    """As h94/IP-Adapter: the file in sdxl_models, the encoder in models, another one beside it."""
    import torch
    from safetensors.torch import save_file

    torch_ready()
    torch.manual_seed(1)
    write_encoder(folder / "models" / "image_encoder", width)
    write_encoder(folder / "sdxl_models" / "image_encoder", 2 * width)
    tensors = {f"image_proj.{key}": value for key, value in _resampler(width).items()}
    tensors |= {f"ip_adapter.{key}": value for key, value in _attention().items()}
    path = folder / "sdxl_models" / "ip-adapter-plus-face_sdxl_vit-h.safetensors"
    save_file(tensors, path)
    return path


def write_encoder(folder: Path, width: int) -> None:
    """A CLIP vision tower of 28 px and 5 tokens."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=3,
        num_attention_heads=2,
        projection_dim=16,
        image_size=28,
        patch_size=14,
    )
    CLIPVisionModelWithProjection(config).save_pretrained(folder)


def _resampler(width: int, inner: int = 64, tokens: int = 3) -> dict[str, Any]:
    """Plus-face's projection, as the adapter's authors name its tensors."""
    found = {
        "latents": _random(1, tokens, inner),
        "proj_in.weight": _random(inner, width),
        "proj_in.bias": _random(inner),
        "proj_out.weight": _random(WIDTH, inner),
        "proj_out.bias": _random(WIDTH),
        "norm_out.weight": 1 + _random(WIDTH),
        "norm_out.bias": _random(WIDTH),
    }
    for layer in range(4):
        attention, forward = f"layers.{layer}.0", f"layers.{layer}.1"
        for norm in (f"{attention}.norm1", f"{attention}.norm2", f"{forward}.0"):
            found[f"{norm}.weight"], found[f"{norm}.bias"] = 1 + _random(inner), _random(inner)
        found[f"{attention}.to_q.weight"] = _random(64, inner)
        found[f"{attention}.to_kv.weight"] = _random(128, inner)
        found[f"{attention}.to_out.weight"] = _random(inner, 64)
        found[f"{forward}.1.weight"] = _random(4 * inner, inner)
        found[f"{forward}.3.weight"] = _random(inner, 4 * inner)
    return found


def _attention() -> dict[str, Any]:
    """Keys and values for image tokens, of the attentions to text, which have odd numbers."""
    return {
        f"{number}.to_{part}_ip.weight": _random(_CHANNELS, WIDTH)
        for number in range(1, _ATTENTIONS, 2)
        for part in ("k", "v")
    }


def write_face_id(folder: Path) -> Path:
    """As h94/IP-Adapter-FaceID: a pickle of two dicts, with LoRA of every attention."""
    import torch

    torch_ready()
    torch.manual_seed(2)
    projection = {
        "proj.0.weight": _random(1024, 512),
        "proj.0.bias": _random(1024),
        "proj.2.weight": _random(4 * WIDTH, 1024),
        "proj.2.bias": _random(4 * WIDTH),
        "norm.weight": 1 + _random(WIDTH),
        "norm.bias": _random(WIDTH),
    }
    attention = _attention()
    for number in range(_ATTENTIONS):
        for part in ("q", "k", "v", "out"):
            text = number % 2 and part in "kv"
            attention[f"{number}.to_{part}_lora.down.weight"] = _random(
                _RANK, WIDTH if text else _CHANNELS
            )
            attention[f"{number}.to_{part}_lora.up.weight"] = _random(_CHANNELS, _RANK)
    path = folder / "ip-adapter-faceid_sdxl.bin"
    torch.save({"image_proj": projection, "ip_adapter": attention}, path)
    return path


def _random(*shape: int) -> Any:
    import torch

    return torch.randn(*shape) * 0.2


def face_vector(image: Image.Image) -> NDArray[np.float32]:
    """Stands for ArcFace: 512 numbers of length 1 that depend on the pixels."""
    pixels = np.asarray(image.convert("L").resize((32, 16)), np.float32).ravel() - 127
    return pixels / np.linalg.norm(pixels)
