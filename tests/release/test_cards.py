"""Cards as their readers see them: the Hub, `datasets`, and people who copy the code in them."""

import json
import re
import runpy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets.info import DatasetInfosDict
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCard

import mcu
from mcu.derive import Task
from mcu.image_section import RouteSection
from mcu.items import SPLITS
from mcu.release import build
from mcu.release.cards import text as text_of
from mcu.release.cards import write_cards
from mcu.release.images import ImageSet
from mcu.run import Run
from mcu.stages.derive import TASKS

SETS = ("stark-dialogue", "stark-image", "stark-face-image")
Card = Callable[..., str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = mcu.make_run(
        tmp_path_factory.mktemp("runs") / "r",
        run={"episodes": 15, "seed": 10},
        release={"validation": 0.3, "test": 0.3},
    )
    made.execute()
    return made


@pytest.fixture
def card(run: Run, tmp_path: Path) -> Card:
    """A card of the run as it would be with other settings or counts."""

    def write(name: str = "stark-dialogue", counts: Any = None, **sections: Any) -> str:
        folder = tmp_path / "release"
        shutil.copytree(run.root / "release", folder, dirs_exist_ok=True)
        config = run.config
        for section, values in sections.items():
            changed = getattr(config, section).model_copy(update=values)
            config = config.model_copy(update={section: changed})
        told = json.loads((run.root / "release.done.json").read_bytes())
        told.pop("fingerprint")
        write_cards(Run(run.root, config), folder, told | (counts or {}))
        return (folder / name / "README.md").read_text(encoding="utf-8")

    return write


def load(run: Run, name: str, cache: Path) -> Any:
    folder = str(run.root / "release" / name)
    return datasets.load_dataset(folder, cache_dir=str(cache))


@pytest.mark.parametrize("name", SETS)
def test_metadata_are_those_of_the_data(run: Run, name: str, tmp_path: Path) -> None:
    folder = run.root / "release" / name
    data = DatasetCard.load(folder / "README.md").data
    found = load(run, name, tmp_path / "cache")
    shutil.copytree(folder, tmp_path / name, ignore=lambda *_: ["README.md"])
    if name != "stark-dialogue":
        files = {s: str(tmp_path / name / f"stark-{s}-*.tar") for s in found}
    else:
        ends = {"train": "stark", "validation": "stark-validation", "test": "stark-test"}
        files = {s: str(tmp_path / name / f"{ends[s]}.parquet") for s in found}
    kind = "parquet" if name == "stark-dialogue" else "webdataset"
    bare = datasets.load_dataset(kind, data_files=files, cache_dir=str(tmp_path / "other"))

    [info] = DatasetInfosDict.from_dataset_card_data(data).values()
    assert info.features == bare["train"].features, "the card says what is there"
    assert {s: n.num_examples for s, n in info.splits.items()} == bare.num_rows
    assert list(info.splits) == [s for s in SPLITS if s in bare]
    assert list(MetadataConfigs.from_dataset_card_data(data)) == ["default"]
    sizes = [p.stat().st_size for p in folder.iterdir() if p.suffix in (".tar", ".parquet")]
    assert info.download_size == sum(sizes)
    assert info.dataset_size == sum(split.num_bytes for split in info.splits.values())


def test_metadata_for_the_hub(run: Run) -> None:
    data = DatasetCard.load(run.root / "release/stark-dialogue/README.md").data.to_dict()
    assert data["license"] == "cc-by-4.0"
    assert data["language"] == ["en"]
    assert data["size_categories"] == ["n<1K"]
    assert "synthetic" in data["tags"]
    assert data["task_categories"] == ["text-generation", "image-text-to-text"]
    assert data["annotations_creators"] == ["machine-generated"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of webdataset
@pytest.mark.parametrize("name", SETS)
def test_the_code_in_a_card_runs(
    run: Run,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(run.root / "release")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path))
    text = (run.root / "release" / name / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    assert len(blocks) == (4 if name == "stark-dialogue" else 2)
    for block in blocks:
        (tmp_path / "card.py").write_text(block, encoding="utf-8")
        runpy.run_path(str(tmp_path / "card.py"))
        assert capsys.readouterr().out.strip()


def test_another_place_and_pace_give_the_same_cards(run: Run, tmp_path: Path) -> None:
    chat = run.config.chat.model_copy(update={"max_in_flight": 2, "base_url": "http://10.0.0.1"})
    other = Run(tmp_path / "elsewhere", run.config.model_copy(update={"chat": chat}))
    shutil.copytree(run.root, other.root, ignore=lambda *_: ["release", "release.done.json"])
    build(other)
    for name in SETS:
        for file in ("README.md", "croissant.json"):
            written = (run.root / "release" / name / file).read_bytes()
            assert written == (other.root / "release" / name / file).read_bytes()
            assert str(run.root.parent).encode() not in written


def test_links_without_pictures_have_a_card(run: Run, tmp_path: Path) -> None:
    links = ImageSet(tmp_path / "release" / "stark-image-url", None, 10)
    fields = {"image_source": "web", "image_url": "https://example.org/a.jpg", "index": "a"}
    links.add("a", "", fields, "train")
    write_cards(run, tmp_path / "release", {"stark-image-url": links.close()})
    folder = tmp_path / "release" / "stark-image-url"
    data = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"), split="train")
    assert data[0]["json"] == fields
    assert set(data.features) == {"json", "__key__", "__url__"}
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "may not be copied" in text
    assert "belongs with" not in text, "it is alone"
    told = json.loads((folder / "croissant.json").read_bytes())
    assert [node["name"] for node in told["recordSet"]] == ["splits", "train-records"]


@pytest.mark.parametrize("name", SETS)
def test_every_column_is_explained(run: Run, name: str) -> None:
    text = (run.root / "release" / name / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(.+?)` \| (?:.+? \| )?(.*) \|$", text, re.M)
    assert len(rows) >= 4
    assert [column for column, about in rows if not about.strip()] == []


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_every_column_of_a_task_is_explained(task: Task) -> None:
    table = text_of("columns.toml")
    told = {**table["item"], **table["tasks"], **table.get(task.name, {})}
    fields = task.makes.model_fields
    assert [n for n, f in fields.items() if not (told.get(n) or f.description)] == []


def test_splits_and_figures_are_told(run: Run, card: Card) -> None:
    text = card()
    rows = {
        split: int(number)
        for split, number in re.findall(r"^\| (train|validation|test) \| (\d+) \|", text, re.M)
    }
    table = load(run, "stark-dialogue", run.root / "cache")
    assert rows == table.num_rows
    assert set(rows) == set(SPLITS), "the seed puts people on all three sides"
    assert "Gender: " in text
    assert re.search(r"^\| train \| \d+ \| \d+ \| \d+ \| \d+\.\d \| \d\.\d \|$", text, re.M)
    image = card("stark-image")
    assert re.search(r"^Source: .*t2i [\d.]+ %", image, re.M)
    assert re.search(r"^Licence: .*CC0-1.0 [\d.]+ %", image, re.M)


def test_losses_are_told(run: Run, card: Card, tmp_path: Path) -> None:
    lost = {"left out for a lost face or dialogue": 7, "pictures kept off one side of the split": 9}
    text = card(counts=lost)
    assert "| left out for a lost face or dialogue | 7 |" in text
    assert "| pictures kept off one side of the split | 9 |" in text
    copied = Run(tmp_path / "copy", run.config)
    shutil.copytree(run.root, copied.root)
    path = copied.root / "s7_dialogue/00000.done.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"rejects": {"bad_json": 3}}))
    write_cards(copied, copied.root / "release", {"stark-dialogue": 1})
    told = (copied.root / "release/stark-dialogue/README.md").read_text(encoding="utf-8")
    assert re.search(r"^\| 7 dialogue \|.* bad_json: 3 \|$", told, re.M)


def test_offline_sets_are_said_to_be_no_training_data(card: Card) -> None:
    text = card()
    assert "not meant to train a model" in text
    assert "illustrations" in text
    assert "by captions" in text or "from captions" in text
    assert "lists of English words" in text
    assert "No human has read" in text
    assert "Research on" not in text


def test_a_hosted_run_says_other_things(card: Card) -> None:
    text = card(
        chat={"backend": "openai", "model": "gpt-6-sol", "language": "ko"},
        image={"backend": "diffusers"},
        checks={"faces": "dlib", "pictures": "nudenet", "safety": "off"},
        encoder={"backend": "open_clip"},
        run={"ages": (14, 90)},
        web={"backend": "openverse"},
    )
    assert "not meant to train a model" not in text
    assert "Research on" in text
    assert "gpt-6-sol" in text
    assert "may restrict what may be trained" in text
    assert "ByteDance/SDXL-Lightning" in text
    assert "Open RAIL++-M" in text
    assert "NudeNet" in text
    assert "AGPL-3.0" in text
    assert "Texts were not checked" in text
    assert "are minors" in text
    assert "openverse" in text
    assert "Narratives and dialogues are in Korean" in text
    assert DatasetCard(text).data["language"] == ["en", "ko"]


def test_forbidden_commercial_use_stands_out(card: Card) -> None:
    persona = RouteSection(route="ip-adapter-faceid")
    text = card(image={"backend": "diffusers", "persona": persona, "non_commercial": True})
    assert re.search(r"\*\*.+ may not be used commercially\*\*", text)


def test_paths_of_the_machine_stay_private(card: Card, tmp_path: Path) -> None:
    model = tmp_path / "models" / "Own-8B"
    text = card(
        chat={"backend": "openai", "model": str(model)},
        index={"names": ("starter", str(tmp_path / "indexes" / "mine"))},
        encoder={"backend": "open_clip", "pretrained": str(tmp_path / "weights.pt")},
    )
    assert "Own-8B" in text
    assert "mine" in text
    assert str(tmp_path) not in text
    croissant = (tmp_path / "release/stark-dialogue/croissant.json").read_text(encoding="utf-8")
    assert str(tmp_path) not in croissant
