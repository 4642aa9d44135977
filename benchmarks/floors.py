"""Least times that a picture can take on a device, by counted work and measured speed."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode

_LATENT = 8  # pixels of a picture a pixel of its latents
_TOKENS = 77


@dataclass(frozen=True)
class Floors:
    """What a picture needs, and what the device gives.

    Attributes:
        forward: FLOPs of the UNet for one latent.
        decode: FLOPs of the VAE's decoder for one picture.
        weights: bytes of the UNet.
        matmul: FLOP/s of a large dense product in the weights' type.
        copy: bytes/s that a large copy on the device reads and writes.
    """

    forward: float
    decode: float
    weights: int
    matmul: float
    copy: float

    def arithmetic(self, steps: int, guided: bool) -> float:
        """Seconds a picture if every operation ran as fast as the product does.

        Guidance needs the UNet twice a step. Text and ID encoding, a thousandth, is left out.
        """
        return (self.forward * steps * (2 if guided else 1) + self.decode) / self.matmul

    def bandwidth(self, steps: int, batch: int) -> float:
        """Seconds a picture if all that had to be done were to read the UNet's weights."""
        return self.weights * steps / batch / self.copy


def floors(pipe: Any, size: int, device: str, side: int) -> Floors:
    """Count for this pipeline, measure on this device.

    Args:
        pipe: an SDXL pipeline; its configurations are counted, nothing of it is run.
        size: pixels a side of a picture.
        device: where to measure.
        side: of the square matrices multiplied.
    """
    weights = sum(p.numel() * p.element_size() for p in pipe.unet.parameters())
    dtype = pipe.unet.dtype
    return Floors(
        unet_flops(pipe.unet.config, size),
        vae_flops(pipe.vae.config, size),
        weights,
        matmul_speed(device, dtype, side),
        copy_speed(device, 16 * side * side),
    )


def unet_flops(config: Any, size: int) -> int:
    """FLOPs of one forward pass for one latent; a multiplication and an addition are two."""
    latent = size // _LATENT
    with torch.device("meta"):
        unet: Any = UNet2DConditionModel.from_config(config)
        times = 6
        pooled = config.projection_class_embeddings_input_dim
        pooled -= times * config.addition_time_embed_dim
        conditions = {"text_embeds": torch.empty(1, pooled), "time_ids": torch.empty(1, times)}
        sample = torch.empty(1, config.in_channels, latent, latent)
        text = torch.empty(1, _TOKENS, config.cross_attention_dim)
        step = torch.empty(())
    return _counted(lambda: unet(sample, step, text, added_cond_kwargs=conditions))


def vae_flops(config: Any, size: int) -> int:
    """FLOPs of decoding one picture."""
    latent = size // _LATENT
    with torch.device("meta"):
        vae: Any = AutoencoderKL.from_config(config)
        sample = torch.empty(1, config.latent_channels, latent, latent)
    return _counted(lambda: vae.decode(sample))


def _counted(run: Callable[[], Any]) -> int:
    counter = FlopCounterMode(display=False)
    with torch.device("meta"), torch.no_grad(), counter:
        run()
    return int(counter.get_total_flops())


def matmul_speed(device: str, dtype: torch.dtype, side: int) -> float:
    """FLOP/s of the product of two random square matrices, held for a while."""
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    out = torch.empty_like(left)
    seconds = _each(lambda: torch.mm(left, right, out=out), device)
    return 2 * side**3 / seconds


def copy_speed(device: str, size: int) -> float:
    """Bytes read and written a second by a copy of so many bytes on the device."""
    source = torch.empty(size, dtype=torch.uint8, device=device).random_()
    target = torch.empty_like(source)
    return 2 * size / _each(lambda: target.copy_(source), device)


def _each(run: Callable[[], Any], device: str, least: float = 1.0) -> float:
    """Seconds a call, over at least so many seconds in batches that keep the device busy."""
    calls = 20
    for _ in range(calls):
        run()
    wait(device)
    done, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < (least if "cuda" in device else least / 10):
        for _ in range(calls):
            run()
        wait(device)
        done += calls
    return passed / done


def wait(device: str) -> None:
    """Let the device finish what it was given, so that a clock tells the truth."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
