"""How fast a run becomes a release, beside plain webdataset and pyarrow, and in how much memory.

The run is made up and written straight into the store. `python benchmarks/release.py [--smoke]
[--episodes N] [--folder DIR]`. Each part runs in a process of its own, so that its peak is its own.
"""

import argparse
import itertools
import json
import multiprocessing
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import say

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from synthetic import World, pool, write_run

from mcu.run import Run

LEAST, MOST_MEMORY = 0.8, 1_000  # of plain webdataset's speed; megabytes
POOL, PLAIN = 20_000, 5_000  # pictures; episodes that are written in the plain way
_SPAWN = multiprocessing.get_context("spawn")


def main() -> None:
    """Print the rates; end with 1 when one misses its bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a small size that proves no figure")
    parser.add_argument("--episodes", type=int, default=100_000)
    parser.add_argument("--folder", help="where to work: 15 GB for 100,000 episodes")
    asked = parser.parse_args()
    episodes: int = 200 if asked.smoke else asked.episodes
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        root = Path(name) / "run"
        seconds = make(root, episodes, 400 if asked.smoke else POOL)
        say(f"made a run of {episodes} episodes in {seconds:.0f} s")
        good = release(root, episodes) & plain(root) & check(root, episodes)
    raise SystemExit(int(not good and not asked.smoke))


def make(root: Path, episodes: int, pictures: int) -> float:
    """Write a finished run, its shards in several processes."""
    started, settings = time.perf_counter(), {"episodes": episodes}
    run = write_run(root, lambda store: World(pool(store, pictures)), [], run=settings)
    pools = pool(run.store, pictures)  # the same again: it is made from a seed
    jobs = ((root, pools, shard, settings) for shard in range(run.config.shards))
    with _SPAWN.Pool(os.cpu_count()) as workers:
        for _ in workers.imap_unordered(_shard, jobs):
            pass
    return time.perf_counter() - started


def _shard(job: tuple[Path, Any, int, dict[str, Any]]) -> None:
    root, pools, shard, settings = job
    write_run(root, lambda store: World(pools), [shard], run=settings)


def release(root: Path, episodes: int) -> bool:
    """The whole export: records read, rows, tars, cards."""
    made = apart(_release, root)
    size = sum(path.stat().st_size for path in (root / "release").rglob("*") if path.is_file())
    say(
        f"export: {episodes / made['seconds']:.0f} episodes/s, "
        f"{size / 1e6 / made['seconds']:.1f} MB/s of {size / 1e6:.0f} MB, "
        f"peak {made['peak']:.0f} MB"
    )
    return bool(made["peak"] < MOST_MEMORY)


def _release(root: Path) -> dict[str, Any]:
    from mcu.release import build

    return {"count": build(Run.open(root))}


def plain(root: Path) -> bool:
    """The first episodes' rows and pictures written by mcu and in the plain way, by turns."""
    figures = apart(_plain, root)
    for name, other in (("tars", "webdataset"), ("rows", "pyarrow")):
        ours, theirs = figures[name], figures[other]
        ratio = theirs["seconds"] / ours["seconds"]
        say(
            f"{name}: {ours['count'] / ours['seconds']:.0f}/s, {ratio:.2f} of plain {other}'s "
            f"{theirs['count'] / theirs['seconds']:.0f}/s"
        )
    return all(
        figures[other]["seconds"] / figures[name]["seconds"] >= LEAST
        for name, other in (("tars", "webdataset"), ("rows", "pyarrow"))
    )


def _plain(root: Path) -> dict[str, Any]:
    from mcu.release.episodes import episodes
    from mcu.release.rows import pictures_of, row

    run, rows, pictures = Run.open(root), [], []
    for episode in itertools.islice(episodes(run, Counter()), PLAIN):
        rows.append(row(episode, 0, ""))
        for slot in episode.pictures:
            pictures += [(one.key, one.image, told) for one, told in pictures_of(slot)]
    figures: dict[str, Any] = {}
    ways: dict[str, tuple[Callable[..., None], list[Any]]] = {
        "tars": (_our_tars, pictures),
        "webdataset": (_their_tars, pictures),
        "rows": (_our_rows, rows),
        "pyarrow": (_their_rows, rows),
    }
    for _ in range(3):  # the best of three, as another process may be at work
        for name, (write, what) in ways.items():
            with tempfile.TemporaryDirectory(dir=root.parent) as folder:
                started = time.perf_counter()
                write(run, Path(folder), what)
                seconds = time.perf_counter() - started
            best = min(seconds, figures.get(name, {}).get("seconds", seconds))
            figures[name] = {"seconds": best, "count": len(what)}
    return figures


def _our_tars(run: Run, folder: Path, pictures: list[tuple[str, str, dict[str, str]]]) -> None:
    from mcu.release.images import ImageSet

    images = ImageSet(folder / "set", run.store, 50_000)
    for key, image, fields in pictures:
        images.add(key, image, fields)
    images.close()


def _their_tars(run: Run, folder: Path, pictures: list[tuple[str, str, dict[str, str]]]) -> None:
    import webdataset

    with webdataset.ShardWriter(f"{folder}/%06d.tar", maxcount=50_000, verbose=0) as writer:
        for key, image, fields in pictures:
            data = run.store.image_path(image).read_bytes()
            writer.write({"__key__": key, "jpg": data, "json": fields})


def _our_rows(run: Run, folder: Path, rows: list[dict[str, Any]]) -> None:
    from mcu.release.dialogue import DialogueFile

    file = DialogueFile(folder / "set")
    for one in rows:
        file.add(one)
    file.close()


def _their_rows(run: Run, folder: Path, rows: list[dict[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from mcu.release.dialogue import schema

    columns = schema()
    with pq.ParquetWriter(folder / "rows.parquet", columns, compression="zstd") as writer:
        for start in range(0, len(rows), 200):
            table = pa.Table.from_pylist(rows[start : start + 200], schema=columns)
            writer.write_table(table)


def check(root: Path, episodes: int) -> bool:
    """`mcu check` of the release."""
    made = apart(_check, root)
    say(
        f"check: {episodes / made['seconds']:.0f} episodes/s, peak {made['peak']:.0f} MB, "
        f"gates shut: {', '.join(made['shut']) or 'none'}"
    )
    return bool(made["peak"] < MOST_MEMORY)


def _check(root: Path) -> dict[str, Any]:
    from mcu.check import check, verdict

    run = Run.open(root)
    check(run)
    return {"shut": list(verdict(run).failed)}


def apart(work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """What a function gives in a process of its own, with its seconds and its peak in megabytes."""
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_answer, args=(theirs, work, arguments))
    process.start()
    theirs.close()
    try:
        told: dict[str, Any] = json.loads(ours.recv())
    except EOFError:
        raise SystemExit(f"{work.__name__} failed") from None
    process.join()
    return told


def _answer(pipe: Any, work: Callable[..., dict[str, Any]], arguments: tuple[Any, ...]) -> None:
    started = time.perf_counter()
    told = work(*arguments)
    told["seconds"] = time.perf_counter() - started
    # Not getrusage, which begins with the peak of the process that this one came from.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    told["peak"] = int(peak[1]) / 1024 if peak else 0.0
    pipe.send(json.dumps(told))


if __name__ == "__main__":
    main()
