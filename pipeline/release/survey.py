"""What is in a set that was just written: its files, rows, columns and figures, for its card."""

import json
import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcu.ids import digest, sha256_of
from mcu.items import SPLITS, Split

if TYPE_CHECKING:
    import pyarrow as pa

_SPLIT = re.compile(r"(?:^|-)(train|validation|test)(?=[-.])")
_SESSION = re.compile(r"session\d:(.+)")
_FEATURES = {"large_string": "string", "double": "float64", "float": "float32"}


@dataclass(frozen=True)
class DataFile:
    """A data file: its path in the set, rows, bytes on disk and bytes when decoded, about."""

    path: str
    split: Split
    rows: int
    size: int
    decoded: int
    sha256: str


@dataclass(frozen=True)
class Survey:
    """A set's data files, those of train first."""

    name: str
    folder: Path
    files: tuple[DataFile, ...]

    @property
    def splits(self) -> dict[Split, list[DataFile]]:
        """Files by split, without empty ones."""
        by = {split: [f for f in self.files if f.split == split] for split in SPLITS}
        return {split: files for split, files in by.items() if files}

    @property
    def rows(self) -> dict[Split, int]:
        """Rows by split."""
        return {split: sum(f.rows for f in files) for split, files in self.splits.items()}

    @property
    def tars(self) -> bool:
        """Whether it is of WebDataset tars; else it is of parquet files."""
        return self.files[0].path.endswith(".tar")

    @property
    def digest(self) -> str:
        """One SHA-256 over all data files, which tells this set from any other."""
        return digest([[file.path, file.sha256] for file in self.files])

    @cached_property
    def schema(self) -> "pa.Schema":
        """The columns; of tars the members' endings, with the fields of their JSON."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        first = self.folder / self.files[0].path
        if not self.tars:
            return pq.read_schema(first).remove_metadata()
        fields: list[tuple[str, Any]] = []
        for ending, data in _first_sample(first).items():
            if ending == "json":
                names = list(json.loads(data))
                fields.append(("json", pa.struct([(name, pa.string()) for name in names])))
            else:
                fields.append((ending, pa.binary()))
        return pa.schema([*fields, ("__key__", pa.string()), ("__url__", pa.string())])

    @property
    def features(self) -> list[dict[str, Any]]:
        """The columns as a card's `dataset_info.features`."""
        return [{"name": f.name, **_feature(f.type)} for f in self.schema]

    def pattern(self, split: Split) -> str:
        """What names the split's files in a card."""
        files = self.splits[split]
        return f"stark-{split}-*.tar" if self.tars else files[0].path


@dataclass
class Figures:
    """Figures of the dialogues, by split or in all."""

    episodes: Counter[str] = field(default_factory=Counter)
    personas: dict[str, set[str]] = field(default_factory=dict)
    sessions: Counter[str] = field(default_factory=Counter)
    turns: Counter[str] = field(default_factory=Counter)
    shared: Counter[str] = field(default_factory=Counter)
    routes: Counter[str] = field(default_factory=Counter)
    genders: Counter[str] = field(default_factory=Counter)
    ages: Counter[str] = field(default_factory=Counter)
    countries: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)


def survey(folder: Path, name: str, digests: Mapping[str, str]) -> Survey:
    """Look at a set of that name; hashes that are not given (by `set/file`) are computed."""
    lengths: dict[str, int] = {}
    if (told := folder / "dataset_info.json").exists():
        for split in json.loads(told.read_bytes())["splits"].values():
            lengths |= dict(zip(split["filenames"], split["shard_lengths"], strict=True))
    paths = [p for p in folder.iterdir() if p.suffix in (".parquet", ".tar")]
    found = [_file(p, lengths, digests.get(f"{name}/{p.name}")) for p in paths]
    found.sort(key=lambda file: (SPLITS.index(file.split), file.path))
    return Survey(name, folder, tuple(found))


def dialogue_figures(looked: Survey) -> Figures:
    """Read the dialogues' columns that figures need, group of rows by group of rows."""
    figures = Figures()
    turns = [f"session{n}:speakers" for n in range(1, 7)]
    shown = [f"session{n}:images_module_name" for n in range(1, 7)]
    people = ["gender", "age", "residence", "persona_category"]
    group = "split_group" if "split_group" in looked.schema.names else "index"
    for split, row in rows(looked, ["number_of_session", group, *people, *turns, *shown]):
        figures.episodes[split] += 1
        figures.sessions[split] += row["number_of_session"]
        persona = row[group].removesuffix("-" + row[group].rpartition("-")[2])
        figures.personas.setdefault(split, set()).add(row[group] if group != "index" else persona)
        figures.turns[split] += sum(len(_list(row[column])) for column in turns)
        routes = [route for column in shown for route in _list(row[column]) if route]
        figures.shared[split] += len(routes)
        figures.routes.update(routes)
        figures.genders[row["gender"]] += 1
        figures.ages[f"{int(row['age']) // 10 * 10}-{int(row['age']) // 10 * 10 + 9}"] += 1
        figures.countries[row["residence"]] += 1
        figures.categories[row["persona_category"]] += 1
    return figures


def rows(looked: Survey, columns: list[str]) -> Iterator[tuple[Split, dict[str, Any]]]:
    """A parquet set's rows, these columns alone, with their split; memory is flat."""
    import pyarrow.parquet as pq

    for file in looked.files:
        with pq.ParquetFile(looked.folder / file.path) as parquet:
            for batch in parquet.iter_batches(batch_size=500, columns=columns):
                for row in batch.to_pylist():
                    yield file.split, row


def columns_of(looked: Survey, table: Mapping[str, Any], item: bool) -> dict[str, Any]:
    """The columns with their types and what they are; a session's are told once, for all six."""
    dialogue = "number_of_session" in looked.schema.names
    known = table["item"] if item else table["dialogue"] if dialogue else table["images"]
    told: dict[str, dict[str, str]] = {}
    for column in looked.schema:
        inner = _SESSION.match(column.name) if dialogue else None
        name = f"session<n>:{inner[1]}" if inner else column.name
        about = table["session"].get(inner[1], "") if inner else known.get(name, "")
        told.setdefault(name, {"name": name, "type": _words(column.type), "about": about})
    fields: list[Any] = []
    if looked.tars:
        fields = list(looked.schema.field("json").type)
    about = table["image_json"]
    return {
        "columns": list(told.values()),
        "inner": [{"name": f.name, "about": about.get(f.name, "")} for f in fields],
    }


def _file(path: Path, lengths: Mapping[str, int], known: str | None) -> DataFile:
    import pyarrow.parquet as pq

    match, size = _SPLIT.search(path.name), path.stat().st_size
    count, decoded = lengths.get(path.name, 0), size
    if path.suffix == ".parquet":
        told = pq.read_metadata(path)
        count = told.num_rows
        decoded = sum(told.row_group(n).total_byte_size for n in range(told.num_row_groups))
    known = known or sha256_of(path)
    split: Any = match[1] if match else "train"
    return DataFile(path.name, split, count, size, decoded, known)


def _first_sample(path: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with tarfile.open(path) as tar:
        key = ""
        for member in tar:
            stem, _, ending = member.name.partition(".")
            if key and stem != key:
                break
            key, file = stem, tar.extractfile(member)
            found[ending] = file.read() if file else b""
    return found


def _feature(type_: "pa.DataType") -> dict[str, Any]:
    import pyarrow as pa

    if pa.types.is_struct(type_):
        return {"struct": [{"name": f.name, **_feature(f.type)} for f in type_]}
    if pa.types.is_list(type_):
        inner = _feature(type_.value_type)
        plain = next(iter(inner.values())) if list(inner) in (["dtype"], ["struct"]) else inner
        return {"list": plain}
    if pa.types.is_binary(type_):
        return {"dtype": "image"}
    return {"dtype": _FEATURES.get(str(type_), str(type_))}


def _words(type_: "pa.DataType") -> str:
    import pyarrow as pa

    if pa.types.is_struct(type_):
        return "{" + ", ".join(f.name for f in type_) + "}"
    if pa.types.is_list(type_):
        return f"list of {_words(type_.value_type)}"
    if pa.types.is_binary(type_):
        return "picture"
    return {"string": "text", "int64": "integer", "double": "number", "bool": "yes or no"}.get(
        str(type_), str(type_)
    )


def _list(text: str) -> list[Any]:
    found: list[Any] = json.loads(text) if text else []
    return found
