"""Croissant 1.1 metadata with the RAI vocabulary, as plain JSON: mlcroissant is not needed."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mcu import __version__
from mcu.items import Split
from mcu.release.survey import DataFile, Survey

if TYPE_CHECKING:
    import pyarrow as pa

Node = dict[str, Any]
_CONFORMS = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
# The context that the specification gives, and two vocabularies for where data are from.
_OWN = (
    "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field",
    "fileProperty", "fileObject", "fileSet", "format", "includes", "isArray", "isLiveDataset",
    "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex",
    "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform",
)  # fmt: skip
_CONTEXT: Node = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    **{name: f"cr:{name}" for name in _OWN},
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
}
_CC = re.compile(r"cc-(by(?:-nc)?(?:-nd|-sa)?)-(\d\.\d)")
_LICENCES = {"cc0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/"}
_CITE = (
    "@article{lee2024stark, title={Stark: Social Long-Term Multi-Modal Conversation with Persona "
    "Commonsense Knowledge}, author={Lee, Young-Jun and Lee, Dokyong and Youn, Junyoung and Oh, "
    "Kyeongjin and Ko, Byungsoo and Hyeon, Jonghwan and Choi, Ho-Jin}, "
    "journal={arXiv preprint arXiv:2407.03958}, year={2024}}"
)
_TYPES = {
    "string": "sc:Text",
    "int64": "cr:Int64",
    "double": "cr:Float64",
    "bool": "sc:Boolean",
    "binary": "sc:ImageObject",
}


def croissant(told: Mapping[str, Any], statements: Mapping[str, Sequence[str]]) -> Node:
    """A set's metadata.

    Paths are relative to the file, and nothing tells when or by whom the set was published: `url`,
    `datePublished` and who publishes belong to the place where it is.

    Args:
        told: what the card's templates are given.
        statements: sentences of the card by heading.
    """
    looked: Survey = told["looked"]
    name = str(told["set"])
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": _CONFORMS,
        "name": name,
        "description": _plain(f"{told['about']} {told['authors']}"),
        "license": licence_url(told["config"].release.licence),
        "creator": {"@type": "Organization", "name": f"mcu {__version__}"},
        "version": f"1.0.0+{looked.digest[:12]}",
        "inLanguage": told["codes"],
        "keywords": ["synthetic", "multi-modal dialogue", "long-term memory", "persona"],
        "citeAs": _CITE,
        "isLiveDataset": False,
        **_responsible(told, statements),
        "distribution": _distribution(looked),
        "recordSet": [_splits(looked), *_records(looked, _abouts(told))],
    }


def licence_url(licence: str) -> str:
    """Where a licence of the Hub's list can be read, or its name."""
    found = _CC.fullmatch(licence.lower())
    if found:
        return f"https://creativecommons.org/licenses/{found[1]}/{found[2]}/"
    return _LICENCES.get(licence.lower(), licence)


def _responsible(told: Mapping[str, Any], statements: Mapping[str, Sequence[str]]) -> Node:
    """The RAI fields, those that NeurIPS asks for among them, and where the data are from."""
    lines = {title: [_plain(line) for line in found] for title, found in statements.items()}
    agents = [f"{row['name']} ({row['part']})" for row in told["models"]]
    uses, others = lines["Intended uses"], lines["Uses that it is not made for"]
    return {
        "rai:hasSyntheticData": True,
        "rai:dataCollection": _plain(f"Synthetic. {told['making']} {told['authors']}"),
        "rai:dataCollectionType": ["Synthetic", "Software Collection"],
        "rai:dataCollectionMissingData": (
            "A slot that found no picture keeps its text and has an empty key; sessions that do "
            "not exist have empty values."
        ),
        "rai:dataPreprocessingProtocol": [_plain(line) for line in told["checks"]],
        "rai:machineAnnotationTools": agents,
        "rai:dataUseCases": [*uses, *(f"Not made for: {line}" for line in others)],
        "rai:dataLimitations": lines["Limitations"],
        "rai:dataBiases": lines["Known biases"],
        "rai:personalSensitiveInformation": lines["Personal and sensitive information"],
        "rai:dataSocialImpact": " ".join(lines["Social impact"]),
        "rai:dataReleaseMaintenancePlan": (
            "The set is one run's. Another run, or the same with other settings, is another set "
            "with another version."
        ),
        "prov:wasDerivedFrom": _origins(told),
        "prov:wasGeneratedBy": [
            {
                "@type": "prov:Activity",
                "prov:label": f"{stage['number']} {stage['name']}, version {stage['version']}",
                "sc:description": f"{stage['inputs']} taken in, {stage['records']} records made, "
                f"{sum(stage['rejects'].values())} rejected",
                "prov:wasAssociatedWith": {
                    "@type": "prov:SoftwareAgent",
                    "prov:label": f"mcu {__version__}",
                },
            }
            for stage in told["stages"]
        ],
    }


def _origins(told: Mapping[str, Any]) -> list[Node]:
    paper = {"@id": "https://arxiv.org/abs/2407.03958", "prov:label": "the MCU framework"}
    pictures = told["sources"] if told["found"] else []
    names = [*(["stark-dialogue of the same run"] if told["item"] else []), *pictures]
    return [
        {"@type": "prov:Entity", **node} for node in (paper, *({"prov:label": n} for n in names))
    ]


def _distribution(looked: Survey) -> list[Node]:
    found = [_file_object(file) for file in looked.files]
    if looked.tars:
        endings = [name for name in looked.schema.names if not name.startswith("__")]
        for split, group in looked.splits.items():
            found += [_file_set(split, ending, group) for ending in endings]
    return found


def _file_object(file: DataFile) -> Node:
    tar = file.path.endswith(".tar")
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "description": f"{file.rows} rows of {file.split}.",
        "contentUrl": file.path,
        "contentSize": f"{file.size} B",
        "encodingFormat": "application/x-tar" if tar else "application/x-parquet",
        "sha256": file.sha256,
    }


def _file_set(split: Split, ending: str, group: Sequence[DataFile]) -> Node:
    return {
        "@type": "cr:FileSet",
        "@id": f"{split}-{ending}",
        "name": f"{split}-{ending}",
        "description": f"Every <key>.{ending} in the tars of {split}.",
        "containedIn": [{"@id": file.path} for file in group],
        "encodingFormat": "image/jpeg" if ending == "jpg" else "application/json",
        "includes": f"*.{ending}",
    }


def _splits(looked: Survey) -> Node:
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "description": "The sides of the split; no person is on two.",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [
            {"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": "sc:Text"}
        ],
        "data": [{"splits/name": split} for split in looked.splits],
    }


def _records(looked: Survey, abouts: Mapping[str, str]) -> list[Node]:
    """A record set for each split; of tars one for the pictures and one for their JSON."""
    found = []
    for split, group in looked.splits.items():
        if not looked.tars:
            source = {"fileObject": {"@id": group[0].path}}
            fields = [_field(split, c.name, c.type, source, abouts) for c in looked.schema]
            found.append(_record_set(split, split, fields))
            continue
        if "jpg" in looked.schema.names:
            leaf = {**_leaf("", "jpg", None, "The picture."), "dataType": "sc:ImageObject"}
            found.append(_record_set(f"{split}-pictures", split, _members(split, "jpg", leaf)))
        names = [f.name for f in looked.schema.field("json").type]
        about = "A JSON text: " + "; ".join(f"{n}, {abouts.get(n) or 'text'}" for n in names) + "."
        leaf = _leaf("", "json", None, about)
        found.append(_record_set(f"{split}-records", split, _members(split, "json", leaf)))
    return found


def _record_set(name: str, split: Split, fields: list[Node]) -> Node:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"The rows of {split}.",
        "field": fields,
    }


def _members(split: Split, ending: str, leaf: Node) -> list[Node]:
    """Key and content of the tars' members: mlcroissant reads no JSON inside of archives."""
    within = f"{split}-{'pictures' if ending == 'jpg' else 'records'}"
    source = {"fileSet": {"@id": f"{split}-{ending}"}}
    key = _leaf(within, "key", None, "The key that dialogues name.")
    named = {"extract": {"fileProperty": "filename"}, "transform": {"regex": rf"(.*)\.{ending}"}}
    content = {"extract": {"fileProperty": "content"}}
    return [
        {**key, "source": {**source, **named}},
        {**leaf, "@id": f"{within}/{ending}", "source": {**source, **content}},
    ]


def _field(
    within: str, name: str, type_: "pa.DataType", source: Node, abouts: Mapping[str, str]
) -> Node:
    """A column; a struct has a sub-field for each of its own, and so has a list of structs."""
    read = {**source, "extract": {"column": name}}
    inner, depth = _inner(type_)
    node = _leaf(within, name, inner, abouts.get(name, ""))
    if depth:
        node |= {"isArray": True, "arrayShape": ",".join(["-1"] * depth)}
    if not _is_struct(inner):
        return {**node, "source": read}
    node.pop("dataType")
    node["subField"] = [
        {
            **_leaf(node["@id"], field.name, _inner(field.type)[0], ""),
            "source": {**read, "transform": {"jsonPath": field.name}},
        }
        for field in inner
        if not _is_struct(_inner(field.type)[0])  # deeper than Croissant's readers go
    ]
    return node


def _inner(type_: "pa.DataType") -> "tuple[pa.DataType, int]":
    """What lists hold at last, and how many lists there are around it."""
    import pyarrow as pa

    depth = 0
    while pa.types.is_list(type_):
        type_, depth = type_.value_type, depth + 1
    return type_, depth


def _is_struct(type_: "pa.DataType") -> bool:
    import pyarrow as pa

    return bool(pa.types.is_struct(type_))


def _leaf(within: str, name: str, type_: "pa.DataType | None", about: str) -> Node:
    """A field without its source."""
    plain = name.replace(":", ".")  # a colon would make the id an IRI of its own
    node: Node = {"@type": "cr:Field", "@id": f"{within}/{plain}", "name": name}
    if about:
        node["description"] = _plain(about)
    return {**node, "dataType": _TYPES.get(str(type_), "sc:Text")}


def _abouts(told: Mapping[str, Any]) -> dict[str, str]:
    """What every column is, a session's under each of its six names."""
    found = {}
    for column in (*told["columns"], *told["inner"]):
        name = column["name"]
        for n in range(1, 7) if "<n>" in name else (0,):
            found[name.replace("<n>", str(n))] = column["about"]
    return found


def _plain(text: str) -> str:
    """Markdown without its marks, in one line."""
    return " ".join(text.replace("`", "").replace("**", "").split())
