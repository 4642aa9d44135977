"""Pictures per second of mcu's PhotoMaker and Lightning routes against the published way.

That way draws one prompt a call, encodes every prompt and ID picture anew and leaves weights as
they come. Ours is `PhotoMaker` and `base.place`, with one speed-up after the other; every picture
has a prompt of its own, and the persona is the same. Models are SDXL's full size in bf16 with
random weights, so nothing is downloaded, and both ways take the same steps in one run. Floors are
all arithmetic at the speed of a large matrix product, and the UNet's weights read once a step, both
speeds measured in the same run.

`python benchmarks/images.py [--compile] [--json] [--out benchmarks/results]` needs a CUDA device;
`--smoke` draws with tiny models on the CPU.
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import say

if TYPE_CHECKING:
    from drawing import Bench, Line
    from sdxl import Models

FASTER, SHARE = 2.0, 0.6  # than the published way; of the arithmetic floor
_UNET, _FORWARD = 2.57e9, 6.76e12  # parameters, and FLOPs of one pass at 1,024 px
_HEADER = ("way", "batch", "pictures/s", "peak GB", "x published", "arithmetic", "bandwidth")
_WIDTHS = (36, 6, 11, 8, 12, 11, 10)


def main() -> None:
    """Print one line a case; end with 1 when an aim is missed, and 2 without a device."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a small size that proves no figure")
    parser.add_argument("--compile", action="store_true", help="torch.compile too; takes minutes")
    parser.add_argument("--json", action="store_true", help="print data, at the end")
    parser.add_argument("--out", type=Path, help="folder to write a dated table to")
    options = parser.parse_args()
    if not find_spec("torch") or not find_spec("diffusers"):
        stop("this benchmark needs the packages of `pip install 'mcu[images]'`")
    import torch

    if not options.smoke and not torch.cuda.is_available():
        stop("this benchmark needs a CUDA device; --smoke tries everything on the CPU")
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    device = "cpu" if options.smoke else "cuda:0"
    with tempfile.TemporaryDirectory() as name:
        bench = prepared(device, Path(name))
        found = measured(bench, options.compile, quiet=options.json)
    facts = {**about(bench), "lines": [asdict(line) for line in found]}
    reached, words = verdict(found)
    if options.smoke:
        words = "tiny models on the CPU: everything ran, no figure of speed"
    say(json.dumps({**facts, "reached": reached}, indent=2) if options.json else words)
    if options.out:
        write(options.out, facts, found, words)
    raise SystemExit(int(not reached and not options.smoke))


def stop(why: str) -> None:
    """Say why nothing can be measured here.

    Raises:
        SystemExit: always, with 2.
    """
    sys.stderr.write(f"{why}\n")
    raise SystemExit(2)


def prepared(device: str, folder: Path) -> "Bench":
    """Models on the device, counted and measured."""
    import torch

    from tiny import torch_ready

    threads = torch.get_num_threads()
    torch_ready()
    torch.set_num_threads(1 if device == "cpu" else threads)
    from drawing import Bench
    from floors import floors
    from sdxl import full_size, tiny

    if device == "cpu":
        check(full_size("meta"))
        models, side, steps, few = tiny(folder), 256, 4, 2
    else:
        models, side, steps, few = full_size(device), 8192, 50, 8
        check(models)
    return Bench(models, device, floors(models.pipe, models.size, device, side), steps, few)


def check(models: "Models") -> None:
    """Make sure that full size is what it says.

    Raises:
        SystemExit: the UNet is of another size than SDXL's.
    """
    from floors import unet_flops

    count = sum(p.numel() for p in models.pipe.unet.parameters())
    flops = unet_flops(models.pipe.unet.config, models.size)
    if abs(count / _UNET - 1) > 0.01 or abs(flops / _FORWARD - 1) > 0.01:
        raise SystemExit(f"this is not SDXL's UNet: {count:,} parameters, {flops:,} FLOPs a pass")


def measured(bench: "Bench", compiled: bool, quiet: bool) -> "list[Line]":
    """All cases, each said when it is measured."""
    from drawing import lines

    facts, found = about(bench), []
    if not quiet:
        say("\n".join(f"{key}: {value}" for key, value in facts.items()))
        say(row(_HEADER))
    for line in lines(bench, compiled):
        found.append(line)
        if not quiet:
            say(row(cells(line)))
    return found


def about(bench: "Bench") -> dict[str, Any]:
    """Where this is measured, and what a picture needs."""
    import torch

    cuda, floors = bench.device.startswith("cuda"), bench.floors
    picture = floors.arithmetic(bench.steps, guided=True)
    return {
        "device": torch.cuda.get_device_name(bench.device) if cuda else "cpu",
        "versions": f"torch {torch.__version__}, diffusers {version('diffusers')}, "
        f"transformers {version('transformers')}",
        "steps": f"{bench.steps} of PhotoMaker, {bench.few} of Lightning, {bench.models.size} px",
        "TFLOPs a picture": _short(picture * floors.matmul / 1e12),
        "matrix product, TFLOP/s": _short(floors.matmul / 1e12),
        "copy, GB/s": _short(floors.copy / 1e9),
        "least seconds a picture": _short(picture),
    }


def _short(number: float) -> float:
    return float(f"{number:.3g}")


def cells(line: "Line") -> list[str]:
    """A case as the table has it."""
    if line.seconds is None:
        return [line.way, str(line.batch), "does not fit", *"----"]
    shares = (line.arithmetic, line.bandwidth)
    return [
        line.way,
        str(line.batch),
        f"{1 / line.seconds:.2f}",
        "-" if line.gigabytes is None else f"{line.gigabytes:.1f}",
        "-" if line.ratio is None else f"{line.ratio:.2f}",
        *("-" if share is None else f"{share:.0%}" for share in shares),
    ]


def row(texts: Sequence[str]) -> str:
    """One line of the printed table."""
    first, *rest = zip(texts, _WIDTHS, strict=True)
    return f"{first[0]:<{first[1]}}" + "".join(f"{text:>{width + 1}}" for text, width in rest)


def verdict(found: "Sequence[Line]") -> tuple[bool, str]:
    """Whether the best case reaches both aims, and that in words."""
    best = max((line for line in found if line.counts), key=lambda line: line.ratio or 0)
    ratio, share = best.ratio or 0, best.arithmetic or 0
    words = ["reached" if good else "missed" for good in (ratio >= FASTER, share >= SHARE)]
    return words == ["reached"] * 2, (
        f"at equal steps {ratio:.2f} times the published way (aim {FASTER}: {words[0]}), "
        f"{share:.0%} of the arithmetic floor (aim {SHARE:.0%}: {words[1]})"
    )


def write(folder: Path, facts: dict[str, Any], found: "Sequence[Line]", words: str) -> None:
    """Keep the table as a file of today, named by the device."""
    today = datetime.now(UTC).date().isoformat()
    device = re.sub(r"[^a-z0-9]+", "-", facts["device"].lower()).strip("-")
    table = [_HEADER, ["---"] * len(_HEADER), *map(cells, found)]
    text = [
        f"# benchmarks/images.py on {facts['device']}, {today}",
        "",
        *(f"- {key}: {value}" for key, value in facts.items() if key != "lines"),
        "",
        *(f"| {' | '.join(text.strip() for text in texts)} |" for texts in table),
        "",
        f"{words[:1].upper()}{words[1:]}.",
    ]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{today}-{device}.md"
    path.write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
