"""Pictures by diffusion models: a worker a device, a route a kind, on shared base models."""

import queue
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL.Image import Image

from mcu.backends import ImageRequest, Origin
from mcu.backends.avatar import Avatar
from mcu.backends.diffusers.open import Shelf, section_of
from mcu.backends.diffusers.routes import KINDS, check_licence, public, resolve
from mcu.backends.diffusers.worker import Worker
from mcu.errors import ConfigError, Reject
from mcu.image_section import ImageSection

_OF_AGE = 18


class DiffusersImages:
    """Draws portraits, pictures of a persona and scenes, each by the route that is configured.

    Personas under 18 are illustrated, unless `image.minors` says otherwise.

    Weights are loaded when a kind of picture is first asked for.

    Raises:
        ConfigError: a route's weights may not be used commercially, and that was not agreed to; a
            path leads nowhere; there is no such device.
    """

    def __init__(self, image: ImageSection) -> None:
        check_licence(image)
        _check_paths(image)
        self._image = image
        self._avatar = Avatar()
        self._workers: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        names = image.devices or devices()
        self._all = [_worker(name, image) for name in names]
        for worker in self._all:
            self._workers.put(worker)
        self.lanes = len(self._all)

    def most(self, kind: str) -> int:
        """What the device with the least room takes."""
        return min(worker.most(kind) for worker in self._all)

    def generate(self, requests: Sequence[ImageRequest]) -> list[Image | Reject]:
        """Pictures in the order of the requests, on whichever device is free.

        Raises:
            BackendError: weights are missing, or not one picture fits into memory.
        """
        painted = [request for request in requests if not self._is_illustrated(request)]
        found = iter(self._paint(painted))
        return [
            self._avatar.generate([request])[0] if self._is_illustrated(request) else next(found)
            for request in requests
        ]

    def _paint(self, requests: list[ImageRequest]) -> list[Image | Reject]:
        if not requests:
            return []
        worker = self._workers.get()
        try:
            return worker.draw(requests)
        finally:
            self._workers.put(worker)

    def origin(self, request: ImageRequest) -> Origin:
        """The weights of the route, or the illustrator of minors; of a path its last part alone."""
        if self._is_illustrated(request):
            return self._avatar.origin(request)
        chosen = resolve(section_of(self._image, request.kind))
        model = " + ".join(public(name) for name in (chosen.base, chosen.weights) if name)
        return Origin(model, request.seed, "trainedAlgorithmicMedia")

    def _is_illustrated(self, request: ImageRequest) -> bool:
        age = request.look.get("age", "")
        young = age.isdecimal() and int(age) < _OF_AGE
        return young and self._image.minors == "illustrated"


def _check_paths(image: ImageSection) -> None:
    """Stage 8 is late to find out that a file is not there."""
    for kind in KINDS:
        chosen = resolve(getattr(image, kind))
        for name in (chosen.base, chosen.weights, chosen.encoder, image.arcface):
            path = Path(name).expanduser()
            if name.startswith(("/", "~", ".")) and not path.exists():
                raise ConfigError(f"image.{kind}: there is no file or folder {name!r}")


def devices() -> tuple[str, ...]:
    """Every GPU here, or Apple's, or the CPU."""
    if torch.cuda.is_available():
        return tuple(f"cuda:{number}" for number in range(torch.cuda.device_count()))
    return ("mps",) if torch.backends.mps.is_available() else ("cpu",)


def _worker(device: str, image: ImageSection) -> Worker:
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        said = str(error).splitlines()[0]
        raise ConfigError(f"image.devices: {device!r} cannot be used: {said}") from error
    return Worker(device, image, Shelf(image, device).open)
