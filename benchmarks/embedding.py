"""How busy embedding keeps the encoder, what it gains, and what windows do for long texts.

`python benchmarks/embedding.py [--smoke] [--long]` makes JPEGs, embeds them as `mcu index build`
does, and prints the share of the time that the encoder worked, pictures/s, and the ratio to a loop
that decodes a batch and then encodes it, in the same run. The last line tells whether decoding
slows the encoder down, on machines that have other work, too. On the CPU the encoder is a CLIP of
random weights that takes about as long as decoding on one core, so it needs two. On a CUDA device
it is ViT-L-14-336 at full size with random weights in bf16, next to the speed of its arithmetic
alone (a large matrix product, measured in the same run) and the 312/s that are published for L/14
at 224 px on an A100.

`--long` measures windows instead: 40 pictures of the starter set are described in about 105 tokens,
with what they show in the last sentence or in the first. There are no weights of CLIP here, so
texts are cut by CLIP's tokenizer and compared by the caption encoder, which has no limit itself.

It needs `pip install 'mcu[retrieval]'`, and ends with 1 when an aim is missed.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from common import say
from mcu.indexes import STARTER
from mcu.indexes.embed import Embedder, Ready, decoded
from mcu.indexes.encoders import CaptionEncoder
from mcu.indexes.open_clip import OpenClipEncoder
from mcu.indexes.sources import folder
from mcu.indexes.windows import pooled, windows
from mcu.sections import EncoderSection

BUSY = 0.9
_PUBLISHED = 312  # pictures/s of L/14 at 224 px on an A100
_TESTS = Path(__file__).parents[1] / "tests"
_LIMIT = 77


def main() -> None:
    """Print a table; end with 1 when the encoder had to wait."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a small size that proves no figure")
    parser.add_argument("--long", action="store_true", help="long texts instead")
    options = parser.parse_args()
    sys.path.insert(0, str(_TESTS))
    from tiny import torch_ready

    torch_ready()
    if options.long:
        long_texts()
        return
    import torch

    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        cuda = torch.cuda.is_available() and not options.smoke
        count = 64 if options.smoke else 6_000 if cuda else 600
        make_pictures(place / "pictures", count)
        encoder = full_size(place) if cuda else small(place)
        share = measured(encoder, place / "pictures")
        if cuda:
            arithmetic(encoder)
    raise SystemExit(int(share < BUSY and not options.smoke))


def make_pictures(place: Path, count: int) -> None:
    """JPEGs of 640 x 480 px as cameras make them: about 100 kB, and no two alike."""
    place.mkdir()
    chance = np.random.default_rng(0)
    for number in range(count):
        coarse = Image.fromarray(chance.integers(0, 255, (24, 32, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((640, 480), Image.Resampling.BICUBIC), dtype=np.int16)
        noisy = smooth + chance.integers(-12, 12, smooth.shape)
        image = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
        image.save(place / f"{number:05}.jpg", quality=88)


def small(place: Path) -> OpenClipEncoder:
    """A model that needs somewhat longer for a picture than a core does to decode it."""
    from tiny_clip import MODEL, write_clip

    weights = write_clip(place / "clip", size=112, layers=3, width=192)
    return OpenClipEncoder(
        EncoderSection(backend="open_clip", model=MODEL, pretrained=str(weights), device="cpu")
    )


def full_size(place: Path) -> OpenClipEncoder:
    """ViT-L-14-336 with random weights, from a file as users load theirs."""
    import open_clip
    import torch

    name = "ViT-L-14-336-quickgelu"
    path = place / "random.pt"
    torch.save(open_clip.create_model(name).state_dict(), path)
    return OpenClipEncoder(EncoderSection(backend="open_clip", model=name, pretrained=str(path)))


def measured(encoder: OpenClipEncoder, pictures: Path) -> float:
    """Print the pipeline's and the loop's speed; gives the share that the encoder worked."""
    files = sorted(pictures.iterdir())
    encoder.embedded(np.stack([encoder.prepare(decoded(files[0].read_bytes()))] * encoder.batch))
    embedder = Embedder(encoder)
    for _ in embedder.run(folder(pictures).rows(), "pictures"):
        pass
    meter = embedder.meter
    share, rate = meter.busy / meter.seconds, meter.pictures / meter.seconds
    alone, batches = 0.0, list(range(0, len(files) // 4, encoder.batch))
    began = time.perf_counter()
    for start in batches:
        items = islice(folder(pictures).rows(), start, start + encoder.batch)
        batch = [embedder.ready("pictures", "", item) for item in items]
        stacked = np.stack([one.pixels for one in batch if isinstance(one, Ready)])
        used = time.thread_time()
        encoder.embedded(stacked)
        alone += time.thread_time() - used
    done = len(batches) * encoder.batch
    naive = done / (time.perf_counter() - began)
    burden = meter.processor / meter.pictures / (alone / done)
    say(f"{meter.pictures:,} JPEGs of 640x480 px, {encoder.name}, batches of {encoder.batch}")
    say(f"encoder busy {share:.2f} of the time; {rate:,.1f} pictures/s")
    say(f"{rate / naive:.2f} x a loop that decodes a batch, then encodes it")
    say(f"a picture takes the encoder {burden:.2f} x the processor time that it takes there")
    return share


def arithmetic(encoder: OpenClipEncoder) -> None:
    """Print the encoder's own speed against a large matrix product's."""
    import torch

    from floors import matmul_speed

    batch = np.zeros((encoder.batch, 336, 336, 3), dtype=np.uint8)
    tokens, width, layers = (336 // 14) ** 2 + 1, 1024, 24
    # Projections and the feed-forward net take 12 width² weights, attention two products.
    flops = layers * (2 * tokens * 12 * width**2 + 4 * tokens**2 * width)
    encoder.embedded(batch)
    began = time.perf_counter()
    for _ in range(10):
        encoder.embedded(batch)
    rate = 10 * len(batch) / (time.perf_counter() - began)
    floor = matmul_speed("cuda:0", torch.bfloat16, 8192) / flops
    say(f"{flops / 1e9:,.0f} GFLOP a picture; the encoder alone does {rate:,.0f} pictures/s,")
    say(f"{rate / floor:.2f} of the arithmetic floor; published for L/14 at 224: {_PUBLISHED}/s")


def long_texts() -> None:
    """Print how often the picture that a long text describes is found, by what is done with it."""
    import open_clip

    tokenizer = open_clip.get_tokenizer("ViT-B-32")
    encoder = CaptionEncoder()

    def size(text: str) -> int:
        return len(tokenizer.encode(text)) + 2

    def cut(text: str) -> Any:
        return encoder.encode([tokenizer.decode(tokenizer.encode(text)[: _LIMIT - 2])])[0]

    def parts(text: str) -> list[str]:
        return windows(text, lambda part: size(part) <= _LIMIT)

    ways: dict[str, Callable[[str], Any]] = {
        "cut at 77 tokens": cut,
        "windows, weighted by size (as built)": lambda text: pooled(
            encoder.encode(parts(text)), [size(part) for part in parts(text)]
        ),
        "windows, all alike": lambda text: pooled(
            encoder.encode(parts(text)), [1] * len(parts(text))
        ),
        "windows, the first twice": lambda text: pooled(
            encoder.encode(parts(text)), [2] + [1] * (len(parts(text)) - 1)
        ),
        "no limit": lambda text: encoder.encode([text])[0],
    }
    lines = (_TESTS / "data" / "long.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    shown = [json.loads(line) for line in (STARTER / "pictures.jsonl").read_bytes().splitlines()]
    files = [row["file"] for row in shown]
    captions = encoder.encode([row["caption"] for row in shown])
    tokens = sorted(size(row["late"]) for row in rows)
    say(
        f"{len(rows)} texts of {tokens[0]} to {tokens[-1]} tokens; the right picture is first of "
        f"{len(files)}"
    )
    say(f"{'':<40}{'said last':>10}{'said first':>11}{'both':>7}")
    for name, way in ways.items():
        found = {}
        for order in ("late", "early"):
            nearest = np.argmax(np.stack([way(row[order]) for row in rows]) @ captions.T, axis=1)
            right = [files[place] == row["file"] for place, row in zip(nearest, rows, strict=True)]
            found[order] = sum(right) / len(rows)
        both = (found["late"] + found["early"]) / 2
        say(f"{name:<40}{found['late']:>10.2f}{found['early']:>11.2f}{both:>7.2f}")


if __name__ == "__main__":
    main()
