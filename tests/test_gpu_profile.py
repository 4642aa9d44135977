"""The profile `gpu` on a machine that lacks what it needs: told in a sentence, before any work."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import environment

# An import of a package that is None in sys.modules fails as if it were not installed.
WITHOUT = """
import sys
sys.modules.update(dict.fromkeys({packages!r}))
from mcu.cli import main
main()
"""
SCRIPTED = ("--set", "chat.backend=scripted", "--set", "chat.model=scripted-1")


def mcu(*arguments: str, without: tuple[str, ...], cwd: Path) -> subprocess.CompletedProcess[str]:
    code = WITHOUT.format(packages=without)
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        env=environment(HF_HUB_OFFLINE="1"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("package", "extra"), [("torch", "images"), ("diffusers", "images"), ("dlib", "checks")]
)
def test_a_package_that_is_missing_is_named_with_its_extra(
    package: str, extra: str, tmp_path: Path
) -> None:
    flags = SCRIPTED if extra == "images" else (*SCRIPTED, "--set", "image.backend=avatar")
    command = ("run", "--profile", "gpu", "--name", "a", "--episodes", "5", *flags)
    ended = mcu(*command, without=(package,), cwd=tmp_path)
    assert ended.returncode == 1
    assert package in ended.stderr and f"pip install 'mcu[{extra}]'" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not list(tmp_path.glob("outputs/a/s1_persona/*.jsonl")), "nothing was begun"


def test_an_estimate_needs_no_gpu(tmp_path: Path) -> None:
    command = ("estimate", "--profile", "gpu", "--episodes", "1000", "--json")
    server = ("--set", "chat.base_url=http://127.0.0.1:1/v1")
    ended = mcu(*command, *server, without=("torch", "diffusers", "dlib"), cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    facts = json.loads(ended.stdout)
    assert facts["total"]["hours"] > 8, "a picture takes seconds on a GPU"


def test_weights_that_cannot_be_had_are_named(tmp_path: Path) -> None:
    """No Hub is reached from a test, so that the first portrait fails, and says what on."""
    command = ("run", "--profile", "gpu", "--name", "a", "--episodes", "5", *SCRIPTED)
    checks = ("--set", "checks.faces=off", "--set", "checks.pictures=off")
    cache = environment(HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path), OMP_NUM_THREADS="1")
    ended = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "mcu_tiny.py"), *command, *checks],
        cwd=tmp_path,
        env=cache,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 1
    assert "'stabilityai/stable-diffusion-xl-base-1.0' cannot be loaded" in ended.stderr
    assert "Traceback" not in ended.stderr
