"""PhotoMaker's files: both versions, both forms, and one sentence for each that is not whole."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tiny

tiny.torch_ready()
import tiny_photomaker as made  # noqa: E402
import torch  # noqa: E402
from diffusers import DDIMScheduler, EulerDiscreteScheduler  # noqa: E402

from mcu.backends.diffusers.base import open_sdxl  # noqa: E402
from mcu.backends.diffusers.photomaker import open_photomaker  # noqa: E402
from mcu.backends.diffusers.photomaker.encoder import Sizes  # noqa: E402
from mcu.errors import BackendError  # noqa: E402

VERSIONS = {1: made.TINY, 2: made.TINY_2}
Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return open_sdxl(str(tiny.write_sdxl(tmp_path_factory.mktemp("sdxl"))), torch.float32)


@pytest.mark.parametrize("suffix", [".bin", ".safetensors"])
@pytest.mark.parametrize("version", [1, 2])
def test_a_whole_file_loads_unchanged(base: Any, tmp_path: Path, version: int, suffix: str) -> None:
    tensors = made.id_encoder(VERSIONS[version])
    file = made.write(tmp_path / f"photomaker{suffix}", tensors, made.lora(base.unet))
    _, encoder = open_photomaker(base, str(file), version)
    assert encoder.sizes == VERSIONS[version]
    found = encoder.state_dict()
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())
    assert not any(part.is_meta for part in (*encoder.parameters(), *encoder.buffers()))
    assert not encoder.training


def test_sizes_are_read_from_the_shapes(base: Any, tmp_path: Path) -> None:
    sizes = Sizes(192, 100, 3, 7, 35, (16, 48), face=20, tokens=3, depth=1)
    file = made.write(tmp_path / "odd.bin", made.id_encoder(sizes), made.lora(base.unet))
    _, encoder = open_photomaker(base, str(file), 2)
    assert encoder.sizes == sizes
    assert encoder.id_tokens(torch.zeros(2, 3, 35, 35), torch.ones(2, 20)).shape == (2, 3, 64)


@pytest.mark.parametrize("form", ["processor", "peft"])
def test_the_lora_is_fused_into_a_copy(base: Any, tmp_path: Path, form: made.Form) -> None:
    lora = made.lora(base.unet, form)
    file = made.write(tmp_path / "p.bin", made.id_encoder(made.TINY), lora)
    before = {name: weight.clone() for name, weight in base.unet.state_dict().items()}
    pipe, _ = open_photomaker(base, str(file), 1)
    after = pipe.unet.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(base.unet.state_dict()[name], one) for name, one in before.items())
    down, up = list(lora.values())[::2], list(lora.values())[1::2]
    stems = [name.removeprefix("unet.") for name in made.lora(base.unet, "peft")][::2]
    changes = {
        name.replace("lora_A.", ""): u @ d for name, d, u in zip(stems, down, up, strict=True)
    }
    assert len(changes) == len(lora) / 2 > 60
    for name, weight in after.items():
        wanted = before[name] + changes.get(name, torch.zeros(()))
        torch.testing.assert_close(weight, wanted, atol=1e-6, rtol=1e-5)


def test_the_encoder_takes_the_bases_type_and_the_scheduler_is_euler(
    base: Any, tmp_path: Path
) -> None:
    file = made.write(tmp_path / "p.bin", made.id_encoder(made.TINY), made.lora(base.unet))
    half = open_sdxl(base.name_or_path, torch.bfloat16)
    half.scheduler = DDIMScheduler.from_config(half.scheduler.config, timestep_spacing="trailing")
    pipe, encoder = open_photomaker(half, str(file), 1)
    assert {weight.dtype for weight in encoder.parameters()} == {torch.bfloat16}
    assert isinstance(pipe.scheduler, EulerDiscreteScheduler)
    assert pipe.scheduler.config.timestep_spacing == "trailing"
    assert isinstance(half.scheduler, DDIMScheduler)


@pytest.mark.parametrize(("given", "asked"), [(1, 2), (2, 1)])
def test_the_other_versions_file_is_told_by_its_look(
    base: Any, tmp_path: Path, given: int, asked: int
) -> None:
    file = made.write(tmp_path / "p.bin", made.id_encoder(VERSIONS[given]), made.lora(base.unet))
    with pytest.raises(BackendError, match=f"looks like PhotoMaker v{given}, and v{asked} is"):
        open_photomaker(base, str(file), asked)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.pop("fuse_module.mlp1.fc1.bias"), "1 missing (such as fuse_module.mlp1.fc1"),
        (lambda t: t.update(more=torch.zeros(1)), "1 unknown (such as more)"),
        (lambda t: t.update({"fuse_module.layer_norm.bias": torch.zeros(3)}), "another shape"),
        (
            lambda t: t.update({"fuse_module.layer_norm.bias": torch.zeros(64, dtype=torch.int8)}),
            "1 of another shape or type (such as fuse_module.layer_norm.bias)",
        ),
        (lambda t: t.update({"fuse_module.layer_norm.bias": "text"}), "another shape or type"),
        (lambda t: t.pop("visual_projection.weight"), "no sound tensor visual_projection.weight"),
        (lambda t: t.update({"visual_projection.weight": "text"}), "no sound tensor visual_proj"),
        (lambda t: t.clear(), "no sound tensor visual_projection.weight"),
        (
            lambda t: t.pop("vision_model.encoder.layers.1.mlp.fc1.weight"),
            "1 missing (such as vision_model.encoder.layers.1.mlp.fc1.weight)",
        ),
    ],
)
def test_tensors_that_are_not_right_are_named(
    base: Any, tmp_path: Path, change: Change, said: str
) -> None:
    tensors: dict[str, Any] = made.id_encoder(made.TINY)
    change(tensors)
    file = made.write(tmp_path / "p.bin", tensors, made.lora(base.unet))
    with pytest.raises(BackendError) as caught:
        open_photomaker(base, str(file), 1)
    assert "looks like PhotoMaker v1, but" in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"id_encoder": {}},
        {"id_encoder": {}, "lora_weights": {}, "optimizer": {}},
        {"unet.weight": torch.zeros(1)},
        {"id_encoder": "one", "lora_weights": {}},
    ],
)
def test_other_files_are_no_photomaker(base: Any, tmp_path: Path, parts: dict[str, Any]) -> None:
    torch.save(parts, tmp_path / "other.bin")
    with pytest.raises(BackendError, match=r"is no PhotoMaker file: it must hold id_encoder and"):
        open_photomaker(base, str(tmp_path / "other.bin"), 1)


def test_a_list_is_no_photomaker(base: Any, tmp_path: Path) -> None:
    torch.save([torch.zeros(1)], tmp_path / "list.bin")
    with pytest.raises(BackendError, match="is no PhotoMaker file"):
        open_photomaker(base, str(tmp_path / "list.bin"), 1)


def test_torn_and_missing_files_and_code_are_refused(base: Any, tmp_path: Path) -> None:
    (tmp_path / "torn.bin").write_bytes(b"PK\x03\x04 torn")
    (tmp_path / "torn.safetensors").write_bytes(b"\xff" * 100)
    torch.save({"id_encoder": Path("code"), "lora_weights": {}}, tmp_path / "code.bin")
    for name in ("torn.bin", "torn.safetensors", "code.bin", "missing.bin"):
        with pytest.raises(BackendError, match=name):
            open_photomaker(base, str(tmp_path / name), 1)


def test_another_base_and_a_lora_for_nothing_are_refused(base: Any, tmp_path: Path) -> None:
    wide = Sizes(64, 96, 1, 14, 28, (32, 48))
    file = made.write(tmp_path / "wide.bin", made.id_encoder(wide), made.lora(base.unet))
    with pytest.raises(BackendError, match="width 80, the base model's have 64"):
        open_photomaker(base, str(file), 1)
    elsewhere = {f"other.{name}": tensor for name, tensor in made.lora(base.unet).items()}
    for lora in ({}, elsewhere):
        file = made.write(tmp_path / "none.bin", made.id_encoder(made.TINY), lora)
        with pytest.raises(BackendError, match="LoRA"):
            open_photomaker(base, str(file), 1)
