"""Stage 6: five different captions around the person, and nobody famous."""

import json
from pathlib import Path
from typing import Any

import pytest
from authors import act, says
from people import LINE, NARRATIVE, PERSONA, PICTURES

from mcu.errors import Fault
from mcu.stages.album import Album, album, check


def images(**changes: Any) -> list[dict[str, str]]:
    """Five good pictures; `d2` is another description of the second, `c2` its category."""
    found = [{"description": text, "category": "Food"} for text in PICTURES]
    for key, value in changes.items():
        name = {"d": "description", "c": "category"}[key[0]]
        found[int(key[1]) - 1][name] = value
    return found


def test_good_albums() -> None:
    check(Album.model_validate({"images": images()}), PERSONA)
    check(
        Album.model_validate({"images": images(d3="L\u00daC\u00cdA and Luc\u00eda's cat")}), PERSONA
    )
    check(
        Album.model_validate(
            {"images": images(c1="social networking", d1="Luc\u00eda eats, " * 20)}
        ),
        PERSONA,
    )


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (images()[:4], "there must be five images, not 4"),
        ([*images(), images()[0]], "there must be five images, not 6"),
        ([], "there must be five images, not 0"),
        (images(d1="Luc\u00eda cooks"), "a description must have 4 to 60 words, not 2"),
        (images(d3="word " * 61), "a description must have 4 to 60 words, not 61"),
        (images(d3="a bowl\nof rice and beans"), "a description must be one line"),
        (images(c1=""), "a category must have 1 to 4 words, not 0"),
        (images(c1="a b c d e"), "a category must have 1 to 4 words, not 5"),
        (images(d4=PICTURES[2].upper()), "the five descriptions must be different"),
        (
            images(d1="a woman stirs a large pan"),
            "at least two images must show Luc\u00eda by name",
        ),
        (images(d1="Luc\u00edana stirs a large pan"), "at least two images must show Luc\u00eda"),
    ],
)
def test_bad_albums(found: list[dict[str, str]], words: str) -> None:
    with pytest.raises(Fault, match=words):
        check(Album.model_validate({"images": found}), PERSONA)


def test_the_pictures_are_numbered(tmp_path: Path) -> None:
    author = says(json.dumps({"images": images()}))
    made, losses = act(album, NARRATIVE, author, tmp_path, LINE)
    assert [m.number for m in made] == [1, 2, 3, 4, 5]
    assert [m.description for m in made] == PICTURES
    assert {m.category for m in made} == {"food"}
    assert {m.parent for m in made} == {NARRATIVE.id}
    assert not losses


def test_no_real_people(tmp_path: Path) -> None:
    bad = images(d3="Taylor Swift sings on a small stage")
    author = says(json.dumps({"images": bad}), json.dumps({"images": images()}))
    made, _ = act(album, NARRATIVE, author, tmp_path, LINE)
    assert [m.description for m in made] == PICTURES
    assert "'Taylor Swift' is a real person" in author.requests[1].messages[-1]["content"]
    (tmp_path / "off").mkdir()
    author = says(json.dumps({"images": bad}))
    made, _ = act(album, NARRATIVE, author, tmp_path / "off", LINE, checks={"safety": "off"})
    assert len(author.requests) == 1
