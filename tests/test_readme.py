"""The README keeps its word: its commands run, its tree and its stage table are true."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

from helpers import environment
from mcu.stages import STAGES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_quick_start_runs(tmp_path: Path) -> None:
    """Every `mcu` line of the quick start, in order, in one folder."""
    part = README.split("## Quick start")[1].split("\n## ")[0]
    lines = [
        line
        for block in re.findall(r"```sh\n(.*?)```", part, re.DOTALL)
        for line in block.splitlines()
        if line.startswith("mcu ")
    ]
    assert len(lines) >= 4
    for line in lines:
        words = [sys.executable, "-m", *shlex.split(line, comments=True)]
        done = subprocess.run(
            words, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (line, done.stderr)


def test_python_examples_run(tmp_path: Path) -> None:
    for block in blocks("python"):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", block],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (block, done.stderr)


def test_tree_is_true() -> None:
    block = next(b for b in blocks("text") if "pipeline/" in b)
    named = {match[1] for line in block.splitlines() if (match := re.match(r"(\S+?)/?\s", line))}
    for name in named:
        assert (ROOT / name).exists(), name
    for folder in ("pipeline", "stages", "indexes"):
        for path in (ROOT / folder).rglob("*.py"):
            name = path.relative_to(ROOT).as_posix()
            assert name in named or path.name == "__init__.py", f"{name} is not in the tree"


def test_stage_table_is_true() -> None:
    for stage in STAGES:
        assert re.search(rf"\| {stage.number} \| `{stage.name}` \|", README), stage.name
