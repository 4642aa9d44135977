"""Releases made by hand in a run's folder, and `mcu push` as a program of its own."""

import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

from hub import Hub

from mcu.config import load_config

_CARD = """---
license: cc-by-4.0
configs:
- config_name: default
  data_files:
  - split: train
    path: "{files}"
---
# {name}
"""


def write_release(outputs: Path, sizes: dict[str, int], seed: int = 0) -> Path:
    """Run `r` with a release: a small parquet, a JSONL file, and tars of random bytes.

    Args:
        outputs: folder of runs.
        sizes: bytes of each further file, by its path in the release.
        seed: of the random bytes.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    run = outputs / "r"
    release = run / "release"
    release.mkdir(parents=True)
    (run / "run.toml").write_text(load_config("offline", None, ()).to_toml())
    for name in ("stark-dialogue", *{Path(path).parts[0] for path in sizes}):
        (release / name).mkdir(exist_ok=True)
        files = "stark.parquet" if name == "stark-dialogue" else "*.tar"
        (release / name / "README.md").write_text(_CARD.format(files=files, name=name))
    rows = pa.table({"index": ["a", "b"], "name": ["Zoë", "민준"]})
    pq.write_table(rows, release / "stark-dialogue" / "stark.parquet")
    (release / "stark-dialogue" / "chat.jsonl").write_text('{"messages": []}\n')
    (release / "checks").mkdir()
    (release / "checks" / "report.json").write_text("{}")
    dice = random.Random(seed)
    for path, size in sizes.items():
        (release / path).write_bytes(dice.randbytes(size))
    return release


def environment(hub: Hub | None, home: Path, **more: str) -> dict[str, str]:
    """What a push sees: the loopback Hub, a home of its own, no other token."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING", "XDG_"))}
    kept |= {"HF_HOME": str(home), "HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    kept |= {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1"}
    if hub is not None:
        kept |= {"HF_ENDPOINT": hub.url, "HF_TOKEN": hub.token}
    return kept | more


def command(outputs: Path, *options: str) -> list[str]:
    """`mcu push r --repo ada/x …` over releases made by hand."""
    driver = str(Path(__file__).with_name("driver.py"))
    base = [sys.executable, driver, "push", "r", "--outputs", str(outputs)]
    return [*base, "--repo", "ada/x", *options]


def run_push(
    outputs: Path, env: dict[str, str], *options: str
) -> "subprocess.CompletedProcess[str]":
    """Push to the end."""
    return subprocess.run(
        command(outputs, *options), env=env, capture_output=True, text=True, timeout=280
    )


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of a set."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def assert_all_there(hub: Hub, release: Path) -> None:
    """Every set is in its repository, each file with the hash that it has here, and no other."""
    for folder in release.iterdir():
        if folder.name != "checks":
            repo = f"ada/x-{folder.name.removeprefix('stark-')}"
            assert hub.files(repo) == hashes(folder), repo


def assert_nothing_twice(hub: Hub) -> None:
    """No file's bytes arrived whole more than once."""
    assert set(hub.stored.values()) <= {1}, hub.stored


def assert_cards_last(hub: Hub) -> None:
    """In every repository the last commit alone adds the card, and there is one."""
    for repo in hub.repos.values():
        adding = [number for number, c in enumerate(repo.commits) if "README.md" in c.added]
        assert adding == [len(repo.commits) - 1], (repo.name, json.dumps(adding))
        assert repo.head.added == ("README.md",)
