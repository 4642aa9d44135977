"""What pictures of an episode have in common: the person, a style, a thing."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mcu.records import Picture
from mcu.release.episodes import Episode
from mcu.release.rows import key_of
from mcu.stages.derive.objects import Objects
from mcu.stages.text import content_words, mentions

# Pictures that say of themselves that no camera took them; an index of charts says it of all.
_GRAPHIC = re.compile(
    r"\b(?:charts?|diagrams?|plots?|histograms?|curves?|graphs?|drawings?|drawn|cartoons?|"
    r"screenshots?|maps?|sketch(?:es)?|figures?|floor plan|number line|clip art|(?:decision|"
    r"probability) tree|bracket|spiral|triangle)\b",
    re.IGNORECASE,
)
_CHARTS = {"chartqa", "ai2d", "mathvision"}
_PICTURED = re.compile(r"\b(?:photo|photograph|poster|painting|printed|symbol|flag)\b", re.I)


@dataclass(frozen=True)
class Trait:
    """Something that a picture shows or not; pictures of which that is not sure are in neither."""

    kind: str
    text: str
    those: tuple[Picture, ...]
    others: tuple[Picture, ...]


def traits(episode: Episode) -> list[Trait]:
    """All that is known of an episode's pictures."""
    return [_person(episode), _style(episode), *_things(episode)]


def _person(episode: Episode) -> Trait:
    """Pictures with the person's own face; others that name the person may show a part."""
    name = episode.persona.name
    those = tuple(p for p in episode.pictures if p.route == "p-t2i" and _named(p, name))
    others = tuple(p for p in episode.pictures if p.route != "p-t2i" and not _named(p, name))
    return Trait("identity", f"show {name}", those, others)


def _named(picture: Picture, name: str) -> bool:
    return mentions(picture.description, name)


def _style(episode: Episode) -> Trait:
    """Pictures that no camera took, by what they say or where they come from."""
    those, others = [], []
    for picture in episode.pictures:
        if picture.source in _CHARTS or _GRAPHIC.search(picture.description):
            those.append(picture)
        elif picture.album and not _PICTURED.search(picture.description):
            others.append(picture)  # what the internet has may be drawn without saying so
    text = "are charts, diagrams, maps, drawings or screenshots"
    return Trait("style", text, tuple(those), tuple(others))


def _things(episode: Episode) -> Iterator[Trait]:
    """Things that two pictures or more show, by their lists of objects."""
    listed = {record.key: record for record in episode.of(Objects)}
    known = [(p, listed[key]) for p in episode.pictures if (key := key_of(p)) in listed]
    names = dict.fromkeys(thing.name.casefold() for _, row in known for thing in row.objects)
    for name in names:
        those, others = [], []
        for picture, row in known:
            own = [thing for thing in row.objects if thing.name.casefold() == name]
            if own and own[0].in_pixels is not False:
                those.append(picture)
            elif not content_words(name) & content_words(picture.description):
                others.append(picture)
        if len(those) > 1:
            yield Trait("compare", f"show this: {name}", tuple(those), tuple(others))
