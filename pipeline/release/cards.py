"""Dataset cards and their metadata, filled from the run and from the files themselves."""

import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined

from mcu import __version__
from mcu.backends.diffusers.routes import public
from mcu.contract import Stage
from mcu.ids import digest, sha256
from mcu.languages import ENGLISH, language_code, language_name
from mcu.release.croissant import croissant
from mcu.release.made import checks_of, models, sources, stages_of
from mcu.release.survey import Survey, columns_of, dialogue_figures, rows, survey
from mcu.sections import TRANSLATED
from mcu.store import dump

if TYPE_CHECKING:
    from mcu.derive import Task
    from mcu.run import Run

_SETS = {
    "stark-dialogue": "Stark-format dialogues",
    "stark-image": "Stark-format pictures",
    "stark-face-image": "Stark-format faces",
    "stark-image-url": "Stark-format links to pictures",
}
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_TASKS = {
    "stark-dialogue": ["text-generation", "image-text-to-text"],
    "stark-image": ["text-to-image", "image-to-text"],
    "stark-face-image": ["text-to-image"],
    "stark-image-url": ["text-to-image"],
}
_LOST = re.compile("left out|.* kept off")  # counts of what the release lacks
_TEXTS = ("card.md", "statements.md", "columns.toml", "sets.toml")


def write_cards(
    run: "Run",
    folder: Path,
    counts: Mapping[str, int],
    digests: Mapping[str, str] | None = None,
) -> None:
    """Write README.md and croissant.json into each set of a release.

    Nothing in them depends on when the run was made or where.

    Args:
        run: a finished run.
        folder: the release, its data files complete.
        counts: rows by set; what was left out by reason; pictures by `set:source:name` and
            `set:licence:name`.
        digests: SHA-256 by `set/file` where they are known; the others are computed.
    """
    names = [name for name in _SETS if counts.get(name)]
    for name in names:
        looked = survey(folder / name, name, digests or {})
        told = _told(run, looked, _SETS[name], text("sets.toml")[name], ())
        told["siblings"] = [other for other in names if other != name]
        told["dropped"] = {
            k: n for k, n in counts.items() if k.startswith("left out") or "kept off" in k
        }
        told["kinds"] = _kinds(name, counts)
        if name == "stark-dialogue":
            told |= _dialogues(looked, counts)
        _write(folder / name, told, _hub(run, looked, told, _TASKS[name]))


def write_item_card(
    run: "Run", folder: Path, task: "Task", counts: Mapping[str, int], lost: Mapping[str, int]
) -> None:
    """Write README.md and croissant.json into a derived set.

    Args:
        run: a finished run.
        folder: the set, its data files complete.
        task: what the items are.
        counts: items by split.
        lost: what gave no item, by reason.
    """
    looked = survey(folder, task.folder, {})
    texts = {**text("sets.toml")["items"], "about": task.about}
    told = _told(run, looked, "Stark " + task.name.replace("-", " "), texts, task.stages)
    told["siblings"] = [n for n in _SETS if (run.root / "release" / n).is_dir()]
    told["dropped"], told["chat"], told["forms"] = dict(lost), task.chat, sorted(task.forms)
    known = text("columns.toml")
    abouts = known["tasks"] | known.get(task.name, {})
    abouts |= {n: f.description for n, f in task.makes.model_fields.items() if f.description}
    for column in told["columns"]:
        column["about"] = column["about"] or abouts.get(column["name"], "")
    spoken: dict[str, Counter[str]] = {}
    for split, row in rows(looked, ["language"]):
        spoken.setdefault(row["language"], Counter())[split] += 1
    told["languages_of_items"] = dict(sorted(spoken.items()))
    told["codes"] = sorted(spoken)
    told["written"] = [language_name(code) for code in sorted(spoken)]
    kinds = ["multiple-choice", "question-answering"] if task.question else ["text-generation"]
    hub = _hub(run, looked, told, ["summarization"] if task.name == "summary" else kinds)
    _write(folder, told, hub)


def texts_digest() -> str:
    """A digest of all texts that cards are made of: other texts make another release."""
    return digest([sha256((files("mcu.release") / name).read_bytes()) for name in _TEXTS])


@cache
def text(name: str) -> dict[str, Any]:
    """A file of texts."""
    return tomllib.loads((files("mcu.release") / name).read_text(encoding="utf-8"))


def _told(
    run: "Run", looked: Survey, title: str, texts: Mapping[str, Any], further: tuple[Stage, ...]
) -> dict[str, Any]:
    """Everything that the templates may speak of."""
    config, item = run.config, looked.name not in _SETS
    codes = sorted({language_code(str(config.chat.of(n).language)) for n in TRANSLATED})
    written = sorted({language_name(str(config.chat.of(n).language)) for n in TRANSLATED})
    total = sum(looked.rows.values())
    told: dict[str, Any] = {
        **{"set": looked.name, "title": title, "item": item, "config": config},
        **{"version": __version__, "digest": looked.digest, "files": looked.files, "total": total},
        "looked": looked,
        **{"splits": looked.splits, "first": next(iter(looked.splits)), "tars": looked.tars},
        **{"size": _bytes(sum(file.size for file in looked.files)), "written": written},
        "codes": sorted({"en", *codes}),
        "foreign": [name for name in written if name != ENGLISH],
        "scripted": config.chat.backend == "scripted",
        "drawn": config.image.backend == "avatar",
        "openai": config.chat.backend != "scripted",
        "pictures": "jpg" in looked.schema.names,
        "found": looked.name in ("stark-image", "stark-image-url"),
        "indexes": [public(name) for name in config.index.names],
        "models": models(config, further),
        "sources": sources(config),
        "stages": stages_of(run, further),
        **checks_of(config),
        **columns_of(looked, text("columns.toml"), item),
        **{"query": "", "chat": None, "forms": [], "figures": None, "kinds": {}},
        "languages_of_items": {},
    }
    rendered = {k: render(v, told) if isinstance(v, str) else v for k, v in texts.items()}
    return told | rendered


def _dialogues(looked: Survey, counts: Mapping[str, int]) -> dict[str, Any]:
    figures = dialogue_figures(looked)
    distributions = {
        "Ways of the pictures": figures.routes,
        "Gender": figures.genders,
        "Age": figures.ages,
        "Residence": figures.countries,
        "Category": figures.categories,
    }
    ordered = {title: Counter(dict(c.most_common())) for title, c in distributions.items()}
    ordered["Age"] = Counter(dict(sorted(figures.ages.items())))
    slots = (counts.get("empty image turns", 0), counts.get("image turns", 0))
    return {"figures": figures, "distributions": ordered, "slots": slots}


def _kinds(name: str, counts: Mapping[str, int]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for title, kind in (("Source", "source"), ("Licence", "licence")):
        start = f"{name}:{kind}:"
        if some := {k.removeprefix(start): n for k, n in counts.items() if k.startswith(start)}:
            found[title] = Counter(dict(sorted(some.items())))
    return found


def _hub(run: "Run", looked: Survey, told: Mapping[str, Any], tasks: list[str]) -> dict[str, Any]:
    """The card's metadata, in the words of the Hub.

    `datasets` finds a local set in its cache by this text alone, so it must differ where the data
    do: the digest in `dataset_info` sees to it.
    """
    total, rows_of = told["total"], looked.rows
    decoded = {s: sum(f.decoded for f in group) for s, group in looked.splits.items()}
    info = {
        "config_name": "default",
        "description": f"sha256:{looked.digest}",
        "features": looked.features,
        "splits": [
            {"name": s, "num_bytes": decoded[s], "num_examples": rows_of[s]} for s in rows_of
        ],
        "download_size": sum(file.size for file in looked.files),
        "dataset_size": sum(decoded.values()),
    }
    paths = [{"split": split, "path": looked.pattern(split)} for split in looked.splits]
    return {
        "pretty_name": told["title"],
        "language": told["codes"],
        "license": run.config.release.licence,
        "multilinguality": "multilingual" if len(told["codes"]) > 1 else "monolingual",
        "annotations_creators": ["machine-generated"],
        "language_creators": ["machine-generated"],
        "size_categories": [next((s for most, s in _SIZES if total < most), "n>1M")],
        "task_categories": tasks,
        "tags": ["synthetic", "mcu", "multi-modal dialogue", "long-term memory", "persona"],
        "configs": [{"config_name": "default", "default": True, "data_files": paths}],
        "dataset_info": info,
    }


def _write(folder: Path, told: dict[str, Any], hub: Mapping[str, Any]) -> None:
    import yaml

    statements = render((files("mcu.release") / "statements.md").read_text("utf-8"), told)
    sections = _sections(statements)
    told = {**told, "checks": sections.pop("Checks")}
    told["statements"] = "".join(_section(title, lines) for title, lines in sections.items())
    body = render((files("mcu.release") / "card.md").read_text("utf-8"), told)
    head = yaml.safe_dump(dict(hub), sort_keys=False, allow_unicode=True, width=100)
    (folder / "README.md").write_text(f"---\n{head}---\n\n{body}\n", encoding="utf-8")
    metadata = croissant(told, sections)
    (folder / "croissant.json").write_bytes(dump(metadata, indent=1))


def render(template: str, told: Mapping[str, Any]) -> str:
    """A template filled."""
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    helpers = {"percent": _percent, "ratio": _ratio, "shares": _shares}
    return environment.from_string(template).render(**helpers, **told)


def _sections(statements: str) -> dict[str, list[str]]:
    """The sentences under each heading."""
    found: dict[str, list[str]] = {}
    for part in statements.split("## ")[1:]:
        title, _, body = part.partition("\n")
        found[title] = [line[2:] for line in body.splitlines() if line.startswith("- ")]
    return found


def _section(title: str, lines: list[str]) -> str:
    return f"## {title}\n\n" + "".join(f"- {line}\n" for line in lines) + "\n"


def _bytes(size: int) -> str:
    for unit, most in (("kB", 1e6), ("MB", 1e9), ("GB", 1e12)):
        if size < most:
            return f"{size * 1e3 / most:.3g} {unit}"
    return f"{size / 1e12:.3g} TB"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _ratio(number: int, of: int) -> str:
    return f"{number / of:.1f}" if of else ""


def _shares(counter: Counter[str], most: int = 12) -> str:
    """`name 40.0 %` of the most frequent, or of all in their order where they are few."""
    total, top = counter.total(), dict(counter.most_common(most))
    few = counter if len(counter) <= most else top
    told = ", ".join(f"{name} {100 * n / total:.1f} %" for name, n in few.items())
    return told + (f" and {len(counter) - len(few)} more" if len(counter) > len(few) else "")
