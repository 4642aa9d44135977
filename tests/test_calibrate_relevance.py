"""The bar of relevance: from labelled pairs, for encoders that see and for those that read."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled import BAR, DATA
from test_relevance import Colours, plain
from typer.testing import CliRunner

from mcu.calibrate_relevance import Labelled, Pairs, bar_refusing, lines, measure, read, report
from mcu.cli import app
from mcu.errors import ConfigError
from mcu.indexes import STARTER
from mcu.indexes.encoders import CaptionEncoder

FILE = DATA / "relevance.jsonl"
FITS = st.lists(st.floats(-1, 1), min_size=1, max_size=40)


def pair(description: str, good: bool, file: str = "", caption: str = "") -> Labelled:
    return Labelled(description=description, good=good, file=file, caption=caption)


def nothing(done: int, total: int) -> None:
    assert done < total


def test_the_labelled_pairs_are_of_the_starter_set() -> None:
    rows = read(FILE)
    known = {
        row["file"]: row["caption"]
        for row in map(json.loads, (STARTER / "pictures.jsonl").read_text("utf-8").splitlines())
    }
    assert all(known[row.file] == row.caption for row in rows)
    descriptions = {row.description for row in rows}
    assert len(descriptions) >= 200
    assert all(8 <= len(text.split()) <= 30 for text in descriptions)
    assert not {text.casefold().rstrip(".") for text in descriptions} & set(known.values())
    assert len({(row.description, row.file) for row in rows}) == len(rows)


def test_the_bar_of_the_caption_encoder() -> None:
    pairs = measure(read(FILE), STARTER, CaptionEncoder(), nothing)
    assert (len(pairs.right) + len(pairs.wrong), pairs.unknown) == (len(read(FILE)), ())
    facts = report(pairs, 0.05)
    assert facts["bar"] == pytest.approx(BAR, abs=0.01)
    assert facts["bars"][0]["right_refused"] <= 0.05
    assert facts["equal_error_rate"] < 0.15


@given(FITS, st.floats(0, 1))
def test_the_highest_bar_for_a_share(right: list[float], share: float) -> None:
    bar = bar_refusing(np.array(right), share)
    assert sum(one < bar for one in right) <= share * len(right) + 1e-9
    if higher := [one for one in right if one > bar]:
        assert sum(one < min(higher) for one in right) > share * len(right)


def test_a_report_by_hand() -> None:
    pairs = Pairs(np.array([0.4, 0.6, 0.8, 0.9]), np.array([0.1, 0.2, 0.3, 0.5]), 3, ())
    facts = report(pairs)
    assert (facts["bar"], facts["equal_error_rate"]) == (0.45, 0.25)
    assert facts["bars"] == [{"bar": 0.45, "wrong_passing": 0.25, "right_refused": 0.25}]
    assert [one["bar"] for one in report(pairs, 0.0)["bars"]] == [0.4, 0.45]
    assert facts["right"]["quantiles"]["0.5"] == 0.7
    text = "\n".join(lines(facts))
    assert "3 descriptions, 0 pairs left out" in text
    assert "at 0.45   25.00% of wrong pictures pass" in text


def test_an_encoder_that_sees_opens_the_files(tmp_path: Path) -> None:
    for colour in ("red", "blue"):
        plain(colour).save(tmp_path / f"{colour}.png")
    (tmp_path / "torn.png").write_bytes((tmp_path / "red.png").read_bytes()[:20])
    rows = [
        pair("a red wall", True, "red.png"),
        pair("a red wall", False, "blue.png", "a red wall"),
        pair("a red wall", True, "torn.png"),
        pair("a blue wall", True, "gone.png"),
        pair("a blue wall", True, caption="a blue wall"),
    ]
    pairs = measure(rows, tmp_path, Colours(), nothing)
    assert pairs.right == pytest.approx([1], abs=0.01)
    assert pairs.wrong == pytest.approx([0], abs=0.01)
    assert pairs.descriptions == 2
    assert [one.split(" for ")[0] for one in pairs.unknown] == ["gone.png", "a pair", "torn.png"]
    assert "has no file" in pairs.unknown[1]


def test_one_kind_alone_gives_no_bar(tmp_path: Path) -> None:
    rows = [pair("a dog", True, caption="a dog"), pair("a dog", False, file="cat.png")]
    with pytest.raises(
        ConfigError, match=r"2 pairs, 1 of them unknown .* 1 right ones and 0 wrong"
    ):
        measure(rows, tmp_path, CaptionEncoder(), nothing)


@pytest.mark.parametrize(
    "line",
    [
        "no JSON",
        "[]",
        '{"description": "a dog", "caption": "a dog"}',
        '{"description": "", "good": true}',
        '{"description": "a dog", "good": "yes"}',
        '{"description": "a dog", "good": 1, "caption": "a dog"}',
        '{"description": "a dog", "good": true, "file": 7}',
    ],
)
def test_the_line_at_fault_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"description": "a dog", "good": true, "caption": "a dog"}\n\n' + line)
    with pytest.raises(ConfigError, match=r"line 3 of .* must be a JSON object"):
        read(path)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path / "none.jsonl")
    (tmp_path / "bytes.jsonl").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path / "bytes.jsonl")


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["calibrate", "relevance", *arguments])


def test_the_command_tells_and_writes(tmp_path: Path) -> None:
    toml = tmp_path / "mcu.toml"
    toml.write_text("[checks]\nrelevance_bar = 0.9  # mine\n")
    done = run(
        str(FILE), "--profile", "offline", "--refusing", "0.05", "--json", "--write", str(toml)
    )
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert facts["encoder"] == CaptionEncoder.name
    assert toml.read_text() == f"[checks]\nrelevance_bar = {facts['bar']:g}  # mine\n"
    assert "set checks.relevance_bar" in done.stderr


def test_the_command_warns_of_few_pairs(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    rows = [pair("a dog", True, caption="a brown dog"), pair("a dog", False, caption="a car")]
    path.write_text("\n".join(row.model_dump_json() for row in rows))
    done = run(str(path), "--profile", "offline")
    assert done.exit_code == 0, done.output
    assert f"encoder {CaptionEncoder.name}\n1 descriptions" in done.stdout
    assert "equal-error rate 0.00%" in done.stdout
    assert "fewer than 100 pairs" in done.stderr
