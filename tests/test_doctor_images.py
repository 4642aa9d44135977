"""What `mcu doctor` tells of image backends: packages, devices, memory, weights and licences."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from mcu.doctor import examine, report
from mcu.doctor_images import where
from mcu.image_section import RouteName

BASE = "stabilityai/stable-diffusion-xl-base-1.0"
EXTRA = ("torch", "diffusers", "transformers", "accelerate", "peft")
# Stands for torch where there are devices that no test machine has.
TORCH = """
import types, warnings
__version__ = "9.9"
GB = 10**9
CARDS = {cards}
def available():
    if not CARDS:
        warnings.warn("CUDA initialization: the driver is too old\\nsee elsewhere")
    return bool(CARDS)
def room(number):
    if CARDS[number][1] is None:
        raise RuntimeError("busy")
    return CARDS[number][1] * GB, CARDS[number][0] * GB
cuda = types.SimpleNamespace(
    is_available=available,
    device_count=lambda: len(CARDS),
    mem_get_info=room,
    get_device_properties=lambda n: types.SimpleNamespace(
        name=f"Card {{n}}", total_memory=CARDS[n][0] * GB
    ),
)
backends = types.SimpleNamespace(mps=types.SimpleNamespace(is_available=lambda: False))
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache in place of the machine's own."""
    folder = tmp_path / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
    return folder


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`module(code)` puts a module of that code in torch's place."""

    def place(code: str) -> None:
        (tmp_path / "modules").mkdir()
        (tmp_path / "modules" / "torch.py").write_text(code, encoding="utf-8")
        monkeypatch.delitem(sys.modules, "torch", raising=False)
        monkeypatch.syspath_prepend(tmp_path / "modules")

    before = sys.modules.get("torch")
    yield place
    sys.modules.pop("torch", None)
    if before is not None:
        sys.modules["torch"] = before


def lines_of(folder: Path, **environment: str) -> list[str]:
    return [line.strip() for line in report(examine(environment, folder))]


def route(lines: list[str], name: str) -> str:
    (found,) = [line for line in lines if line.startswith(f"route {name} (")]
    return found


def snapshot(cache: Path, name: str, *files: str, index: dict[str, Any] | None = None) -> Path:
    """Files of a repository in the Hub's cache."""
    folder = cache / f"models--{name.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True, exist_ok=True)
    (folder / "refs" / "main").write_text("abc")
    place = folder / "snapshots" / "abc"
    for file in files:
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        (place / file).write_text("{}")
    if index is not None:
        (place / "model_index.json").write_text(json.dumps(index))
    return place


def test_without_torch_all_else_is_told(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in EXTRA:
        monkeypatch.setitem(sys.modules, name, None)
    facts = examine({}, tmp_path)
    lines = [line.strip() for line in report(facts)]
    assert f"extra images: not installed ({', '.join(EXTRA)} missing)" in lines
    assert "images by avatar: ready" in lines
    assert "images by diffusers: needs torch" in lines
    assert facts["images"]["diffusers"]["devices"] == []
    assert "profile offline: ready" in lines
    for name in get_args(RouteName):
        assert "needs `pip install 'mcu[images]'`" in route(lines, name)
        assert not facts["images"]["routes"][name]["ready"]
    (gpu,) = [line for line in lines if line.startswith("profile gpu: ")]
    assert "`pip install 'mcu[images]'`" in gpu and "a GPU" in gpu and "OPENAI_API_KEY" in gpu


def test_importing_the_doctor_imports_no_torch() -> None:
    code = "import sys, mcu.doctor; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_this_machine(tmp_path: Path, cache: Path) -> None:
    facts = examine({}, tmp_path)
    found = facts["images"]
    assert json.loads(json.dumps(found)) == found
    assert int(found["diffusers"]["torch"].split(".")[0]) >= 2
    assert all(device["gigabytes"] > 0.5 for device in found["diffusers"]["devices"])
    assert set(found["routes"]) == set(get_args(RouteName))
    assert found["routes"]["photomaker"]["memory_gigabytes"] == {"resident": 11, "offload": 8}


def test_every_card_is_told_and_the_largest_counts(
    tmp_path: Path, cache: Path, module: Any
) -> None:
    module(TORCH.format(cards=[(6, 5), (16, 15.5)]))
    lines = lines_of(tmp_path)
    assert "images by diffusers: torch 9.9" in lines
    assert "device cuda:0: Card 0, 6.0 GB of memory, 5.0 GB free" in lines
    assert "device cuda:1: Card 1, 16.0 GB of memory, 15.5 GB free" in lines
    assert route(lines, "photomaker").endswith("; takes 11 GB of cuda:1")
    assert "takes 13 GB of cuda:1 with offload" in route(lines, "flux2-klein")
    assert "needs a GPU with 45 GB, or 62 without offload" in route(lines, "qwen-edit")
    (gpu,) = [line for line in lines if line.startswith("profile gpu: ")]
    assert "a GPU" not in gpu


def test_a_card_that_another_process_holds_is_told(
    tmp_path: Path, cache: Path, module: Any
) -> None:
    module(TORCH.format(cards=[(24, None)]))
    assert "device cuda:0: Card 0, 24.0 GB of memory, 0.0 GB free" in lines_of(tmp_path)


def test_why_torch_sees_no_card_is_told(tmp_path: Path, cache: Path, module: Any) -> None:
    module(TORCH.format(cards=[]))
    lines = lines_of(tmp_path)
    assert "CUDA initialization: the driver is too old" in lines
    assert any(line.startswith("device cpu: CPU") for line in lines)
    slow = route(lines, "photomaker")
    assert slow.endswith("; on the CPU, minutes a picture") or "22 GB of main memory" in slow


def test_a_torch_that_cannot_be_imported_is_told(tmp_path: Path, cache: Path, module: Any) -> None:
    module("raise OSError('libtorch.so: no such file\\nmore')")
    facts = examine({}, tmp_path)
    assert facts["images"]["diffusers"]["devices"] == []
    assert "torch cannot be used: libtorch.so: no such file" in lines_of(tmp_path)


def test_routes_are_ready_when_their_weights_are_here(
    tmp_path: Path, cache: Path, module: Any
) -> None:
    module(TORCH.format(cards=[(141, 140)]))
    index = {"_class_name": "X", "unet": ["diffusers", "U"], "tokenizer": ["transformers", "T"]}
    parts = ("unet/config.json", "unet/a.fp16.safetensors", "tokenizer/vocab.json")
    for base in (BASE, "SG161222/RealVisXL_V3.0"):
        snapshot(cache, base, *parts, index={**index, "safety": [None, None], "flag": True})
    assert "needs a download of TencentARC/PhotoMaker;" in route(lines_of(tmp_path), "photomaker")
    snapshot(cache, "TencentARC/PhotoMaker", "photomaker-v1.bin")
    snapshot(cache, "ByteDance/SDXL-Lightning", "sdxl_lightning_8step_unet.safetensors")
    facts = examine({"OPENAI_API_KEY": "sk-none"}, tmp_path)
    lines = [line.strip() for line in report(facts)]
    assert route(lines, "photomaker").endswith("): ready; takes 11 GB of cuda:0")
    assert facts["images"]["routes"]["sdxl"]["ready"]
    assert facts["images"]["routes"]["sdxl"]["weights"] == {BASE: "cache"}
    assert facts["profiles"]["gpu"] == []
    assert "profile gpu: ready" in lines
    other = route(lines, "photomaker-v2")
    assert "image.non_commercial = true (InsightFace models" in other
    assert "image.arcface" in other and "download of TencentARC/PhotoMaker-V2;" in other


@pytest.mark.parametrize(
    ("files", "index", "state"),
    [
        (("unet/config.json", "unet/a.safetensors"), {"unet": ["x", "y"]}, "cache"),
        (("unet/config.json", "unet/a.bin", "vae/config.json"), {"unet": ["x", "y"]}, "cache"),
        (("unet/config.json",), {"unet": ["x", "y"]}, "hub"),
        (("unet/config.json", "unet/a.bin"), {"unet": ["x", "y"], "vae": ["x", "y"]}, "hub"),
        (("unet/config.json", "unet/a.bin"), None, "hub"),
    ],
)
def test_a_download_that_was_cut_off_is_none(
    cache: Path, files: tuple[str, ...], index: dict[str, Any] | None, state: str
) -> None:
    snapshot(cache, BASE, *files, index=index)
    assert where(BASE, whole=True) == state


def test_a_shard_that_is_missing_counts(cache: Path) -> None:
    files = ("unet/config.json", "unet/a-1.safetensors")
    place = snapshot(cache, BASE, *files, index={"unet": ["x", "y"]})
    shards = {"weight_map": {"one": "a-1.safetensors", "two": "a-2.safetensors"}}
    (place / "unet" / "a.safetensors.index.json").write_text(json.dumps(shards))
    assert where(BASE, whole=True) == "hub"
    (place / "unet" / "a-2.safetensors").write_text("")
    assert where(BASE, whole=True) == "cache"
    (place / "unet" / "a.safetensors.index.json").write_text("torn")
    assert where(BASE, whole=True) == "hub"


def test_weights_are_found_as_file_folder_and_path(cache: Path, tmp_path: Path) -> None:
    snapshot(cache, "h94/IP-Adapter", "sdxl_models/face.safetensors", "models/seen/config.json")
    assert where("h94/IP-Adapter/sdxl_models/face.safetensors") == "cache"
    assert where("h94/IP-Adapter/sdxl_models/other.safetensors") == "hub"
    assert where("h94/IP-Adapter/models/seen") == "hub"
    snapshot(cache, "h94/IP-Adapter", "models/seen/model.safetensors")
    assert where("h94/IP-Adapter/models/seen") == "cache"
    assert where(str(tmp_path)) == "local"
