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
from mcu.prices import dated, table

_EXTRAS = {
    "retrieval": ("open_clip", "autofaiss"),
    "images": ("torch", "diffusers", "transformers", "accelerate", "peft"),
}
# Tables of the configuration whose keys are the user's own names.
_NAMES = {"endpoints": "NAME", "stages": "STAGE", "prices": "MODEL"}
_PACKAGES = ("openai", "pydantic", "numpy", "pyarrow", "datasets", "faiss-cpu", "pillow")


def examine(environment: Mapping[str, str], outputs: Path) -> dict[str, Any]:
    """Facts about this machine and installation; holds no secret."""
    folder = next(p for p in (outputs, *outputs.absolute().parents) if p.exists())
    return {
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "extras": {
            extra: {name: find_spec(name) is not None for name in names}
            for extra, names in _EXTRAS.items()
        },
        "key": bool(environment.get("OPENAI_API_KEY")),
        "base_url": bool(environment.get("OPENAI_BASE_URL")),
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
    ready = facts["key"] or facts["base_url"]
    lines.append("profile offline: ready")
    lines.append(f"profile openai: {'ready' if ready else 'needs OPENAI_API_KEY or chat.base_url'}")
    lines.append("prices: {models} models, as of {dated}".format(**facts["prices"]))
    lines.append(f"free disk: {facts['free_gigabytes']} GB")
    lines.append("settings and their defaults:")
    return lines + [f"  {line}" for line in _lines("", facts["settings"])]


def _settings(kind: type[BaseModel]) -> dict[str, Any]:
    """A section's settings with their defaults; what is named by the user as one of that kind."""
    values: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        if field.exclude:
            continue  # a key
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            values[name] = _settings(field.annotation)
            continue
        inner = [k for k in get_args(field.annotation) if isinstance(k, type)]
        if get_origin(field.annotation) is dict and issubclass(inner[-1], BaseModel):
            values[name] = {_NAMES[name]: _settings(inner[-1])}
        else:
            values[name] = None if field.is_required() else to_jsonable_python(field.default)
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
