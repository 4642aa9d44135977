"""The engine: order, streaming, open units, and how a run stops, goes on and loses records."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from authors import Author, field, writes
from PIL import Image

import mcu
from helpers import rejects, tree
from mcu.backends import ChatRequest, Dispatch, ImageRequest, build
from mcu.backends.avatar import Avatar
from mcu.context import Context
from mcu.errors import BackendError, Incomplete, McuError, Reject
from mcu.ids import rng_of
from mcu.records import Events, Narrative, Persona, Picture, Record, Session
from mcu.run import Run
from mcu.stages import STAGES
from mcu.stages.looks import describe, draw_look

SMALL = {"sessions": [1, 1], "turns": 4}
SECONDS = 0.01  # an answer of a model that is not instant


def make(root: Path, episodes: int, run: dict[str, Any] | None = None, **chat: Any) -> Run:
    facts = {**SMALL, "episodes": episodes, **(run or {})}
    return mcu.make_run(root, run=facts, chat={"repairs": 0, **chat})


def rows(run: Run, *stages: int) -> dict[str, str]:
    """The hashes of the rows and rejects of some stages."""
    found = tree(run.root).items()
    return {p: h for p, h in found if re.match(rf"s[{stages or '1-8'}]_.*\.jsonl", p)}


def shard_of(run: Run) -> dict[str, int]:
    """The shard of each persona, by what prompts tell of it; needs shards of one persona."""
    return {p.entity_value: n for n, p in enumerate(run.records(Persona))}


def shards_at_work(requests: Sequence[ChatRequest], run: Run) -> int:
    """How many shards had calls both before and after one moment, at most."""
    shards = shard_of(run)
    order = [shards[field(request, "Entity value")] for request in requests]
    last = {shard: position for position, shard in enumerate(order)}
    return max(
        sum(last[shard] >= position for shard in set(order[: position + 1]))
        for position in range(len(order))
    )


def test_later_stages_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all narratives open to be written, each shard is still taken to its end first."""
    run = make(tmp_path / "a", 30, {"shard_size": 1}, max_in_flight=1)
    run.execute((1, 3))
    author = writes(monkeypatch, Author(seconds=SECONDS))
    run.execute((4, 7))
    assert Counter(author.tasks) == dict.fromkeys(("narrative", "events", "album", "dialogue"), 30)
    assert shards_at_work(author.requests, run) <= 4


def test_shards_stream_through_the_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dialogues of the first shard are written before the last shard is inferred from."""
    run = make(tmp_path / "a", 40, {"shard_size": 1}, max_in_flight=1)
    run.execute((1, 2))  # how soon faces are drawn is another matter
    author = writes(monkeypatch, Author(seconds=SECONDS))
    run.execute((3, 7))
    tasks, shards = author.tasks, shard_of(run)
    last = len(tasks) - 1 - tasks[::-1].index("commonsense")
    early = [
        shards[field(request, "Entity value")]
        for request in author.requests[:last]
        if request.schema_name == "dialogue"
    ]
    assert 0 in early
    assert 7 not in early


class Counting(Author):
    """Counts the units of stage 3 that are being written whenever it is asked."""

    def __init__(self) -> None:
        super().__init__(seconds=0.05)
        self.most = 0

    async def complete(self, request: ChatRequest, dispatch: Dispatch) -> Any:
        reply = await super().complete(request, dispatch)
        units = set()
        for entry in os.listdir("/proc/self/fd"):
            with suppress(FileNotFoundError):  # closed by another thread meanwhile
                file = os.readlink(f"/proc/self/fd/{entry}")
                units |= set(re.findall(r"s3_.*/\.(\d{5})\.jsonl.*tmp", file))
        self.most = max(self.most, len(units))
        return reply


def test_few_units_are_open_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a run of many small shards would need more files than a process may open."""
    run = make(tmp_path / "a", 150, {"shard_size": 1})
    run.execute((1, 1))
    author = writes(monkeypatch, Counting())
    run.execute((3, 3))
    assert len(author.requests) == 30
    assert 4 <= author.most <= 24


def test_too_many_rejects_stop_the_run_until_the_share_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = ("goal", "routine", "experience")
    author = Author(lambda r, text: "" if field(r, "Relation") in lost else None)
    writes(monkeypatch, author)
    run = make(tmp_path / "a", 25, {"shard_size": 5})
    for _ in range(2):  # going on without a change must not get round the limit
        with pytest.raises(Incomplete, match=r"stage narrative rejected 15 of 25 .*'empty'"):
            run.execute((1, 4))
        assert run.state["state"] == "incomplete"
        assert "max_reject_share" in run.state["reason"]
    assert Incomplete.exit_code == 3
    make(tmp_path / "a", 25, {"shard_size": 5, "max_reject_share": 0.6}).execute((1, 5))
    assert len(list(run.records(Narrative))) == 10
    assert Counter(author.tasks)["narrative"] == 25, "nothing is asked twice"


def test_a_few_rejects_say_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The share is judged from twenty rows on."""
    lost = ("routine", "characteristic", "experience", "relationship")
    writes(monkeypatch, Author(lambda r, text: "" if field(r, "Relation") in lost else None))
    run = make(tmp_path / "a", 15)
    assert run.execute((1, 4))["state"] == "partial"
    assert len(list(run.records(Narrative))) == 3


def broken(number: int, at: int) -> tuple[Any, ...]:
    """The stages, one of which stumbles over its record number `at`."""
    seen: list[str] = []

    async def run(record: Record, context: Context) -> Any:
        seen.append(record.id)
        if len(seen) == at:
            raise ZeroDivisionError("nobody foresaw this")
        return await STAGES[number - 1].run(record, context)

    return tuple(replace(s, run=run) if s.number == number else s for s in STAGES)


@pytest.mark.parametrize("number", [1, 3, 4, 7])
def test_an_unforeseen_error(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stops the run, names stage and record, leaves nothing half-written; a resume goes on."""
    whole = make(tmp_path / "whole", 10)
    whole.execute((1, 7))
    run = make(tmp_path / "a", 10)
    name = STAGES[number - 1].name
    with monkeypatch.context() as patch:
        patch.setattr("mcu.stages.STAGES", broken(number, 2))
        with pytest.raises(McuError, match=f"stage {name} failed on record .{{36}}: ZeroDiv"):
            run.execute((1, 7))
    assert run.state["state"] == "failed"
    assert not list(run.root.rglob("*.tmp"))
    for path in run.root.glob("s?_*/*.jsonl"):
        assert path.with_name(path.name.split(".")[0] + ".done.json").exists(), path
    make(tmp_path / "a", 10).execute((1, 7))
    assert rows(run) == rows(whole)


def test_a_backend_error_stops_at_once_and_a_resume_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make(tmp_path / "whole", 10)
    whole.execute((1, 7))

    def refuse(request: ChatRequest, text: str) -> None:
        if any(request is the_17th for the_17th in first.requests[16:17]):
            raise BackendError("the quota is used up")

    first = writes(monkeypatch, Author(refuse))
    run = make(tmp_path / "a", 10, max_in_flight=1)
    with pytest.raises(BackendError, match="quota"):
        run.execute((1, 7))
    assert (run.state["state"], run.state["reason"]) == ("failed", "the quota is used up")
    second = writes(monkeypatch, Author())
    run.execute((1, 7))
    assert rows(run) == rows(whole)
    again = [request for request in second.requests if request in first.requests]
    assert again == first.requests[16:17], "what was answered is not asked for again"


def of_one_episode(prompt: str, relation: str = "goal") -> Author:
    """An author who says nothing to one prompt of one relation; a narrative carries its marks."""
    spoken: list[str] = []

    def change(request: ChatRequest, text: str) -> str | None:
        if request.schema_name == "narrative" and field(request, "Relation") == relation:
            spoken.append(text)
        mine = field(request, "Relation") == relation or any(
            (story := field(request, "Narrative")) and story in said for said in spoken
        )
        return "" if request.schema_name == prompt and mine else None

    return Author(change)


@pytest.mark.parametrize(
    ("prompt", "made"),
    [
        ("narrative", [1, 1, 5, 4, 4, 20, 4]),
        ("events", [1, 1, 5, 5, 4, 25, 4]),
        ("album", [1, 1, 5, 5, 5, 20, 4]),
        ("dialogue", [1, 1, 5, 5, 5, 25, 4]),
    ],
)
def test_a_reject_takes_its_descendants_with_it(
    prompt: str, made: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And they are not counted as losses of their own."""
    writes(monkeypatch, of_one_episode(prompt))
    run = make(tmp_path / "a", 5)
    assert run.execute()["state"] == "complete"
    assert [len(list(run.records(s.makes))) for s in STAGES[:7]] == made
    assert [(row["stage"], row["code"]) for row in rejects(run.root)] == [(prompt, "empty")]
    whole = {s.parent for s in run.records(Session)}
    assert {p.parent for p in run.records(Picture)} == whole <= {e.id for e in run.records(Events)}
    table = pq.read_table(run.root / "release/stark-dialogue/stark.parquet")
    kept = set(table["persona_commonsense_relation"].to_pylist())
    assert kept == {"characteristic", "routine", "experience", "relationship"}


class Blank(Avatar):
    """Draws as usual, but an empty picture for some portraits."""

    def __init__(self, prompts: set[str]) -> None:
        super().__init__()
        self._prompts = prompts

    def generate(self, requests: Sequence[ImageRequest]) -> list[Image.Image | Reject]:
        if requests[0].prompt in self._prompts:
            return [Image.new("RGB", (512, 512), "white")]
        return super().generate(requests)


def test_a_persona_without_a_face_has_no_episodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is paid for its text, the loss is counted once, and it is not released."""
    run = make(tmp_path / "a", 10)
    run.execute((1, 1))
    faceless, other = run.records(Persona)
    who = (faceless.age, faceless.gender, faceless.birthplace)
    seeds = [(0, "face", faceless.id, name) for name in ("face ", "face  again")]
    blank = Blank({describe(draw_look(*who, rng_of(*seed)), *who) for seed in seeds})
    monkeypatch.setattr(build, "open_images", lambda config: blank)
    author = writes(monkeypatch, Author())
    assert run.execute()["state"] == "complete"
    assert [(row["stage"], row["code"], row["id"]) for row in rejects(run.root)] == [
        ("face", "bad_image", faceless.id)
    ]
    told = {field(request, "Name") for request in author.requests} - {""}
    assert told == {other.name} != {faceless.name}
    assert [len(list(run.records(kind))) for kind in (Narrative, Session)] == [5, 5]
    table = pq.read_table(run.root / "release/stark-dialogue/stark.parquet")
    assert table["persona_sentence"].to_pylist() == [other.sentence] * 5
