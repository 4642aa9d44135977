"""How near mcu comes to what a busy, failing server would give, and how many calls it refuses.

`storm`: a server takes 16 calls at once and refuses the rest for a second; 300 narratives.
`weather`: its limit falls from 64 to 8 and rises again, while calls fail, hang, drop and tear.
`python benchmarks/flow.py [--smoke]`.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from common import call, mcu, raise_file_limit, say, simulator

FAULTS = ("error=0.05", "hang=0.02", "drop=0.01", "torn=0.01")
LIMITS = ((64, 0.0), (8, 10.0), (64, 15.0))
LATENCY, PLACES, TIMEOUT = 0.3, 16, 1.5


def main() -> None:
    """Print both cases; end with 1 when one misses its bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a small size that proves no figure")
    smoke: bool = parser.parse_args().smoke
    raise_file_limit()
    with tempfile.TemporaryDirectory() as name:
        good = storm(Path(name), 30 if smoke else 300)
    with tempfile.TemporaryDirectory() as name:
        good &= weather(Path(name), 30 if smoke else 1_500)
    raise SystemExit(int(not good and not smoke))


def run(folder: Path, url: str, stages: str, episodes: int, *more: str) -> None:
    """Some stages of one run against a server."""
    mcu(
        *("run", "--profile", "openai", "--stages", stages, "--episodes", str(episodes)),
        *("--name", "bench", "--set", f"chat.base_url={url}", "--set", "run.shard_size=10"),
        *more,
        cwd=folder,
    )


def storm(folder: Path, episodes: int) -> bool:
    """The span of the narratives against the ideal one, and the share of refused calls."""
    with simulator(folder) as url:
        run(folder, url, "1-3", episodes)
    with simulator(folder, "--latency", str(LATENCY), "--max-in-flight", str(PLACES)) as url:
        run(folder, url, "4", episodes)
        stats = call(url, "/stats")
    ideal = stats["unique"] * LATENCY / PLACES
    span = (stats["last"] - stats["first"]) / ideal
    refused = stats["refused"] / (stats["refused"] + stats["requests"])
    say(
        f"storm: {stats['unique']} calls, {span:.2f} times the ideal span of {ideal:.1f} s, "
        f"{refused:.1%} refused"
    )
    return span <= 1.3 and refused < 0.10


def weather(folder: Path, episodes: int) -> bool:
    """The share of the server's places, over time, that were in use until all was answered."""
    log = folder / "requests.jsonl"
    with simulator(folder) as url:
        run(folder, url, "1-2", episodes)
    flags = [flag for fault in FAULTS for flag in ("--fault", fault)]
    limits = ",".join(f"{most}@{start:g}" for most, start in LIMITS)
    with simulator(
        folder, "--latency", str(2 * LATENCY), "--limits", limits, "--log", str(log), *flags
    ) as url:
        run(folder, url, "3-6", episodes, "--set", f"chat.timeout={TIMEOUT}")
        stats = call(url, "/stats")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    used = sum(min(line["end"] - line["start"], TIMEOUT) for line in lines)
    offered = places(stats["last"] - stats["first"], LIMITS)
    failed = sum(stats["faults"].values())
    say(
        f"weather: {stats['unique']} calls, {used / offered:.2f} of the server's places in use, "
        f"{failed} failed calls, {stats['repeated']} repeated ones, {stats['refused']} refused"
    )
    return used / offered >= 0.85 and stats["repeated"] <= failed


def places(seconds: float, limits: Sequence[tuple[int, float]]) -> float:
    """Places times seconds that a server offers."""
    ends = [*(start for _, start in limits[1:]), seconds]
    spans = zip(limits, ends, strict=True)
    return sum(most * max(min(end, seconds) - start, 0.0) for (most, start), end in spans)


if __name__ == "__main__":
    main()
