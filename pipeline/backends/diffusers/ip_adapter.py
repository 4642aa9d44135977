"""IP-Adapter plus-face and FaceID on SDXL: the persona by image tokens beside the prompt's."""

import copy
from collections.abc import Callable, Sequence
from math import lcm
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionXLPipeline
from diffusers.models.attention_processor import AttnProcessor2_0
from diffusers.models.embeddings import IPAdapterFaceIDImageProjection
from numpy.typing import NDArray
from PIL.Image import Image

from mcu.backends import ImageRequest
from mcu.backends.diffusers.base import Tensors, find_file, loading, read_tensors, sister
from mcu.backends.diffusers.denoise import Job, Result, draw
from mcu.backends.diffusers.reference import digest, opened, plain
from mcu.backends.diffusers.text import TextCache
from mcu.errors import BackendError, Reject
from mcu.lately import Lately

Embed = Callable[[Image], NDArray[np.float32]]
_KEPT = 64  # personas; a picture takes 0.7 MB in half precision
_MOST = 4  # ID pictures of a person: batches are evened out to the least common multiple


class IPAdapter:
    """The persona's face in a picture, with a pipeline of `open_ip_adapter` that is in its place.

    Several ID pictures of a person are stacked, as diffusers does it: the picture attends to the
    tokens of all. More than four are cut to the first four.
    """

    def __init__(
        self,
        pipe: Any,
        *,
        steps: int,
        guidance: float,
        strength: float,
        size: int,
        negative: str,
        embed: Embed | None = None,
    ) -> None:
        """Take a pipeline, and for FaceID what turns a face into its normalised vector.

        `strength` is the adapter's scale, 0 leaves the face out. `embed` makes float32 [512] of
        length 1 from a picture, and raises Reject where it finds no face.

        Raises:
            BackendError: FaceID without `embed`.
        """
        projection = pipe.unet.encoder_hid_proj.image_projection_layers[0]
        self._by_vector = isinstance(projection, IPAdapterFaceIDImageProjection)
        if self._by_vector and embed is None:
            raise BackendError("IP-Adapter FaceID needs an ArcFace file: set image.arcface")
        self.pipe = pipe
        pipe.set_ip_adapter_scale(strength)
        self._embed = embed
        self._texts = TextCache(pipe)
        self._fixed: dict[str, Any] = {"steps": steps, "guidance": guidance, "size": size}
        self._negative = negative
        self._known: Lately[str, torch.Tensor] = Lately(_KEPT)
        self._nobody: torch.Tensor | None = None

    def draw(self, requests: Sequence[ImageRequest]) -> list[Result]:
        """A picture a request, in order; different people go through in one batch."""
        results: list[Result | None] = [None] * len(requests)
        prompts, faces, places = [], [], []
        for place, request in enumerate(requests):
            try:
                prompt, face = plain(request), self._face(request.faces)
            except Reject as reject:
                results[place] = reject
                continue
            prompts.append(prompt)
            faces.append(face)
            places.append(place)
        if places:
            job = self._job(prompts, faces, [requests[place].seed for place in places])
            for place, result in zip(places, draw(self.pipe, job), strict=True):
                results[place] = result
        return [result for result in results if result is not None]

    def _job(
        self, prompts: Sequence[str], faces: Sequence[torch.Tensor], seeds: Sequence[int]
    ) -> Job:
        """The batch; the embeddings' first half is what guidance leads away from."""
        embeds = _stacked(faces)
        if self._fixed["guidance"] > 1:
            assert self._nobody is not None  # made with the first face
            embeds = torch.cat([self._nobody.expand_as(embeds), embeds])
        texts, negative = self._texts(prompts), self._texts([self._negative])
        extra = {"ip_adapter_image_embeds": [embeds]}
        return Job(texts, negative, seeds, **self._fixed, extra=extra)

    def _face(self, pictures: tuple[bytes, ...]) -> torch.Tensor:
        """A person's embeddings [pictures, tokens, width], made once."""
        if not pictures:
            raise Reject("no_face", "a picture of the persona needs an ID picture")
        pictures = pictures[:_MOST]
        return self._known.of(digest(pictures), lambda: self._made(opened(pictures)))

    def _made(self, images: Sequence[Image]) -> torch.Tensor:
        with torch.inference_mode():
            return self._vectors(images) if self._by_vector else self._seen(images)

    def _vectors(self, images: Sequence[Image]) -> torch.Tensor:
        """FaceID: one face vector a picture, [n, 1, 512]; nobody's is zero."""
        assert self._embed is not None
        rows = np.stack([self._embed(image) for image in images]).astype(np.float32)
        found = torch.from_numpy(rows)[:, None].to(self.pipe._execution_device, self.pipe.dtype)
        self._nobody = torch.zeros_like(found[0])
        return found

    def _seen(self, images: Sequence[Image]) -> torch.Tensor:
        """Plus-face: the image encoder's last hidden states but one, [n, 257, 1280].

        Each picture goes through the encoder alone, so that the result does not depend on the
        others. Nobody's are those of a picture of zeros, as diffusers has it.
        """
        found = [self._hidden(self.pipe.feature_extractor(image)) for image in images]
        return torch.cat(found)

    def _hidden(self, given: Any) -> torch.Tensor:
        encoder = self.pipe.image_encoder
        pixels = torch.from_numpy(np.stack(given["pixel_values"])).to(
            self.pipe._execution_device, encoder.dtype
        )
        if self._nobody is None:
            nothing = encoder(torch.zeros_like(pixels), output_hidden_states=True)
            self._nobody = nothing.hidden_states[-2][0]
        states: torch.Tensor = encoder(pixels, output_hidden_states=True).hidden_states[-2]
        return states


def _stacked(faces: Sequence[torch.Tensor]) -> torch.Tensor:
    """People with different numbers of pictures as one tensor [people, pictures, tokens, width].

    Each person's pictures are repeated equally often, which attention does not notice: the softmax
    over tokens and their copies has the same mean.
    """
    most = lcm(*(len(face) for face in faces))
    return torch.stack([face.repeat(most // len(face), 1, 1) for face in faces])


def open_ip_adapter(
    base: StableDiffusionXLPipeline, weights: str, encoder: str = ""
) -> StableDiffusionXLPipeline:
    """A sister of the base whose own UNet has the adapter in it; the base stays as it is.

    `weights` is the adapter's file and `encoder` the folder of plus-face's CLIP image encoder, both
    on disk or on the Hub; FaceID has no image encoder.

    Raises:
        BackendError: the weights are not there, or are of another kind or model.
    """
    tensors = _adapter(read_tensors(find_file(weights)), weights)
    vector = "norm.weight" in tensors["image_proj"]
    unet: Any = copy.deepcopy(base.unet)
    # With fused projections FaceID's LoRA would go into matrices that are out of use.
    unet.set_attn_processor(AttnProcessor2_0())
    pipe: Any = sister(base, unet)
    pipe.prepare_ip_adapter_image_embeds = _as_given
    if not vector:
        _see(pipe, encoder, tensors["image_proj"]["proj_in.weight"].shape[1])
    with loading(weights):
        pipe.load_ip_adapter(tensors, subfolder="", weight_name="", image_encoder_folder=None)
        if vector:  # its LoRA is fused in, so that it costs no time
            pipe.fuse_lora(components=["unet"], adapter_names=["faceid_0"])
            pipe.unload_lora_weights()
    pipe.unet.train(False).requires_grad_(False)
    return pipe


def _as_given(
    image: None, embeds: list[torch.Tensor], device: Any, repeats: int, guided: bool
) -> list[torch.Tensor]:
    """A batch's embeddings, which have a row a picture already.

    The pipeline's own method repeats them all for every picture of the batch, so that each picture
    gets a mixture of everybody's faces (diffusers issue 9813, in 0.42.1 still).
    """
    return [one.to(device) for one in embeds]


def _adapter(found: dict[str, Any], name: str) -> dict[str, Tensors]:
    """The two groups of tensors, nested in .bin files and told by prefixes in .safetensors.

    Raises:
        BackendError: it is none of the two adapters that are served.
    """
    groups: dict[str, Tensors] = {"image_proj": {}, "ip_adapter": {}}
    for key, value in found.items():
        group, _, rest = key.partition(".")
        if group in groups:
            groups[group].update({rest: value} if rest else value)
    projection = groups["image_proj"]
    plus = "latents" in projection and "proj_in.weight" in projection
    vector = "norm.weight" in projection and "proj.0.weight" in projection
    if not groups["ip_adapter"] or not (plus or vector):
        raise BackendError(f"{name!r} is no IP-Adapter of the kinds plus-face and FaceID")
    if "perceiver_resampler.proj_in.weight" in projection:
        raise BackendError(f"{name!r} is IP-Adapter FaceID Plus; only plain FaceID is served")
    return groups


def _see(pipe: Any, name: str, width: int) -> None:
    """Put the image encoder into the pipeline.

    Raises:
        BackendError: it is not there, or is another one than the adapter was trained with.
    """
    from transformers import CLIPVisionModelWithProjection
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    folder, parts = Path(name).expanduser(), name.split("/")
    local = folder.is_dir()
    source, inner = (str(folder), "") if local else ("/".join(parts[:2]), "/".join(parts[2:]))
    with loading(name):
        encoder = CLIPVisionModelWithProjection.from_pretrained(
            source, subfolder=inner, dtype=pipe.unet.dtype
        )
    if encoder.config.hidden_size != width:
        raise BackendError(
            f"the image encoder {name!r} is {encoder.config.hidden_size} wide, but the adapter "
            f"wants {width}; for files named vit-h it is the one in models/image_encoder"
        )
    side = encoder.config.image_size
    # Pillow's version, so that results are the same with and without torchvision.
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": side}, crop_size={"height": side, "width": side}
    )
    encoder.train(False).requires_grad_(False)
    pipe.register_modules(image_encoder=encoder, feature_extractor=processor)
