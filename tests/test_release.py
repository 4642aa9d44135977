"""The release as its users see it: loaded with `datasets`, read by the rules of the real Stark."""

import io
import json
import tarfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import mcu
from helpers import rejects, tree
from mcu import release as release_module
from mcu.backends import ImageRequest, build
from mcu.backends.avatar import Avatar
from mcu.errors import Incomplete, Reject
from mcu.phash import phash
from mcu.records import ASSISTANT, Face, Picture, Session
from mcu.run import Run

LISTS = (
    "speakers",
    "utterances",
    "rationales",
    "image_descriptions",
    "image_sources",
    "keywords",
    "image_id_from_mobile",
    "images_key",
    "images_module_name",
)
EPISODE = (
    "index",
    "number_of_session",
    "name",
    "age",
    "gender",
    "birthplace",
    "residence",
    "human_face_description",
    "human_face_image_key",
    "persona_category",
    "persona_sentence",
    "persona_entity_key",
    "persona_entity_value",
    "persona_commonsense_relation",
    "persona_commonsense_inference",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = mcu.make_run(
        tmp_path_factory.mktemp("runs") / "r",
        run={"episodes": 10, "seed": 11},
        release={"images_per_tar": 40},
    )
    made.execute()
    return made


def load(run: Run, name: str, cache: Path) -> Any:
    from datasets import load_dataset

    return load_dataset(str(run.root / "release" / name), cache_dir=str(cache))["train"]


def test_every_set_loads(run: Run, tmp_path: Path) -> None:
    dialogue = load(run, "stark-dialogue", tmp_path)
    images = load(run, "stark-image", tmp_path)
    faces = load(run, "stark-face-image", tmp_path)
    assert dialogue.num_rows == 10
    assert faces.num_rows == 2
    assert not (run.root / "release/stark-image-url").exists(), "there are no links to publish"
    assert images.num_rows > 40
    assert images[0]["jpg"].size == (512, 512)
    assert faces[0]["jpg"].size == (512, 512)
    assert set(images[0]["json"]) >= {"image_source", "image_url", "index"}
    assert all(row["json"]["index"] == row["__key__"] for row in images)
    assert faces[0]["json"]["face_description"]


def test_columns_are_those_of_stark(run: Run) -> None:
    import pyarrow.parquet as pq

    names = pq.read_schema(run.root / "release/stark-dialogue/stark.parquet").names
    assert tuple(names[: len(EPISODE)]) == EPISODE
    for n in range(1, 7):
        for column in ("date", "event", "experience", "device_images_key", *LISTS):
            assert f"session{n}:{column}" in names
    last = max(names.index(f"session6:{column}") for column in LISTS)
    assert names.index("narrative") > last, "our own columns come after the released ones"


def rows(run: Run) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    table = pq.read_table(run.root / "release/stark-dialogue/stark.parquet")
    found: list[dict[str, Any]] = table.to_pylist()
    return found


def members(run: Run, name: str) -> dict[str, bytes]:
    """All files of a set's tars."""
    found = {}
    for path in sorted((run.root / "release" / name).glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                file = tar.extractfile(member)
                assert file is not None
                assert (member.mtime, member.uid, member.uname) == (0, 0, "")
                found[member.name] = file.read()
    return found


def test_rows_hold_what_the_format_says(run: Run) -> None:
    images, faces = members(run, "stark-image"), members(run, "stark-face-image")
    for row in rows(run):
        assert row["index"].split("-", 1)[0].split(":")[0] == "11"
        face = row["human_face_image_key"]
        assert face.startswith("face:")
        assert f"{face[5:]}.jpg" in faces
        assert len(face) == 5 + 36
        assert 4 <= row["number_of_session"] <= 6
        for n in range(1, 7):
            if n > row["number_of_session"]:
                assert all(not row[f"session{n}:{c}"] for c in ("date", "event", *LISTS))
            else:
                check_session(row, n, images)


def check_session(row: dict[str, Any], n: int, images: dict[str, bytes]) -> None:
    lists = {c: json.loads(row[f"session{n}:{c}"]) for c in LISTS}
    assert len({len(values) for values in lists.values()}) == 1, "lists run parallel to turns"
    assert set(lists["speakers"]) == {row["name"], ASSISTANT}
    for turn, key in enumerate(lists["images_key"]):
        shown = lists["image_descriptions"][turn]
        assert bool(key) == bool(shown)
        assert lists["images_module_name"][turn] in ("", "p-t2i", "t2i", "web", "retrieval")
        assert lists["image_sources"][turn] in (("internet", "mobile") if shown else ("",))
        if key:
            assert f"{key}.jpg" in images
            assert isinstance(lists["keywords"][turn], list)
        else:
            assert lists["utterances"][turn], "a turn has words or a picture"
    for key in json.loads(row[f"session{n}:device_images_key"]):
        assert f"{key}.jpg" in images


def test_device_picture_shared_in_sessions_is_one_slot_and_one_file(run: Run) -> None:
    pictures = list(run.records(Picture))
    several = [p for p in pictures if len({place.session for place in p.places}) > 1]
    assert several, "no device picture was shared in two sessions"
    sessions = {(s.parent, s.number): s for s in run.records(Session)}
    for picture in several:
        assert picture.album
        for place in picture.places:
            turn = sessions[picture.parent, place.session].turns[place.turn - 1]
            assert turn.image is not None
            assert turn.image.album == picture.album
    slots = Counter((p.parent, p.slot) for p in pictures)
    assert set(slots.values()) == {1}


def test_tars_are_cut_and_described(run: Run) -> None:
    folder = run.root / "release/stark-image"
    names = sorted(path.name for path in folder.glob("*.tar"))
    total = len(names)
    assert total > 1
    assert names == [f"stark-train-{n:06d}-of-{total:06d}.tar" for n in range(total)]
    info = json.loads((folder / "dataset_info.json").read_bytes())["splits"]["train"]
    assert info["filenames"] == names
    assert set(info["shard_lengths"][:-1]) == {40}
    assert sum(info["shard_lengths"]) == len(members(run, "stark-image")) // 2


def test_cards_tell_the_run(run: Run) -> None:
    for name in ("stark-dialogue", "stark-image", "stark-face-image"):
        card = (run.root / "release" / name / "README.md").read_text(encoding="utf-8")
        assert card.startswith("---\npretty_name: ")
        assert "scripted-1" in card
        assert "dialogue v2" in card
        assert str(run.root) not in card


def test_rebuilt_release_has_the_same_bytes(run: Run) -> None:
    before = tree(run.root / "release")
    assert release_module.is_current(run)
    (run.root / "release.done.json").unlink()
    assert not release_module.is_current(run)
    assert release_module.build(run) == 10
    assert tree(run.root / "release") == before


def test_faces_are_one_per_persona_or_one_per_episode(run: Run, tmp_path: Path) -> None:
    assert len(list(run.records(Face))) == 2
    other = mcu.make_run(tmp_path / "r", run={"episodes": 5, "identity": "episode"})
    other.execute()
    assert len({row["human_face_image_key"] for row in rows(other)}) == 5
    assert not rejects(tmp_path / "r")


def index_of_starter(folder: Path, **changes: Any) -> str:
    """A folder with an index over the starter set, whose rows are changed and files left out."""
    from mcu.indexes import STARTER
    from mcu.indexes.encoders import CaptionEncoder
    from mcu.indexes.search import open_starter

    folder.mkdir()
    open_starter(CaptionEncoder(), folder / "cache")
    next((folder / "cache").glob("*/index.faiss")).rename(folder / "index.faiss")
    lines = (STARTER / "pictures.jsonl").read_text(encoding="utf-8").splitlines()
    changed = [json.dumps({**json.loads(line), **changes}) for line in lines]
    (folder / "rows.jsonl").write_text("\n".join(changed), encoding="utf-8")
    return str(folder)


class Faceless(Avatar):
    """Cannot draw anybody in particular, so that pictures of the persona are lost."""

    def generate(self, requests: Sequence[ImageRequest]) -> list[Image.Image | Reject]:
        if requests[0].kind == "p-t2i":
            return [Reject("no_face", "it draws nobody") for _ in requests]
        return super().generate(requests)


def test_lost_picture_leaves_an_empty_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slots that show the persona are rejects, their episodes keep their text."""
    monkeypatch.setattr(build, "open_images", lambda config: Faceless())
    run = mcu.make_run(tmp_path / "r", run={"episodes": 5})
    run.execute()
    lost = [row for row in rejects(run.root) if row["stage"] == "align"]
    assert {row["code"] for row in lost} == {"no_picture"}
    shown = [
        (key, text)
        for row in rows(run)
        for n in range(1, row["number_of_session"] + 1)
        for key, text in zip(
            json.loads(row[f"session{n}:images_key"]),
            json.loads(row[f"session{n}:image_descriptions"]),
            strict=True,
        )
    ]
    assert any(text and not key for key, text in shown)
    assert any(text and key for key, text in shown)


def test_complete_only_leaves_such_episodes_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "open_images", lambda config: Faceless())
    run = mcu.make_run(tmp_path / "r", run={"episodes": 5}, release={"complete_only": True})
    for _ in range(2):
        with pytest.raises(Incomplete, match="no episode survived"):
            run.execute()
    assert run.state["state"] == "incomplete"
    assert not (run.root / "release").exists()


def test_pictures_that_may_not_be_copied_are_links(tmp_path: Path) -> None:
    from mcu.indexes import STARTER

    folder = tmp_path / "index"
    where = {
        "copy": False,
        "url": "https://pictures.invalid/1.jpg",
        "licence": "all rights reserved",
        "page": "https://pictures.invalid/page",
        "author": "Ana Lima",
    }
    index = {"names": [index_of_starter(folder, **where)]}
    (folder / "meta.json").write_text(json.dumps({"root": str(STARTER)}))
    run = mcu.make_run(tmp_path / "r", run={"episodes": 5}, index=index)
    run.execute()
    links = load(run, "stark-image-url", tmp_path / "cache")
    assert links.num_rows > 0
    assert set(links.features) >= {"__key__", "json"}
    assert "jpg" not in links.features
    for row in links["json"]:
        told = {name: row[f"image_{name}"] for name in ("url", "licence", "page", "author")}
        assert told == {name: where[name] for name in told}
        kept = Image.open(io.BytesIO(run.store.image(row["image_sha256"])))
        assert kept.size == (int(row["image_width"]), int(row["image_height"]))
        assert phash(kept) == (int(row["image_phash"], 16) if row["image_phash"] else None)
    keys = [k for row in rows(run) for k in json.loads(row["session1:images_key"]) if k]
    linked = {k.removeprefix("url:") for k in keys if k.startswith("url:")}
    assert linked
    assert linked <= set(links["__key__"])
    assert not any(f"{key}.jpg" in members(run, "stark-image") for key in linked)
