"""Opening SDXL base models, LoRAs and single weight files: a folder, a file or a Hub id."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from diffusers.models.attention_processor import FusedAttnProcessor2_0
from safetensors.torch import load_file

from mcu.errors import BackendError

Offload = Literal["off", "model", "sequential"]
Tensors = dict[str, torch.Tensor]


@contextmanager
def loading(name: str) -> Iterator[None]:
    """Turn what libraries raise over missing or torn weights into one sentence.

    Raises:
        BackendError: names the weights, and what the library said.
    """
    try:
        yield
    except BackendError:
        raise
    except Exception as error:  # every library has its own kinds
        said = " ".join(str(error).split())[:300]
        raise BackendError(
            f"the weights {name!r} cannot be loaded; give a folder, a file or a Hub id that this "
            f"machine can reach: {said}"
        ) from error


def find_file(name: str) -> Path:
    """A weight file: a path, or `owner/repository/file` on the Hub, which is fetched once.

    Raises:
        BackendError: there is no such file.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return path
    owner, _, rest = name.partition("/")
    repository, _, file = rest.partition("/")
    if path.is_absolute() or not file:
        raise BackendError(f"there is no weight file {name!r}")
    from huggingface_hub import hf_hub_download

    with loading(name):
        return Path(hf_hub_download(f"{owner}/{repository}", file))


def read_tensors(path: Path) -> dict[str, Any]:
    """The tensors of a .safetensors file, or the dict of a .bin file, whose code is not run."""
    with loading(str(path)):
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return found


def open_pipeline(kind: Any, name: str, dtype: torch.dtype) -> Any:
    """A pipeline of a diffusers class in evaluation mode, without a progress bar of its own.

    Half-precision files are taken where the model has them, which halves the download.

    Raises:
        BackendError: the weights are not there, or are of another model.
    """
    settings: dict[str, Any] = {"dtype": dtype}
    path = Path(name).expanduser()
    with loading(name):
        if path.is_file():
            pipe = kind.from_single_file(str(path), **settings)
        else:
            source = str(path) if path.is_dir() else name
            pipe = _pretrained(kind, source, settings, dtype is not torch.float32)
    pipe.set_progress_bar_config(disable=True)
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            part.train(False).requires_grad_(False)
    return pipe


def _pretrained(kind: Any, source: str, settings: dict[str, Any], half: bool) -> Any:
    if half:
        try:
            return kind.from_pretrained(source, variant="fp16", **settings)
        except (OSError, ValueError):  # the model has no files of that variant
            pass
    return kind.from_pretrained(source, **settings)


def open_sdxl(name: str, dtype: torch.dtype) -> StableDiffusionXLPipeline:
    """An SDXL base model.

    Raises:
        BackendError: as `open_pipeline`, or it is not SDXL.
    """
    pipe = open_pipeline(StableDiffusionXLPipeline, name, dtype)
    if getattr(pipe, "text_encoder_2", None) is None or pipe.text_encoder is None:
        raise BackendError(f"{name!r} lacks SDXL's two text encoders")
    pipe.watermark = None  # an invisible one would change pixels; pictures carry XMP instead
    return pipe


def sister(base: StableDiffusionXLPipeline, unet: torch.nn.Module) -> StableDiffusionXLPipeline:
    """A pipeline with another UNet that shares text encoders and VAE, and no tokenizer.

    Routes add words to tokenizers and set schedulers, so those are copies.
    """
    parts = dict(base.components)
    for name in ("tokenizer", "tokenizer_2", "scheduler"):
        parts[name] = copy.deepcopy(parts[name])
    pipe = StableDiffusionXLPipeline(
        **{**parts, "unet": unet},
        force_zeros_for_empty_prompt=base.config.force_zeros_for_empty_prompt,
        add_watermarker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def unet_with(base: StableDiffusionXLPipeline, tensors: Tensors, name: str) -> Any:
    """A UNet of the base's shape with all weights from elsewhere.

    Raises:
        BackendError: the tensors are those of another model.
    """
    unet = UNet2DConditionModel.from_config(base.unet.config)
    with loading(name):
        unet.load_state_dict(tensors)
    return unet.to(base.unet.dtype).train(False).requires_grad_(False)


def with_lora(
    base: StableDiffusionXLPipeline, tensors: Tensors, adapter: str
) -> StableDiffusionXLPipeline:
    """A sister of the base whose UNet has a LoRA fused in, so that it costs no time.

    Raises:
        BackendError: PEFT is missing, or the LoRA is made for another model.
    """
    pipe = sister(base, copy.deepcopy(base.unet))
    with loading(adapter):
        pipe.load_lora_weights(dict(tensors), adapter_name=adapter)
        if not getattr(pipe.unet, "peft_config", None):  # diffusers only logs that
            raise BackendError(f"the LoRA of {adapter} has no weights for the UNet")
        pipe.fuse_lora(components=["unet"], adapter_names=[adapter])
        pipe.unload_lora_weights()
    pipe.unet.train(False).requires_grad_(False)
    return pipe


def fuse(unet: Any) -> None:
    """Join the query, key and value matrices of attentions.

    With an IP-Adapter those of self-attention alone: diffusers' own method would replace the
    adapter's attentions to text, and the UNet would fail on what it hands them.
    """
    if unet.encoder_hid_proj is None:
        unet.fuse_qkv_projections()
        return
    for name, module in unet.named_modules():
        if name.endswith("attn1"):
            module.fuse_projections()
            module.set_processor(FusedAttnProcessor2_0())


def place(pipe: Any, device: str, offload: Offload, compiled: bool) -> None:
    """Put a pipeline where it runs, with what makes it fast or small there.

    Channels-last and fused projections pay on GPUs. VAE slicing decodes one picture at a time, so
    that a batch needs no more memory there than one.
    """
    if hasattr(pipe, "vae"):
        pipe.vae.enable_slicing()
    net = getattr(pipe, "unet", None) or pipe.transformer
    if device.startswith("cuda") and hasattr(pipe, "unet"):
        net.to(memory_format=torch.channels_last)
        pipe.vae.to(memory_format=torch.channels_last)
        fuse(net)
    if offload == "model":
        pipe.enable_model_cpu_offload(device=device)
    elif offload == "sequential":
        pipe.enable_sequential_cpu_offload(device=device)
    else:
        pipe.to(device)
    if compiled:
        net.compile(mode="max-autotune-no-cudagraphs", dynamic=False)
