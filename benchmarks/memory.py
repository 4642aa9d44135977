"""Peak memory of stages 1-7 at 5,000 episodes against that at 500; a finished run's resume.

`python benchmarks/memory.py [--smoke]` prints the ratio (bar 1.2) and the seconds (bar 2).
"""

import argparse
import tempfile
from pathlib import Path

from common import mcu, say

FLAT, RESUME = 1.2, 2.0


def main() -> None:
    """Print both figures; end with 1 when one misses its bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a small size that proves no figure")
    options = parser.parse_args()
    small, large = (20, 100) if options.smoke else (500, 5000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peak = {episodes: run(folder, episodes)[1] for episodes in (small, large)}
        seconds = run(folder, large)[0]
    ratio = peak[large] / peak[small]
    say(
        f"peak memory: {peak[small] / 1024:.0f} MB at {small} episodes, "
        f"{peak[large] / 1024:.0f} MB at {large}, ratio {ratio:.2f}"
    )
    say(f"resume of the finished {large}-episode run: {seconds:.2f} s")
    raise SystemExit(int((ratio > FLAT or seconds > RESUME) and not options.smoke))


def run(folder: Path, episodes: int) -> tuple[float, int]:
    """Seconds and peak kilobytes of stages 1-7."""
    name = ("--name", f"m{episodes}", "--episodes", str(episodes), "--profile", "offline")
    return mcu("run", "--stages", "1-7", *name, cwd=folder)


if __name__ == "__main__":
    main()
