"""A tiny random CLIP for open_clip, with its real tokenizer, in two layouts."""

import json
from pathlib import Path
from typing import Any

from tiny import torch_ready

MODEL = "mcu-tiny-clip"


def write_clip(folder: Path, *, size: int = 32, layers: int = 2, width: int = 64) -> Path:
    """Make the model in a folder and register it in this process; gives its weight file.

    The folder itself is a model, too, `local-dir:<folder>`, which needs no registering: another
    process opens it by that name.
    """
    torch_ready()
    import open_clip
    import torch

    config: dict[str, Any] = {
        "embed_dim": 32,
        "quick_gelu": True,
        "vision_cfg": {
            "image_size": size,
            "layers": layers,
            "width": width,
            "head_width": 32,
            "patch_size": 8,
        },
        "text_cfg": {
            "context_length": 77,
            "vocab_size": 49408,
            "width": 32,
            "heads": 2,
            "layers": 2,
        },
    }
    (folder / "configs").mkdir(parents=True, exist_ok=True)
    (folder / "configs" / f"{MODEL}.json").write_text(json.dumps(config), encoding="utf-8")
    whole = {"model_cfg": config, "preprocess_cfg": {"size": size}}
    (folder / "open_clip_config.json").write_text(json.dumps(whole), encoding="utf-8")
    open_clip.add_model_config(folder / "configs")
    torch.manual_seed(0)
    model = open_clip.CLIP(**config)
    with torch.no_grad():  # as it comes, unlike pictures would look alike
        for weight in model.parameters():
            if weight.ndim == 2:
                weight.normal_(0, weight.shape[1] ** -0.5)
    weights = folder / "open_clip_pytorch_model.bin"
    torch.save(model.state_dict(), weights)
    return weights
