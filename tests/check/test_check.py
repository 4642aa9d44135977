"""`mcu check` as a whole: a good release passes, reports are stable, verdicts see changes."""

import json
import os
from html.parser import HTMLParser
from pathlib import Path

import pytest

from helpers import mcu
from mcu.check import check, verdict
from mcu.check.files import Files, Torn
from mcu.errors import ConfigError
from mcu.run import Run
from spoiled import copied, rows, tar, write_rows

GATES = {
    "integrity",
    "splits",
    "time",
    "safety",
    "people",
    "pii",
    "contradictions",
    "duplicates",
    "diversity",
}


@pytest.fixture(scope="module")
def checked(released: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = copied(released, tmp_path_factory.mktemp("checked") / "r")
    check(run)
    return run


def told(run: Run) -> dict[str, object]:
    found = json.loads((run.root / "release/checks/report.json").read_bytes())
    assert isinstance(found, dict)
    return found


def test_a_good_release_passes_every_gate(checked: Run) -> None:
    report = told(checked)
    gates = report["gates"]
    assert isinstance(gates, list)
    assert {one["gate"] for one in gates} == GATES
    assert [one for one in gates if not one["passed"]] == []
    assert report["state"] == "passed"
    assert verdict(checked).state == "passed"


def test_the_figures_are_those_of_the_records(checked: Run) -> None:
    from mcu.records import Events, Persona, Session

    figures = told(checked)["figures"]
    assert isinstance(figures, dict)
    shape, sessions = figures["shape"], list(checked.records(Session))
    episodes = len(list(checked.records(Events)))
    assert sum(figures["sets"]["episodes"].values()) == episodes
    assert sum(figures["sets"]["personas"].values()) == len(list(checked.records(Persona)))
    turns = sum(len(session.turns) for session in sessions) / len(sessions)
    assert shape["means"]["turns a session"]["value"] == pytest.approx(turns, rel=1e-5)
    assert shape["means"]["sessions an episode"]["value"] == len(sessions) / episodes
    shared = [turn.image for session in sessions for turn in session.turns if turn.image]
    sources = shape["shares"]["where shared pictures come from"]["run"]
    assert sources["mobile"] == sum(image.source == "mobile" for image in shared)
    assert sum(sources.values()) == len(shared)
    stages = {row["stage"]: row for row in figures["yield"]}
    assert stages["dialogue"]["records"] == len(sessions)


def test_the_same_release_gives_the_same_bytes(checked: Run, released: Run, tmp_path: Path) -> None:
    other = copied(released, tmp_path / "r")
    check(other)
    for name in ("report.json", "report.html"):
        path = f"release/checks/{name}"
        assert (checked.root / path).read_bytes() == (other.root / path).read_bytes()


def test_a_sample_opens_fewer_pictures_and_hashes_all(released: Run, tmp_path: Path) -> None:
    run = copied(released, tmp_path / "r")
    figures = check(run, sample=20).figures["sets"]["stark-image"]
    assert 0 < figures["opened"] < 60 < figures["hashed"] == figures["samples"]


def test_progress_ends_with_everything(released: Run, tmp_path: Path) -> None:
    last: dict[str, tuple[int, int]] = {}
    check(copied(released, tmp_path / "r"), tell=lambda what, n, of: last.update({what: (n, of)}))
    assert last.keys() == {"episodes", "pictures"}
    assert all(done == total > 0 for done, total in last.values())


def test_a_run_that_was_never_checked_has_no_verdict(released: Run) -> None:
    assert verdict(released).state == "missing"


def test_a_changed_file_makes_the_verdict_stale(checked: Run, tmp_path: Path) -> None:
    run = copied(checked, tmp_path / "r")
    assert verdict(run).state == "passed", "a copy is hashed and found to be the same"
    path = tar(run, "stark-image", "train")
    data = path.read_bytes()
    path.write_bytes(data[:-1] + b"\1")
    assert verdict(run).state == "stale", "one byte of a file of the same size"
    path.write_bytes(data)
    assert verdict(run).state == "passed"
    (run.root / "release/stark-dialogue/more.txt").write_text("x")
    assert verdict(run).state == "stale"


def test_a_release_made_anew_is_stale(checked: Run, tmp_path: Path) -> None:
    run = copied(checked, tmp_path / "r")
    mark = run.root / "release.done.json"
    mark.write_text(json.dumps(json.loads(mark.read_bytes()) | {"fingerprint": "other"}))
    assert verdict(run).state == "stale"
    with pytest.raises(ConfigError, match="mcu resume r"):
        check(run)


def test_the_page_stands_alone_and_is_well_formed(checked: Run) -> None:
    page = (checked.root / "release/checks/report.html").read_text(encoding="utf-8")
    assert "{{" not in page
    assert "src=" not in page and "href=" not in page and "<script" not in page
    open_: list[str] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag not in ("meta", "rect"):
                open_.append(tag)

        def handle_endtag(self, tag: str) -> None:
            if tag != "rect":
                assert open_.pop() == tag

    Tags().feed(page)
    assert open_ == []


def test_the_command_prints_gates_and_ends_with_3_when_one_shuts(
    released: Run, tmp_path: Path
) -> None:
    run = copied(released, tmp_path / "outputs" / "r")
    good = mcu("check", "r", cwd=tmp_path)
    assert good.returncode == 0, good.stderr
    assert "integrity" in good.stdout and "shut" not in good.stdout
    changed = rows(run)
    changed[0]["narrative"] += " Write to me at kim.lee@mail.kr!"
    write_rows(run, changed)
    bad = mcu("check", "r", "--json", "--sample", "5", cwd=tmp_path)
    assert bad.returncode == 3
    assert "gates are shut: pii" in bad.stderr
    report = json.loads(bad.stdout)
    assert report["failed"] == ["pii"]
    assert verdict(run).failed == ("pii",)
    missing = mcu("check", "nobody", cwd=tmp_path)
    assert missing.returncode == 2


def test_tars_are_read_as_tarfile_reads_them(released: Run) -> None:
    from spoiled import samples

    path = tar(released, "stark-image", "train")
    found = dict(Files(released.root / "release").samples(path))
    assert found == samples(path)


@pytest.mark.parametrize("cut", [100, 512, 700, -1024, -700])
def test_a_torn_tar_is_told(released: Run, tmp_path: Path, cut: int) -> None:
    data = tar(released, "stark-image", "train").read_bytes()
    end = len(data.rstrip(b"\0")) // 512 * 512 + 512 if cut < 0 else 0
    (tmp_path / "x.tar").write_bytes(data[:end] if cut == -1024 else data[: end + cut])
    with pytest.raises(Torn):
        list(Files(tmp_path).samples(tmp_path / "x.tar"))


def test_a_folder_of_an_upload_is_no_file_of_the_release(checked: Run, tmp_path: Path) -> None:
    run = copied(checked, tmp_path / "r")
    cache = run.root / "release/stark-image/.cache/huggingface"
    cache.mkdir(parents=True)
    (cache / "x.lock").touch()
    assert verdict(run).state == "passed"
    assert os.listdir(cache) == ["x.lock"]
