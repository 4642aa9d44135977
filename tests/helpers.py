"""What several tests need: mcu as a real process, a real simulator, a hash of a folder."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from urllib.request import Request, urlopen

MCU = (sys.executable, "-m", "mcu")


def environment(**more: str) -> dict[str, str]:
    """This environment without a key, so that no test depends on whose machine it is."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "MCU_"))}
    return {**kept, **more}


def mcu(
    *arguments: str, cwd: Path, timeout: float = 120, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run mcu to its end."""
    return subprocess.run(
        [*MCU, *arguments],
        cwd=cwd,
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder with its hash."""
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def rejects(run: Path) -> list[dict[str, str]]:
    """All rejects of a run."""
    return [
        json.loads(line)
        for path in sorted(run.glob("s*_*/*.rejects.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


class Simulator:
    """A `mcu simulate` process."""

    def __init__(self, url: str) -> None:
        self.url = url

    def stats(self) -> dict[str, float]:
        """What it has seen."""
        with urlopen(self.url.removesuffix("/v1") + "/stats") as reply:
            found: dict[str, float] = json.load(reply)
        return found

    def reset(self) -> None:
        """Let it forget what it has seen."""
        urlopen(Request(self.url.removesuffix("/v1") + "/reset", method="POST")).close()


@contextmanager
def simulator(folder: Path, *arguments: str) -> Iterator[Simulator]:
    """Serve the scripted author in a process of its own while the block runs."""
    with (folder / "simulate.err").open("w+") as errors:
        process = subprocess.Popen(
            [*MCU, "simulate", "--port", "0", *arguments],
            cwd=folder,
            env=environment(),
            stderr=errors,
            stdout=subprocess.DEVNULL,
        )
        try:
            yield Simulator(_url(folder / "simulate.err"))
        finally:
            process.terminate()
            process.wait(10)


def _url(path: Path) -> str:
    for _ in range(200):
        if match := re.search(r"http://\S+", path.read_text()):
            return match[0]
        time.sleep(0.05)
    raise AssertionError(f"the simulator did not start: {path.read_text()}")
