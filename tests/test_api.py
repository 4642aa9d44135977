"""mcu from Python: runs made, opened, executed and read, also in threads and notebooks."""

import asyncio
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import mcu
from helpers import tree
from mcu.errors import ConfigError, McuError
from mcu.records import Commonsense, Events, Narrative, Persona, PersonaSeed, Picture, Session

SMALL = {"sessions": [1, 1], "turns": 4, "episodes": 5}


def make(root: Path, **run: Any) -> Any:
    return mcu.make_run(root, run={**SMALL, **run})


def test_the_public_names() -> None:
    assert set(mcu.__all__) == {"__version__", "make_run", "open_run"}
    assert mcu.__version__


def test_a_whole_run(tmp_path: Path) -> None:
    run = make(tmp_path / "a")
    state = run.execute()
    assert state == run.state == json.loads((tmp_path / "a/run.json").read_text())
    assert (state["state"], state["reason"], state["stages"]) == ("complete", "", [1, 8])
    again = mcu.open_run(str(tmp_path / "a"))
    assert again.config == run.config
    (persona,) = again.records(Persona)
    assert [type(one) for one in again.records(Commonsense)] == [Commonsense] * 5
    assert {c.parent for c in again.records(Commonsense)} == {persona.id}
    episodes = {e.id for e in again.records(Events)}
    assert {s.parent for s in again.records(Session)} == episodes
    assert {p.parent for p in again.records(Picture)} == episodes
    for picture in again.records(Picture):
        assert again.store.image(picture.image).startswith(b"\xff\xd8")
    assert (tmp_path / "a/release/stark-dialogue/stark.parquet").is_file()


def test_records_come_shard_by_shard_and_lazily(tmp_path: Path) -> None:
    run = make(tmp_path / "a", episodes=15, shard_size=1)
    assert list(run.records(Narrative)) == []
    run.execute((1, 4))
    found = list(run.records(Narrative))
    lines = [
        line
        for path in sorted((tmp_path / "a").glob("s4_*/?????.jsonl"))
        for line in path.read_text().splitlines()
    ]
    assert [n.model_dump_json() for n in found] == lines
    (tmp_path / "a/s4_narrative/00001.done.json").unlink()
    assert list(run.records(Narrative)) == [*found[:5], *found[10:]], (
        "unfinished units are not read"
    )


@pytest.mark.parametrize("kind", [PersonaSeed, int])
def test_records_of_no_stage(kind: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"no stage makes {kind.__name__} records"):
        next(iter(make(tmp_path / "a").records(kind)))


def test_a_run_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no run in"):
        mcu.open_run(tmp_path / "a")


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"run": {"episods": 5}}, "unknown setting 'run.episods'"),
        ({"runs": {}}, "unknown setting 'runs'"),
        ({"run": {"episodes": 0}}, "run.episodes"),
        ({"run": {"ages": [30, 20]}}, "youngest first"),
        ({"profile": "nosuch"}, "unknown profile 'nosuch'"),
    ],
)
def test_wrong_settings(sections: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        mcu.make_run(tmp_path / "a", **sections)
    assert not (tmp_path / "a").exists()


def test_other_settings_for_a_run_with_work(tmp_path: Path) -> None:
    make(tmp_path / "a").execute((1, 1))
    with pytest.raises(ConfigError, match=r"run.turns \(is 4, asked for 5\)"):
        make(tmp_path / "a", turns=5)
    mcu.make_run(tmp_path / "a", run=SMALL, chat={"max_in_flight": 2}).execute((1, 3))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (((9, 9),), "there are no stages 9-9"),
        (((5, 2),), "there are no stages 5-2"),
        (((1, 8), (0, 1)), "--shards must lie within 0-0"),
        (((1, 8), (-1, 0)), "--shards must lie within 0-0"),
        (((4, 4),), r"stage 4 \(narrative\) needs stage 1 \(persona\), which is not done"),
    ],
)
def test_wrong_arguments(arguments: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        make(tmp_path / "a").execute(*arguments)


def test_in_a_thread(tmp_path: Path) -> None:
    make(tmp_path / "main").execute()
    with ThreadPoolExecutor(1) as pool:
        state = pool.submit(make(tmp_path / "thread").execute).result()
    assert state["state"] == "complete"
    assert tree(tmp_path / "thread/release") == tree(tmp_path / "main/release")


def test_two_runs_at_once(tmp_path: Path) -> None:
    make(tmp_path / "alone").execute((1, 7))
    with ThreadPoolExecutor(2) as pool:
        runs = [make(tmp_path / name) for name in "ab"]
        states = list(pool.map(lambda run: run.execute((1, 7)), runs))
    assert [state["state"] for state in states] == ["partial"] * 2
    whole = tree(tmp_path / "alone")
    wanted = {p: h for p, h in whole.items() if re.match(r"s._.*jsonl", p)}
    assert len(wanted) == 14
    for name in "ab":
        assert wanted.items() <= tree(tmp_path / name).items()


def test_one_thread_at_a_time(tmp_path: Path) -> None:
    """A second thread is refused, and takes the lock from the first neither then nor after."""
    inside, go_on = threading.Event(), threading.Event()

    @contextmanager
    def wait(engine: Any, services: Any) -> Any:
        inside.set()
        assert go_on.wait(20)
        yield

    run = make(tmp_path / "a")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(run.execute, (1, 4), None, wait)
        assert inside.wait(20)
        with pytest.raises(ConfigError, match="worked on by this process already"):
            mcu.open_run(tmp_path / "a").execute((1, 4))
        assert run.state["state"] == "running"
        go_on.set()
        assert first.result()["state"] == "partial"
    assert mcu.open_run(tmp_path / "a").execute((1, 4))["state"] == "partial"


def test_in_a_notebook(tmp_path: Path) -> None:
    """Where a loop is running already, a sentence says what to do, and that works."""
    run = make(tmp_path / "a")

    async def cell() -> None:
        with pytest.raises(McuError, match=r"await asyncio.to_thread\(run.execute\)"):
            run.execute((1, 3))
        assert run.state == {}
        assert (await asyncio.to_thread(run.execute, (1, 3)))["state"] == "partial"

    asyncio.run(cell())


def test_progress_is_told_to_whom_it_may_concern(tmp_path: Path) -> None:
    seen: list[Any] = []

    @contextmanager
    def watch(engine: Any, services: Any) -> Any:
        seen.append(engine.progress()["narrative"])
        yield
        seen.append(engine.progress()["narrative"])
        seen.append(services.meter.calls)

    make(tmp_path / "a").execute((1, 4), watch=watch)
    assert seen == [(0, 5, 0), (5, 5, 0), 1 + 1 + 5]


def test_the_log_tells_of_every_unit(tmp_path: Path) -> None:
    make(tmp_path / "a").execute((1, 3))
    lines = (tmp_path / "a/log.jsonl").read_text().splitlines()
    told = [json.loads(line) for line in lines]
    assert {row["message"].split(":")[0] for row in told} >= {
        "s1_persona/00000",
        "s2_face/00000",
        "s3_commonsense/00000",
    }
    assert all(row["level"] == "info" and row["time"].endswith("+00:00") for row in told)
