"""What image backends can do here: torch, its devices, and each route's packages and weights."""

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

from mcu.backends.diffusers.routes import KINDS, facts, parts, resolve
from mcu.image_section import ImageSection, RouteName, RouteSection

_BESIDES = {"qwen-edit": ("torchvision",)}  # packages that a route needs beyond the extra
_TIMES_CPU = 2  # a CPU computes in float32, twice the bytes that a route's memory is told for
_WEIGHTS = (".safetensors", ".bin")


def examine_images(extras: Mapping[str, Mapping[str, bool]]) -> dict[str, Any]:
    """Facts about drawing on this machine; no network is asked.

    torch is imported where it is installed, for it alone knows the devices.

    Args:
        extras: for each extra the packages that it brings, and whether they are there.
    """
    found = torch_here()
    device = max(found["devices"], key=_size, default=None)
    return {
        "avatar": "ready",
        "diffusers": found,
        "routes": {name: _route(name, extras, device) for name in get_args(RouteName)},
    }


def image_lines(found: Mapping[str, Any]) -> list[str]:
    """The same as lines to read."""
    told = found["diffusers"]
    named = f"torch {told['torch']}" if told["torch"] else "needs torch"
    lines = ["images by avatar: ready", f"images by diffusers: {named}"]
    lines += [f"  {fault}" for fault in told["faults"]]
    lines += [f"  device {_device(device)}" for device in told["devices"]]
    for name, route in found["routes"].items():
        state = lacks([*route["needs"], *downloads([route])])
        lines.append(f"  route {name} ({route['use']}): {'; '.join([state, *route['runs']])}")
    return lines


def image_needs(found: Mapping[str, Any]) -> list[str]:
    """What the default routes need before they draw at a GPU's speed."""
    chosen = [found["routes"][getattr(ImageSection(), kind).route] for kind in KINDS]
    fast = any(device["device"] != "cpu" for device in found["diffusers"]["devices"])
    needs = [need for route in chosen for need in route["needs"]]
    return [*dict.fromkeys(needs), *([] if fast else ["a GPU"]), *downloads(chosen)]


def lacks(needs: Sequence[str]) -> str:
    """`ready`, or what is needed."""
    return f"needs {', '.join(needs)}" if needs else "ready"


def downloads(routes: Sequence[Mapping[str, Any]]) -> list[str]:
    """A phrase for the weights that are not on this machine, if any."""
    places = [p for route in routes for p, state in route["weights"].items() if state == "hub"]
    repositories = dict.fromkeys("/".join(place.split("/")[:2]) for place in places)
    return [f"a download of {' and '.join(repositories)}"] if places else []


def _device(device: Mapping[str, Any]) -> str:
    sizes = {"of memory": device["gigabytes"], "free": device["free_gigabytes"]}
    told = [f"{size} GB {word}" for word, size in sizes.items() if size is not None]
    return f"{device['device']}: {', '.join([device['name'], *told])}"


def torch_here() -> dict[str, Any]:
    """The version of torch, its devices with their memory in GB, and what is wrong with it."""
    if find_spec("torch") is None:
        return {"torch": "", "devices": [], "faults": []}
    with warnings.catch_warnings(record=True) as heard:  # such as of a driver that is too old
        warnings.simplefilter("always")
        try:
            import torch

            number, devices, faults = str(torch.__version__), _devices(torch), []
        except (ImportError, OSError, RuntimeError) as error:  # a torn or unfitting installation
            number, devices, faults = "", [], [f"torch cannot be used: {_first_line(error)}"]
    faults += [_first_line(one.message) for one in heard if "CUDA" in str(one.message)]
    return {"torch": number, "devices": devices, "faults": faults}


def _devices(torch: Any) -> list[dict[str, Any]]:
    """Those that a run takes when `image.devices` is empty."""
    if torch.cuda.is_available():
        return [_cuda(torch, number) for number in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        total = torch.mps.recommended_max_memory()
        return [_facts("mps", "Apple GPU", total - torch.mps.driver_allocated_memory(), total)]
    return [_facts("cpu", "CPU", _pages("SC_AVPHYS_PAGES"), _pages("SC_PHYS_PAGES"))]


def _cuda(torch: Any, number: int) -> dict[str, Any]:
    known = torch.cuda.get_device_properties(number)
    try:
        free = torch.cuda.mem_get_info(number)[0]
    except RuntimeError:  # another process holds the device for itself
        free = 0
    return _facts(f"cuda:{number}", known.name, free, known.total_memory)


def _facts(device: str, name: str, free: int | None, total: int | None) -> dict[str, Any]:
    sizes = [None if size is None else round(size / 1e9, 1) for size in (free, total)]
    return {"device": device, "name": name, "free_gigabytes": sizes[0], "gigabytes": sizes[1]}


def _pages(name: str) -> int | None:
    """Bytes of main memory; None where the system does not tell."""
    if name not in os.sysconf_names:
        return None
    return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE")


def _size(device: Mapping[str, Any]) -> float:
    return device["gigabytes"] or 0.0


def _route(
    name: RouteName,
    extras: Mapping[str, Mapping[str, bool]],
    device: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """What a route takes with its own weights, what of that is not here, and how it would run."""
    known, made_of = facts(name), parts(RouteSection(route=name))
    chosen = resolve(RouteSection(route=name))
    absent = [package for package in _BESIDES.get(name, ()) if not find_spec(package)]
    needs = [*_installs("images", extras), *(f"`pip install {package}`" for package in absent)]
    short, runs = _memory(known.memory, device)
    needs += short
    if known.needs:
        needs += ["a file of yours as image.arcface", *_installs("checks", extras)]
    if closed := [part.licence for part in made_of if part.commercial is False]:
        needs.append(f"image.non_commercial = true ({'; '.join(closed)})")
    weights = {chosen.base: where(chosen.base, whole=True)}
    weights |= {name: where(name) for name in (chosen.weights, chosen.encoder) if name}
    return {
        "use": known.use,
        "ready": not needs and "hub" not in weights.values(),
        "needs": needs,
        "runs": runs,
        "memory_gigabytes": {"resident": known.memory[0], "offload": known.memory[1]},
        "weights": weights,
        "licences": [asdict(part) for part in made_of],
    }


def _installs(extra: str, extras: Mapping[str, Mapping[str, bool]]) -> list[str]:
    return [] if all(extras[extra].values()) else [f"`pip install 'mcu[{extra}]'`"]


def _memory(
    needed: tuple[int, int], device: Mapping[str, Any] | None
) -> tuple[list[str], list[str]]:
    """What memory is short of, and how a route would run; none or one phrase each."""
    resident, offload = needed
    if device is None or not (size := _size(device)):
        return [], []
    name = device["device"]
    if name == "cpu" and size < _TIMES_CPU * resident:
        return [f"a GPU with {offload} GB, or {_TIMES_CPU * resident} GB of main memory"], []
    if name == "cpu":
        return [], ["on the CPU, minutes a picture"]
    if size >= resident:
        return [], [f"takes {resident} GB of {name}"]
    if size >= offload and name.startswith("cuda"):
        return [], [f"takes {offload} GB of {name} with offload, and would {resident} without"]
    return [f"a GPU with {offload} GB, or {resident} without offload"], []


def where(name: str, whole: bool = False) -> str:
    """Where weights are: `local`, `cache` (the Hub's, on this machine) or `hub`, to be fetched.

    Args:
        name: a path; or on the Hub `owner/repository`, or a file or folder in one.
        whole: whether it is a repository with all parts of a pipeline.
    """
    if Path(name).expanduser().exists():
        return "local"
    from huggingface_hub import try_to_load_from_cache

    owner, repository, *inner = name.split("/")
    file = "/".join([*inner, "model_index.json" if whole else "config.json"])
    if not whole and name.endswith(_WEIGHTS):
        file = "/".join(inner)
    found = try_to_load_from_cache(f"{owner}/{repository}", file)
    try:
        there = isinstance(found, str) and _is_complete(Path(found))
    except (OSError, ValueError, KeyError):  # torn, which a download mends
        there = False
    return "cache" if there else "hub"


def _is_complete(path: Path) -> bool:
    """Whether a weight file, a model by its configuration or a pipeline by its index is there."""
    if path.suffix in _WEIGHTS:
        return path.exists()
    if path.name == "config.json":
        return _has_weights(path.parent)
    named = json.loads(path.read_text(encoding="utf-8")).items()
    kinds = [(part, kind) for part, kind in named if isinstance(kind, list) and kind[0]]
    folders = [path.parent / part for part, _ in kinds]
    models = [folder for folder in folders if (folder / "config.json").exists()]
    return all(folder.is_dir() for folder in folders) and all(map(_has_weights, models))


def _has_weights(folder: Path) -> bool:
    """Whether a model's folder has weights, and all files of them that it names."""
    if not any(path.suffix in _WEIGHTS and path.exists() for path in folder.iterdir()):
        return False
    for index in folder.glob("*.index*.json"):
        named = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        if not all((folder / name).exists() for name in named):
            return False
    return True


def _first_line(said: object) -> str:
    return (str(said).strip() or type(said).__name__).splitlines()[0][:200]
