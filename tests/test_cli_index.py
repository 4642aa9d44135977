"""`mcu index`: build, stats, list and search as a user types them; errors in one sentence."""

import json
from pathlib import Path

import pytest
from picture_files import write_folder

from helpers import mcu


@pytest.fixture
def work(tmp_path: Path) -> Path:
    write_folder(tmp_path / "pics", 30)
    (tmp_path / "pics" / "bad.jpg").write_bytes(b"bad")
    (tmp_path / "pics" / "bad.txt").write_text("a bad one")
    return tmp_path


def test_build_stats_list_and_search(work: Path) -> None:
    build = ("index", "build", "mine", "pics", "--shard-size", "10")
    half = mcu(*build, "--shards", "0-1", cwd=work)
    assert (half.returncode, half.stdout) == (0, "2 of 4 shards are embedded\n"), half.stderr
    early = mcu(*build, "--finish", cwd=work)
    assert early.returncode == 2 and "2 of 4 shards are not embedded yet: 2, 3" in early.stderr
    unfinished = mcu("index", "stats", "mine", cwd=work)
    assert "2 of 4 shards, 19 pictures" in unfinished.stdout
    assert "not finished" in unfinished.stdout
    whole = mcu(*build, "--json", cwd=work)
    facts = json.loads(whole.stdout)
    assert (facts["folder"], facts["count"], facts["rejected"]) == ("indexes/mine", 30, 1)
    stats = json.loads(mcu("index", "stats", "mine", "--json", cwd=work).stdout)
    assert stats["finished"] and stats["rejects"] == {"bad_image": 1}
    listed = json.loads(mcu("index", "list", "--json", cwd=work).stdout)
    assert [one["name"] for one in listed] == ["starter", "mine"]
    found = mcu("index", "search", "squares number 7", "--name", "mine", "-k", "1", cwd=work)
    assert found.stdout.startswith("1.000  squares number 7  (p007.jpg"), found.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("starter", "pics"), "cannot be called 'starter'"),
        (("../x", "pics"), "cannot be called"),
        (("x", "nothing"), "there is no source 'nothing'"),
        (("x", "pics", "--shards", "9-1"), "--shards '9-1' must be like 0-99"),
        (("x", "pics", "--shards", "0", "--finish"), "give one of them"),
        (("x", "pics", "--memory", "much"), "--memory 'much' must be like 4GB"),
        (("x", "pics", "--latency", "0"), "--latency '0' must be like 10ms"),
    ],
)
def test_errors_are_one_sentence(work: Path, arguments: tuple[str, ...], message: str) -> None:
    done = mcu("index", "build", *arguments, cwd=work)
    assert done.returncode == 2
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert not (work / "indexes").exists() or not list((work / "indexes").glob("*/meta.json"))


def test_an_unknown_index(work: Path) -> None:
    for command in (("search", "x", "--name", "nothing"), ("stats", "nothing")):
        done = mcu("index", *command, cwd=work)
        assert done.returncode == 2 and "nothing" in done.stderr
