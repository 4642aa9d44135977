"""The command line and money: the cap, what is told of the cost, and what of a price unknown."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Serve
from models import Model

from helpers import mcu

PRICE = "prices.m={input=1,output=2,cached=0.1}"


def words(url: str, *more: str, price: str = PRICE) -> list[str]:
    settings = ["run.turns=4", "run.sessions=[2,2]", f"chat.base_url={url}", "chat.model=m"]
    settings += [price] if price else []
    flags = [word for setting in settings for word in ("--set", setting)]
    start = ["run", "--profile", "openai", "--episodes", "5", "--name", "a", "--stages", "1-7"]
    return [*start, *flags, *more]


def told(folder: Path, *more: str) -> dict[str, object]:
    facts: dict[str, object] = json.loads(mcu("status", "a", "--json", *more, cwd=folder).stdout)
    return facts


def test_a_cap_stops_the_run_and_a_higher_one_goes_on(serve: Serve, tmp_path: Path) -> None:
    model = Model()
    done = mcu(*words(serve(model), "--max-usd", "0.009"), cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "writing with m at 127.0.0.1:" in done.stderr
    assert ", for $0.009 at most" in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("mcu: incomplete: ") and "--max-usd" in last
    assert done.stdout.startswith("a: incomplete in ")
    facts = told(tmp_path)
    assert facts["state"] == "incomplete" and "--max-usd" in str(facts["reason"])
    assert facts["usd"] == pytest.approx(model.usd * model.calls)
    assert isinstance(facts["usd"], float) and 0 < facts["usd"] <= 0.009

    before = model.calls
    assert mcu("resume", "a", cwd=tmp_path).returncode == 3
    assert model.calls == before, "nothing is asked that could pass the cap"
    done = mcu("resume", "a", "--max-usd", "5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f" {model.calls} calls (${model.usd * model.calls:.4f}), " in done.stdout
    assert " answers from the journal for nothing, " in done.stdout
    assert "max_usd = 5" in (tmp_path / "outputs/a/run.toml").read_text()
    assert len({json.dumps(body, sort_keys=True) for body in model.bodies}) == model.calls


def test_a_cap_below_zero(tmp_path: Path) -> None:
    done = mcu("run", "--max-usd", "-1", cwd=tmp_path)
    assert done.returncode == 2
    assert "mcu: error: setting 'run.max_usd'" in done.stderr


def test_a_cap_needs_a_price(serve: Serve, tmp_path: Path) -> None:
    model = Model()
    done = mcu(*words(serve(model), "--max-usd", "1", price=""), cwd=tmp_path)
    assert done.returncode == 2
    assert "'m'" in done.stderr and "price" in done.stderr
    assert model.calls == 0


def test_an_unknown_price_is_said(serve: Serve, tmp_path: Path) -> None:
    done = mcu(*words(serve(Model()), price=""), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = "cost unknown: no price for m; set prices"
    assert f" calls ({said}), 0 rejects" in done.stdout
    shown = mcu("status", "a", cwd=tmp_path).stdout
    assert said in shown and "$?" in shown
    facts = told(tmp_path)
    assert facts["usd"] is None and facts["unpriced"] == ["m"]


def test_the_table_is_narrow(serve: Serve, tmp_path: Path) -> None:
    model = Model(lambda body: "" if "Relation: goal" in str(body) else None)
    assert mcu(*words(serve(model)), cwd=tmp_path).returncode == 0
    for more in ((), ("--shards",)):
        lines = mcu("status", "a", *more, cwd=tmp_path).stdout.splitlines()
        assert max(map(len, lines)) <= 100
        rows = {line.split()[1]: line for line in lines if line[3:4] == " " != line[2]}
        assert list(rows)[:2] == ["persona", "face"] and len(rows) == 8
        assert "40%" in rows["narrative"] and "$0.00" in rows["narrative"]
        assert "%" not in rows["face"]
        total = next(line for line in lines if line.startswith("  all"))
        assert f" {model.calls} " in total and f"${model.usd * model.calls:.4f}" in total
        assert any(line.startswith("  lost in narrative: 1 empty") for line in lines)
        assert lines[-1].startswith("  40.0% of the prompts were cached; ")
        assert sum("done" in line for line in lines) == (7 if more else 0)
    rows_ = told(tmp_path, "--shards")["shards"]
    assert isinstance(rows_, list) and len(rows_) == 8
    assert "shards" not in told(tmp_path)


def test_help_is_quick_and_imports_little() -> None:
    code = (
        "import sys, mcu.cli\n"
        "print([n for n in ('pydantic', 'openai', 'rich', 'numpy') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
