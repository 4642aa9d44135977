"""PhotoMaker's published files: which version they are, and whether they are whole."""

import re
from dataclasses import replace
from math import isqrt
from typing import Any, NamedTuple

import torch
from diffusers import EulerDiscreteScheduler

from mcu.backends.diffusers.base import Tensors, find_file, loading, read_tensors, with_lora
from mcu.backends.diffusers.photomaker.encoder import IDEncoder, Sizes
from mcu.errors import BackendError

_PARTS = ("id_encoder", "lora_weights")
_ROUTES = {1: "photomaker", 2: "photomaker-v2"}
_LAYER = re.compile(r"(?:vision_model\.encoder|perceiver_resampler)\.layers\.(\d+)\.")


class Weights(NamedTuple):
    """The two parts of a PhotoMaker file."""

    id_encoder: Tensors
    lora: Tensors


def open_photomaker(base: Any, name: str, version: int) -> tuple[Any, IDEncoder]:
    """A pipeline with PhotoMaker's LoRA and the Euler scheduler, and the ID encoder beside it.

    Base and scheduler should be those of the paper, RealVisXL 3.0 and Euler; what the base's own
    scheduler says of spacing and sigmas is kept.

    Args:
        base: what it is built on; stays as it is.
        name: a .bin or .safetensors file, or such a file's Hub id.
        version: 1 or 2, which the file must be.

    Raises:
        BackendError: no such file, another version, tensors missing or too many, another model.
    """
    weights = read_weights(name)
    encoder = build_encoder(weights.id_encoder, name, version)
    taken, given = sum(encoder.sizes.text), base.unet.config.cross_attention_dim
    if taken != given:
        raise BackendError(
            f"{name!r} is made for text vectors of width {taken}, the base model's have {given}; "
            "PhotoMaker needs an SDXL base"
        )
    pipe: Any = with_lora(base, weights.lora, "photomaker")
    euler: Any = EulerDiscreteScheduler
    pipe.scheduler = euler.from_config(base.scheduler.config)
    return pipe, encoder.to(device=pipe.device, dtype=pipe.unet.dtype)


def read_weights(name: str) -> Weights:
    """Both parts of a file, in either of the forms in which they are published.

    Raises:
        BackendError: no such file, or no PhotoMaker file.
    """
    found: Any = read_tensors(find_file(name))
    found = found if isinstance(found, dict) else {}
    if any(isinstance(value, torch.Tensor) for value in found.values()):  # flat, by prefixes
        parts: dict[str, Any] = {}
        for key, tensor in found.items():
            part, _, rest = key.partition(".")
            parts.setdefault(part, {})[rest] = tensor
        found = parts
    if set(found) != set(_PARTS) or not all(isinstance(part, dict) for part in found.values()):
        raise BackendError(
            f"{name!r} is no PhotoMaker file: it must hold id_encoder and lora_weights, "
            f"and holds {', '.join(sorted(map(str, found))[:4]) or 'neither'}"
        )
    return Weights(*(found[part] for part in _PARTS))


def build_encoder(tensors: Tensors, name: str, version: int) -> IDEncoder:
    """The ID encoder in evaluation mode, with just these tensors.

    Raises:
        BackendError: of the other version, or tensors are missing, too many or of other shapes.
    """
    found = 2 if any(key.startswith("qformer_perceiver.") for key in tensors) else 1
    if found != version:
        raise BackendError(
            f"{name!r} looks like PhotoMaker v{found}, and v{version} is asked for; choose the "
            f"route {_ROUTES[found]!r}, or weights of v{version}"
        )
    # On the meta device: no time and memory for numbers that are replaced at once.
    with loading(name), torch.device("meta"):
        encoder = IDEncoder(_sizes(tensors, name, version))
    if wrong := _differences(encoder.state_dict(), tensors):
        raise BackendError(f"{name!r} looks like PhotoMaker v{found}, but has tensors {wrong}")
    encoder.load_state_dict(tensors, assign=True)
    embeddings: Any = encoder.vision_model.embeddings
    count = embeddings.position_embedding.num_embeddings
    embeddings.position_ids = torch.arange(count)[None]  # no file holds it
    return encoder.train(False).requires_grad_(False)


def _sizes(tensors: Tensors, name: str, version: int) -> Sizes:
    """The sizes that the shapes tell; a shape that does not agree with the rest is found later."""

    def shape(key: str, axes: int) -> torch.Size:
        tensor = tensors.get(key)
        if not isinstance(tensor, torch.Tensor) or tensor.ndim != axes:
            raise BackendError(
                f"{name!r} looks like PhotoMaker v{version}, but has no sound tensor {key}"
            )
        return tensor.shape

    tower = "vision_model.embeddings"
    first, width = shape("visual_projection.weight", 2)
    second, _ = shape("visual_projection_2.weight", 2)
    patch = shape(f"{tower}.patch_embedding.weight", 4)[-1]
    sizes = Sizes(
        width=width,
        mlp=shape("vision_model.encoder.layers.0.mlp.fc1.weight", 2)[0],
        layers=_layers(tensors, "vision_model."),
        patch=patch,
        picture=patch * isqrt(shape(f"{tower}.position_embedding.weight", 2)[0] - 1),
        text=(first, second),
    )
    if version == 1:
        return sizes
    return replace(
        sizes,
        face=shape("qformer_perceiver.token_proj.0.weight", 2)[1],
        tokens=shape("qformer_perceiver.token_proj.2.weight", 2)[0] // (first + second),
        depth=_layers(tensors, "qformer_perceiver."),
    )


def _layers(tensors: Tensors, part: str) -> int:
    found = (_LAYER.search(key) for key in tensors if key.startswith(part))
    return len({number[1] for number in found if number})


def _differences(wanted: Tensors, given: Tensors) -> str:
    """What of the given tensors is amiss, in a clause; empty when nothing is."""
    both = sorted(wanted.keys() & given.keys())
    kinds = {
        "missing": sorted(wanted.keys() - given.keys()),
        "unknown": sorted(given.keys() - wanted.keys()),
        "of another shape or type": [key for key in both if not _alike(given[key], wanted[key])],
    }
    return ", ".join(f"{len(k)} {what} (such as {k[0]})" for what, k in kinds.items() if k)


def _alike(given: Any, wanted: torch.Tensor) -> bool:
    return (
        isinstance(given, torch.Tensor)
        and given.shape == wanted.shape
        and given.is_floating_point()
    )
