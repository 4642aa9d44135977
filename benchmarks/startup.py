"""How soon mcu answers: `mcu --help` (bar 0.5 s) and the first model call of a run (bar 1.5 s).

`python benchmarks/startup.py [--smoke]` prints the medians of five, and each as a ratio to a bare
interpreter's start in the same run.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import ENVIRONMENT, MCU, call, mcu, say, simulator

HELP, FIRST_CALL, TIMES = 0.5, 1.5, 5


def main() -> None:
    """Print both figures; end with 1 when one misses its bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="once instead of five times")
    times = 1 if parser.parse_args().smoke else TIMES
    python = statistics.median(seconds(sys.executable, "-c", "pass") for _ in range(times))
    help_ = statistics.median(seconds(*MCU, "--help") for _ in range(times))
    with tempfile.TemporaryDirectory() as name, simulator(Path(name)) as url:
        first = statistics.median(first_call(Path(name), url, n) for n in range(times))
    say(f"mcu --help: {help_:.2f} s, {help_ / python:.1f} times a bare interpreter")
    say(f"first call of a run after {first:.2f} s, {first / python:.1f} times a bare interpreter")
    raise SystemExit(int(times > 1 and (help_ > HELP or first > FIRST_CALL)))


def seconds(*command: str) -> float:
    """How long a command takes."""
    started = time.perf_counter()
    subprocess.run(command, check=True, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def first_call(folder: Path, url: str, number: int) -> float:
    """Seconds from the command to the simulator's first request."""
    call(url, "/reset", "POST")
    started = time.time()
    mcu(
        *("run", "--profile", "openai", "--set", f"chat.base_url={url}", "--stages", "1"),
        *("--name", f"r{number}"),
        cwd=folder,
    )
    return float(call(url, "/stats")["first"]) - started


if __name__ == "__main__":
    main()
