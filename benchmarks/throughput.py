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
CASES = ((64, 0.90), (256, 0.80))


def main() -> None:
    """Print one ratio a case; end with 1 when one is below its bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a small size that proves no figure")
    parser.add_argument("--episodes", type=int, default=0)
    options = parser.parse_args()
    raise_file_limit()
    failed = False
    for in_flight, bar in CASES:
        episodes = options.episodes or (40 if options.smoke else 12 * in_flight)
        with tempfile.TemporaryDirectory() as name:
            ratio = measure(Path(name), in_flight, episodes)
        failed |= ratio < bar
    raise SystemExit(int(failed and not options.smoke))


def measure(folder: Path, in_flight: int, episodes: int) -> float:
    """The ratio of the two rates."""
    with simulator(folder, "--latency", "0.1") as url:
        mcu(
            *("run", "--profile", "openai", "--stages", "1", "--episodes", str(episodes)),
            *settings(url, in_flight),
            cwd=folder,
        )
        for stages in ("2", "3-7"):
            call(url, "/reset", "POST")
            mcu(
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
        f"{in_flight:>4} in flight, 100 ms, {len(bodies)} calls: mcu {ours:.0f} calls/s, "
        f"bare client {bare:.0f} calls/s, ratio {ratio:.2f}"
    )
    return ratio


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
            body = json.loads(zlib.decompress(blob))
            name = body.pop("schema_name")
            schema = {"name": name, "schema": schema_of(REPLIES[name]), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
            found.append(body)
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
