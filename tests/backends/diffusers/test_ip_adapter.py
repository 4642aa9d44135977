"""The persona by IP-Adapter plus-face and FaceID, on tiny random weights in the real layouts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL.Image import Image
from tiny_routes import face_vector, portrait, write_face_id, write_plus_face

from tiny import torch_ready, write_sdxl

torch_ready()

import torch  # noqa: E402
from diffusers import StableDiffusionXLPipeline  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from mcu.backends import ImageRequest  # noqa: E402
from mcu.backends.diffusers.base import fuse, open_sdxl, sister  # noqa: E402
from mcu.backends.diffusers.ip_adapter import IPAdapter, open_ip_adapter  # noqa: E402
from mcu.backends.diffusers.reference import opened  # noqa: E402
from mcu.backends.diffusers.sdxl import SDXL  # noqa: E402
from mcu.errors import BackendError, Reject  # noqa: E402

PROMPT = "a photo of a woman img at the beach"
FIXED: dict[str, Any] = {"steps": 3, "guidance": 5.0, "size": 64, "negative": "blurred"}
KINDS = ("plus-face", "faceid")
BOTH = pytest.mark.parametrize("kind", KINDS)


class World:
    """Weights on disk, and pipelines read from there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sdxl = write_sdxl(folder / "sdxl")
        self.plus = write_plus_face(folder / "ip")
        self.encoder = folder / "ip" / "models" / "image_encoder"
        self.vector = write_face_id(folder)
        self.base = open_sdxl(str(self.sdxl), torch.float32)
        self.scene = self.drawn_scene()
        self.pipes = {kind: self.open(kind, self.base) for kind in KINDS}

    def open(self, kind: str, base: StableDiffusionXLPipeline) -> Any:
        if kind == "faceid":
            return open_ip_adapter(base, str(self.vector))
        return open_ip_adapter(base, str(self.plus), str(self.encoder))

    def drawn_scene(self) -> Any:
        return SDXL(self.base, **FIXED).draw([ImageRequest("t2i", "a dog", 1)])[0]

    def route(self, kind: str, pipe: Any = None, **changes: Any) -> IPAdapter:
        settings = {**FIXED, "strength": 0.6, "embed": face_vector, **changes}
        return IPAdapter(pipe or self.pipes[kind], **settings)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("ip"))


def request(*faces: int, seed: int = 1, prompt: str = PROMPT) -> ImageRequest:
    return ImageRequest("p-t2i", prompt, seed, {}, tuple(portrait(number) for number in faces))


def apart(first: Any, second: Any) -> int:
    """The largest difference of two pictures, of 255."""
    assert isinstance(first, Image) and isinstance(second, Image)
    return int(np.abs(np.asarray(first, int) - np.asarray(second, int)).max())


@BOTH
def test_the_face_the_seed_and_the_words_make_the_picture(world: World, kind: str) -> None:
    route = world.route(kind)
    words = "a photo of a woman img in the park"
    asked = [request(1), request(2), request(1, 2), request(1, seed=2), request(1, prompt=words)]
    pictures = [route.draw([one])[0] for one in asked]
    for number, picture in enumerate(pictures):
        assert apart(picture, route.draw([asked[number]])[0]) == 0
        for other in pictures[:number]:
            assert apart(picture, other) > 3


@BOTH
@pytest.mark.parametrize("guidance", [0.0, 5.0])
def test_a_batch_is_what_each_is_alone(world: World, kind: str, guidance: float) -> None:
    """Different people, prompts and numbers of ID pictures; diffusers itself would mix them."""
    route = world.route(kind, guidance=guidance)
    asked = [
        request(1),
        request(2, 3, seed=2),
        request(4, 5, 6, seed=3, prompt="a photo of a man img in the street"),
        request(7, seed=4),
    ]
    alone = [route.draw([one])[0] for one in asked]
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        batch = route.draw([asked[number] for number in order])
        for number, picture in zip(order, batch, strict=True):
            assert apart(picture, alone[number]) <= 1


@BOTH
def test_scenes_are_as_they_were(world: World, kind: str) -> None:
    world.route(kind).draw([request(1)])
    assert world.base.unet.encoder_hid_proj is None
    assert apart(world.drawn_scene(), world.scene) == 0


def test_plus_face_is_what_diffusers_draws_of_one_person(world: World) -> None:
    stock = sister(world.base, world.pipes["plus-face"].unet)
    seen = {name: world.pipes["plus-face"].components[name] for name in ("image_encoder",)}
    stock.register_modules(**seen, feature_extractor=world.pipes["plus-face"].feature_extractor)
    stock.set_ip_adapter_scale(0.6)
    expected = stock(
        PROMPT.replace(" img", ""),
        negative_prompt="blurred",
        ip_adapter_image=[opened([portrait(1), portrait(2)])],
        num_inference_steps=3,
        guidance_scale=5.0,
        height=64,
        width=64,
        generator=torch.Generator().manual_seed(1),
    ).images[0]
    assert apart(world.route("plus-face").draw([request(1, 2)])[0], expected) <= 1


def test_the_lora_of_faceid_is_what_diffusers_makes_of_it(world: World) -> None:
    own = sister(world.base, open_sdxl(str(world.sdxl), torch.float32).unet)
    own.load_ip_adapter(
        str(world.folder), subfolder="", weight_name=world.vector.name, image_encoder_folder=None
    )
    route, mine = world.route("faceid", own), world.route("faceid")
    expected = route.draw([request(1)])[0]
    assert apart(mine.draw([request(1)])[0], expected) <= 1
    own.disable_lora()
    assert apart(route.draw([request(1)])[0], expected) > 3


def test_without_strength_the_face_is_left_out(world: World) -> None:
    plain = PROMPT.replace(" img", "")
    scene = SDXL(world.base, **FIXED).draw([ImageRequest("t2i", plain, 1)])[0]
    assert apart(world.route("plus-face", strength=0.0).draw([request(1)])[0], scene) <= 1
    assert apart(world.route("plus-face").draw([request(1)])[0], scene) > 3


@BOTH
def test_more_pictures_of_a_person(world: World, kind: str) -> None:
    route = world.route(kind)
    once, twice, four, five = [
        route.draw([request(*faces)])[0] for faces in ((1,), (1, 1), (1, 2, 3, 4), (1, 2, 3, 4, 5))
    ]
    assert apart(once, twice) <= 1  # which is why copies can even out a batch
    assert apart(four, five) == 0


@BOTH
def test_bad_requests_leave_the_others(world: World, kind: str) -> None:
    torn = ImageRequest("p-t2i", PROMPT, 1, {}, (portrait(1)[:200],))
    bad = [
        request(),
        torn,
        request(1, prompt="a photo of a woman"),
        request(1, prompt="a woman img and a man img"),
    ]
    found = world.route(kind).draw([bad[0], request(1), *bad[1:], request(2)])
    codes = [result.code for result in found if isinstance(result, Reject)]
    assert codes == ["no_face", "bad_image", "bad_prompt", "bad_prompt"]
    alone = world.route(kind).draw([request(1), request(2)])
    assert [apart(found[1], alone[0]), apart(found[-1], alone[1])] == [0, 0]
    assert len(world.route(kind).draw(bad)) == 4


def test_where_no_face_is_found_the_others_are_drawn(world: World) -> None:
    def embed(image: Image) -> NDArray[np.float32]:
        if np.asarray(image)[0, 0, 0] == first:
            raise Reject("no_face", "no face was found")
        return face_vector(image)

    [image] = opened([portrait(1)])
    first = np.asarray(image)[0, 0, 0]
    found = world.route("faceid", embed=embed).draw([request(1), request(2)])
    assert isinstance(found[0], Reject) and found[0].code == "no_face"
    assert isinstance(found[1], Image)


def test_a_person_is_embedded_once(world: World) -> None:
    calls: list[Image] = []

    def embed(image: Image) -> NDArray[np.float32]:
        calls.append(image)
        return face_vector(image)

    route = world.route("faceid", embed=embed)
    route.draw([request(1), request(1, seed=2), request(2, 3)])
    route.draw([request(2, 3, seed=3)])
    assert len(calls) == 3


@BOTH
def test_fused_projections_change_nothing(world: World, kind: str) -> None:
    """As they are on GPUs: in the base before the adapter comes in, and in the adapter's UNet."""
    base = open_sdxl(str(world.sdxl), torch.float32)
    fuse(base.unet)
    pipe = world.open(kind, base)
    expected = world.route(kind).draw([request(1)])[0]
    assert apart(world.route(kind, pipe).draw([request(1)])[0], expected) <= 1
    fuse(pipe.unet)
    names = [type(one).__name__ for one in pipe.unet.attn_processors.values()]
    assert {"FusedAttnProcessor2_0", "IPAdapterAttnProcessor2_0"} <= set(names)
    assert apart(world.route(kind, pipe).draw([request(1)])[0], expected) <= 1


@BOTH
def test_half_precision(world: World, kind: str) -> None:
    pipe = world.open(kind, open_sdxl(str(world.sdxl), torch.bfloat16))
    assert {one.dtype for one in pipe.unet.parameters()} == {torch.bfloat16}
    assert isinstance(world.route(kind, pipe).draw([request(1), request(2)])[1], Image)


def test_faceid_without_a_face_encoder(world: World) -> None:
    with pytest.raises(BackendError, match=r"image\.arcface"):
        world.route("faceid", embed=None)


def test_weights_of_another_kind(world: World, tmp_path: Path) -> None:
    larger = str(world.folder / "ip" / "sdxl_models" / "image_encoder")
    with pytest.raises(BackendError, match="is 64 wide, but the adapter wants 32"):
        open_ip_adapter(world.base, str(world.plus), larger)
    with pytest.raises(BackendError, match="cannot be loaded"):
        open_ip_adapter(world.base, str(world.plus), str(tmp_path / "none"))
    with pytest.raises(BackendError, match="no weight file"):
        open_ip_adapter(world.base, str(tmp_path / "none.bin"))
    other = tmp_path / "lora.safetensors"
    save_file({"lora_unet.weight": torch.zeros(2)}, other)
    with pytest.raises(BackendError, match="is no IP-Adapter"):
        open_ip_adapter(world.base, str(other))
    tensors = torch.load(world.vector, weights_only=True)
    tensors["image_proj"]["perceiver_resampler.proj_in.weight"] = torch.zeros(2)
    torch.save(tensors, tmp_path / "plus.bin")
    with pytest.raises(BackendError, match="FaceID Plus"):
        open_ip_adapter(world.base, str(tmp_path / "plus.bin"))
    del tensors["image_proj"]["perceiver_resampler.proj_in.weight"]
    del tensors["ip_adapter"]["3.to_k_ip.weight"]
    torch.save(tensors, tmp_path / "torn.bin")
    with pytest.raises(BackendError, match="cannot be loaded"):
        open_ip_adapter(world.base, str(tmp_path / "torn.bin"))
