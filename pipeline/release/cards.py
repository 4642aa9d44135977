"""Dataset cards, filled from the run."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined

from mcu.backends.diffusers.routes import KINDS, parts, public
from mcu.image_section import ImageSection
from mcu.languages import language_code
from mcu.sections import TRANSLATED
from mcu.store import Unit

if TYPE_CHECKING:
    from mcu.run import Run

_SETS = {
    "stark-dialogue": ("Stark-format dialogues", "stark.parquet"),
    "stark-image": ("Stark-format pictures", "*.tar"),
    "stark-face-image": ("Stark-format faces", "*.tar"),
    "stark-image-url": ("Stark-format links to pictures", "*.tar"),
}
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def write_cards(run: "Run", folder: Path, counts: Mapping[str, int]) -> None:
    """Write a README.md into each set. Nothing in it depends on when the run was made."""
    text = (files("mcu.release") / "card.md").read_text(encoding="utf-8")
    template = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    ).from_string(text)
    stages, chat = _stages(run), run.config.chat
    for name, (title, data_files) in _SETS.items():
        if not counts[name]:
            continue
        card = template.render(
            set=name,
            title=title,
            data_files=data_files,
            rows=counts[name],
            size=next((s for most, s in _SIZES if counts[name] < most), "n>1M"),
            counts=counts,
            config=run.config,
            languages=sorted(
                {"en", *(language_code(str(chat.of(n).language)) for n in TRANSLATED)}
            ),
            stages=stages,
            models=_models(run.config.image),
            left_out={key: n for key, n in counts.items() if key.startswith("left out")},
        )
        (folder / name / "README.md").write_text(card, encoding="utf-8")


def _models(image: ImageSection) -> list[dict[str, Any]]:
    """What drew each kind of picture, with the licence of its weights."""
    if image.backend != "diffusers":
        return []
    return [
        {"kind": kind, "route": getattr(image, kind).route, "name": public(part.name), "part": part}
        for kind in KINDS
        for part in parts(getattr(image, kind))
    ]


def _stages(run: "Run") -> list[dict[str, Any]]:
    from mcu import prompts
    from mcu.stages import STAGES

    found = []
    for stage in STAGES:
        marks = [run.store.mark(Unit(stage, n)) or {} for n in range(run.config.shards)]
        rejects: dict[str, int] = {}
        for mark in marks:
            for code, number in mark.get("rejects", {}).items():
                rejects[code] = rejects.get(code, 0) + number
        found.append(
            {
                "number": stage.number,
                "name": stage.name,
                "version": stage.version,
                "prompts": {name: prompts.load(name).version for name in stage.prompts},
                "records": sum(mark.get("records", 0) for mark in marks),
                "rejects": dict(sorted(rejects.items())),
            }
        )
    return found
