"""Every planted defect is found, by the finding that is there for it, and no other gate shuts."""

import io
import json
import uuid
from typing import Any

import pytest
from PIL import Image

from mcu.check import Report, check
from mcu.check.findings import Finding
from mcu.ids import sha256
from mcu.run import Run
from spoiled import change, copied, rows, samples, table, tar, write_rows, write_samples

IMAGES = "stark-image"


def image_turn(row: dict[str, Any]) -> int:
    """The first turn that shares a picture."""
    return next(n for n, key in enumerate(json.loads(row["session1:images_key"])) if key)


def share(row: dict[str, Any], key: str) -> None:
    """Have another picture shared there."""
    turn = image_turn(row)
    change(row, "session1:images_key", lambda keys: keys.__setitem__(turn, key))


def found(report: Report, name: str) -> Finding:
    return next(one for one in report.findings if one.name == name)


@pytest.fixture(scope="module")
def rows_report(released: Run, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """One row spoilt in each way that a row can be."""
    run = copied(released, tmp_path_factory.mktemp("rows") / "r")
    changed = rows(run, "validation")
    assert len(changed) >= 10
    one = iter(changed)
    row = next(one)
    share(row, str(uuid.uuid4()))
    change(row, "session2:device_images_key", lambda keys: keys.__setitem__(0, "picture-1"))
    row = next(one)
    change(row, "session2:utterances", lambda said: said.pop())
    row = next(one)
    row["session3:date"], row["session2:date"] = row["session2:date"], row["session3:date"]
    row = next(one)
    change(row, "session1:utterances", lambda said: said.__setitem__(0, "I'm at ana@web.de."))
    row = next(one)
    change(
        row,
        "session1:image_descriptions",
        lambda texts: texts.__setitem__(image_turn(row), "Taylor Swift on a stage"),
    )
    row = next(one)
    speakers = json.loads(row["session1:speakers"])
    own = speakers.index(row["name"])
    change(row, "session1:utterances", lambda said: said.__setitem__(own, "I am 99, and I know."))
    row = next(one)
    row["session1:rationales"] = "[unfinished"
    row["session2:time_interval"] = "40 weeks"
    row = next(one)
    row["session2:caused_by"] = "[3]"
    row["number_of_session"] -= 1
    row = next(one)
    row["name"] = "Taylor Swift"
    row["session1:event"] = "she sold her a bag of cocaine and a naked selfie"
    row = next(one)
    row["human_face_image_key"] = row["human_face_image_key"].removeprefix("face:")
    row["session2:date"] = "2024.02.30"
    write_rows(run, changed, "validation")
    return check(run)


@pytest.mark.parametrize(
    ("name", "gate", "value", "example"),
    [
        ("stark-image: keys that lead nowhere", "integrity", 2, ""),
        ("keys that are no UUID", "integrity", 1, "'picture-1'"),
        ("stark-image: pictures without a row", "integrity", 1, ""),
        ("sessions whose lists differ in length", "integrity", 2, "utterances"),
        ("lists that do not decode", "integrity", 1, "session 1: rationales"),
        ("sessions that are told wrong", "integrity", 1, "does not exist"),
        ("faces without the prefix face:", "integrity", 1, ""),
        ("dates that are none", "time", 1, "2024.02.30"),
        ("sessions dated before the one before", "time", 1, "comes after"),
        ("intervals that disagree with the dates", "time", 1, "40 weeks"),
        ("causes that are not earlier", "time", 1, "[3]"),
        ("texts that the word lists refuse", "safety", 1, "naked"),
        ("e-mail addresses", "pii", 1, "ana@web.de"),
        ("pictures of real, well-known people", "people", 1, "Taylor Swift on a stage"),
        ("personas named as a real, well-known person", "people", 1, "Taylor Swift"),
        ("episodes that contradict the persona", "contradictions", 0.05, "'I am 99'"),
    ],
)
def test_what_is_wrong_with_a_row_is_found(
    rows_report: Report, name: str, gate: str, value: float, example: str
) -> None:
    finding = found(rows_report, name)
    assert finding.gate == gate
    assert finding.value >= value
    assert not finding.passed
    assert any(example in text for text in finding.examples), finding.examples


def test_nothing_else_is_said_of_the_rows(rows_report: Report) -> None:
    assert set(rows_report.failed) <= {
        "integrity", "time", "pii", "people", "contradictions", "safety"
    }  # fmt: skip
    assert found(rows_report, "phone numbers").passed
    assert found(rows_report, "versions of a picture on two sides").passed


def test_a_missing_key_is_named(released: Run, rows_report: Report) -> None:
    missing = found(rows_report, "stark-image: keys that lead nowhere").examples
    there = {key for split in ("train", "validation", "test") for key in keys_of(released, split)}
    assert missing and all(key not in there for key in missing)


def keys_of(run: Run, split: str) -> list[str]:
    return list(samples(tar(run, IMAGES, split)))


@pytest.fixture(scope="module")
def tars_report(released: Run, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """One sample spoilt in each way that a sample can be."""
    run = copied(released, tmp_path_factory.mktemp("tars") / "r")
    path = tar(run, IMAGES, "train")
    changed = samples(path)
    names = iter(list(changed))
    key = next(names)
    data = changed[key]["jpg"]
    changed[key]["jpg"] = data[: len(data) // 2]  # torn, so that its hash is another, too
    key = next(names)
    fields = json.loads(changed[key]["json"])
    changed[key]["json"] = json.dumps(fields | {"image_sha256": "0" * 64}).encode()
    key = next(names)
    fields = json.loads(changed[key]["json"])
    changed[key]["json"] = json.dumps(fields | {"index": "another"}).encode()
    del changed[next(names)]["json"]
    orphan = str(uuid.UUID(int=7, version=4))
    changed[orphan] = sample(orphan, noise(1))
    write_samples(path, changed)
    return check(run)


def noise(seed: int) -> bytes:
    import numpy as np

    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((256, 256), Image.Resampling.BICUBIC).save(buffer, "JPEG")
    return buffer.getvalue()


def sample(key: str, data: bytes) -> dict[str, bytes]:
    fields = {"image_source": "t2i", "image_url": "", "index": key, "image_sha256": sha256(data)}
    return {"jpg": data, "json": json.dumps(fields).encode()}


@pytest.mark.parametrize(
    ("name", "value", "example"),
    [
        ("stark-image: pictures that do not open", 1, "truncated"),
        ("stark-image: files that differ from their hash", 2, "0000"),
        ("stark-image: samples whose files or fields are wrong", 2, "another"),
        ("stark-image: pictures without a row", 1, "00000000-0000-4000-8000-000000000007"),
    ],
)
def test_what_is_wrong_with_a_sample_is_found(
    tars_report: Report, name: str, value: float, example: str
) -> None:
    finding = found(tars_report, name)
    assert finding.value >= value
    assert any(example in text for text in finding.examples), finding.examples
    assert tars_report.failed == ("integrity",)


def test_a_picture_on_two_sides_is_found(released: Run, tmp_path: Any) -> None:
    run = copied(released, tmp_path / "r")
    trained, tested = samples(tar(run, IMAGES, "train")), samples(tar(run, IMAGES, "test"))
    first, second = list(trained)[:2]
    copy, version = str(uuid.UUID(int=1, version=4)), str(uuid.UUID(int=2, version=4))
    tested[copy] = sample(copy, trained[first]["jpg"])
    with Image.open(io.BytesIO(trained[second]["jpg"])) as image:
        buffer = io.BytesIO()
        image.resize((400, 400)).save(buffer, "JPEG", quality=70)
    tested[version] = sample(version, buffer.getvalue())
    write_samples(tar(run, IMAGES, "test"), tested)
    held = rows(run, "test")
    for row, key in ((held[0], copy), (held[1], version)):
        share(row, key)
    both = next(key for key in json.loads(rows(run)[0]["session1:images_key"]) if key)
    share(held[2], both)
    write_rows(run, held, "test")
    report = check(run)
    assert copy in found(report, "files of pictures on two sides").examples or (
        found(report, "files of pictures on two sides").value == 1
    )
    near = found(report, "versions of a picture on two sides")
    assert near.value >= 2 and {copy, version} <= set(near.examples)
    assert found(report, "stark-image: keys that two sides name").examples == (both,)
    assert found(report, "pictures in the tars of another side").examples == (both,)


def test_a_persona_on_two_sides_and_a_repeated_one_are_found(released: Run, tmp_path: Any) -> None:
    run = copied(released, tmp_path / "r")
    trained, held = rows(run), rows(run, "test")
    for row in held[:2]:
        row["split_group"] = trained[0]["split_group"]
    for row in held[2:]:
        for column in ("persona_entity_key", "persona_entity_value", "persona_sentence"):
            row[column] = trained[0][column]
        row["narrative"] = trained[0]["narrative"].upper()
    for name in [name for name in held[3] if name.startswith("session")]:
        held[3][name] = held[2][name]
    held[3]["number_of_session"] = held[2]["number_of_session"]
    write_rows(run, held, "test")
    report = check(run)
    assert found(report, "personas on two sides").value == 1
    assert found(report, "personas told before").value == pytest.approx(1 / 4)
    assert found(report, "narratives told before").value == pytest.approx(3 / 20)
    assert found(report, "dialogues told before").value == pytest.approx(1 / 20)


def test_files_that_are_not_as_they_should_be_are_told(released: Run, tmp_path: Any) -> None:
    import pyarrow.parquet as pq

    run = copied(released, tmp_path / "r")
    found_ = pq.read_table(table(run, "validation"))
    pq.write_table(found_.select(found_.column_names[::-1]), table(run, "validation"))
    torn = table(run, "test")
    torn.write_bytes(torn.read_bytes()[:-100])
    path = tar(run, IMAGES, "train")
    path.write_bytes(path.read_bytes()[:100_000])
    (path.parent / "stark-train-000009-of-000010.tar").write_bytes(bytes(1024))
    report = check(run)
    tables = found(report, "parquet files that are torn or have other columns")
    assert any("in another order" in text for text in tables.examples)
    assert any(text.startswith("stark-test.parquet") for text in tables.examples)
    tars = found(report, "stark-image: tars that are torn or not as told").examples
    assert any("it has no end" in text for text in tars)
    assert any("does not name it" in text for text in tars)
