"""What the benchmarks share: real processes, a real simulator, a folder to throw away."""

import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

MCU = (sys.executable, "-m", "mcu")
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "MCU_"))}


def mcu(*arguments: str, cwd: Path) -> tuple[float, int]:
    """Run mcu; gives seconds and peak memory in kilobytes."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [*MCU, *arguments], cwd=cwd, env=ENVIRONMENT, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"mcu {' '.join(arguments)} ended with {process.returncode}")
    return time.perf_counter() - started, usage.ru_maxrss


@contextmanager
def simulator(folder: Path, *arguments: str) -> Iterator[str]:
    """Serve the scripted author in a process of its own; gives its base URL."""
    errors = folder / "simulate.err"
    with errors.open("w") as file:
        process = subprocess.Popen(
            [*MCU, "simulate", "--port", "0", *arguments], env=ENVIRONMENT, stderr=file
        )
    try:
        while not (found := re.search(r"http://\S+", errors.read_text())):
            time.sleep(0.05)
        yield found[0]
    finally:
        process.terminate()
        process.wait()


def call(url: str, path: str, method: str = "GET") -> dict[str, Any]:
    """A request to the simulator's own pages."""
    with urlopen(Request(url.removesuffix("/v1") + path, method=method)) as reply:
        found: dict[str, Any] = json.load(reply)
    return found


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def raise_file_limit() -> None:
    """Let this process and its children hold as many connections as the system allows."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
