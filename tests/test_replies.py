"""What a model was asked and what it said, as it can be looked up, also while a run goes on."""

import json
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import Serve
from models import PRICE, Model, field, task

import mcu
from helpers import mcu as program
from helpers import rejects
from mcu.errors import BackendError, ConfigError, StoreError
from mcu.journal import read_answers
from mcu.records import Commonsense, Events, Narrative, Persona, Session
from mcu.replies import replies, text
from mcu.run import Run
from mcu.stages import STAGES

EVIL = "\x1b[2J\x9b31m \u202e no JSON \x00"
KEY = "sk-verysecret0123456789"


def say(body: dict[str, Any]) -> str | None:
    """Evil once in stories of routines, and always in those of goals."""
    if task(body) != "narrative":
        return None
    again = len(body["messages"]) > 2
    if field(body, "Relation: goal") or (field(body, "Relation: routine") and not again):
        return EVIL
    return None


def make(root: Path, url: str, **chat: Any) -> Run:
    facts = {"sessions": [2, 2], "turns": 4, "episodes": 5}
    server = {"near": {"base_url": url, "api_key": KEY}}
    own = {"model": "m", "repairs": 1, "endpoints": server, **chat}
    return mcu.make_run(root, "openai", run=facts, chat=own, prices={"m": PRICE})


@pytest.fixture(scope="module")
def run(serve_module: Serve, tmp_path_factory: pytest.TempPathFactory) -> Run:
    extra = {"provider": {"key": KEY}}  # some put one there
    model = Model(say, service_tier="default")
    made = make(tmp_path_factory.mktemp("o") / "a", serve_module(model), extra=extra)
    made.execute((1, 7))
    return made


def narrative_of(run: Run, relation: str) -> tuple[Commonsense, Narrative | None]:
    inference = next(i for i in run.records(Commonsense) if i.relation == relation)
    made = (n for n in run.records(Narrative) if n.parent == inference.id)
    return inference, next(made, None)


def test_a_record_its_prompt_and_its_reply(run: Run) -> None:
    inference, narrative = narrative_of(run, "experience")
    assert narrative is not None
    (entry,) = replies(run, STAGES[3], narrative.id, False, 3)
    assert (entry["stage"], entry["shard"]) == ("narrative", 0)
    assert (entry["input"], entry["records"]) == (inference.id, [narrative.id])
    (prompt,) = entry["prompts"]
    assert prompt["prompt"] == "narrative"
    assert [message["role"] for message in prompt["messages"]] == ["system", "user"]
    assert f"Inference: {inference.inference}" in prompt["messages"][1]["content"]
    (reply,) = prompt["replies"]
    assert " ".join(json.loads(reply["text"])["narrative"].split()) == narrative.text
    usd = (60 + 0.1 * 40 + 2 * 11) / 1e6
    wanted = {"repair": "", "finish": "stop", "model": "m", "endpoint": "near", "tier": "default"}
    wanted |= {"prompt_tokens": 100, "cached_tokens": 40, "completion_tokens": 11}
    assert {key: reply[key] for key in wanted} == wanted
    assert reply["usd"] == pytest.approx(usd)
    assert 0 < reply["seconds"] < 10
    assert reply["ended"].endswith("+00:00")
    assert replies(run, STAGES[3], inference.id, False, 3) == [entry], "by its input"


def test_repairs_come_in_order(run: Run) -> None:
    _, narrative = narrative_of(run, "routine")
    assert narrative is not None
    (entry,) = replies(run, STAGES[3], narrative.id, False, 3)
    (prompt,) = entry["prompts"]
    first, second = prompt["replies"]
    assert (first["text"], first["repair"]) == (EVIL, "")
    assert "JSON" in second["repair"], "what it was told of its fault"
    assert " ".join(json.loads(second["text"])["narrative"].split()) == narrative.text
    shown = text(entry).split("\n")
    heads = [line for line in shown if line.startswith("---")]
    assert heads[:2] == ["--- narrative: system", "--- narrative: user"]
    assert heads[2].startswith("--- reply 1: m, 100 (40 cached) + 11 tokens, $0.000086, ")
    assert heads[2].endswith(" s, from near, tier default")
    assert heads[3] == "--- repair" and heads[4].startswith("--- reply 2: ")
    assert all(line.isprintable() for line in shown)


def test_rejects_have_replies(run: Run) -> None:
    (lost,) = rejects(run.root)
    for id_, asked in (("", True), (lost["id"], True), (lost["id"], False)):
        (entry,) = replies(run, STAGES[3], id_, asked, 3)
        assert (entry["input"], entry["records"]) == (lost["id"], [])
        assert [reply["text"] for reply in entry["prompts"][0]["replies"]] == [EVIL] * 2


def test_an_episode_has_a_prompt_a_session(run: Run) -> None:
    episode = next(run.records(Events))
    sessions = [s.id for s in run.records(Session) if s.parent == episode.id]
    (entry,) = replies(run, STAGES[6], episode.id, False, 3)
    assert entry["records"] == sessions
    asked = [prompt["messages"][-1]["content"] for prompt in entry["prompts"]]
    assert len(asked) == 2 and asked[0] != asked[1]
    assert all(len(prompt["replies"]) == 1 for prompt in entry["prompts"])


def test_the_first_few(run: Run) -> None:
    assert len(replies(run, STAGES[3], "", False, 2)) == 2
    found = replies(run, STAGES[3], "", False, 9)
    assert [record for entry in found for record in entry["records"]] == [
        narrative.id for narrative in run.records(Narrative)
    ]
    (entry,) = replies(run, STAGES[0], "", False, 9)
    assert entry["records"] == [persona.id for persona in run.records(Persona)]
    assert replies(run, STAGES[3], "nosuch", False, 3) == []
    assert replies(run, STAGES[7], "", False, 3) == [], "a stage that was not run"


def test_a_stage_that_asks_no_model(run: Run) -> None:
    with pytest.raises(ConfigError, match=r"stage 2 \(face\) asks no model"):
        replies(run, STAGES[1], "", False, 3)


def test_replies_that_were_not_kept(serve: Serve, tmp_path: Path) -> None:
    run = make(tmp_path / "a", serve(Model()), keep_replies=False)
    run.execute((1, 4))
    with pytest.raises(ConfigError, match=r"s4_narrative/00000 were not kept.*keep_replies"):
        replies(run, STAGES[3], "", False, 3)


def test_while_the_unit_is_under_way(serve: Serve, tmp_path: Path) -> None:
    """By the id of its input, which is there before what is made of it."""
    model = Model(say, most=6)
    run = make(tmp_path / "a", serve(model), max_in_flight=1, timeout=600)

    def work() -> None:
        with suppress(BackendError):
            run.execute((1, 4))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        limit = time.monotonic() + 20
        while model.calls < 7:
            assert time.monotonic() < limit
            time.sleep(0.01)
        inference, _ = narrative_of(run, "characteristic")
        found = replies(run, STAGES[3], inference.id, False, 3)
    finally:
        model.end()
        thread.join(20)
    assert found[0]["records"] == []
    assert len(found[0]["prompts"][0]["replies"]) == 1


@pytest.mark.parametrize("as_json", [True, False])
def test_the_program_prints_it_harmlessly_and_no_key(as_json: bool, run: Run) -> None:
    more = ("--json",) if as_json else ()
    outputs = ("--outputs", str(run.root.parent), "--limit", "9")
    for asked in ((), ("--rejects",)):
        done = program("show", "a", "4", "--replies", *asked, *outputs, *more, cwd=run.root)
        assert done.returncode == 0, done.stderr
        assert "no JSON" in done.stdout
        assert KEY not in done.stdout
        assert not [c for c in done.stdout if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160]
        if as_json:
            assert {entry["stage"] for entry in json.loads(done.stdout)} == {"narrative"}


def test_a_journal_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="cannot be read"):
        read_answers(path, "x")
