"""Every route from its settings to a picture, and a person who is seen in it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tiny_arcface import network
from tiny_edit import write_klein, write_qwen
from tiny_routes import write_face_id, write_plus_face

from tiny import torch_ready

torch_ready()
import tiny_photomaker as photomaker  # noqa: E402
import torch  # noqa: E402
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus  # noqa: E402

from mcu.backends import ImageRequest  # noqa: E402
from mcu.backends.diffusers.base import open_sdxl  # noqa: E402
from mcu.backends.diffusers.generator import DiffusersImages  # noqa: E402
from mcu.errors import BackendError  # noqa: E402
from mcu.image_section import ImageSection  # noqa: E402

FACES = Path(__file__).parents[2] / "data" / "faces"
SEES_ALL = replace(photomaker.TINY_2, face=512)  # what ArcFace gives
# One word among 77 is hardly heard by random attention.
_LOUD = {key: {"guidance": 20.0} for key in ("photomaker", "photomaker-v2")}
PERSONA = (
    "photomaker",
    "photomaker-v2",
    "ip-adapter-plus-face",
    "ip-adapter-faceid",
    "flux2-klein",
    "qwen-edit",
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory, tiny_sdxl: Path) -> dict[str, Any]:
    """The settings of each route."""
    folder = tmp_path_factory.mktemp("weights")
    unet = open_sdxl(str(tiny_sdxl), torch.float32).unet
    files = {
        name: photomaker.write(
            folder / f"{name}.safetensors", photomaker.id_encoder(sizes), photomaker.lora(unet)
        )
        for name, sizes in (("photomaker", photomaker.TINY), ("photomaker-v2", SEES_ALL))
    }
    files["ip-adapter-plus-face"] = write_plus_face(folder)
    files["ip-adapter-faceid"] = write_face_id(folder)
    found: dict[str, Any] = {
        name: {"base": str(tiny_sdxl), "weights": str(file)} for name, file in files.items()
    }
    found["flux2-klein"] = {"base": str(write_klein(folder / "klein"))}
    found["qwen-edit"] = {"base": str(write_qwen(folder / "qwen"))}
    found["arcface"] = str(network(folder / "arcface.onnx"))
    return found


def images(weights: dict[str, Any], tiny_sdxl: Path, route: str, **more: Any) -> DiffusersImages:
    scene = {"base": str(tiny_sdxl), "steps": 2}
    section = {
        "backend": "diffusers",
        "size": 64,
        "arcface": weights["arcface"],
        "non_commercial": True,
        "persona": {"route": route, "steps": 4, **_LOUD.get(route, {}), **weights[route]},
        "scene": scene,
        "face": {"route": "sdxl", **scene},
    }
    return DiffusersImages(ImageSection.model_validate({**section, **more}))


def of(person: str) -> ImageRequest:
    faces = ((FACES / person / "1.jpg").read_bytes(),)
    return ImageRequest("p-t2i", "a photo of a man img at the beach", 1, {"age": "40"}, faces)


@pytest.mark.parametrize("route", PERSONA)
def test_the_persona_is_drawn_from_their_face(
    route: str, weights: dict[str, Any], tiny_sdxl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Qwen's pipeline brings every reference to 1 megapixel, which takes seconds on a CPU.
    monkeypatch.setattr(pipeline_qwenimage_edit_plus, "VAE_IMAGE_SIZE", 64 * 64)
    made = images(weights, tiny_sdxl, route)
    one, again, other = (made.generate([of(person)])[0] for person in ("a", "a", "c"))
    assert isinstance(one, Image.Image) and isinstance(other, Image.Image)
    assert isinstance(again, Image.Image)
    assert one.size == (64, 64)
    assert one.tobytes() == again.tobytes()
    assert one.tobytes() != other.tobytes()


def test_scenes_are_the_same_whatever_draws_the_persona(
    weights: dict[str, Any], tiny_sdxl: Path
) -> None:
    scene = ImageRequest("t2i", "a dog in the park", 3)
    found = set()
    for route in PERSONA[:4]:
        made = images(weights, tiny_sdxl, route)
        before = made.generate([scene])[0]
        made.generate([of("a")])
        after = made.generate([scene])[0]
        assert isinstance(before, Image.Image) and isinstance(after, Image.Image)
        found |= {before.tobytes(), after.tobytes()}
    assert len(found) == 1


@pytest.mark.parametrize("route", ["photomaker-v2", "ip-adapter-faceid"])
def test_a_route_that_needs_arcface_says_so(
    route: str, weights: dict[str, Any], tiny_sdxl: Path
) -> None:
    made = images(weights, tiny_sdxl, route, arcface="")
    with pytest.raises(BackendError, match=r"set image\.arcface"):
        made.generate([of("a")])
