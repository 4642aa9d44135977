"""What goes wrong on the way to the Hub: told in a sentence, or tried again until it works."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub import Fault, Hub, serving
from releases import (
    assert_all_there,
    assert_cards_last,
    assert_nothing_twice,
    command,
    environment,
    run_push,
    write_release,
)

SIZES = {f"stark-image/stark-train-{n:06d}-of-000004.tar": 1_500_000 + n for n in range(4)}
NOW = {"Retry-After": "0"}


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


def _arrived(hub: Hub, outputs: Path) -> None:
    assert_all_there(hub, outputs / "r" / "release")
    assert_nothing_twice(hub)
    assert_cards_last(hub)


@pytest.mark.parametrize(
    "faults",
    [
        [Fault("put", 2, cut=700_000), Fault("put", 4), Fault("put", 5, status=500, headers=NOW)],
        [Fault("batch", 1, status=429, headers=NOW), Fault("commit", 1, status=503)],
        [Fault("whoami"), Fault("info", 1, status=502), Fault("create", 1, status=429)],
        [Fault("create", late=True), Fault("commit", 1, late=True), Fault("tree", 1, status=500)],
        [Fault("commit", 1, status=412, message="A commit has happened since")],
    ],
    ids=["cut and 500 in uploads", "429 and 503", "first contact", "lost answers", "conflict"],
)
def test_it_goes_on_by_itself(
    faults: list[Fault], hub: Hub, outputs: Path, env: dict[str, str]
) -> None:
    hub.faults = faults
    done = run_push(outputs, env)
    assert done.returncode == 0, done.stderr
    assert hub.fired == faults or len(hub.fired) == len(faults)
    _arrived(hub, outputs)
    adding = [c for repo in hub.repos.values() for c in repo.commits if "README.md" in c.added]
    assert len(adding) == 2  # the answer that was lost was to a commit that counts


@pytest.mark.parametrize(
    ("what", "patience"), [("commit", "2"), ("put", "1")], ids=["commits", "uploads"]
)
def test_a_storm_has_an_end_and_the_next_push_goes_on(
    what: str, patience: str, hub: Hub, outputs: Path, env: dict[str, str]
) -> None:
    hub.faults = [Fault(what, 2, status=503, times=10_000, headers=NOW)]
    done = run_push(outputs, env, "--patience", patience)
    assert done.returncode == 1
    assert f"answers 503, and it did not get better in {patience} s; the same command" in (
        done.stderr
    )
    assert what != "put" or "mcu: HTTP Error 503 from the Hub; trying again\n" in done.stderr
    assert hub.url in done.stderr and "/lfs/" not in done.stderr  # no signed address
    hub.faults = []
    assert run_push(outputs, env).returncode == 0
    _arrived(hub, outputs)


def test_no_hub_at_all(outputs: Path, tmp_path: Path) -> None:
    env = environment(None, tmp_path / "home", HF_ENDPOINT="http://127.0.0.1:9", HF_TOKEN="hf_a")
    done = run_push(outputs, env, "--patience", "1")
    assert done.returncode == 1
    assert "no connection to http://127.0.0.1:9" in done.stderr
    assert done.stderr.count("\n") <= 2


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"HF_TOKEN": ""}, 2, "there is no token for the Hub; set HF_TOKEN, or run `hf auth"),
        ({"HF_TOKEN": "hf_sécret one"}, 2, "holds signs that no token has"),
        ({"HF_TOKEN": "hf_unknown"}, 2, "does not accept the token"),
        ({"HF_HUB_OFFLINE": "1"}, 2, "HF_HUB_OFFLINE is set; unset it to push"),
    ],
    ids=["none", "odd", "unknown", "offline"],
)
def test_tokens(
    change: dict[str, str], code: int, message: str, hub: Hub, outputs: Path, env: dict[str, str]
) -> None:
    done = run_push(outputs, env | change)
    assert (done.returncode, message in done.stderr) == (code, True), done.stderr
    assert done.stderr.count("\n") == 1
    assert not change.get("HF_TOKEN") or change["HF_TOKEN"] not in done.stderr
    assert not hub.repos


def test_a_hub_without_xet_is_told_of(hub: Hub, outputs: Path, env: dict[str, str]) -> None:
    pytest.importorskip("hf_xet")
    del env["HF_HUB_DISABLE_XET"]
    done = run_push(outputs, env)
    assert (done.returncode, "set HF_HUB_DISABLE_XET=1" in done.stderr) == (2, True), done.stderr


def test_the_token_of_the_login(hub: Hub, outputs: Path, env: dict[str, str]) -> None:
    home = Path(env["HF_HOME"])
    home.mkdir()
    (home / "token").write_text(hub.token)
    del env["HF_TOKEN"]
    assert run_push(outputs, env, "--set", "dialogue").returncode == 0


def test_tokens_and_owners_without_a_right(hub: Hub, outputs: Path, env: dict[str, str]) -> None:
    done = run_push(outputs, env, "--repo", "lab/x")
    assert (done.returncode, "the token may not write to lab/x-image" in done.stderr) == (1, True)
    hub.role = "read"
    done = run_push(outputs, env)
    assert (done.returncode, "the token may only read" in done.stderr) == (2, True)
    assert not hub.repos


@pytest.mark.parametrize(
    "fault",
    [
        Fault("batch", status=403, message="Private repository storage limit reached"),
        Fault("commit", status=413, message="too large"),
        Fault("create", status=402, message="Payment required"),
    ],
    ids=["batch", "commit", "create"],
)
def test_no_room(fault: Fault, hub: Hub, outputs: Path, env: dict[str, str]) -> None:
    hub.faults = [fault]
    done = run_push(outputs, env)
    assert done.returncode == 1
    assert f"the Hub has no room for ada/x-image ({fault.message})" in done.stderr
    assert not any("README.md" in repo.head.files for repo in hub.repos.values())


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_a_push_that_was_stopped_goes_on(
    sign: signal.Signals, hub: Hub, outputs: Path, env: dict[str, str]
) -> None:
    with subprocess.Popen(
        command(outputs), env=env, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        stop = Fault("put", 4, cut=400_000, call=lambda: os.kill(first.pid, sign))
        hub.faults = [stop]
        _, told = first.communicate(timeout=60)
    assert first.returncode == (130 if sign == signal.SIGINT else -sign), told
    assert ("interrupted; the same `mcu push r` goes on" in told) == (sign == signal.SIGINT)
    before = set(hub.stored)
    assert before and len(before) < 4
    hub.faults = []
    done = run_push(outputs, env)
    assert done.returncode == 0, done.stderr
    _arrived(hub, outputs)
