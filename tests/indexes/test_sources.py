"""Sources: every layout gives its pictures and captions, in order, and says what it cannot read."""

import csv
import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from picture_files import jpeg, write_folder, write_tar
from pyarrow import parquet

from mcu.errors import ConfigError, Reject
from mcu.indexes.layouts import open_source
from mcu.indexes.originals import original
from mcu.indexes.sources import Found, Item


def items(path: Path, **columns: str) -> list[Item]:
    """All items of a path, in shards of 3."""
    found = []
    for source in open_source(path, **columns):
        for shard in range(source.plan(3)["shards"]):
            found += list(source.read(shard, 3))
    return found


def shown(path: Path, **columns: str) -> list[tuple[str, Any]]:
    """Name and caption of each item, or name and code where it is refused."""
    return [(item.file, told(item)) for item in items(path, **columns)]


def told(item: Item) -> str:
    try:
        return item.open().facts.get("caption", "")
    except Reject as reject:
        return reject.code


def test_a_folder_with_notes_beside_the_pictures(tmp_path: Path) -> None:
    write_folder(tmp_path / "b", 2)
    (tmp_path / "a.jpg").write_bytes(jpeg(7))
    note = {"caption": "from JSON", "license": "CC BY 4.0", "url": "https://e.org/a.jpg"}
    (tmp_path / "a.json").write_text(json.dumps(note))
    (tmp_path / "c.svg").write_text("<svg/>")
    (tmp_path / ".hidden.jpg").write_bytes(b"")
    (tmp_path / "notes.md").write_text("not a picture")
    assert shown(tmp_path) == [
        ("a.jpg", "from JSON"),
        ("b/p000.jpg", "squares number 0"),
        ("b/p001.jpg", "squares number 1"),
        ("c.svg", ""),
    ]
    found = items(tmp_path)[0].open()
    assert found.facts["licence"] == "CC BY 4.0" and found.copy
    assert found.data == jpeg(7)


@pytest.mark.parametrize(
    ("facts", "copy"),
    [
        ({}, True),
        ({"url": "https://e.org/1"}, False),
        ({"url": "https://e.org/1", "licence": "CC0-1.0"}, True),
        ({"url": "https://e.org/1", "licence": "CC-BY-SA-4.0"}, True),
        ({"url": "https://e.org/1", "licence": "cc by"}, True),
        ({"url": "https://e.org/1", "licence": "CC-BY-NC-4.0"}, False),
        ({"url": "https://e.org/1", "licence": "CC BY-ND 4.0"}, False),
        ({"url": "https://e.org/1", "licence": "All rights reserved"}, False),
        ({"url": "https://e.org/1", "licence": "Public domain"}, True),
    ],
)
def test_what_may_be_copied(facts: dict[str, str], copy: bool) -> None:
    assert Found(b"", facts).copy is copy


def test_links_do_not_lead_out(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(jpeg(0))
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (inside / "gone.jpg").symlink_to(inside / "nothing.jpg")
    (inside / "loop").symlink_to(inside)
    assert shown(inside) == [("gone.jpg", "no_file"), ("link.jpg", "outside")]


def test_tars_are_read_as_img2dataset_writes_them(tmp_path: Path) -> None:
    for shard in range(2):
        samples = [
            {"jpg": jpeg(n), "json": {"url": f"https://e.org/{n}", "caption": f"json {n}"}}
            for n in range(4)
        ]
        samples[1]["txt"] = b"text goes first\n"
        samples[2] = {"json": {"caption": "the download failed"}}
        write_tar(tmp_path / f"{shard:05}.tar", samples)
    found = shown(tmp_path)
    assert found[:3] == [
        ("00000.tar/000000000.jpg", "json 0"),
        ("00000.tar/000000001.jpg", "text goes first"),
        ("00000.tar/000000003.jpg", "json 3"),
    ]
    assert len(found) == 6
    first = items(tmp_path)[0].open()
    assert first.place and not first.copy
    row = {"file": found[0][0], "offset": first.place[0], "size": first.place[1]}
    assert original(tmp_path, row) == original(tmp_path, {"file": found[0][0]}) == jpeg(0)


@pytest.mark.parametrize("harm", ["short", "header", "nothing", "noise"])
def test_a_torn_tar_gives_what_it_has(tmp_path: Path, harm: str) -> None:
    path = write_tar(tmp_path / "t.tar", [{"jpg": jpeg(n)} for n in range(6)])
    data = path.read_bytes()
    with tarfile.open(path) as tar:
        fourth = tar.getmembers()[3]
    torn = {
        "short": data[: fourth.offset_data + 100],
        "header": data[: fourth.offset] + b"\xff" * 512 + data[fourth.offset + 512 :],
        "nothing": b"",
        "noise": b"\x01" * 5000,
    }[harm]
    path.write_bytes(torn)
    found = shown(path)
    assert found[-1] == ("t.tar", "bad_tar") and len(found) == (4 if harm[0] in "sh" else 1)


@pytest.mark.parametrize("end", ["csv", "tsv", "jsonl", "json", "parquet"])
def test_tables_name_files(tmp_path: Path, end: str) -> None:
    write_folder(tmp_path / "images", 3)
    rows = [{"file_name": f"images/p{n:03}.jpg", "text": f'row, "{n}"'} for n in range(3)]
    rows += [{"file_name": "../../etc/passwd", "text": "x"}, {"file_name": "", "text": "y"}]
    write_table(tmp_path / f"metadata.{end}", rows)
    assert shown(tmp_path) == [
        *((f"images/p{n:03}.jpg", f'row, "{n}"') for n in range(3)),
        (f"metadata.{end}#3", "outside"),
        (f"metadata.{end}#4", "bad_row"),
    ]


def write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    if path.suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix in (".csv", ".tsv"):
        with path.open("w", newline="") as file:
            if path.suffix == ".tsv":
                file.write("\n".join("\t".join(row) for row in [rows[0], *map(dict.values, rows)]))
                return
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_cc12m_and_cc3m_have_no_header(tmp_path: Path) -> None:
    cc12m, cc3m = tmp_path / "cc12m.tsv", tmp_path / "cc3m.tsv"
    cc12m.write_text('https://e.org/1.jpg\ta "quoted sign\nhttps://e.org/2.jpg\ttwo\nbroken\n')
    cc3m.write_text("one\thttps://e.org/1.jpg\n")
    assert shown(cc12m) == [
        ("https://e.org/1.jpg", 'a "quoted sign'),
        ("https://e.org/2.jpg", "two"),
        ("cc12m.tsv#2", "bad_row"),
    ]
    assert shown(cc3m) == [("https://e.org/1.jpg", "one")]
    found = items(cc12m)[0].open()
    assert found.data is None and not found.copy


def test_redcaps_annotations_are_a_stream(tmp_path: Path) -> None:
    rows = [
        {
            "image_id": f"x{n}",
            "author": "someone",
            "url": f"https://i.redd.it/{n}.jpg",
            "raw_caption": "Raw ☕",
            "caption": f"a cup of coffee {n} " + "é" * 3000,
            "crosspost_parents": None,
            "permalink": f"/r/coffee/comments/x{n}/",
        }
        for n in range(50)
    ]
    whole = json.dumps({"info": {"start_date": "2020"}, "annotations": rows}, ensure_ascii=False)
    (tmp_path / "annotations").mkdir()
    path = tmp_path / "annotations" / "coffee_2020.json"
    path.write_text(whole, encoding="utf-8")
    found = items(tmp_path)
    assert [item.file for item in found] == [row["url"] for row in rows]
    facts = found[-1].open().facts
    assert facts["page"] == "https://www.reddit.com/r/coffee/comments/x49/"
    assert facts["caption"].startswith("a cup of coffee 49") and facts["author"] == "someone"
    path.write_text(whole[: len(whole) // 2], encoding="utf-8")
    assert shown(tmp_path)[-1][1] == "bad_row"


def test_parquet_may_hold_the_pictures(tmp_path: Path) -> None:
    rows = [
        {"image": {"bytes": jpeg(n), "path": f"{n}.jpg"}, "query": [f"how many {n}?"]}
        for n in range(5)
    ]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "train.parquet", row_group_size=2)
    assert shown(tmp_path)[3] == ("train.parquet#3", "how many 3?")
    for n in range(5):
        assert original(tmp_path, {"file": f"train.parquet#{n}"}) == jpeg(n)
    with pytest.raises(Reject):
        original(tmp_path, {"file": "train.parquet#5"})


def test_chartqa(tmp_path: Path) -> None:
    for split in ("test", "train"):
        folder = tmp_path / split
        (folder / "png").mkdir(parents=True)
        (folder / "annotations").mkdir()
        for n in range(2):
            (folder / "png" / f"{n}.png").write_bytes(jpeg(n))
        title = {"general_figure_info": {"title": {"text": "Coffee a year"}}}
        (folder / "annotations" / "1.json").write_text(json.dumps(title))
        asked = [{"imgname": "0.png", "query": f"What is {n}?", "label": "1"} for n in range(5)]
        (folder / f"{split}_human.json").write_text(json.dumps(asked))
    assert shown(tmp_path)[:3] == [
        ("test/png/0.png", "a chart. What is 0? What is 1? What is 2?"),
        ("test/png/1.png", "a chart: Coffee a year."),
        ("train/png/0.png", "a chart. What is 0? What is 1? What is 2?"),
    ]


def test_ai2d(tmp_path: Path) -> None:
    for name in ("images", "annotations", "questions"):
        (tmp_path / name).mkdir()
    for n in range(2):
        (tmp_path / "images" / f"{n}.png").write_bytes(jpeg(n))
    labels = {"text": {"T0": {"value": "sun"}, "T1": {"value": "A"}, "T2": {"value": "grass"}}}
    (tmp_path / "annotations" / "0.png.json").write_text(json.dumps(labels))
    (tmp_path / "categories.json").write_text(json.dumps({"0.png": "foodChainsWebs"}))
    assert shown(tmp_path) == [
        ("images/0.png", "a diagram of food chains webs: sun, grass"),
        ("images/1.png", "a diagram"),
    ]


def test_mathvision(tmp_path: Path) -> None:
    write_folder(tmp_path / "images", 2)
    row = {"id": "1", "question": "How many squares?", "image": "images/p001.jpg", "answer": "3"}
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "test.jsonl").write_text(json.dumps(row) + "\n{torn\n")
    assert shown(tmp_path) == [
        ("images/p001.jpg", "How many squares?"),
        ("data/test.jsonl#1", "bad_row"),
    ]


def test_saved_data_sets(tmp_path: Path) -> None:
    import datasets

    rows = {"id": [0, 1], "pic": [{"bytes": jpeg(n), "path": None} for n in range(2)]}
    features = datasets.Features({"id": datasets.Value("int64"), "pic": datasets.Image()})
    part = datasets.Dataset.from_dict(rows, features=features)
    part = part.add_column("label", ["one", "two"])
    part.save_to_disk(tmp_path / "whole")
    datasets.DatasetDict({"val": part, "test": part}).save_to_disk(tmp_path / "split")
    assert shown(tmp_path / "whole", caption="label") == [("whole#0", "one"), ("whole#1", "two")]
    assert [name for name, _ in shown(tmp_path / "split")][1:3] == ["split/test#1", "split/val#0"]
    assert original(tmp_path, {"file": "split/val#1"}) == jpeg(1)
    assert original(tmp_path, {"file": "whole#0"}) == jpeg(0)
    with pytest.raises(ConfigError, match="no column 'image'"):
        open_source(tmp_path / "whole", image="image")


def test_columns_may_be_named(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("link,words\nhttps://e.org/1.jpg,hello\n")
    assert shown(path, image="link", caption="words") == [("https://e.org/1.jpg", "hello")]
    assert shown(path, image="nope") == [("t.csv#0", "bad_row")]


def test_shards_are_the_same_in_any_order(tmp_path: Path) -> None:
    write_folder(tmp_path, 10)
    (source,) = open_source(tmp_path)
    names = [[item.file for item in source.read(shard, 3)] for shard in (0, 1, 2, 3)]
    assert [len(shard) for shard in names] == [3, 3, 3, 1]
    (again,) = open_source(tmp_path)
    for shard in (2, 0, 3, 1):
        assert [item.file for item in again.read(shard, 3)] == names[shard]


@pytest.mark.parametrize("name", ["../x.jpg", "/etc/passwd", "t.tar/../../x.jpg", "no.jpg", "a\0b"])
def test_originals_stay_inside(tmp_path: Path, name: str) -> None:
    (tmp_path / "x.jpg").write_bytes(jpeg(0))
    write_tar(tmp_path / "in" / "t.tar", [{"jpg": jpeg(0)}])
    with pytest.raises(Reject):
        original(tmp_path / "in", {"file": name})


def test_what_is_no_source_is_told(tmp_path: Path) -> None:
    (tmp_path / "notes.md").touch()
    with pytest.raises(ConfigError, match="neither a folder nor"):
        open_source(tmp_path / "notes.md")
    with pytest.raises(ConfigError, match="there is no source"):
        open_source(tmp_path / "nothing")
