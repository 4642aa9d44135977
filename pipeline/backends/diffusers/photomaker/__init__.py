"""PhotoMaker v1 and v2: pictures of a person from ID pictures, batched over people and prompts."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import transformers
from numpy.typing import NDArray
from PIL import Image

from mcu.backends import ImageRequest
from mcu.backends.diffusers.denoise import Job, Result, draw
from mcu.backends.diffusers.photomaker.encoder import IDEncoder
from mcu.backends.diffusers.photomaker.prompt import encode
from mcu.backends.diffusers.photomaker.weights import open_photomaker
from mcu.backends.diffusers.reference import digest, opened, text_only
from mcu.backends.diffusers.text import TextCache, Texts
from mcu.errors import BackendError, Reject
from mcu.lately import Lately

__all__ = ["Embed", "PhotoMaker", "open_photomaker"]

Embed = Callable[[Image.Image], NDArray[Any]]
"""The ArcFace embedding [512] of the face in a picture, as the network gives it."""

_KEPT = 512  # ID pictures; the tokens of one take 8 KB in half precision
_LATEST = 30  # the published code never waits longer with the face


class _Ready(NamedTuple):
    seed: int
    plain: Texts
    merged: Texts


class PhotoMaker:
    """Pictures of people by their ID pictures, with a pipeline that is in its place.

    The first steps, a share `strength` of all and at most 30, see the prompt without the face;
    they settle what the picture shows. From then on the class word carries the face
    (arXiv 2312.04461; the Stark paper has 50 steps and strength 0.2).

    Raises:
        BackendError: v2 without `embed`.
    """

    def __init__(
        self,
        pipe: Any,
        encoder: IDEncoder,
        *,
        steps: int,
        guidance: float,
        strength: float,
        size: int,
        negative: str,
        embed: Embed | None = None,
    ) -> None:
        if encoder.sizes.face and embed is None:
            raise BackendError("PhotoMaker v2 needs ArcFace weights; set image.arcface to a file")
        self.pipe = pipe
        self._encoder = encoder
        self._embed = embed if encoder.sizes.face else None
        self._texts = TextCache(pipe)
        self._negative = negative
        self._fixed: dict[str, Any] = {"steps": steps, "guidance": guidance, "size": size}
        self._fixed["merge_step"] = min(int(strength * steps), _LATEST)
        self._pixels = _processor(encoder.sizes.picture)
        self._known: Lately[str, torch.Tensor] = Lately(_KEPT)

    def to(self, device: str) -> None:
        """Put the ID encoder on the device on which the pipeline runs."""
        self._encoder.to(device)
        self._known.clear()

    def draw(self, requests: Sequence[ImageRequest]) -> list[Result]:
        """A picture a request, in order; a Reject where the prompt or an ID picture is no good."""
        ready = [self._ready_or_why(request) for request in requests]
        good = [one for one in ready if isinstance(one, _Ready)]
        drawn = iter(draw(self.pipe, self._job(good)) if good else [])
        return [next(drawn) if isinstance(one, _Ready) else one for one in ready]

    def job(self, requests: Sequence[ImageRequest]) -> Job:
        """What the requests are drawn from.

        Raises:
            Reject: one of them cannot be drawn.
        """
        return self._job([self._ready(request) for request in requests])

    def _job(self, ready: Sequence[_Ready]) -> Job:
        return Job(
            Texts.joined([one.plain for one in ready]),
            self._texts([self._negative]),
            [one.seed for one in ready],
            merged=Texts.joined([one.merged for one in ready]),
            **self._fixed,
        )

    def _ready_or_why(self, request: ImageRequest) -> _Ready | Reject:
        try:
            return self._ready(request)
        except Reject as reason:
            return reason

    def _ready(self, request: ImageRequest) -> _Ready:
        if not request.faces:
            raise Reject("no_face", "there is no ID picture of the person to show")
        plain = self._texts([text_only(request.prompt)])
        per = self._encoder.sizes.tokens
        texts, places = encode(self.pipe, request.prompt, per * len(request.faces))
        with torch.inference_mode():
            tokens = torch.cat([self._tokens(face) for face in request.faces])
            texts.embeds[0, places] = self._encoder.fused(texts.embeds[0, places], tokens)
        return _Ready(request.seed, plain, texts)

    def _tokens(self, face: bytes) -> torch.Tensor:
        """ID tokens [tokens, text] of one ID picture; those of late are kept.

        Each goes through the vision tower alone, so that they do not depend on the batch.
        """
        return self._known.of(digest([face]), lambda: self._seen(*opened([face])))

    def _seen(self, picture: Image.Image) -> torch.Tensor:
        found: torch.Tensor = self._encoder.id_tokens(
            self._like_encoder(self._pixels(picture)),
            None if self._embed is None else self._like_encoder(self._embed(picture)[None]),
        )[0]
        return found

    def _like_encoder(self, numbers: NDArray[Any]) -> torch.Tensor:
        weight = self._encoder.visual_projection.weight
        return torch.from_numpy(numbers).to(weight.device, weight.dtype)


def _processor(side: int) -> Callable[[Image.Image], NDArray[Any]]:
    """CLIP's own preparation, [1, 3, side, side].

    The variant that computes with Pillow, which the published weights were trained with: the other
    one differs by a rounding, and would make pictures depend on whether torchvision is there.
    """
    # transformers 4 has that variant alone, under the plain name.
    kind: Any = getattr(transformers, "CLIPImageProcessorPil", None)
    kind = kind or transformers.CLIPImageProcessor
    processor = kind(size={"shortest_edge": side}, crop_size={"height": side, "width": side})

    def pixels(picture: Image.Image) -> NDArray[Any]:
        found: NDArray[Any] = processor(picture, return_tensors="np").pixel_values
        return found

    return pixels
