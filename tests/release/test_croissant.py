"""Croissant metadata as mlcroissant reads them, and the files through them."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import mcu
from mcu.derive import Task
from mcu.items import SPLITS, Item, ItemSource, Provenance
from mcu.records import Row
from mcu.release.cards import write_item_card
from mcu.release.croissant import licence_url
from mcu.release.items import ItemSet
from mcu.run import Run

# What NeurIPS asks for since 2026, and what the RAI vocabulary has for a synthetic set.
RESPONSIBLE = (
    "rai:dataLimitations",
    "rai:dataBiases",
    "rai:personalSensitiveInformation",
    "rai:dataUseCases",
    "rai:dataSocialImpact",
    "rai:hasSyntheticData",
    "prov:wasDerivedFrom",
    "prov:wasGeneratedBy",
    "rai:dataCollection",
    "rai:dataPreprocessingProtocol",
    "rai:machineAnnotationTools",
)
SETS = ("stark-dialogue", "stark-image", "stark-face-image", "stark-riddle")
pytestmark = pytest.mark.filterwarnings("ignore")  # mlcroissant's own, from its first import on


class Option(Row):
    label: str
    text: str
    spans: tuple[int, ...] = (1, 2)


class Riddle(Item):
    question: str
    options: list[Option]
    best: Option | None = None
    names: tuple[str, ...] = ("이거", "저거")


def riddles() -> Iterator[Riddle]:
    for number, split in enumerate(("train", "train", "test")):
        yield Riddle(
            item_id=f"id-{number}",
            task="riddle",
            task_version=1,
            language="ko",
            split=split,
            split_group="g",
            source=ItemSource(unique_id="0:a-goal", sessions=[1, 2]),
            provenance=Provenance(seed=5),
            question="어느 것?",
            options=[Option(label="A", text="컵"), Option(label="B", text="책")],
        )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = mcu.make_run(
        tmp_path_factory.mktemp("runs") / "r",
        run={"episodes": 15, "seed": 10},
        release={"validation": 0.3, "test": 0.3},
    )
    made.execute()
    task = Task("riddle", "stark-riddle", 1, "Riddles.", Riddle, lambda _: riddles())
    folder = made.root / ".stark-riddle.tmp"
    with ItemSet(folder, task) as files:
        for item in riddles():
            files.add(item)
        counts = files.close()
    write_item_card(made, folder, task, counts, Counter({"too easy": 4}))
    folder.rename(made.root / "release" / "stark-riddle")
    return made


@pytest.fixture
def read(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Opens a set with mlcroissant, which unpacks tars into a folder of this test."""
    import mlcroissant

    extract = import_module("mlcroissant._src.operation_graph.operations.extract")
    monkeypatch.setattr(extract, "EXTRACT_PATH", type(extract.EXTRACT_PATH)(tmp_path))
    return lambda name: mlcroissant.Dataset(jsonld=run.root / "release" / name / "croissant.json")


def metadata(run: Run, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (run.root / "release" / name / "croissant.json").read_bytes()
    )
    return found


@pytest.mark.parametrize("name", SETS)
def test_mlcroissant_has_no_complaint(read: Any, name: str) -> None:
    told = read(name).metadata
    assert not told.ctx.issues.errors
    [warning] = told.ctx.issues.warnings
    assert "datePublished" in warning, "who publishes knows the day, a run does not"
    assert told.ctx.conforms_to.value == "http://mlcommons.org/croissant/1.1"


@pytest.mark.parametrize("name", SETS)
def test_context_is_the_specification_s(run: Run, read: Any, name: str) -> None:
    rdf = import_module("mlcroissant._src.core.rdf")
    official = rdf.make_context(read(name).metadata.ctx)
    context = metadata(run, name)["@context"]
    assert {key: context.get(key) for key in official} == official


def test_rows_of_dialogues_are_read(run: Run, read: Any) -> None:
    for split, file in (("train", "stark"), ("test", "stark-test")):
        rows = pq.read_table(run.root / f"release/stark-dialogue/{file}.parquet").to_pylist()
        found = list(read("stark-dialogue").records(split))
        assert len(found) == len(rows)
        got, row = found[0], rows[0]
        assert set(got) == {f"{split}/{column.replace(':', '.')}" for column in row}
        for column, value in row.items():
            read_back = got[f"{split}/{column.replace(':', '.')}"]
            assert (read_back.decode() if isinstance(value, str) else read_back) == value


@pytest.mark.parametrize("name", ["stark-image", "stark-face-image"])
def test_pictures_are_read_from_the_tars(read: Any, name: str) -> None:
    data = read(name)
    pictures = list(islice(data.records("train-pictures"), 3))
    told = {r["train-records/key"]: r["train-records/json"] for r in data.records("train-records")}
    for picture in pictures:
        key = picture["train-pictures/key"]
        assert picture["train-pictures/jpg"].format == "JPEG"
        assert json.loads(told[key])["index"] == key.decode()


def test_nested_items_are_read(read: Any) -> None:
    data = read("stark-riddle")
    first, second = data.records("train")
    assert first["train/item_id"] == b"id-0"
    assert second["train/source"]["train/source/sessions"] == [1, 2]
    assert first["train/provenance"]["train/provenance/seed"] == 5
    assert [o["train/options/text"].decode() for o in first["train/options"]] == ["컵", "책"]
    assert [name.decode() for name in first["train/names"]] == ["이거", "저거"]
    assert [r["splits/name"] for r in data.records("splits")] == ["train", "test"]


@pytest.mark.parametrize("name", SETS)
def test_files_are_those_on_disk(run: Run, name: str) -> None:
    told = metadata(run, name)
    objects = [n for n in told["distribution"] if n["@type"] == "cr:FileObject"]
    folder = run.root / "release" / name
    assert {n["contentUrl"] for n in objects} == {
        p.name for p in folder.iterdir() if p.suffix in (".tar", ".parquet")
    }
    for node in objects:
        data = (folder / node["contentUrl"]).read_bytes()
        assert node["sha256"] == sha256(data).hexdigest()
        assert node["contentSize"] == f"{len(data)} B"


@pytest.mark.parametrize("name", SETS)
def test_what_responsible_use_needs_is_told(run: Run, name: str) -> None:
    told = metadata(run, name)
    assert all(told[key] for key in RESPONSIBLE)
    assert told["rai:hasSyntheticData"] is True
    assert "http://mlcommons.org/croissant/RAI/1.0" in told["conformsTo"]
    card = (run.root / "release" / name / "README.md").read_text(encoding="utf-8")
    plain = " ".join(card.replace("`", "").replace("**", "").split())
    for key in RESPONSIBLE[:4]:
        assert all(line.removeprefix("Not made for: ") in plain for line in told[key])
    assert len(told["prov:wasGeneratedBy"]) == 8
    assert told["license"] == "https://creativecommons.org/licenses/by/4.0/"


def test_card_of_items(run: Run, tmp_path: Path) -> None:
    from datasets import load_dataset
    from huggingface_hub import DatasetCard

    folder = run.root / "release" / "stark-riddle"
    card = DatasetCard.load(folder / "README.md")
    assert card.data.to_dict()["language"] == ["ko"]
    assert card.data.to_dict()["pretty_name"] == "Stark riddle"
    assert "| too easy | 4 |" in card.content
    assert "| ko | 2 | 1 |" in card.content
    assert "`stark-dialogue`, `stark-image` and `stark-face-image`" in card.content
    data = load_dataset(str(folder), cache_dir=str(tmp_path))
    assert data.num_rows == {"train": 2, "test": 1}
    assert data["test"][0]["options"][1]["text"] == "책"


def test_splits_without_rows_are_not_named(run: Run, tmp_path: Path) -> None:
    told = metadata(run, "stark-riddle")
    names = [node["name"] for node in told["recordSet"]]
    assert names == ["splits", "train", "test"]
    assert [n["splits/name"] for n in told["recordSet"][0]["data"]] == ["train", "test"]
    dialogue = metadata(run, "stark-dialogue")
    assert [node["name"] for node in dialogue["recordSet"]] == ["splits", *SPLITS]


def test_a_changed_file_is_noticed(run: Run, tmp_path: Path) -> None:
    import mlcroissant

    shutil.copytree(run.root / "release/stark-riddle", tmp_path / "s")
    with (tmp_path / "s/train.parquet").open("ab") as file:
        file.write(b"x")
    data = mlcroissant.Dataset(jsonld=tmp_path / "s/croissant.json")
    with pytest.raises(Exception, match=r"Download\(train.parquet\)") as error:
        list(data.records("train"))
    assert "Hash of downloaded file" in str(error.value.__cause__)


@pytest.mark.parametrize(
    ("licence", "url"),
    [
        ("cc-by-nc-sa-4.0", "https://creativecommons.org/licenses/by-nc-sa/4.0/"),
        ("cc0-1.0", "https://creativecommons.org/publicdomain/zero/1.0/"),
        ("apache-2.0", "apache-2.0"),
    ],
)
def test_licences_are_addresses_where_known(licence: str, url: str) -> None:
    assert licence_url(licence) == url
