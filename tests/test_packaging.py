"""What is packaged is what there is, and nothing generic lands beside it."""

import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = {"mcu": "pipeline", "mcu.stages": "stages", "mcu.prompts": "prompts"}
FOLDERS["mcu.indexes"] = "indexes"


def test_packages_are_the_folders() -> None:
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert setup["package-dir"] == FOLDERS
    found = {
        ".".join((name, *path.parent.relative_to(ROOT / folder).parts))
        for name, folder in FOLDERS.items()
        for path in (ROOT / folder).rglob("__init__.py")
    }
    assert set(setup["packages"]) == found


def test_one_console_script_and_one_top_level_name() -> None:
    mcu = distribution("mcu")
    assert [entry.value for entry in mcu.entry_points] == ["mcu.cli:main"]
    assert (mcu.read_text("top_level.txt") or "mcu").split() == ["mcu"]


def test_every_module_says_what_lives_in_it_and_is_short() -> None:
    for folder in FOLDERS.values():
        for path in (ROOT / folder).rglob("*.py"):
            lines = path.read_text(encoding="utf-8").splitlines()
            assert lines[0].startswith('"""'), path
            assert len(lines) <= 300, f"{path} has {len(lines)} lines"


def test_nothing_evaluates_text() -> None:
    for folder in FOLDERS.values():
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            for word in ("eval(", "exec(", "pickle", "except:", "os.system"):
                assert not re.search(rf"(?<!\w){re.escape(word)}", text), (path, word)
