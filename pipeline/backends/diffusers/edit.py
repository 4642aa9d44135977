"""FLUX.2 klein and Qwen-Image-Edit: pictures of several people, told by an instruction."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import torch
from diffusers import Flux2KleinPipeline, QwenImageEditPlusPipeline
from PIL.Image import Image

from mcu.backends import ImageRequest
from mcu.backends.diffusers.base import open_pipeline
from mcu.backends.diffusers.denoise import Result, pictures
from mcu.backends.diffusers.reference import opened, plain
from mcu.backends.diffusers.routes import Instruction, instruction
from mcu.errors import BackendError, Reject

_MOST = 3  # pictures shown to the model; with more, likeness falls (Qwen-Image-Edit's model card)
_LEAST = 64  # px a side of a picture that klein takes
_LONGEST = 8  # times its width, and the other way round


class Edit:
    """Draws with an editing pipeline that is in its place.

    ID pictures come first, then the other people's portraits, three in all. Who is in the scene
    counts more than a further ID picture: more than three people are a Reject, more ID pictures
    than there is room for are cut. Neither pipeline takes a batch with different pictures, so
    requests with people are drawn one after the other; those without go through klein together.
    """

    def __init__(self, pipe: Any, *, steps: int, guidance: float, size: int, negative: str) -> None:
        """Take a pipeline of `open_edit`; klein knows no negative prompt and leaves it out."""
        self.pipe = pipe
        self._qwen = isinstance(pipe, QwenImageEditPlusPipeline)
        self._steps, self._guidance, self._negative = steps, guidance, negative
        self._size = size
        self._sentences = instruction()

    def draw(self, requests: Sequence[ImageRequest]) -> list[Result]:
        """A picture a request, in order."""
        results: dict[int, Result] = {}
        together: list[tuple[int, str]] = []
        for place, request in enumerate(requests):
            try:
                faces, others = self._people(request)
                prompt = told(self._sentences, plain(request), len(faces), len(others))
                images = [_fitting(image) for image in opened(faces + others)]
            except Reject as reject:
                results[place] = reject
                continue
            if images:
                [results[place]] = self._drawn([prompt], [request.seed], images)
            else:
                together.append((place, prompt))
        if together:
            places, prompts = zip(*together, strict=True)
            drawn = self._drawn(list(prompts), [requests[place].seed for place in places], [])
            results.update(zip(places, drawn, strict=True))
        return [results[place] for place in range(len(requests))]

    def _people(self, request: ImageRequest) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        """The pictures to show: of the persona, and of the others."""
        faces, others = request.faces, request.others
        if not faces and (request.kind == "p-t2i" or (self._qwen and not others)):
            raise Reject("no_face", "this picture needs an ID picture of a person")
        people = bool(faces) + len(others)
        if people > _MOST:
            raise Reject("too_many_people", f"{people} people to recognise, {_MOST} at most")
        return faces[: _MOST - len(others)], others

    def _drawn(self, prompts: list[str], seeds: Sequence[int], images: list[Image]) -> list[Result]:
        """Pictures that all show the same people."""
        grid = 2 * self.pipe.vae_scale_factor  # pixels that a token of the picture stands for
        side = -(-self._size // grid) * grid
        given: dict[str, Any] = {"prompt": prompts, "image": images or None}
        if self._qwen:
            given["true_cfg_scale"] = self._guidance
            if self._guidance > 1:
                given["negative_prompt"] = self._negative or " "
        else:
            given["guidance_scale"] = self._guidance
        with torch.inference_mode():
            pixels = self.pipe(
                **given,
                height=side,
                width=side,
                num_inference_steps=self._steps,
                generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
                output_type="pt",
            ).images
        margin = (side - self._size) // 2
        kept = slice(margin, margin + self._size)
        return pictures(pixels[:, :, kept, kept])


def told(sentences: Instruction, prompt: str, faces: int, others: int) -> str:
    """The prompt as an instruction, with whose picture is which; as it is without pictures."""
    if not faces + others:
        return prompt
    people = []
    if faces:
        sentence = sentences.one if faces == 1 else sentences.several
        people.append(sentence.format(n=", ".join(str(n + 1) for n in range(faces))))
    people += [sentences.other.format(n=faces + n + 1) for n in range(others)]
    return sentences.whole.format(people=" ".join(people), prompt=prompt)


def _fitting(image: Image) -> Image:
    """The picture in a size that the pipelines take.

    Raises:
        Reject: it is a mere strip.
    """
    short, long = sorted(image.size)
    if long > _LONGEST * short:
        raise Reject("bad_image", f"an ID picture of {image.width} x {image.height} px is a strip")
    if short >= _LEAST:
        return image
    scale = _LEAST / short
    return image.resize((round(image.width * scale), round(image.height * scale)))


def open_edit(route: str, base: str, dtype: torch.dtype) -> Any:
    """The pipeline of the route `flux2-klein` or `qwen-edit`.

    Raises:
        BackendError: the weights are not there, or are of another model; or torchvision is not,
            which Qwen's processor for pictures wants (klein does without).
    """
    if route != "qwen-edit":
        return open_pipeline(Flux2KleinPipeline, base, dtype)
    if find_spec("torchvision") is None:
        raise BackendError("the route 'qwen-edit' needs torchvision: pip install torchvision")
    return open_pipeline(QwenImageEditPlusPipeline, base, dtype)
