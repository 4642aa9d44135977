"""What can run here: packages, backends, settings."""

import platform
import shutil
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mcu.config import Config

_EXTRAS = {
    "retrieval": ("open_clip", "autofaiss"),
    "images": ("torch", "diffusers", "transformers", "accelerate", "peft"),
}
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
        "settings": Config().model_dump(mode="json"),
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
    lines.append(f"free disk: {facts['free_gigabytes']} GB")
    lines.append("settings and their defaults:")
    for section, values in facts["settings"].items():
        lines += [f"  {section}.{key} = {value!r}" for key, value in values.items()]
    return lines


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"
