"""Picture indexes: encoders, build, search, and the captioned starter set that ships."""

import json
import os
import re
from pathlib import Path
from typing import Any

from mcu.errors import ConfigError

STARTER = Path(__file__).parent / "starter"


def home() -> Path:
    """Where built indexes are: `$MCU_INDEXES`, or `indexes` in the working folder."""
    return Path(os.environ.get("MCU_INDEXES") or "indexes")


def built(name: str) -> Path:
    """The folder of an index that `mcu index build` makes.

    Raises:
        ConfigError: the name could be a path, an option or the starter set's.
    """
    if name == "starter" or not re.fullmatch(r"\w[\w.-]{0,99}", name):
        raise ConfigError(
            f"an index cannot be called {name!r}: letters, digits, dots, dashes and underscores"
        )
    return home() / name


def catalogue() -> list[dict[str, Any]]:
    """The indexes that can be searched by name: number of pictures, and what they show."""
    with (STARTER / "pictures.jsonl").open("rb") as rows:
        pictures = sum(1 for row in rows if row.strip())
    about = "clip art, photographs, charts, diagrams and mathematics; public domain or CC0"
    return [{"name": "starter", "pictures": pictures, "about": about}, *_built()]


def _built() -> list[dict[str, Any]]:
    found = []
    for path in sorted(home().glob("*/meta.json")):
        try:
            meta = json.loads(path.read_text(encoding="utf-8"))
            about = f"{meta['encoder']}; {', '.join(meta['sources'])}"
            found.append({"name": path.parent.name, "pictures": int(meta["count"]), "about": about})
        except (OSError, ValueError, KeyError, TypeError):
            continue  # another program's folder, or one that is being written
    return found
