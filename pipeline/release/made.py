"""How a run was made, for its cards: stages, models with their terms, sources, checks."""

from importlib.resources import files
from typing import TYPE_CHECKING, Any

from mcu.backends.diffusers.routes import KINDS, parts, public
from mcu.config import Config
from mcu.contract import Stage
from mcu.image_section import ImageSection
from mcu.store import Unit, rejects_of

if TYPE_CHECKING:
    from mcu.run import Run

_UNKNOWN = "not known to mcu: see its own card"
_EACH = "each picture's own, in its `json`"
_STARTER = "public domain or CC0, each picture's own in its `json`"
_INDEXES = {"starter": _STARTER}
_CHECKS = {
    "dlib": ("faces", "dlib's face encoder", "Boost 1.0; weights public domain or CC0"),
    "nudenet": ("nudity", "NudeNet 320n", "AGPL-3.0"),
}


def stages_of(run: "Run", further: tuple[Stage, ...]) -> list[dict[str, Any]]:
    """Each stage with its version, prompts, records and rejects by reason."""
    from mcu import prompts
    from mcu.stages import STAGES

    found = []
    for stage in (*STAGES, *further):
        marks = [run.store.mark(Unit(stage, n)) or {} for n in range(run.config.shards)]
        found.append(
            {
                "number": stage.number,
                "name": stage.name,
                "version": stage.version,
                "prompts": {name: prompts.load(name).version for name in stage.prompts},
                "inputs": sum(mark.get("inputs", 0) for mark in marks),
                "records": sum(mark.get("records", 0) for mark in marks),
                "rejects": rejects_of(marks),
            }
        )
    return found


def models(config: Config, further: tuple[Stage, ...] = ()) -> list[dict[str, str]]:
    """What wrote, drew, found and checked, each with its licence or terms."""
    rows = [*_writers(config, further), *_painters(config.image)]
    if config.encoder.backend == "caption":
        rows.append(_row("fit of picture and text", "static embeddings (WordLlama)", "MIT"))
    else:
        name = f"{config.encoder.model} ({public(config.encoder.pretrained)})"
        rows.append(_row("fit of picture and text", name, _UNKNOWN))
    for name in config.index.names:
        rows.append(_row("retrieved pictures", public(name), _INDEXES.get(name, _EACH)))
    gallery = config.web.backend == "gallery"
    rows.append(
        _row("web pictures", "the starter set, offline", _STARTER)
        if gallery
        else _row("web pictures", config.web.backend, _EACH)
    )
    for used in (config.checks.faces, config.checks.pictures):
        if used in _CHECKS:
            rows.append(_row(*_CHECKS[used]))
    return rows


def sources(config: Config) -> list[str]:
    """The collections that pictures were found in, and nothing that a model wrote."""
    web = [] if config.web.backend == "gallery" else [config.web.backend]
    return [*(public(name) for name in config.index.names), *web]


def checks_of(config: Config) -> dict[str, Any]:
    """What statements on checks need to know."""
    import tomllib

    table = (files("mcu.stages") / "data" / "taxonomy.toml").read_text(encoding="utf-8")
    bar = config.checks.relevance_bar
    parts_of = _all_parts(config.image)
    return {
        "countries": len(tomllib.loads(table)["countries"]),
        "encoder": "captions" if config.encoder.backend == "caption" else config.encoder.model,
        "bar": f"a score of {bar}" if bar else "the encoder's calibrated bar",
        "forbidden": sorted({public(p.name) for p in parts_of if p.commercial is False}),
        "authors": _authors(config),
    }


def _authors(config: Config) -> str:
    chat, image = config.chat, config.image.backend
    texts = (
        "the texts were composed by a script"
        if chat.backend == "scripted"
        else f"the texts were written by {public(chat.model)}"
    )
    drawn = (
        "illustrations drawn by code, and clip art"
        if image == "avatar"
        else "drawn by image models or found in collections"
    )
    return f"{texts[0].upper()}{texts[1:]}; the pictures are {drawn}."


def _writers(config: Config, further: tuple[Stage, ...]) -> list[dict[str, str]]:
    from mcu.stages import STAGES

    chat = config.chat
    if chat.backend == "scripted":
        return [_row("all texts", f"{chat.model}, a script", "part of mcu, Apache-2.0")]
    by: dict[str, list[str]] = {}
    for stage in (*STAGES, *further):
        if stage.prompts:
            by.setdefault(public(str(chat.of(stage.name).model)), []).append(stage.name)
    return [
        _row("all texts" if len(by) == 1 else ", ".join(names), model, "its provider's terms")
        for model, names in by.items()
    ]


def _painters(image: ImageSection) -> list[dict[str, str]]:
    if image.backend == "avatar":
        return [_row("drawn pictures", "avatar, drawings by code", "part of mcu, Apache-2.0")]
    use = {True: "commercial use allowed", False: "**no commercial use**", None: "use not known"}
    return [
        _row(
            f"pictures ({kind}, {getattr(image, kind).route})",
            public(part.name),
            f"{part.licence or 'not known'}; {use[part.commercial]}",
        )
        for kind in KINDS
        for part in parts(getattr(image, kind))
    ]


def _all_parts(image: ImageSection) -> list[Any]:
    if image.backend != "diffusers":
        return []
    return [part for kind in KINDS for part in parts(getattr(image, kind))]


def _row(part: str, name: str, terms: str) -> dict[str, str]:
    return {"part": part, "name": name, "terms": terms}
