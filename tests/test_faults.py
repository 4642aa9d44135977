"""No reply, however bad, stops a run, is executed, becomes a path or leaves a wrong row."""

import json
import random
import re
import shutil
import unicodedata
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from bad_replies import MARK, TABLE, Bad
from conftest import Serve

import mcu
from mcu.backends.scripted import answer
from mcu.errors import Incomplete
from mcu.ids import digest
from mcu.run import Run
from mcu.stages import STAGES

FACTS = {"sessions": [3, 3], "turns": 4, "max_reject_share": 1.0}
STAGE = {s.prompts[0]: s for s in STAGES if s.prompts}
FILES = re.compile(
    r"run\.(toml|json)|log\.jsonl|\.(shards|personas)\.lock|release\.done\.json|release/.+"
    r"|s\d_[a-z]+/\d{5}\.(jsonl|rejects\.jsonl|done\.json)"
    r"|journal/s\d_[a-z]+-(all|\d{5})\.sqlite|images/[0-9a-f]{2}/[0-9a-f]{64}\.jpg"
)


class Model:
    """The scripted author behind chat completions; says what `bad` says where that applies."""

    def __init__(self) -> None:
        self.bad: list[Bad] = []
        self.share = 1.0
        self.repairs_too = False
        self.one_episode = False
        self.calls = 0
        self.said: list[str] = []

    async def __call__(self, request: web.Request) -> web.Response:
        body = await request.json()
        messages, self.calls = body["messages"], self.calls + 1
        message: dict[str, Any] = {"content": answer(messages, body["seed"])}
        if (chosen := self._choose(messages)) is not None:
            spoiled = chosen.spoil(message["content"])
            message = spoiled if isinstance(spoiled, dict) else {"content": spoiled}
            self.said.append(message["content"] or "")
        elif self.one_episode and _superfluous(messages):
            message["content"] = ""
        finish = message.pop("finish", "stop")
        choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
        return web.json_response({"model": "m", "choices": [choice]})

    def _choose(self, messages: list[dict[str, str]]) -> Bad | None:
        task = messages[0]["content"].split()[1]
        fitting = [bad for bad in self.bad if bad.task == task]
        if not fitting or (len(messages) > 2 and not self.repairs_too):
            return None
        rng = random.Random(digest(messages))
        return rng.choice(fitting) if rng.random() < self.share else None


CODES = ["bad_reply", "empty", "refused", "filtered", "cut_off", "bad_attribute", "bad_clause"]


def _superfluous(messages: list[dict[str, str]]) -> bool:
    asked = messages[0]["content"] + messages[1]["content"]
    return asked.startswith("Task: narrative") and "Relation: goal" not in asked


class World:
    """A server, and runs of good replies that each test continues from some stage."""

    def __init__(self, serve: Serve, folder: Path) -> None:
        self.model = Model()
        self.url = serve(self.model)
        self._first = self.make(folder / "first", 8)
        self._first.execute((1, 4))
        # One narrative is enough for the later stages.
        self.model.one_episode = True
        self._last = self.make(folder / "last", 8)
        self._last.execute((1, 8))
        self.model.one_episode = False

    def good(self, task: str) -> Path:
        """The run in which the task's rows are as they should be."""
        return (self._first if STAGE[task].number <= 4 else self._last).root

    def make(self, root: Path, workers: int, episodes: int = 5) -> Run:
        chat = {"base_url": self.url, "repairs": 1, "retries": 0, "max_in_flight": workers}
        facts = {**FACTS, "episodes": episodes}
        return mcu.make_run(root, "openai", run=facts, chat=chat, checks={"faces": "off"})

    def again(self, root: Path, task: str, bad: Bad, repairs_too: bool) -> dict[str, Any]:
        """Do the task's stage again, with bad replies; gives its state."""
        stage = STAGE[task]
        shutil.copytree(self.good(task), root)
        for folder in (*root.glob("s?_*"), *root.glob("release*")):
            if folder.is_dir() and (folder.name[1] >= str(stage.number) or folder.name[0] == "r"):
                shutil.rmtree(folder)
        for journal in root.glob(f"journal/{stage.folder}-*"):
            journal.unlink()
        model = self.model
        model.bad, model.share, model.repairs_too = [bad], 1.0, repairs_too
        model.calls, model.said = 0, []
        return mcu.open_run(root).execute((stage.number, stage.number))


@pytest.fixture(scope="module")
def world(serve_module: Serve, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(serve_module, tmp_path_factory.mktemp("faults"))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a run goes; afterwards nothing lies outside it, and nothing odd inside."""
    (tmp_path / "cwd" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "cwd" / "deep")
    root = tmp_path / "outputs" / "a" / "run"
    yield root
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert path.is_relative_to(root), f"{path} was made"
        assert FILES.fullmatch(str(path.relative_to(root))), f"{path} was made"
    assert not MARK.exists(), "a reply was executed"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def rows(root: Path, task: str) -> list[dict[str, Any]]:
    return lines(root / STAGE[task].folder / "00000.jsonl")


def rejects(root: Path, task: str) -> list[dict[str, Any]]:
    files = sorted((root / STAGE[task].folder).glob("*.rejects.jsonl"))
    return [row for path in files for row in lines(path)]


@pytest.mark.parametrize("bad", TABLE, ids=lambda bad: f"{bad.task}: {bad.name}")
def test_bad_reply(world: World, root: Path, bad: Bad) -> None:
    wanted = rows(world.good(bad.task), bad.task)
    always = bad.wanted in ("same", "mended", "rejected")
    ended = "complete" if bad.task == "plan" else "partial"  # the last stage makes a release
    assert world.again(root, bad.task, bad, always)["state"] == ended
    assert world.model.said, "the reply was never asked for"
    calls, found = world.model.calls, rows(root, bad.task)
    check_rows(root)
    if bad.wanted == "rejected":
        check_losses(world, root, bad)
        return
    assert rejects(root, bad.task) == []
    assert len(found) == len(wanted)
    if bad.wanted == "repaired":
        assert calls == 2 * len(world.model.said)
        shutil.rmtree(root)
        world.again(root, bad.task, bad, True)
        check_rows(root)
        check_losses(world, root, bad)
    else:
        assert calls == len(world.model.said)
        assert found == wanted or bad.wanted == "mended"


def check_losses(world: World, root: Path, bad: Bad) -> None:
    """Every row that is missing was rejected: with a code, a reason and the raw text."""
    lost = rejects(root, bad.task)
    assert lost
    assert len(rows(root, bad.task)) < len(rows(world.good(bad.task), bad.task))
    for row in lost:
        assert row["code"] in CODES
        assert 5 < len(row["reason"]) < 400 and "\n" not in row["reason"]
        said = [text.encode("utf-8", "backslashreplace").decode() for text in world.model.said]
        if row["code"] in ("bad_attribute", "bad_clause"):
            item = json.loads(row["raw"])["value"] if row["raw"][0] == "{" else row["raw"]
            assert any(item in text for text in said)
        elif row["code"] not in ("refused", "filtered"):
            assert row["raw"] in [text[:4000] for text in said]
    if bad.wanted == "rejected":
        assert {row["code"] for row in lost} <= {"refused", "filtered", "cut_off"}


def check_rows(root: Path) -> None:
    """What no reply may break, in the rows of all stages."""
    for path in sorted(root.glob("s?_*/?????.jsonl")):
        for row in lines(path):
            for text in texts(row):
                odd = {c for c in text if unicodedata.category(c) in ("Cc", "Cs")} - {"\n", "\t"}
                assert not odd and not set(text) & set("\u202e\u2066"), text
            CHECKS.get(path.parent.name, lambda row: None)(row)


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from texts(item)


def check_persona(row: dict[str, Any]) -> None:
    assert row["entity_value"].casefold() in row["sentence"].casefold()
    assert "\n" not in row["sentence"]


def check_events(row: dict[str, Any]) -> None:
    events = row["events"]
    assert [event["number"] for event in events] == [1, 2, 3]
    days = [date.fromisoformat(event["date"].replace(".", "-")) for event in events]
    assert days == sorted(days) and date(1990, 1, 1) <= days[0] and days[-1] <= date(2024, 4, 30)
    for event in events:
        assert all(type(n) is int and 1 <= n < event["number"] for n in event["caused_by"])
        assert event["op"] in (("",) if event["number"] == 1 else ("add", "update"))
        if event["number"] > 1:
            assert event["caused_by"] and 1 <= event["interval"]["value"] <= 1000
            assert event["interval"]["unit"] in ("hour", "day", "week", "month", "year")


def check_device_image(row: dict[str, Any]) -> None:
    assert row["number"] in range(1, 6)


def check_session(row: dict[str, Any]) -> None:
    speakers = {turn["speaker"] for turn in row["turns"]}
    assert len(speakers) == 2 and "AI Assistant" in speakers
    assert [entry["number"] for entry in row["album"]] == list(range(1, len(row["album"]) + 1))
    shared = [turn["image"] for turn in row["turns"] if turn["image"]]
    assert len(shared) >= 2
    for image in shared:
        assert image["source"] in ("internet", "mobile")
        low = 1 if image["source"] == "mobile" else 0
        assert low <= image["album"] <= (len(row["album"]) if low else 0)


def check_picture(row: dict[str, Any]) -> None:
    assert row["plan"]["route"] in ("p-t2i", "t2i", "web", "retrieval")
    assert re.fullmatch("[0-9a-f]{64}", row["image"])
    assert not Path(row["candidates"][0]["file"]).is_absolute()


CHECKS = {
    "s1_persona": check_persona,
    "s5_events": check_events,
    "s6_album": check_device_image,
    "s7_dialogue": check_session,
    "s8_align": check_picture,
}


def test_the_table_is_large_and_hits_every_task() -> None:
    assert len({bad.name for bad in TABLE}) == len(TABLE) >= 50
    assert {bad.task for bad in TABLE} == set(STAGE)


def test_a_whole_run_of_which_a_quarter_of_the_replies_are_bad(world: World, root: Path) -> None:
    """It ends, its rows are sound, and they are the same whatever the concurrency."""
    model, found = world.model, []
    model.bad, model.share, model.repairs_too = TABLE, 0.25, True
    for workers in (2, 16):
        model.said = []
        shutil.rmtree(root, ignore_errors=True)
        assert world.make(root, workers, 10).execute((1, 8))["state"] == "complete"
        assert len(model.said) > 20
        check_rows(root)
        assert any(rejects(root, task) for task in STAGE)
        found.append({str(p): p.read_bytes() for p in sorted(root.glob("s?_*/*.jsonl"))})
    assert found[0] == found[1]


@pytest.mark.parametrize("task", ["persona", "narrative"])
def test_a_model_that_never_says_anything_usable(world: World, root: Path, task: str) -> None:
    """The run ends with a sentence and everything that was lost on file."""
    world.model.bad = [Bad("", task, lambda good: "I cannot help with that.", "repaired")]
    world.model.share, world.model.repairs_too = 1.0, True
    with pytest.raises(Incomplete, match="no episode survived"):
        world.make(root, 8).execute((1, 8))
    assert json.loads((root / "run.json").read_text())["state"] == "incomplete"
    assert {row["raw"] for row in rejects(root, task)} == {"I cannot help with that."}
