"""How much is under way: little while calls are live, as much as fits for batches."""

import resource
from collections.abc import Iterator

import pytest

from mcu import room
from mcu.config import Config, parse_config


def config(mode: str) -> Config:
    return parse_config({"chat": {"backend": "openai", "mode": mode, "max_in_flight": 64}})


@pytest.fixture
def files() -> Iterator[int]:
    """A low limit of open files; gives the one that may be set instead."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, hard), hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_live_calls(files: int) -> None:
    live = config("live")
    assert (room.inputs(live), room.drawn(live)) == (128, 16)
    assert 8 <= room.units(live, 8) <= 24
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(files, 65_536), "for connections"


def test_batches(files: int) -> None:
    batch = config("batch")
    assert room.inputs(batch) >= 20_000
    assert room.drawn(batch) >= 1_000
    units = room.units(batch, 8)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == min(hard, 65_536)
    assert units >= 8
    assert units == 8 or units * 8 * 16 < soft
