"""Queries a second, recall and memory over five indexes: the authors' way and ours, in one run.

    python benchmarks/retrieval.py [--smoke] [--search | --build]

Five indexes of 20,000 random unit vectors each, 768 wide, every row with a caption and an address.
The authors' way (Stark's execute_retrieval.py) holds five faiss indexes and all metadata as lists
of Python objects, and asks the indexes in turn for one query after the other. Ours gets the same
queries in batches of 64, and in one of 256. Neither encodes: a query's vector is looked up. Each
way has a process of its own, of which the memory is what opening and searching added to one that
had multiplied matrices of this size before, as a ratio to the indexes' bytes. Recall is the share
of the ten hits that score no less than the tenth by exact float64 arithmetic, but for 1e-6.

Then an index of 100,000 such vectors is built by `mcu index build` from embedded shards: the whole,
which also writes the rows and measures recall and calibration, as a ratio to the time inside of
AutoFaiss's own function. `--build` does that alone, `--search` the rest.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import faiss
import numpy as np
import pyarrow as pa
from pyarrow import ipc, parquet

from common import ENVIRONMENT, say
from mcu.indexes.build import Order, build
from mcu.indexes.search import open_indexes

NAMES = ("cc12m", "redcaps", "chartqa", "ai2d", "mathvision")
K = 10
BATCHES = {"theirs": 1, "ours": 64, "unit": 256}
LINES = {"theirs": "one by one, in turn", "ours": "batches of 64", "unit": "one batch of 256"}
ROUNDS = 3
Way = Callable[[Sequence[str]], list[list[str]]]  # queries to files, best first


class Given:
    """An encoder whose texts are numbers of vectors made before."""

    name = "given"
    sees = False
    bar = 0.0

    def __init__(self, vectors: Any) -> None:
        self.width = vectors.shape[1]
        self._vectors = vectors

    def encode(self, texts: Sequence[str]) -> Any:
        """Float32 vectors, [len(texts), width]."""
        return self._vectors[[_number(text) % len(self._vectors) for text in texts]]

    def pictures(self, images: Sequence[Any]) -> Any:
        """Of no use here."""
        raise NotImplementedError


def _number(text: str) -> int:
    return int(text) if text.isdigit() else zlib.crc32(text.encode())


def main() -> None:
    """Make the indexes, let each way search them, print what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="small sizes, no ratio is judged")
    parser.add_argument("--search", action="store_true", help="no build")
    parser.add_argument("--build", action="store_true", help="the build alone")
    parser.add_argument("--way", choices=tuple(LINES), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        say(json.dumps(measure(arguments.way, arguments.folder)))
        return
    each, width, queries = (400, 64, 64) if arguments.smoke else (20_000, 768, 256)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if not arguments.build:
            say(f"{len(NAMES)} indexes of {each} x {width}, {queries} queries, ten hits each")
            tell_search(folder, make(folder, each, width, queries))
        if not arguments.search:
            tell_build(folder, len(NAMES) * each, width)


@dataclass(frozen=True)
class Exact:
    """The cosines of all queries with all pictures, and where a picture is among them."""

    scores: Any
    places: dict[str, int]

    def recall(self, found: list[list[str]]) -> float:
        """The share of hits that belong among the ten best."""
        tenth = np.partition(self.scores, -K, axis=1)[:, -K] - 1e-6
        right = 0
        for scores, bar, files in zip(self.scores, tenth, found, strict=True):
            right += sum(scores[self.places[file]] >= bar for file in set(files))
        return right / (K * len(found))


def make(folder: Path, each: int, width: int, queries: int) -> Exact:
    """The indexes, the queries, and the right answers."""
    rng = np.random.default_rng(0)
    asked = unit(rng, queries, width)
    np.save(folder / "queries.npy", asked)
    scores, places = [], dict[str, int]()
    for name in NAMES:
        vectors = unit(rng, each, width)
        write_index(folder / name, name, vectors)
        scores.append(asked.astype(np.float64) @ vectors.T.astype(np.float64))
        places |= {f"{name}/{number}.jpg": len(places) + number for number in range(each)}
    return Exact(np.concatenate(scores, axis=1), places)


def unit(rng: np.random.Generator, count: int, width: int) -> Any:
    """Random float32 rows of length 1."""
    rows = rng.standard_normal((count, width), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def write_index(folder: Path, name: str, vectors: Any) -> None:
    """An index folder as `mcu index build` writes it, with the metadata as the authors' have it."""
    (folder / "metadata").mkdir(parents=True)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    faiss.write_index(index, str(folder / "index.faiss"))
    hashes = np.random.default_rng(list(name.encode()))
    rows = pa.Table.from_pylist(
        [
            {
                "file": f"{number}.jpg",
                "caption": f"picture {number} of {name}: a street with trees, shops and a bicycle",
                "url": f"https://example.org/{name}/{number:09d}.jpg",
                "licence": "CC-BY-4.0",
                "author": f"author {number % 997}",
                "phash": int.from_bytes(hashes.bytes(8), "big"),
            }
            for number in range(len(vectors))
        ],
        pa.schema(
            [(column, pa.string()) for column in ("file", "caption", "url", "licence", "author")]
            + [("phash", pa.uint64())]
        ),
    )
    with ipc.new_file(str(folder / "rows.arrow"), rows.schema) as file:
        file.write_table(rows, max_chunksize=10_000)
    parquet.write_table(rows, folder / "metadata" / "metadata_0.parquet")
    # All five are draws from one distribution, so that their scores compare as they are.
    meta = {"format": 2, "encoder": Given.name, "background": {"mean": 0.0, "std": 0.04}}
    (folder / "meta.json").write_text(json.dumps(meta))


def tell_search(folder: Path, exact: Exact) -> None:
    """All ways in turn, several times over; ratios are of neighbours in time."""
    rounds = [{way: in_a_process(way, folder) for way in LINES} for _ in range(ROUNDS)]
    for way, line in LINES.items():
        rate = median(one[way]["rate"] for one in rounds)
        ratio = median(one[way]["rate"] / one["theirs"]["rate"] for one in rounds)
        memory = max(one[way]["memory"] for one in rounds)
        recall = min(exact.recall(one[way]["found"]) for one in rounds)
        say(
            f"{line:20} {rate:8.1f} queries/s, {ratio:4.1f} times   recall@{K} {recall:.4f}   "
            f"memory {memory:.2f} times the indexes"
        )


def in_a_process(way: str, folder: Path) -> dict[str, Any]:
    """What `measure` found, in a process that did nothing else."""
    command = [sys.executable, __file__, "--way", way, "--folder", str(folder)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure(way: str, folder: Path) -> dict[str, Any]:
    """Queries a second, files found and memory of one way, in this process."""
    queries = np.load(folder / "queries.npy")
    size = sum((folder / name / "index.faiss").stat().st_size for name in NAMES)
    warm_up(queries)
    before = reset_peak()
    search = (theirs if way == "theirs" else ours)(folder, queries)
    texts = [str(number) for number in range(len(queries))]
    batches = [texts[i : i + BATCHES[way]] for i in range(0, len(texts), BATCHES[way])]
    search(batches[0])
    started = time.perf_counter()
    found = [files for batch in batches for files in search(batch)]
    seconds = time.perf_counter() - started
    memory = (peak() - before) / size
    return {"rate": len(texts) / seconds, "found": found, "memory": memory}


def theirs(folder: Path, queries: Any) -> Way:
    """Five faiss indexes, asked in turn for one query at a time; five lists of metadata."""
    held = [
        (
            name,
            faiss.read_index(str(folder / name / "index.faiss")),
            parquet.read_table(folder / name / "metadata" / "metadata_0.parquet").to_pylist(),
        )
        for name in NAMES
    ]

    def one(text: str) -> list[str]:
        found = []
        for name, index, rows in held:
            scores, places = index.search(queries[int(text)][None], K)
            found += [
                (-score, f"{name}/{rows[place]['file']}")
                for score, place in zip(scores[0].tolist(), places[0].tolist(), strict=True)
            ]
        return [file for _, file in sorted(found)[:K]]

    return lambda texts: [one(text) for text in texts]


def ours(folder: Path, queries: Any) -> Way:
    """One search over the five."""
    search = open_indexes([str(folder / name) for name in NAMES], Given(queries))
    return lambda texts: [[hit.file for hit in hits] for hits in search.search(texts, K)]


def warm_up(queries: Any) -> None:
    """Load faiss's and numpy's libraries, threads and buffers, which are no index."""
    small = faiss.IndexFlatIP(queries.shape[1])
    small.add(queries)
    small.search(queries[:1], K)
    np.dot(np.ones((1024, queries.shape[1]), np.float32), queries.T)


def tell_build(folder: Path, count: int, width: int) -> None:
    """A whole build after its embedding, against the part of it that is AutoFaiss."""
    if find_spec("autofaiss") is None:
        say("AutoFaiss is not installed: no index is built")
        return
    import autofaiss

    encoder = Given(unit(np.random.default_rng(1), count, width))
    pairs = folder / "pairs.tsv"
    pairs.write_text("".join(f"https://example.org/{n}.jpg\t{n}\n" for n in range(count)))
    order = Order(folder / "built", [pairs])
    build(order, encoder, only=(0, count))
    plain, inside = autofaiss.build_index, 0.0

    def timed(*arguments: Any, **settings: Any) -> Any:
        nonlocal inside
        started = time.perf_counter()
        try:
            return plain(*arguments, **settings)
        finally:
            inside += time.perf_counter() - started

    # Ours takes AutoFaiss from 50,000 vectors on; here at any size, for the smoke test.
    with patch("autofaiss.build_index", timed), patch("mcu.indexes.finish.EXACT_BELOW", 0):
        started = time.perf_counter()
        meta = build(order, encoder, embed=False)
        whole = time.perf_counter() - started
    say(
        f"index of {count} x {width} ({meta['index']}, recall@10 {meta['recall_at_10']}): "
        f"AutoFaiss {inside:.1f} s, the whole build {whole / inside:.3f} times that"
    )


def reset_peak() -> int:
    """Forget the peak so far; gives the memory in use, in bytes.

    The kernel's ru_maxrss cannot be reset, and a child starts with its parent's.
    """
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak() -> int:
    """Most memory in use since the reset, in bytes; mapped files are in it."""
    status = Path("/proc/self/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line)


if __name__ == "__main__":
    main()
