"""Opening routes on a device: which base, which weights, and what of them is shared."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from diffusers import StableDiffusionXLPipeline
from PIL.Image import Image

from mcu.backends.diffusers.base import Offload, open_sdxl, place, sister
from mcu.backends.diffusers.routes import Resolved, facts, negative, resolve
from mcu.backends.diffusers.sdxl import SDXL, open_lightning
from mcu.backends.diffusers.worker import Route
from mcu.errors import BackendError
from mcu.image_section import ImageSection, RouteSection

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
_TILED_ABOVE = 1024  # px; smaller ones would get seams for nothing
_KINDS = {"face": "face", "p-t2i": "persona", "t2i": "scene"}


def section_of(image: ImageSection, kind: str) -> RouteSection:
    """The settings of the route that draws a kind of picture."""
    found: RouteSection = getattr(image, _KINDS[kind])
    return found


class Shelf:
    """The models on one device, each opened once.

    Routes on one base share its text encoders and VAE; a route with weights of its own has a UNet
    of its own, for weights that are fused in cost no time. Equal routes are one. Where models are
    offloaded nothing is shared, for then each pipeline moves its parts by itself.
    """

    def __init__(self, image: ImageSection, device: str) -> None:
        self._image = image
        self._device = device
        self._dtype = precision(image.precision, device)
        self._offload = offloading(image, device)
        self._bases: dict[str, StableDiffusionXLPipeline] = {}
        self._routes: dict[Resolved, Route] = {}

    def open(self, kind: str) -> Route:
        """The route that draws a kind of picture, in its place.

        Raises:
            BackendError: weights are missing or of another model.
        """
        chosen = resolve(section_of(self._image, kind))
        if chosen not in self._routes:
            self._routes[chosen] = self._opened(chosen)
        return self._routes[chosen]

    def _opened(self, chosen: Resolved) -> Route:
        if chosen.route in ("flux2-klein", "qwen-edit"):
            return self._edit(chosen)
        if chosen.route.startswith("photomaker"):
            return self._photomaker(chosen)
        base, fixed = self._base(chosen.base), self._fixed(chosen)
        if chosen.route.startswith("ip-adapter"):
            from mcu.backends.diffusers.ip_adapter import IPAdapter, open_ip_adapter

            pipe = open_ip_adapter(base, chosen.weights, chosen.encoder)
            self._place(pipe)
            embed = self._embed(normalised=True) if chosen.route.endswith("faceid") else None
            return IPAdapter(pipe, **fixed, strength=chosen.strength, embed=embed)
        if chosen.route == "lightning":
            pipe = open_lightning(base, chosen.weights)
        else:
            pipe = sister(base, base.unet)
        self._place(pipe)
        return SDXL(pipe, **fixed)

    def _photomaker(self, chosen: Resolved) -> Route:
        from mcu.backends.diffusers.photomaker import PhotoMaker, open_photomaker

        version = 2 if chosen.route.endswith("v2") else 1
        pipe, encoder = open_photomaker(self._base(chosen.base), chosen.weights, version)
        self._place(pipe)
        route = PhotoMaker(
            pipe,
            encoder,
            **self._fixed(chosen),
            strength=chosen.strength,
            embed=self._embed(normalised=False) if version == 2 else None,
        )
        route.to(self._device)
        return route

    def _edit(self, chosen: Resolved) -> Route:
        from mcu.backends.diffusers.edit import Edit, open_edit

        pipe = open_edit(chosen.route, chosen.base, self._dtype)
        self._place(pipe)
        return Edit(pipe, **self._fixed(chosen))

    def _base(self, name: str) -> StableDiffusionXLPipeline:
        if self._offload != "off":
            return open_sdxl(name, self._dtype)
        if name not in self._bases:
            self._bases[name] = open_sdxl(name, self._dtype)
        return self._bases[name]

    def _place(self, pipe: Any) -> None:
        if self._image.size > _TILED_ABOVE and hasattr(pipe, "vae"):
            pipe.vae.enable_tiling()
        place(pipe, self._device, self._offload, self._image.compile)

    def _fixed(self, chosen: Resolved) -> dict[str, Any]:
        return {
            "steps": chosen.steps,
            "guidance": chosen.guidance,
            "size": self._image.size,
            "negative": negative(self._image),
        }

    def _embed(self, normalised: bool) -> Callable[[Image], Any]:
        """What turns a face into 512 numbers, for the routes that were trained with ArcFace."""
        if not self._image.arcface:
            raise BackendError("this route needs an ArcFace file: set image.arcface")
        from mcu.backends.arcface import ArcFace

        return partial(ArcFace(self._image.arcface).embed, normalised=normalised)


def precision(name: str, device: str) -> torch.dtype:
    """The type of the weights: bf16 on a GPU that has it, fp16 on others, fp32 on a CPU."""
    if name != "auto":
        return _TYPES[name]
    if device.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.float16 if device == "mps" else torch.float32


def offloading(image: ImageSection, device: str) -> Offload:
    """How weights are held: on the GPU where those of all routes fit, else in main memory."""
    if not device.startswith("cuda"):
        return "off"
    if image.offload != "auto":
        return image.offload
    chosen = {resolve(section_of(image, kind)) for kind in _KINDS}
    needed = sum(facts(one.route).memory[0] for one in chosen)
    total = torch.cuda.get_device_properties(device).total_memory / 1e9
    return "off" if needed <= total else "model"
