"""The README keeps its word: its commands run, its tree and its stage table are true."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from helpers import environment
from mcu.stages import STAGES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_quick_start_runs(tmp_path: Path) -> None:
    """The quick start's blocks of commands, in order, in one folder, as a shell runs them."""
    part = README.split("## Quick start")[1].split("\n## ")[0]
    found = re.findall(r"```sh\n(.*?)```", part, re.DOTALL)
    assert len(found) >= 2
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for block in found:
        shell = subprocess.Popen(
            ["bash", "-e", "-c", block],
            cwd=tmp_path,
            env=environment(PATH=path),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        code = shell.wait(timeout=120)
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGTERM)  # a server in the background
        assert shell.stderr is not None
        assert code == 0, (block, shell.stderr.read())
        shell.stderr.close()


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
