"""`mcu push` against a Hub on loopback: what arrives, in which order, and what is refused."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub import Hub, serving
from releases import (
    assert_all_there,
    assert_cards_last,
    assert_nothing_twice,
    environment,
    hashes,
    run_push,
    write_release,
)

SIZES = {
    "stark-image/stark-train-000000-of-000002.tar": 6_000_000,
    "stark-image/stark-train-000001-of-000002.tar": 300_000,
    "stark-image/dataset_info.json": 500,
    "stark-image/.DS_Store": 10,
}
TAR = "stark-train-000001-of-000002.tar"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with serving(tmp_path / "hub") as found:
        yield found


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    write_release(tmp_path / "outputs", SIZES)
    return tmp_path / "outputs"


@pytest.fixture
def env(hub: Hub, tmp_path: Path) -> dict[str, str]:
    return environment(hub, tmp_path / "home")


def _stays(hub: Hub) -> None:
    assert not hub.stored and not hub.seen["commit"]


def test_all_sets_arrive_private_and_verified(hub: Hub, outputs: Path, env: dict[str, str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in outputs.rglob("*")}
    done = run_push(outputs, env, "--json")
    assert done.returncode == 0, done.stderr
    assert before == {path: path.stat().st_mtime_ns for path in outputs.rglob("*")}
    facts = json.loads(done.stdout)
    assert facts["private"] is True
    assert [(one["set"], one["repo"], one["sent"]) for one in facts["sets"]] == [
        ("stark-image", "ada/x-image", 4),
        ("stark-dialogue", "ada/x-dialogue", 3),
    ]
    assert facts["sets"][0]["revision"] == hub.repos["ada/x-image"].head.sha
    (outputs / "r/release/stark-image/.DS_Store").unlink()  # stays here, hidden as it is
    assert_all_there(hub, outputs / "r" / "release")
    assert_nothing_twice(hub)
    assert_cards_last(hub)
    assert all(repo.private for repo in hub.repos.values())
    assert hub.token not in done.stdout + done.stderr
    assert "ada/x-image: sending 3 files, 6.3 MB" in done.stderr

    again = run_push(outputs, env)
    assert again.returncode == 0 and again.stdout.count("was there already") == 2
    assert_nothing_twice(hub)
    assert [len(repo.commits) for repo in hub.repos.values()] == [3, 3]


def test_what_was_pushed_loads(hub: Hub, outputs: Path, env: dict[str, str]) -> None:
    assert run_push(outputs, env, "--set", "dialogue").returncode == 0
    assert set(hub.repos) == {"ada/x-dialogue"}
    code = (
        "import datasets; d = datasets.load_dataset('ada/x-dialogue', split='train');"
        "print(list(d['name']))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert loaded.stdout == "['Zoë', '민준']\n", loaded.stderr


def test_a_dry_run_needs_no_hub_and_no_token(outputs: Path, tmp_path: Path) -> None:
    env = environment(None, tmp_path / "home", HF_ENDPOINT="http://127.0.0.1:9")
    done = run_push(outputs, env, "--dry-run")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "run r: 2 private data sets, 6.3 MB"
    assert "ada/x-image" in lines[1] and "4 files" in lines[1]
    assert [line.split()[1] for line in lines[-4:]] == [
        *("ada/x-image", "ada/x-dialogue"),
        *("ada/x-image", "ada/x-dialogue"),
    ]
    assert lines[-1].endswith("README.md") and lines[-2].endswith("README.md")
    assert not (tmp_path / "home").exists()
    facts = json.loads(run_push(outputs, env, "--dry-run", "--json").stdout)
    assert facts["commits"][-1] == {"repo": "ada/x-dialogue", "files": ["README.md"]}
    assert ".DS_Store" not in json.dumps(facts)


def test_a_failed_gate_stops_it_before_the_hub_is_asked(
    hub: Hub, outputs: Path, env: dict[str, str]
) -> None:
    env["MCU_VERDICT"] = "failed:pii,time"
    done = run_push(outputs, env, "--allow", "time")
    assert (done.returncode, "run 'r' fails pii;" in done.stderr) == (3, True)
    assert done.stderr.count("\n") == 1 and not hub.requests
    done = run_push(outputs, env, "--allow", "time", "--allow", "pii", "--set", "dialogue")
    assert done.returncode == 0, done.stderr


def test_other_content_is_not_replaced_unasked(
    hub: Hub, outputs: Path, env: dict[str, str]
) -> None:
    hub.create("ada/x-image", private=True)
    hub.put("ada/x-image", {"README.md": b"# mine", "old.tar": b"1", TAR: b"2"})
    done = run_push(outputs, env)
    assert done.returncode == 2
    assert f"ada/x-image holds other files than this release (README.md, old.tar, {TAR})" in (
        done.stderr
    )
    _stays(hub)
    done = run_push(outputs, env, "--overwrite")
    assert done.returncode == 0, done.stderr
    assert hub.files("ada/x-image").keys() == {
        path for path in hashes(outputs / "r/release/stark-image") if not path.startswith(".")
    }
    first = hub.repos["ada/x-image"].commits[2]
    assert set(first.deleted) == {"README.md", "old.tar"}
    assert hub.repos["ada/x-image"].head.added == ("README.md",)


def test_a_private_push_never_lands_in_the_open(
    hub: Hub, outputs: Path, env: dict[str, str]
) -> None:
    hub.create("ada/x-image", private=False)
    done = run_push(outputs, env)
    assert (done.returncode, "ada/x-image is public" in done.stderr) == (2, True)
    _stays(hub)
    hub.repos["ada/x-image"].private = True
    assert run_push(outputs, env, "--public").returncode == 0
    assert not any(repo.private for repo in hub.repos.values())


def test_a_card_that_the_hub_refuses_is_told_before_any_data(
    hub: Hub, outputs: Path, env: dict[str, str]
) -> None:
    card = outputs / "r" / "release" / "stark-dialogue" / "README.md"
    card.write_text(card.read_text().replace("cc-by-4.0", "nobody-knows"))
    done = run_push(outputs, env)
    assert (done.returncode, '"license" must be one of a list' in done.stderr) == (2, True)
    _stays(hub)


def test_hashes_that_differ_on_the_hub_keep_the_cards_back(
    hub: Hub, outputs: Path, env: dict[str, str]
) -> None:
    hub.lies.add(TAR)
    done = run_push(outputs, env)
    assert done.returncode == 1
    assert f"ada/x-image does not hold what was sent ({TAR})" in done.stderr
    assert all("README.md" not in repo.head.files for repo in hub.repos.values())
