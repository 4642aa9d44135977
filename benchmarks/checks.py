"""What the checks of a drawn picture cost, next to encoding it as the JPEG that is kept.

`python benchmarks/checks.py [--smoke]` prints the median of ten for a portrait of 1,024 px, on one
thread, and each as a ratio to the JPEG in the same run. It needs `pip install 'mcu[checks]'`.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from common import say
from mcu.backends import Origin
from mcu.backends.checks import PerceptualFaces
from mcu.backends.dlib import DlibFaces
from mcu.backends.nudenet import NudeNet
from mcu.marks import sealed

FACES = Path(__file__).parents[1] / "tests" / "data" / "faces"
SIZE, TIMES = (1024, 1024), 10


def main() -> None:
    """Print one line a check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="once instead of ten times")
    times = 1 if parser.parse_args().smoke else TIMES
    picture, portrait = (
        Image.open(FACES / name / "1.jpg").convert("RGB").resize(SIZE) for name in ("a", "c")
    )
    empty = Image.effect_noise(SIZE, 60).convert("RGB")
    origin = Origin("none", 0, "trainedAlgorithmicMedia")
    dlib, nudity, perceptual = DlibFaces(), NudeNet(), PerceptualFaces()
    cases: dict[str, Callable[[], object]] = {
        "JPEG with its marks": lambda: sealed(picture, origin),
        "perceptual count": lambda: perceptual.count(picture),
        "dlib count": lambda: dlib.count(picture),
        "dlib distance to a portrait seen before": lambda: dlib.distance(picture, portrait),
        "the same, where there is no face": lambda: dlib.distance(empty, portrait),
        "NudeNet": lambda: nudity.unsafe(picture),
    }
    encoding = 0.0
    for name, work in cases.items():
        seconds = measured(work, times)
        encoding = encoding or seconds
        say(f"{name:<42}{1000 * seconds:>7.1f} ms{seconds / encoding:>7.1f} x")


def measured(work: Callable[[], object], times: int) -> float:
    """The median of processor seconds, after a first time that loads what is loaded late."""
    work()
    found = []
    for _ in range(times):
        began = time.thread_time()
        work()
        found.append(time.thread_time() - began)
    return statistics.median(found)


if __name__ == "__main__":
    main()
