"""Records out, and back by every reader that users have: each field is what it was."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from synthetic import World, pool, words, write_run

from mcu import __version__
from mcu.ids import sha256
from mcu.items import SPLITS
from mcu.records import Commonsense, Events, Face, Narrative, Persona, Picture, Session
from mcu.release import build
from mcu.release.rows import columns
from mcu.release.splits import split_of
from mcu.run import Run
from mcu.store import Store

ODD = (
    'She said "no", twice; then: \\"no\\".',
    "One line\nand another\r\nand a tab\there.",
    "김서연 떡볶이를 먹었다 — 日本語, عربى, Ελληνικά",
    "Emoji 👩‍🚀 🇰🇷 ❤️ and e\u0301, \u200b, \u2028, \ufeff",
    r"An escape that is a text: \ud83d \u0041 \n \\",
    "nul-like \x7f and a bell \x07; {json: [1, 2]}; 'quoted'; `tick`; $x; %s",
    "   spaces   ",
    "a,b\t\"c\"\n'd'",
)
NAMES = ("Zoë", "김서연", 'O\'Neill "Red"', "Ana 👩‍🚀 Lima", "Łukasz", "أحمد", "N\u00fa\u0301ria")
PICTURE = {
    "caption": "a caption",
    "page": "https://pictures.invalid/?q=é&x=1",
    "licence": "CC BY 4.0",
    "author": 'Ana "Ñ" Lima 🙂',
    "time": "2024-01-01T00:00:00Z",
}


def odd(rng: Random, number: int) -> str:
    return f"{rng.choice(ODD)} {words(rng, number)}"


def world(store: Store) -> World:
    def change(picture: Picture) -> dict[str, Any]:
        """One in three is a link, one in nine is lost."""
        number = int(picture.id[:4], 16)
        found = {"route": "web", "source": "openverse", **PICTURE}
        found |= {"url": f"https://pictures.invalid/{picture.id}.jpg", "copy_allowed": False}
        return found if number % 3 == 0 else {"verification": {}} if number % 7 == 0 else {}

    return World(pool(store, 300), odd, lambda rng: rng.choice(NAMES), (1, 6), change)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    half = {"validation": 0.2, "test": 0.2, "images_per_tar": 70}
    root = tmp_path_factory.mktemp("odd") / "r"
    made = write_run(root, world, run={"episodes": 40, "seed": 3}, release=half)
    assert build(made) == 40
    return made


def expected(run: Run) -> dict[str, dict[str, dict[str, Any]]]:
    """Rows by split and index, said once more from the records alone; lists as lists."""
    by_id: dict[str, Any] = {}
    for kind in (Persona, Commonsense, Narrative, Face):
        by_id |= {r.id if kind is not Face else f"face {r.parent}": r for r in run.records(kind)}
    rows: dict[str, dict[str, dict[str, Any]]] = {split: {} for split in SPLITS}
    sessions, pictures = list(run.records(Session)), list(run.records(Picture))
    for graph in run.records(Events):
        narrative: Narrative = by_id[graph.parent]
        inference: Commonsense = by_id[narrative.parent]
        person: Persona = by_id[inference.parent]
        face: Face = by_id[f"face {person.id}"]
        row: dict[str, Any] = {
            "index": f"3:{person.id}-{inference.relation}",
            "name": person.name,
            "age": str(person.age),
            "gender": person.gender,
            "birthplace": person.birthplace,
            "residence": person.residence,
            "human_face_description": face.description,
            "human_face_image_key": "face:" + face.key,
            "persona_category": person.category,
            "persona_sentence": person.sentence,
            "persona_entity_key": person.entity_key,
            "persona_entity_value": person.entity_value,
            "persona_commonsense_relation": inference.relation,
            "persona_commonsense_inference": inference.inference,
            "narrative": narrative.text,
            "split_group": person.id,
        }
        own = sorted((s for s in sessions if s.parent == graph.id), key=lambda s: s.number)
        row["number_of_session"] = len(own)
        theirs = [p for p in pictures if p.parent == graph.id]
        for session, event in zip(own, graph.events, strict=True):
            told = of_session(session, theirs) | {"caused_by": event.caused_by}
            row |= {f"session{session.number}:{name}": value for name, value in told.items()}
        rows[split_of(person.id, run.config.release)][row["index"]] = row
    return rows


def of_session(session: Session, pictures: list[Picture]) -> dict[str, Any]:
    shown: list[Picture | None] = []
    for number, _ in enumerate(session.turns, 1):
        here = [
            p for p in pictures for q in p.places if (q.session, q.turn) == (session.number, number)
        ]
        assert len(here) <= 1
        shown.append(here[0] if here else None)
    images = [turn.image for turn in session.turns]
    return {
        "date": session.date,
        "event": session.event,
        "experience": session.experience,
        "time_interval": str(session.interval or ""),
        "experience_op": session.op,
        "speakers": [turn.speaker for turn in session.turns],
        "utterances": [turn.utterance for turn in session.turns],
        "rationales": [i.rationale if i else "" for i in images],
        "image_descriptions": [i.description if i else "" for i in images],
        "image_sources": [i.source if i else "" for i in images],
        "keywords": [i.keywords if i else "" for i in images],
        "image_id_from_mobile": [str(i.album) if i and i.album else "" for i in images],
        "images_key": [key(p) for p in shown],
        "images_module_name": [p.route if p else "" for p in shown],
        "relevance_scores": [p.verification.get("relevance", "") if p else "" for p in shown],
        "device_images_key": [
            key(next(p for p in pictures if p.album == e.number)) for e in session.album
        ],
        "device_image_descriptions": [e.description for e in session.album],
        "device_image_categories": [e.category for e in session.album],
    }


def key(picture: Picture | None) -> str:
    return "" if picture is None else ("" if picture.copy_allowed else "url:") + picture.key


def by_datasets(folder: Path, cache: Path) -> dict[str, list[dict[str, Any]]]:
    from datasets import load_dataset

    found = load_dataset(str(folder), cache_dir=str(cache))
    return {split: found[split].to_list() for split in found}


FILES = {"train": "stark.parquet", "validation": "stark-validation.parquet"}
FILES["test"] = "stark-test.parquet"


def by_pandas(folder: Path, cache: Path) -> dict[str, list[dict[str, Any]]]:
    import pandas as pd

    return {s: pd.read_parquet(folder / file).to_dict("records") for s, file in FILES.items()}


def by_duckdb(folder: Path, cache: Path) -> dict[str, list[dict[str, Any]]]:
    import duckdb

    found = {}
    with duckdb.connect() as base:
        for split, file in FILES.items():
            told = base.execute("SELECT * FROM read_parquet(?)", [str(folder / file)])
            names = [column[0] for column in told.description or ()]
            found[split] = [dict(zip(names, row, strict=True)) for row in told.fetchall()]
    return found


@pytest.mark.parametrize("reader", [by_datasets, by_pandas, by_duckdb])
def test_every_field_is_that_of_the_records(reader: Any, run: Run, tmp_path: Path) -> None:
    told = expected(run)
    assert all(told.values()), "there is no split without rows"
    found = reader(run.root / "release" / "stark-dialogue", tmp_path)
    assert set(found) == set(told)
    for split, rows in found.items():
        assert {row["index"] for row in rows} == set(told[split])
        for row in rows:
            assert list(row) == columns()
            check(row, told[split][row["index"]])


def check(row: dict[str, Any], told: dict[str, Any]) -> None:
    for column, value in row.items():
        if column == "provenance":
            assert json.loads(value)["mcu"] == __version__
        elif isinstance(told.get(column), list):
            assert json.loads(value) == told[column], column
        else:
            assert value == told.get(column, ""), column


def samples(run: Run, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each sample of a set with its split, as webdataset reads it."""
    from webdataset.tariterators import group_by_keys, tar_file_expander

    folder = run.root / "release" / name
    for split in SPLITS:
        for path in sorted(folder.glob(f"stark-{split}-*.tar")):
            with path.open("rb") as file:  # which webdataset itself would leave open
                for sample in group_by_keys(tar_file_expander([{"url": path, "stream": file}])):
                    yield split, sample


def test_webdataset_finds_every_picture_once(run: Run) -> None:
    settings = run.config.release
    people = {p.id: p for p in run.records(Persona)}
    faces = {f.key: f for f in run.records(Face)}
    pictures = {p.key: p for p in run.records(Picture)}
    seen = set()
    for split, sample in samples(run, "stark-face-image"):
        face, told = faces.pop(sample["__key__"]), json.loads(sample["json"])
        assert split == split_of(people[face.parent].id, settings)
        assert sha256(sample["jpg"]) == face.image
        assert told == {
            "face_description": face.description,
            "image_source": "t2i",
            "image_url": "",
            "index": face.key,
            "image_sha256": face.image,
        }
    assert not faces
    for _, sample in samples(run, "stark-image"):
        picture, told = pictures[sample["__key__"]], json.loads(sample["json"])
        assert sha256(sample["jpg"]) == picture.image == told["image_sha256"]
        assert (told["index"], told["image_source"]) == (picture.key, "t2i")
        assert told["image_phash"] == picture.phash
        seen.add(picture.key)
    for _, sample in samples(run, "stark-image-url"):
        picture, told = pictures[sample["__key__"]], json.loads(sample["json"])
        assert "jpg" not in sample
        assert {name: told[f"image_{name}"] for name in ("page", "licence", "author", "time")} == {
            name: PICTURE[name] for name in ("page", "licence", "author", "time")
        }
        assert (told["image_url"], told["image_source"]) == (picture.url, "web")
        assert told["image_phash"] == picture.phash
        seen.add(picture.key)
    assert seen == set(pictures), "each picture once, on one side or the other"


def test_the_tars_load_with_datasets(run: Run, tmp_path: Path) -> None:
    from datasets import load_dataset

    for name in ("stark-image", "stark-face-image", "stark-image-url"):
        found = load_dataset(str(run.root / "release" / name), cache_dir=str(tmp_path))
        told = json.loads((run.root / "release" / name / "dataset_info.json").read_bytes())
        assert set(found) == set(told["splits"])
        for split, part in told["splits"].items():
            assert found[split].num_rows == sum(part["shard_lengths"])
            assert part["name"] == split
            names = sorted(p.name for p in (run.root / "release" / name).glob(f"stark-{split}-*"))
            assert names == part["filenames"]
    keys = found["train"]["__key__"]
    assert len(set(keys)) == len(keys)
