"""What can run here: packages, backends, settings."""

import json
import platform
import shutil
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from mcu.config import Config
from mcu.doctor_images import examine_images, image_lines, image_needs, lacks
from mcu.prices import dated, table

_EXTRAS = {
    "retrieval": ("open_clip", "autofaiss"),
    "images": ("torch", "diffusers", "transformers", "accelerate", "peft"),
    "checks": ("dlib", "face_recognition_models", "nudenet"),
    "c2pa": ("c2pa", "cryptography"),
}
# Tables of the configuration whose keys are the user's own names.
_NAMES = {"endpoints": "NAME", "stages": "STAGE", "prices": "MODEL"}
_PACKAGES = ("openai", "pydantic", "numpy", "pyarrow", "datasets", "faiss-cpu", "pillow")


def examine(environment: Mapping[str, str], outputs: Path) -> dict[str, Any]:
    """Facts about this machine and installation; holds no secret."""
    folder = next(p for p in (outputs, *outputs.absolute().parents) if p.exists())
    extras = {
        extra: {name: find_spec(name) is not None for name in names}
        for extra, names in _EXTRAS.items()
    }
    images = examine_images(extras)
    key, base_url = (bool(environment.get(f"OPENAI_{name}")) for name in ("API_KEY", "BASE_URL"))
    return {
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "extras": extras,
        "images": images,
        "key": key,
        "base_url": base_url,
        "profiles": _profiles(key or base_url, extras, images),
        "free_gigabytes": round(shutil.disk_usage(folder).free / 1e9, 1),
        "prices": {"models": len(table()), "dated": dated()},
        "settings": _settings(Config),
    }


def report(facts: Mapping[str, Any]) -> list[str]:
    """The same as lines to read."""
    packages = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    lines = [f"python {facts['python']}", packages]
    for extra, found in facts["extras"].items():
        missing = [name for name, there in found.items() if not there]
        state = f"not installed ({', '.join(missing)} missing)" if missing else "installed"
        lines.append(f"extra {extra}: {state}")
    lines += image_lines(facts["images"])
    lines += [f"profile {name}: {lacks(needs)}" for name, needs in facts["profiles"].items()]
    lines.append("prices: {models} models, as of {dated}".format(**facts["prices"]))
    lines.append(f"free disk: {facts['free_gigabytes']} GB")
    lines.append("settings and their defaults:")
    return lines + [f"  {line}" for line in _lines("", facts["settings"])]


def _profiles(
    chat: bool, extras: Mapping[str, Mapping[str, bool]], images: Mapping[str, Any]
) -> dict[str, list[str]]:
    """What each profile needs before it can run."""
    written = [] if chat else ["OPENAI_API_KEY or chat.base_url"]
    checked = [] if all(extras["checks"].values()) else ["`pip install 'mcu[checks]'`"]
    return {"offline": [], "openai": written, "gpu": [*written, *checked, *image_needs(images)]}


def _settings(kind: type[BaseModel], default: Any = None) -> dict[str, Any]:
    """A section's settings with their defaults; what is named by the user as one of that kind."""
    values: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        if field.exclude:
            continue  # a key
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            values[name] = _settings(field.annotation, field.default)
            continue
        inner = [k for k in get_args(field.annotation) if isinstance(k, type)]
        if get_origin(field.annotation) is dict and issubclass(inner[-1], BaseModel):
            values[name] = {_NAMES[name]: _settings(inner[-1])}
        else:
            given = None if field.is_required() else field.default
            values[name] = to_jsonable_python(getattr(default, name, given))
    return values


def _lines(name: str, values: Any) -> list[str]:
    """Settings as `section.key = value`, the value as in TOML."""
    if isinstance(values, dict) and values:
        head = f"{name}." if name else ""
        return [line for key, value in values.items() for line in _lines(head + key, value)]
    return [f"{name} = {'none' if values is None else json.dumps(values)}"]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"
