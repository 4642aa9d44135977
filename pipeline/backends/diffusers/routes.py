"""What each route takes, needs and permits; read without torch, for settings and the doctor."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from mcu.errors import ConfigError
from mcu.image_section import ImageSection, RouteName, RouteSection

KINDS = ("face", "persona", "scene")  # the routes that an ImageSection names


@dataclass(frozen=True)
class Part:
    """A model that a route is made of.

    Attributes:
        commercial: whether its licence allows commercial use; None where it is not known.
    """

    name: str
    licence: str
    commercial: bool | None


@dataclass(frozen=True)
class RouteFacts:
    """A route's own choices, and what it costs; sources are in data/routes.toml.

    Attributes:
        use: what it is for, in words.
        weights: what it adds to the base; empty for nothing.
        encoder: the folder of the image encoder; empty for none.
        needs: repositories whose models it needs besides, which the user brings.
        non_commercial_base: what a base's name contains when its licence forbids commercial use.
        memory: GB on the card for one picture of 1,024 px: all parts there, and with offload.
    """

    name: RouteName
    use: str
    base: str
    steps: int
    guidance: float
    memory: tuple[int, int]
    weights: str = ""
    encoder: str = ""
    needs: tuple[str, ...] = ()
    non_commercial_base: str = ""
    strength: float = 0.0

    @property
    def parts(self) -> tuple[Part, ...]:
        """What it is made of by default."""
        return parts(RouteSection(route=self.name))

    @property
    def commercial(self) -> bool:
        """Whether all parts allow commercial use."""
        return all(part.commercial for part in self.parts)


@dataclass(frozen=True)
class Resolved:
    """A route with nothing left open; names are paths, or places on the Hub."""

    route: RouteName
    base: str
    weights: str
    encoder: str
    steps: int
    guidance: float
    strength: float


@dataclass(frozen=True)
class Instruction:
    """The sentences that tell an editing model whose picture is which."""

    one: str
    several: str
    other: str
    whole: str


@cache
def _table() -> dict[str, Any]:
    path = files("mcu.backends") / "data" / "routes.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def facts(name: RouteName) -> RouteFacts:
    """What is known of a route."""
    found = dict(_table()["routes"][name])
    found["memory"] = tuple(found["memory"])
    found["needs"] = tuple(found.get("needs", ()))
    return RouteFacts(name=name, **found)


def instruction() -> Instruction:
    """How the editing routes speak of pictures."""
    return Instruction(**{key: text.strip() for key, text in _table()["instruction"].items()})


def negative(image: ImageSection) -> str:
    """What no picture is to show."""
    return str(_table()["negative"]).strip() if image.negative is None else image.negative


def resolve(section: RouteSection) -> Resolved:
    """Fill in what a section leaves open.

    A folder given as weights is taken as a copy of the Hub's repository. SDXL-Lightning's files
    are made for a number of steps, which their names tell.
    """
    known = facts(section.route)
    weights = _weights(section.weights, known.weights)
    told = re.search(r"(\d+)step", Path(weights).name) if known.name == "lightning" else None
    return Resolved(
        route=section.route,
        base=section.base or known.base,
        weights=weights,
        encoder=_encoder(weights, known.encoder),
        steps=section.steps or (int(told[1]) if told else known.steps),
        guidance=known.guidance if section.guidance is None else section.guidance,
        strength=known.strength if section.strength is None else section.strength,
    )


def _weights(given: str, default: str) -> str:
    """The weight file, found in a folder where one is given."""
    folder = Path(given).expanduser()
    if not given or not folder.is_dir() or not default:
        return given or default
    inner = Path(*Path(default).parts[2:])
    places = (folder / inner, folder / inner.name)
    return str(next((place for place in places if place.is_file()), places[0]))


def _encoder(weights: str, default: str) -> str:
    """The image encoder's folder: beside local weights as on the Hub, or else the Hub's."""
    folder = Path(weights).expanduser().parent
    if default and folder.is_dir():
        inner = Path(*Path(default).parts[2:])
        # The Hub keeps another encoder, of another width, right beside the weights.
        for place in (folder.parent / inner, folder / inner, folder / inner.name):
            if place.is_dir():
                return str(place)
    return default


def parts(section: RouteSection) -> tuple[Part, ...]:
    """The models that a section chooses, each with its licence."""
    known, chosen = facts(section.route), resolve(section)
    names = [chosen.base, _repository(chosen.weights), _repository(chosen.encoder), *known.needs]
    found = [_part(name) for name in dict.fromkeys(names) if name]
    word = known.non_commercial_base
    if word and word in chosen.base.lower():
        found[0] = Part(chosen.base, f"non-commercial, as all {word.upper()} models of it", False)
    return tuple(found)


def public(name: str) -> str:
    """A model's name as it may be published: nobody need know where it lies on this machine."""
    path = Path(name).expanduser()
    return path.name if path.is_absolute() or path.exists() else name


def _repository(name: str) -> str:
    """`owner/repository` of a place on the Hub; a path as it is."""
    local = Path(name).is_absolute() or name.startswith(("~", "."))
    return name if local else "/".join(name.split("/")[:2])


def _part(name: str) -> Part:
    known = _table()["licences"].get(name)
    return Part(name, known["name"], known["commercial"]) if known else Part(name, "", None)


def check_licence(image: ImageSection) -> None:
    """Refuse weights that forbid commercial use unless the user has agreed to that.

    Only the chosen routes count, and only when pictures are drawn by a diffusion model. Of models
    that mcu does not know, nothing is said.

    Raises:
        ConfigError: names the route, the licence and the setting.
    """
    if image.backend != "diffusers" or image.non_commercial:
        return
    for kind in KINDS:
        section: RouteSection = getattr(image, kind)
        for part in parts(section):
            if part.commercial is False:
                raise ConfigError(
                    f"image.{kind}.route = {section.route!r} needs {part.name}, whose licence "
                    f"({part.licence}) forbids commercial use; set image.non_commercial = true if "
                    "yours is not commercial, or choose another route"
                )
