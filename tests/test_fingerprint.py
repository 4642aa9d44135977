"""A unit's fingerprint: it changes with all that changes rows, and with nothing else."""

from dataclasses import replace
from typing import Any

import pytest

from mcu import prompts
from mcu.config import Config, parse_config
from mcu.contract import Stage
from mcu.engine import fingerprint
from mcu.stages import STAGES

ALL = {stage.number for stage in STAGES}


def prints(settings: dict[str, Any] | None = None, stages: tuple[Stage, ...] = STAGES) -> list[str]:
    config = parse_config(settings or {})
    return [fingerprint(stage, stages, config) for stage in stages]


def changed(other: list[str]) -> set[int]:
    """The stages whose fingerprint is not the usual one."""
    return {n for n, (a, b) in enumerate(zip(prints(), other, strict=True), 1) if a != b}


def test_every_stage_has_its_own_and_it_is_stable() -> None:
    assert len(set(prints())) == 8
    assert changed(prints()) == set()


@pytest.mark.parametrize(
    ("section", "key", "value", "stages"),
    [
        ("run", "seed", 1, ALL),
        ("run", "turns", 9, ALL),
        ("chat", "model", "other", ALL),
        ("chat", "repairs", 1, ALL),
        ("chat", "temperature", 0.5, ALL),
        ("checks", "face_tries", 5, ALL),
        ("index", "hits", 6, {8}),
        ("index", "names", ["elsewhere"], {8}),
    ],
)
def test_settings_that_change_rows(section: str, key: str, value: Any, stages: set[int]) -> None:
    assert changed(prints({section: {key: value}})) == stages


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("run", "max_reject_share", 0.9),
        ("chat", "base_url", "http://127.0.0.1:1/v1"),
        ("chat", "api_key", "sk-1"),
        ("chat", "timeout", 7),
        ("chat", "retries", 1),
        ("chat", "max_in_flight", 3),
        ("chat", "structured", "text"),
        ("chat", "keep_replies", False),
        ("image", "workers", 5),
        ("release", "complete_only", True),
        ("release", "licence", "cc0-1.0"),
        ("release", "images_per_tar", 7),
    ],
)
def test_settings_that_change_no_row(section: str, key: str, value: Any) -> None:
    assert getattr(getattr(Config(), section), key) != value
    assert changed(prints({section: {key: value}})) == set()


def after(*numbers: int) -> set[int]:
    """These stages and all that read what they make, at first or second hand."""
    found = set(numbers)
    for stage in STAGES:
        read = {stage.takes, *stage.needs}
        if any(other.makes in read for other in STAGES if other.number in found):
            found.add(stage.number)
    return found


PROMPTS = [(name, stage.number) for stage in STAGES for name in stage.prompts]


def test_downstream_is_as_the_pipeline_is_drawn() -> None:
    assert after(1) == ALL
    assert 8 in after(2)
    assert after(5) == {5, 7, 8}
    assert after(6) == {6, 7, 8}


@pytest.mark.parametrize(("name", "number"), PROMPTS)
def test_a_prompt_changes_its_stage_and_those_after_it(
    name: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert edited(name, monkeypatch) == after(number)


def test_the_words_of_repairs_change_every_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    assert edited("repair", monkeypatch) == ALL


def edited(name: str, monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The stages whose fingerprint changes with a prompt."""
    usual, load = prints(), prompts.load
    other = replace(load(name), hash="another text")
    monkeypatch.setattr(prompts, "load", lambda n: other if n == name else load(n))
    return {n for n, (a, b) in enumerate(zip(usual, prints(), strict=True), 1) if a != b}


@pytest.mark.parametrize("number", range(1, 9))
def test_a_version_changes_its_stage_and_those_after_it(number: int) -> None:
    newer = tuple(replace(s, version=s.version + 1) if s.number == number else s for s in STAGES)
    assert changed(prints(stages=newer)) == after(number)
