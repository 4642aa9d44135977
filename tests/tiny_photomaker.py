"""Random PhotoMaker checkpoints in the layout of the published ones, tiny or at true widths."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file

from mcu.backends.diffusers.photomaker.encoder import V1, V2, IDEncoder, Sizes

# Widths of `tiny.write_sdxl`; the tower sees four patches.
TINY = Sizes(width=64, mlp=96, layers=2, patch=14, picture=28, text=(32, 32))
TINY_2 = replace(TINY, face=16, tokens=2, depth=2)
# The published widths with a single layer of the tower, for `write_sdxl(true_widths=True)`.
SHORT = replace(V1, layers=1)
SHORT_2 = replace(V2, layers=1, depth=1)
Form = Literal["processor", "peft"]
_RANK = 2
_PARTS = {"to_q": "to_q", "to_k": "to_k", "to_v": "to_v", "to_out.0": "to_out"}


def id_encoder(sizes: Sizes, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random tensors under the published names; norms and biases random too, so that all count."""
    made = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        wanted = IDEncoder(sizes).state_dict()
    tensors = {}
    for name, like in wanted.items():
        noise = torch.randn(like.shape, generator=made)
        if like.ndim > 1:
            tensors[name] = noise * like[0].numel() ** -0.5
        else:
            tensors[name] = noise * 0.1 + float(name.endswith("weight"))
    return tensors


def lora(
    unet: Any, form: Form = "processor", seed: int = 0, scale: float = 0.2
) -> dict[str, torch.Tensor]:
    """A random LoRA on every attention of a UNet, under old or PEFT-style names."""
    made = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, module in unet.named_modules():
        part = next((part for part in _PARTS if name.endswith(f".{part}")), "")
        if not part or ".attn" not in name:
            continue
        stem = f"unet.{name}"
        down, up = "lora_A.weight", "lora_B.weight"
        if form == "processor":
            stem = f"unet.{name.removesuffix(part)}processor.{_PARTS[part]}_lora"
            down, up = "down.weight", "up.weight"
        tensors[f"{stem}.{down}"] = torch.randn(_RANK, module.in_features, generator=made) * scale
        tensors[f"{stem}.{up}"] = torch.randn(module.out_features, _RANK, generator=made) * scale
    return tensors


def write(path: Path, encoder: dict[str, Any], lora: dict[str, Any]) -> Path:
    """A checkpoint; the suffix says in which of the two forms."""
    parts = {"id_encoder": encoder, "lora_weights": lora}
    if path.suffix == ".safetensors":
        flat = {f"{part}.{name}": t for part, some in parts.items() for name, t in some.items()}
        save_file(flat, path)
    else:
        torch.save(parts, path)
    return path


def face(seed: int, size: tuple[int, int] = (224, 224)) -> bytes:
    """A JPEG of coarse random colours; at 224 px no resizing comes between it and the encoder."""
    spots = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(spots).resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def embed(image: Image.Image) -> NDArray[np.float32]:
    """An embedding [16] for `TINY_2`: a function of the pixels, of no fixed length."""
    small = np.asarray(image.convert("L").resize((4, 4)), np.float32)
    return (small.flatten() - 127) / 40
