"""Picture indexes: encoders, search, and the captioned starter set that ships."""

from pathlib import Path
from typing import Any

STARTER = Path(__file__).parent / "starter"


def catalogue() -> list[dict[str, Any]]:
    """The indexes that come with mcu: name, number of pictures, and what they show."""
    with (STARTER / "pictures.jsonl").open("rb") as rows:
        pictures = sum(1 for row in rows if row.strip())
    about = "clip art, photographs, charts, diagrams and mathematics; public domain or CC0"
    return [{"name": "starter", "pictures": pictures, "about": about}]
