"""The diffusers backend on tiny random weights: routes by kind, devices, batches, minors."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mcu.backends import ImageRequest
from mcu.errors import BackendError, ConfigError, Reject
from mcu.image_section import ImageSection
from tiny import torch_ready

torch_ready()
import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from mcu.backends.diffusers.base import open_sdxl  # noqa: E402
from mcu.backends.diffusers.generator import DiffusersImages  # noqa: E402


def settings(base: Path, **more: object) -> ImageSection:
    route = {"base": str(base), "steps": 2}
    plain = {"backend": "diffusers", "size": 64, "scene": route, "face": {"route": "sdxl", **route}}
    return ImageSection.model_validate({**plain, **more})


def asked(number: int, kind: str = "t2i", **look: str) -> ImageRequest:
    return ImageRequest(kind, f"a photo of a dog {number}", seed=number, look=look)  # type: ignore[arg-type]


def pixels(found: Image.Image | Reject) -> np.ndarray:
    assert isinstance(found, Image.Image), found
    return np.asarray(found, dtype=int)


def test_a_picture_depends_on_its_own_request_alone(tiny_sdxl: Path) -> None:
    images = DiffusersImages(settings(tiny_sdxl))
    singles = [pixels(images.generate([asked(n)])[0]) for n in range(4)]
    again = pixels(DiffusersImages(settings(tiny_sdxl)).generate([asked(2)])[0])
    assert (again == singles[2]).all(), "bitwise, in another process too"
    batch = images.generate([asked(n) for n in (3, 1, 0, 2)])
    for number, found in zip((3, 1, 0, 2), batch, strict=True):
        assert abs(pixels(found) - singles[number]).max() <= 1
    assert len({one.tobytes() for one in singles}) == 4


def test_a_padded_batch_is_bitwise_the_same(tiny_sdxl: Path) -> None:
    images = DiffusersImages(settings(tiny_sdxl, batch=4))
    assert images.most("t2i") == 4
    full = images.generate([asked(n) for n in range(4)])
    for rest in ([0], [2, 0], [3, 1, 0]):
        for number, found in zip(rest, images.generate([asked(n) for n in rest]), strict=True):
            assert (pixels(found) == pixels(full[number])).all()


def test_prompt_and_seed_change_the_picture(tiny_sdxl: Path) -> None:
    images = DiffusersImages(settings(tiny_sdxl))
    one, other, seeded = (
        pixels(images.generate([ImageRequest("t2i", prompt, seed)])[0])
        for prompt, seed in (("a dog", 1), ("a cat", 1), ("a dog", 2))
    )
    assert one.shape == (64, 64, 3)
    assert (one != other).any() and (one != seeded).any()


def test_lightning_from_a_whole_unet_and_from_a_lora(tiny_sdxl: Path, tmp_path: Path) -> None:
    base = open_sdxl(str(tiny_sdxl), torch.float32)
    whole = tmp_path / "sdxl_lightning_8step_unet.safetensors"
    save_file({name: 1.1 * value for name, value in base.unet.state_dict().items()}, whole)
    lora = tmp_path / "sdxl_lightning_4step_lora.safetensors"
    name = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
    save_file(
        {
            f"{name}.lora_A.weight": torch.ones(4, 16),
            f"{name}.lora_B.weight": torch.ones(16, 4),
        },
        lora,
    )
    pictures = []
    for weights in (whole, lora):
        face = {"route": "lightning", "base": str(tiny_sdxl), "weights": str(weights)}
        images = DiffusersImages(settings(tiny_sdxl, face=face))
        assert images.origin(asked(0, "face")).model == f"{tiny_sdxl.name} + {weights.name}"
        pictures.append(pixels(images.generate([asked(0, "face")])[0]))
        plain = {**face, "route": "sdxl", "weights": "", "steps": 8, "guidance": 0.0}
        bare = DiffusersImages(settings(tiny_sdxl, face=plain))
        assert (pixels(bare.generate([asked(0, "face")])[0]) != pictures[-1]).any()
    assert (pictures[0] != pictures[1]).any()


def test_a_lora_for_faces_leaves_scenes_alone(tiny_sdxl: Path, tmp_path: Path) -> None:
    lora = tmp_path / "x_lora.safetensors"
    name = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
    save_file(
        {
            f"{name}.lora_A.weight": torch.ones(4, 16),
            f"{name}.lora_B.weight": torch.ones(16, 4),
        },
        lora,
    )
    face = {"base": str(tiny_sdxl), "weights": str(lora)}
    images = DiffusersImages(settings(tiny_sdxl, face=face))
    before = pixels(DiffusersImages(settings(tiny_sdxl)).generate([asked(1)])[0])
    images.generate([asked(0, "face")])
    assert (pixels(images.generate([asked(1)])[0]) == before).all()


def test_minors_are_illustrated_unless_configured(tiny_sdxl: Path) -> None:
    images = DiffusersImages(settings(tiny_sdxl))
    child, adult = asked(0, "face", age="17"), asked(0, "face", age="18")
    assert images.origin(child).source == "algorithmicMedia"
    assert images.origin(adult).source == "trainedAlgorithmicMedia"
    drawn = images.generate([adult, child, adult])
    assert [pixels(one).shape[0] for one in drawn] == [64, 512, 64]
    anyone = DiffusersImages(settings(tiny_sdxl, minors="photorealistic"))
    assert pixels(anyone.generate([child])[0]).shape[0] == 64


def test_two_devices_are_two_lanes(tiny_sdxl: Path) -> None:
    images = DiffusersImages(settings(tiny_sdxl, devices=["cpu", "cpu"]))
    assert images.lanes == 2
    one, other = (pixels(images.generate([asked(5)])[0]) for _ in range(2))
    assert (one == other).all(), "the same on both"


def test_wrong_settings_are_told_in_a_sentence(tiny_sdxl: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"image\.devices: 'cuda:9' cannot be used"):
        DiffusersImages(settings(tiny_sdxl, devices=["cuda:9"]))
    with pytest.raises(ConfigError, match="non_commercial"):
        DiffusersImages(settings(tiny_sdxl, persona={"route": "ip-adapter-faceid"}))
    with pytest.raises(ConfigError, match=r"image\.persona: there is no file or folder '/nowhere'"):
        DiffusersImages(settings(tiny_sdxl, persona={"base": "/nowhere"}))
    (tmp_path / "model_index.json").write_text("{}")
    with pytest.raises(BackendError, match="cannot be loaded"):
        DiffusersImages(settings(tmp_path)).generate([asked(0)])


def test_torn_weights_are_told_in_a_sentence(tiny_sdxl: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn_unet.safetensors"
    torn.write_bytes(b"\x10\0\0\0\0\0\0\0{not json}")
    face = {"base": str(tiny_sdxl), "weights": str(torn)}
    with pytest.raises(BackendError, match=r"torn_unet\.safetensors' cannot be loaded"):
        DiffusersImages(settings(tiny_sdxl, face=face)).generate([asked(0, "face")])


def test_numbers_that_are_none_give_a_reject(tiny_sdxl: Path, tmp_path: Path) -> None:
    unet = open_sdxl(str(tiny_sdxl), torch.float32).unet.state_dict()
    bad = tmp_path / "nan_unet.safetensors"
    save_file({name: value * float("nan") for name, value in unet.items()}, bad)
    face = {"base": str(tiny_sdxl), "weights": str(bad)}
    found = DiffusersImages(settings(tiny_sdxl, face=face)).generate([asked(0, "face")])[0]
    assert isinstance(found, Reject) and "no numbers" in str(found)
