"""The bar of the identity check: from distances, from a folder of people, from a run."""

import json
import random
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from typer.testing import CliRunner

from mcu import pictures
from mcu.backends.dlib import DlibFaces
from mcu.calibrate import bar_passing, equal_error, of_folder, of_run, report
from mcu.cli import app
from mcu.config import Config
from mcu.errors import ConfigError
from mcu.records import (
    Candidate,
    Commonsense,
    Events,
    Face,
    Narrative,
    Persona,
    Picture,
    Place,
    Plan,
    Record,
)
from mcu.run import Run
from mcu.stages import STAGES
from mcu.store import Unit

FOLDER = Path(__file__).parent / "data" / "faces"
DISTANCES = st.lists(st.floats(0, 2), min_size=1, max_size=40)


def shares(genuine: list[float], impostor: list[float], bar: float) -> tuple[float, float]:
    refused = sum(one > bar for one in genuine) / len(genuine)
    return refused, sum(one <= bar for one in impostor) / len(impostor)


@given(DISTANCES, DISTANCES)
def test_no_bar_has_errors_that_are_nearer(genuine: list[float], impostor: list[float]) -> None:
    bar, rate = equal_error(genuine, impostor)
    refused, passing = shares(genuine, impostor, bar)
    assert rate == pytest.approx((refused + passing) / 2)
    for other in {*genuine, *impostor}:
        one, two = shares(genuine, impostor, other)
        assert abs(refused - passing) <= abs(one - two) + 1e-12


@given(DISTANCES, DISTANCES)
def test_the_bar_lies_among_the_distances(genuine: list[float], impostor: list[float]) -> None:
    bar, rate = equal_error(genuine, impostor)
    assert min(genuine + impostor) <= bar <= max(genuine + impostor)
    assert 0 <= rate <= 1


@given(DISTANCES, DISTANCES, st.randoms())
def test_order_and_copies_change_nothing(
    genuine: list[float], impostor: list[float], rng: random.Random
) -> None:
    expected = equal_error(genuine, impostor)
    twice, shuffled = genuine * 2, impostor * 2
    rng.shuffle(twice)
    rng.shuffle(shuffled)
    assert equal_error(twice, shuffled) == pytest.approx(expected)


@given(DISTANCES, DISTANCES, st.sampled_from([0.25, 0.5, 2.0, 8.0]))
def test_the_bar_has_the_unit_of_the_distances(
    genuine: list[float], impostor: list[float], unit: float
) -> None:
    # Numbers so small that the unit turns them into others are not the same distances any more.
    assume(all(unit * one / unit == one for one in (*genuine, *impostor)))
    bar, rate = equal_error(genuine, impostor)
    scaled = equal_error([unit * one for one in genuine], [unit * one for one in impostor])
    assert scaled == pytest.approx((unit * bar, rate), abs=1e-12)


@given(DISTANCES, DISTANCES, st.floats(0.1, 1))
def test_people_that_are_apart_are_told_apart(
    genuine: list[float], impostor: list[float], gap: float
) -> None:
    far = [one + 2 + gap for one in impostor]
    bar, rate = equal_error(genuine, far)
    assert rate == 0
    assert bar == pytest.approx((max(genuine) + min(far)) / 2)


def test_equal_errors_by_hand() -> None:
    assert equal_error([0.1, 0.2, 0.3, 0.6], [0.5, 0.7, 0.8, 0.9]) == (0.55, 0.25)
    assert equal_error([0.5], [0.5]) == (0.5, 0.5)
    for genuine, impostor in (([], [1.0]), ([1.0], []), ([float("nan")], [1.0])):
        with pytest.raises(ValueError, match="finite distances of both kinds"):
            equal_error(genuine, impostor)


@given(DISTANCES, st.floats(0, 1))
def test_the_highest_bar_for_a_share(impostor: list[float], share: float) -> None:
    bar = bar_passing(impostor, share)
    refused = [one for one in impostor if one > bar]
    if bar:
        assert (len(impostor) - len(refused)) / len(impostor) <= share + 1e-9
    if refused:
        assert sum(one <= min(refused) for one in impostor) > share * len(impostor)


@pytest.fixture(scope="module")
def check() -> DlibFaces:
    return DlibFaces()


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Three people, one of them in a folder within, with a scene and a torn file."""
    folder = tmp_path / "people"
    shutil.copytree(FOLDER, folder)
    (folder / "c" / "more").mkdir()
    ImageOps.mirror(Image.open(folder / "c" / "1.jpg")).save(folder / "c" / "more" / "2.PNG")
    Image.new("RGB", (300, 300), "teal").save(folder / "b" / "wall.jpg")
    (folder / "b" / "torn.jpg").write_bytes((folder / "b" / "1.jpg").read_bytes()[:99])
    return folder


def test_pairs_of_a_folder(people: Path, check: DlibFaces) -> None:
    told: list[tuple[int, int]] = []
    pairs = of_folder(people, check, lambda done, total: told.append((done, total)))
    assert (len(pairs.genuine), len(pairs.impostor)) == (10 + 1, 5 * 1 + 5 * 2 + 1 * 2)
    assert (pairs.people, pairs.pictures) == (3, 10)
    assert pairs.faceless == ("b/torn.jpg", "b/wall.jpg")
    assert told == [(number, 10) for number in range(10)]
    assert pairs.genuine.max() < 0.5 < 0.7 < pairs.impostor.min()
    facts = report(pairs)
    assert facts["equal_error_rate"] == 0 and 0.5 < facts["bar"] < 0.7
    assert facts["bars"][0]["wrong_passing"] == facts["bars"][0]["right_refused"] == 0
    for kind in ("genuine", "impostor"):
        quantiles = list(facts[kind]["quantiles"].values())
        assert all(one <= two for one, two in pairwise(quantiles))


def test_folders_without_pairs(tmp_path: Path, check: DlibFaces) -> None:
    with pytest.raises(ConfigError, match="is not a folder"):
        of_folder(tmp_path / "none", check, lambda *_: None)
    with pytest.raises(ConfigError, match=r"0 pictures.* gave 0 pairs of one .* 0 of two"):
        of_folder(tmp_path, check, lambda *_: None)
    shutil.copytree(FOLDER / "b", tmp_path / "b")
    with pytest.raises(ConfigError, match=r"1 pictures, 0 of them"):
        of_folder(tmp_path, check, lambda *_: None)


def write(run: Run, kind: type[Record], rows: list[Record]) -> None:
    """A unit that is done, with these rows."""
    unit = Unit(next(stage for stage in STAGES if stage.makes is kind), 0)
    data = b"".join(row.model_dump_json().encode() + b"\n" for row in rows)
    run.store.write(run.store.rows_path(unit), data)
    run.store.write_mark(unit, {"bytes": len(data)})


def jpeg(run: Run, image: Image.Image) -> str:
    return run.store.add_image(pictures.encode(image))


def family(run: Run, name: str) -> dict[type[Record], Record]:
    """A persona with a portrait and an episode, whose picture was drawn twice."""
    person = Persona(
        category="c",
        entity_key="k",
        entity_value="v",
        sentence="s",
        name=name,
        age=40,
        gender="male",
        birthplace="x",
        residence="y",
    )
    portrait = Image.open(FOLDER / name / "1.jpg")
    taken = jpeg(run, ImageOps.mirror(portrait))
    other = jpeg(run, Image.open(FOLDER / "a" / "2.jpg") if name == "a" else portrait.rotate(5))
    inferred = Commonsense(parent=person.id, relation="goal", inference="i")
    story = Narrative(parent=inferred.id, text="t")
    events = Events(parent=story.id, events=[])
    face = Face(
        parent=person.id, name=name, description="d", look={}, key=name, image=jpeg(run, portrait)
    )
    picture = Picture(
        parent=events.id,
        slot="1",
        description="d",
        album=1,
        places=[Place(session=1, turn=1)],
        plan=Plan(route="p-t2i", prompt="a man img"),
        key="k",
        image=taken,
        route="p-t2i",
        source="p-t2i",
        candidates=[
            Candidate(source="p-t2i", image=other, reason="not like enough"),
            Candidate(source="p-t2i", reason="unsafe"),
            Candidate(source="p-t2i", image=taken),
            Candidate(source="t2i", image=jpeg(run, Image.new("RGB", (64, 64)))),
        ],
    )
    rows = (person, face, inferred, story, events, picture)
    return {type(row): row for row in rows}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = Run.create(tmp_path / "outputs" / "made", Config())
    families = [family(made, name) for name in ("a", "b", "c")]
    for kind in families[0]:
        write(made, kind, [one[kind] for one in families])
    return made


def test_pairs_of_a_run(run: Run, check: DlibFaces) -> None:
    pairs = of_run(run, check, 100, lambda *_: None)
    assert (len(pairs.genuine), len(pairs.impostor)) == (6, 12)
    assert (pairs.people, pairs.pictures, pairs.faceless) == (3, 9, ())
    assert pairs.genuine.max() < 0.45 < 0.7 < pairs.impostor.min()


def test_a_run_is_sampled_evenly(run: Run, check: DlibFaces) -> None:
    pairs = of_run(run, check, 3, lambda *_: None)
    assert (len(pairs.genuine), len(pairs.impostor), pairs.pictures) == (3, 6, 6)


def test_the_command_tells_and_writes(people: Path, tmp_path: Path) -> None:
    toml = tmp_path / "mcu.toml"
    toml.write_text("[run]\nseed = 4  # mine\n")
    done = CliRunner().invoke(
        app, ["calibrate", "faces", str(people), "--json", "--write", str(toml)]
    )
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert (facts["genuine"]["pairs"], facts["impostor"]["pairs"]) == (11, 17)
    assert toml.read_text() == (
        f"[run]\nseed = 4  # mine\n\n[checks]\nidentity_bar = {facts['bar']:g}\n"
    )
    assert "fewer than 100 pairs" in done.stderr
    assert "set checks.identity_bar" in done.stderr


def test_the_command_reads_a_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcu.cli.counting._QUIET", 0.0)
    monkeypatch.setattr("mcu.cli.counting._LINE_EVERY", 0.0)
    outputs = str(run.root.parent)
    done = CliRunner().invoke(
        app, ["calibrate", "faces", "--run", "made", "--outputs", outputs, "--passing", "0"]
    )
    assert done.exit_code == 0, done.output
    assert "3 people, 9 pictures, 0 without a face" in done.stdout
    assert "equal-error rate 0.00%" in done.stdout
    assert "mcu: 8 of 9 pictures" in done.stderr


@pytest.mark.parametrize("arguments", [[], ["folder", "--run", "made"]])
def test_the_command_takes_one_of_two(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, ["calibrate", "faces", *arguments])
    assert isinstance(done.exception, ConfigError)
