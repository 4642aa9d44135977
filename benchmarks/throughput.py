"""Calls per second of stages 1-7 against those of the bare openai client, in one run.

Both talk to the same simulator with the same requests in flight: the bare client sends the very
bodies that mcu sent (from its journals) and throws the answers away; mcu parses, checks, journals
and writes them. `python benchmarks/throughput.py [--smoke]`.
"""

import argparse
import asyncio
import json
import sqlite3
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI, DefaultAioHttpClient

from common import call, mcu, raise_file_limit, say, simulator
from mcu.backends import ChatRequest
from mcu.backends.openai_wire import arguments_of, refused_by
from mcu.schema import schema_of
from mcu.stages.album import Album
from mcu.stages.commonsense import Inferences
from mcu.stages.dialogue import Script
from mcu.stages.events import Graph
from mcu.stages.narrative import Story

REPLIES = {
    "commonsense": Inferences,
    "narrative": Story,
    "events": Graph,
    "album": Album,
    "dialogue": Script,
}
# In flight, seconds of latency, episodes, lowest ratio.
CASES = ((64, 0.1, 600, 0.92), (256, 0.1, 3_000, 0.85), (1024, 1.0, 4_000, 0.85))
_MOST_MEGABYTES = 250  # of the first case


def main() -> None:
    """Print one ratio a case; end with 1 when one is below its bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a small size that proves no figure")
    parser.add_argument("--episodes", type=int, default=0)
    options = parser.parse_args()
    raise_file_limit()
    failed = False
    for in_flight, latency, episodes, bar in CASES:
        episodes = options.episodes or (40 if options.smoke else episodes)
        with tempfile.TemporaryDirectory() as name:
            ratio, megabytes = measure(Path(name), in_flight, latency, episodes)
        failed |= ratio < bar or (in_flight == CASES[0][0] and megabytes > _MOST_MEGABYTES)
    raise SystemExit(int(failed and not options.smoke))


def measure(folder: Path, in_flight: int, latency: float, episodes: int) -> tuple[float, float]:
    """The ratio of the two rates, and mcu's peak memory in megabytes."""
    with simulator(folder, "--latency", str(latency)) as url:
        mcu(
            *("run", "--profile", "openai", "--stages", "1", "--episodes", str(episodes)),
            *settings(url, in_flight),
            cwd=folder,
        )
        for stages in ("2", "3-7"):
            call(url, "/reset", "POST")
            _, kilobytes = mcu(
                *("run", "--profile", "openai", "--stages", stages, "--episodes", str(episodes)),
                *settings(url, in_flight),
                cwd=folder,
            )
        stats = call(url, "/stats")
        ours = stats["requests"] / (stats["last"] - stats["first"])
        bodies = requests(folder / "outputs/bench/journal")
        bare = asyncio.run(bare_client(url, in_flight, bodies))
    ratio = ours / bare
    say(
        f"{in_flight:>4} in flight, {latency:g} s, {len(bodies)} calls: mcu {ours:.0f} calls/s, "
        f"bare client {bare:.0f} calls/s, ratio {ratio:.2f}, peak {kilobytes / 1000:.0f} MB"
    )
    return ratio, kilobytes / 1000


def settings(url: str, in_flight: int) -> tuple[str, ...]:
    """Flags of one run."""
    return (
        *("--name", "bench", "--set", f"chat.base_url={url}"),
        *("--set", f"chat.max_in_flight={in_flight}"),
    )


def requests(journals: Path) -> list[dict[str, Any]]:
    """The bodies of all journalled calls of stages 3-7."""
    found = []
    for path in sorted(journals.glob("s[3-7]_*.sqlite")):
        database = sqlite3.connect(path)
        for (blob,) in database.execute("SELECT request FROM answers WHERE kind = 'chat'"):
            asked = json.loads(zlib.decompress(blob))
            request = ChatRequest(schema=schema_of(REPLIES[asked["schema_name"]]), **asked)
            found.append(arguments_of(request, 0, refused_by(request.model)))
        database.close()
    return found


async def bare_client(url: str, in_flight: int, bodies: list[dict[str, Any]]) -> float:
    """Calls per second of AsyncOpenAI over aiohttp with so many workers."""
    client = AsyncOpenAI(
        api_key="none", base_url=url, max_retries=0, http_client=DefaultAioHttpClient()
    )
    waiting = iter(bodies)

    async def work() -> None:
        for body in waiting:
            await client.chat.completions.create(**body)

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(in_flight)))
    seconds = time.perf_counter() - started
    await client.close()
    return len(bodies) / seconds


if __name__ == "__main__":
    main()
