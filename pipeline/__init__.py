"""mcu: long-term, multi-session, multi-modal conversation data. Open, make and read runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcu.run import Run

__version__ = "0.1.0"
__all__ = ["__version__", "make_run", "open_run"]


def open_run(path: str | Path) -> "Run":
    """An existing run; `.records(kind)` iterates its records, `.execute()` resumes it.

    Raises:
        mcu.errors.ConfigError: there is no run in that folder.
    """
    from mcu.run import Run

    return Run.open(Path(path))


def make_run(path: str | Path, profile: str = "offline", **sections: dict[str, Any]) -> "Run":
    """A run in a folder, new or to be gone on with: `make_run("outputs/a", run={"seed": 1})`.

    Args:
        path: the run's folder.
        profile: `offline` or `openai`.
        sections: settings as in `mcu.toml`, a dictionary a section.

    Raises:
        mcu.errors.ConfigError: a setting is wrong, or the run there has others.
    """
    from mcu.config import load_config
    from mcu.run import Run

    return Run.create(Path(path), load_config(profile, values=sections))
