"""Duplicates, diversity, shape and charts, on cases that can be reckoned by hand."""

import io
import random

import numpy as np
import pytest
import resvg_py
from PIL import Image

from mcu.check import charts
from mcu.check.diversity import measures, self_bleu, vendi
from mcu.check.minhash import MinHash
from mcu.check.shape import paper

_RUN, _PAPER = (0x2F, 0x6F, 0x8F), (0xD9, 0xA4, 0x41)
WORDS = [f"word{n}" for n in range(2000)]


def texts(rng: random.Random, count: int, length: int = 120) -> list[list[str]]:
    return [rng.choices(WORDS, k=length) for _ in range(count)]


def test_minhash_finds_near_texts_and_no_others() -> None:
    rng = random.Random(1)
    hashes, base = MinHash(), texts(rng, 300)
    for words in base:
        hashes.add(" ".join(words))
    changed = [[*words[:-2], "other", "end"] for words in base[:40]]  # 116 of 120 runs are shared
    for words in changed:
        hashes.add(" ".join(words))
    halves = [[*words[:60], *rng.choices(WORDS, k=60)] for words in base[40:80]]
    for words in halves:
        hashes.add(" ".join(words))
    near, pairs = hashes.near()
    assert np.flatnonzero(near).tolist() == list(range(300, 340))
    assert pairs == [(300 + n, n) for n in range(5)]
    assert not hashes.exact().any()


def test_minhash_knows_equal_texts_whatever_their_case_and_space() -> None:
    hashes = MinHash()
    for text in ("A red hat.", "a  red hat.", "", "one", "A red cat.", "", "\ud83d half"):
        hashes.add(text)
    assert hashes.exact().tolist() == [False, True, False, False, False, True, False]
    assert hashes.near()[0][1]


def test_minhash_of_many_equal_texts_is_quick() -> None:
    hashes = MinHash()
    for _ in range(3000):
        hashes.add("the same words again and again")
    assert hashes.near()[0].sum() == 2999


def test_self_bleu_is_high_for_copies_and_low_for_unlike_texts() -> None:
    rng = random.Random(2)
    unlike = texts(rng, 20, 12)
    assert self_bleu(unlike) < 0.1
    copies = [[*unlike[0], f"end{n}"] for n in range(20)]
    assert self_bleu(copies) > 0.9
    assert self_bleu([["one"], ["two"]]) == 0.0
    assert self_bleu([["a", "b", "c", "d"]] * 2) == pytest.approx(1.0)


def test_vendi_counts_how_many_are_unlike() -> None:
    assert vendi(np.eye(7, dtype=np.float32)) == pytest.approx(7)
    assert vendi(np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)) == pytest.approx(3)
    assert vendi(np.ones((5, 1), dtype=np.float32)) == pytest.approx(1)


def test_measures_by_hand() -> None:
    found = measures(["a b c", "a b d", "a b c"])
    assert found["texts"] == 2 and found["words"] == 6
    assert found["distinct-1"] == 4 / 6
    assert found["distinct-2"] == pytest.approx(4 / 5)  # ab bc ca ab bd
    assert found["long runs told twice"] == 0.0
    copied = "one two three four five six seven eight"
    found = measures([f"{copied} nine", f"zero {copied}", "nothing of it is here at all today, no"])
    assert found["long runs told twice"] == pytest.approx(2 / 3)
    assert measures([])["vendi"] == 0.0
    assert measures(["\ud83d half", "whole"])["texts"] == 2


def test_the_same_text_again_and_again_is_compressed_absurdly() -> None:
    said = [f"hello my friend how are you today {n % 3}" for n in range(5000)]
    assert measures(said)["compression"] < 15  # each different text counts once
    assert measures([" ".join(said)])["compression"] > 15


def test_the_papers_shares_are_whole() -> None:
    for name, told in paper()["shares"].items():
        assert sum(told.values()) == pytest.approx(1, abs=0.001), name


@pytest.mark.parametrize("draw", ["shares", "counts", "columns", "means"])
def test_charts_are_drawn(draw: str) -> None:
    run = {"<b> & co": 30, "other": 70}
    interval = {"value": 10.0, "low": 9.0, "high": 11.0, "paper": 10.5}
    body, height = {
        "shares": lambda: charts.shares("a title", run, {"<b> & co": 0.5, "more": 0.5}, "note"),
        "counts": lambda: charts.counts("a title", run),
        "columns": lambda: charts.columns("a title", {str(n): n for n in range(30)}),
        "means": lambda: charts.means("a title", {"turns": interval}),
    }[draw]()
    png = resvg_py.svg_to_bytes(svg_string=charts.svg(body, height))
    image = Image.open(io.BytesIO(png)).convert("RGB")
    assert image.size == (charts.WIDTH, height)
    pixels = np.asarray(image)
    run_, paper_ = ((pixels == colour).all(axis=2).sum() for colour in (_RUN, _PAPER))
    assert run_ > 500, "bars of the run"
    assert (paper_ > 25) == (draw in ("shares", "means")), "the paper's"


def test_bars_are_as_long_as_their_shares() -> None:
    body, _ = charts.counts("t", {"a": 100, "b": 50})
    widths = [float(part.split('"')[0]) for part in body.split('width="')[1:]]
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.2)
