"""Records as a person reads them; nothing that a model wrote is obeyed by a terminal."""

import json
from pathlib import Path
from typing import Any

import pytest
from authors import Author, field, writes

import mcu
from helpers import mcu as program
from mcu.errors import ConfigError
from mcu.records import Events, Narrative, Persona, Session
from mcu.run import Run
from mcu.show import find_stage, rows, text
from mcu.stages import STAGES

EVIL = "\x1b[2J\x1b]0;owned\x07 \x9b31m \u202e \u2028 no JSON \x00"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run in which a model says evil things for one narrative and one album."""
    patch = pytest.MonkeyPatch()

    def change(request: Any, said: str) -> str | None:
        if request.schema_name == "narrative" and field(request, "Relation") == "goal":
            return EVIL
        return None

    writes(patch, Author(change))
    facts = {"sessions": [2, 2], "turns": 4, "episodes": 10}
    made = mcu.make_run(tmp_path_factory.mktemp("o") / "a", run=facts, chat={"repairs": 0})
    made.execute((1, 7))
    patch.undo()
    return made


@pytest.mark.parametrize(("word", "number"), [("events", 5), ("5", 5), ("1", 1), ("align", 8)])
def test_stages_are_found_by_name_or_number(word: str, number: int) -> None:
    assert find_stage(word) is STAGES[number - 1]


@pytest.mark.parametrize("word", ["", "0", "13", "Events", "s5_events", "05"])
def test_other_stages_are_not(word: str) -> None:
    with pytest.raises(ConfigError, match=r"there is no stage .*; the stages are 1 persona, 2 "):
        find_stage(word)


def test_the_first_few(run: Run) -> None:
    found = rows(run, STAGES[3], "", False, 6)
    assert found == [n.model_dump(mode="json") for n in run.records(Narrative)][:6]
    assert len(rows(run, STAGES[3], "", False, 100)) == 8


def test_by_id_or_parent(run: Run) -> None:
    session = list(run.records(Session))[3]
    assert [row["id"] for row in rows(run, STAGES[6], session.id, False, 3)] == [session.id]
    of_one = rows(run, STAGES[6], session.parent, False, 3)
    assert [row["number"] for row in of_one] == [1, 2], "the whole episode"
    assert rows(run, STAGES[6], "nosuch", False, 3) == []
    assert rows(run, STAGES[7], "", False, 3) == [], "a stage that was not run"


def test_rejects_are_printed_harmlessly(run: Run) -> None:
    found = rows(run, STAGES[3], "", True, 9)
    assert [row["raw"] for row in found] == [EVIL] * 2
    for row in found:
        shown = text(row)
        assert all(line.isprintable() for line in shown.split("\n")), shown
        assert "no JSON" in shown and "\\u001b[2J" in shown
    assert rows(run, STAGES[3], found[0]["id"], True, 9) == found[:1]


@pytest.mark.parametrize("as_json", [True, False])
def test_the_program_prints_no_escapes(as_json: bool, run: Run) -> None:
    more = ("--json",) if as_json else ()
    outputs = ("--outputs", str(run.root.parent))
    done = program("show", "a", "4", "--rejects", *outputs, *more, cwd=run.root)
    assert done.returncode == 0, done.stderr
    assert not [c for c in done.stdout if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160]
    if as_json:
        assert {row["raw"] for row in json.loads(done.stdout)} == {EVIL}


def test_records_from_elsewhere_are_printed_harmlessly(run: Run) -> None:
    """Whoever gives a run away may have put anything into its files."""
    session = next(run.records(Session)).model_dump(mode="json")
    session["turns"][0].update(speaker=EVIL, utterance=EVIL)
    session["event"] = EVIL
    events = next(run.records(Events)).model_dump(mode="json")
    events["events"][0]["event"] = EVIL
    for row in (session, events):
        shown = text(row)
        assert all(line.isprintable() for line in shown.split("\n")), shown


def test_a_session_reads_like_a_chat(run: Run) -> None:
    first, second = list(run.records(Session))[:2]
    name = next(run.records(Persona)).name
    lines = text(first.model_dump(mode="json")).split("\n")
    assert lines[:2] == [f"Session 1, {first.date}   ({first.parent})", first.event]
    said = [f"  {t.speaker}: {t.utterance}".rstrip() for t in first.turns]
    assert [line for line in lines[2:] if not line.startswith("      [")] == said
    assert {t.speaker for t in first.turns} == {name, "AI Assistant"}
    shown = [t.image for t in first.turns if t.image]
    for image, line in zip(shown, [x for x in lines if x.startswith("      [")], strict=True):
        where = f"device picture {image.album}" if image.album else "internet"
        assert line == f"      [{where}: {image.description}]"
    assert f", {second.interval} later   (" in text(second.model_dump(mode="json"))
    assert f"[{second.op}] {second.experience}" in text(second.model_dump(mode="json"))


def test_other_records_are_labelled_lines(run: Run) -> None:
    persona = next(run.records(Persona)).model_dump(mode="json")
    shown = text(persona).split("\n")
    assert len(shown) == len(persona)
    assert f"{'sentence':>14}  {persona['sentence']}" in shown
    assert text({"a": "", "b": [], "c": None, "d": 0, "e": "x"}) == f"{'d':>14}  0\n{'e':>14}  x"


def test_limits_are_checked(tmp_path: Path) -> None:
    done = program("show", "a", "4", "--limit", "-1", cwd=tmp_path)
    assert done.returncode == 2
    assert "--limit" in done.stderr
