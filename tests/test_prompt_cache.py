"""Prompts of one episode begin alike, so that providers' prompt caches hold most of them."""

import json
import sqlite3
import zlib
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

import mcu

_TOKEN = 4  # characters


@pytest.fixture(scope="module")
def episodes(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """The dialogue prompts of each episode, in the order of its sessions."""
    run = mcu.make_run(tmp_path_factory.mktemp("cache") / "a", run={"episodes": 20})
    run.execute((1, 7))
    found: dict[str, list[str]] = {}
    for path in sorted((run.store.root / "journal").glob("s7_*.sqlite")):
        for record, prompt in prompts_of(path):
            found.setdefault(record, []).append(prompt)
    assert len(found) == 20
    return [sorted(prompts, key=number_of) for prompts in found.values()]


def prompts_of(journal: Path) -> list[tuple[str, str]]:
    """Each chat call's record and all that its messages say."""
    with closing(sqlite3.connect(journal)) as database:
        rows = database.execute("SELECT record, request FROM answers WHERE kind = 'chat'")
        said = [(record, json.loads(zlib.decompress(blob))["messages"]) for record, blob in rows]
    return [(record, "".join(message["content"] for message in said)) for record, said in said]


def number_of(prompt: str) -> int:
    return int(prompt.split("\nSession: ")[1].split(" ")[0])


def share(episodes: list[list[str]], least: int, step: int) -> float:
    """The share of all prompts' characters that a cache of prefixes would have held.

    Args:
        episodes: prompts, in the order in which a cache sees them.
        least: tokens of the shortest prefix that is kept.
        step: tokens by which prefixes grow.
    """
    seen: set[str] = set()
    held = 0
    for prompt in (prompt for prompts in episodes for prompt in prompts):
        ends = range(least * _TOKEN, len(prompt) + 1, step * _TOKEN)
        held += max((end for end in ends if prompt[:end] in seen), default=0)
        seen |= {prompt[:end] for end in ends}
    return held / sum(len(prompt) for prompts in episodes for prompt in prompts)


def test_a_prompt_begins_as_the_one_before_up_to_its_session(episodes: list[list[str]]) -> None:
    for prompts in episodes:
        assert [number_of(prompt) for prompt in prompts] == list(range(1, len(prompts) + 1))
        for before, prompt in pairwise(prompts):
            head = before[: before.index("\nSession: ") + 1]
            assert prompt.startswith(head)
            assert len(head) > 0.85 * len(before)


def test_all_episodes_share_the_system_part(episodes: list[list[str]]) -> None:
    heads = {prompt[: prompt.index("Name: ")] for prompts in episodes for prompt in prompts}
    (head,) = heads
    assert head.endswith("Answer in JSON.")


def test_every_device_picture_is_named_once(episodes: list[list[str]]) -> None:
    grown = 0
    for prompts in episodes:
        lines = [line for line in prompts[-1].splitlines() if line.startswith("Device picture ")]
        numbers = [int(line.split(" ")[2]) for line in lines]
        assert numbers == list(range(1, len(numbers) + 1))
        assert all(" [] " not in line for line in lines)
        grown += len(numbers) > 5
    assert grown > 10


def test_what_caches_would_hold(episodes: list[list[str]]) -> None:
    """A provider's cache starts at 1,024 tokens, which the first sessions do not reach."""
    hosted, blocks = share(episodes, 1024, 128), share(episodes, 16, 16)
    print(f"held: {hosted:.0%} from 1,024 tokens by 128, {blocks:.0%} in blocks of 16")
    assert hosted > 0.18
    assert blocks > 0.75
