"""Looks agree with age, gender, origin and themselves, and their sentences are English."""

import random
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from mcu.stages.looks import check_look, countries, describe, draw_look

GENDERS = ("male", "female", "non-binary")
AGES = range(10, 91)


Who = tuple[int, str, str]


def drawn() -> Iterator[tuple[dict[str, str], Who]]:
    for country in countries():
        for gender in GENDERS:
            for age in AGES:
                rng = random.Random(f"{country} {gender} {age}")
                yield draw_look(age, gender, country, rng), (age, gender, country)


def test_every_drawn_look_agrees_with_its_person_and_itself() -> None:
    assert [(look, faults) for look, who in drawn() if (faults := check_look(look, *who))] == []


def test_every_sentence_is_english() -> None:
    a_vowel = re.compile(r"\ba (?!uni|one|eu|use)[aeio]", re.IGNORECASE)
    an_consonant = re.compile(r"\ban (?![aeiou]|8\d?-|11-|18-)", re.IGNORECASE)
    numbers = re.compile(r"\ba (?:8\d?|11|18)-")
    for look, who in drawn():
        text = describe(look, *who)
        assert not a_vowel.search(text), text
        assert not an_consonant.search(text), text
        assert not numbers.search(text), text
        assert not re.search(r"\b(an?|the) (an?|the)\b|  |[{}]| ,|,,|\bNone\b", text, re.I), text
        assert re.fullmatch(r"[A-Z][^.]*\.", text), text
        assert f"{who[0]}-year-old" in text


def test_every_attribute_that_the_shot_shows_is_said() -> None:
    unsaid = {"age", "gender", "shot_type", "background", "bottoms", "shoes", "hair_length"}
    hair = {"hair_style", "hair_colour"}
    for look, who in drawn():
        text = describe(look, *who)
        for slot in set(look) - unsaid - hair:
            assert look[slot] in text, (slot, look[slot], text)
        assert look.get("hair_colour", "") in text


@pytest.mark.parametrize(
    ("country", "said"),
    [
        ("United States of America", "from the United States of America"),
        ("United Arab Emirates", "from the United Arab Emirates"),
        ("United Kingdom", "from the United Kingdom"),
        ("Japan", "from Japan"),
        ("Iceland", "from Iceland"),
    ],
)
def test_countries_are_named_as_in_prose(country: str, said: str) -> None:
    look = draw_look(41, "female", country, random.Random(1))
    assert check_look(look, 41, "female", country) == []
    assert said in describe(look, 41, "female", country)


def test_the_sentence_of_a_whole_look() -> None:
    look = {
        "body_shape": "slim",
        "facial_hair": "trimmed white moustache",
        "hair_style": "crew cut",
        "hair_length": "short",
        "hair_colour": "white",
        "skin_tone": "light",
        "coat": "navy cardigan",
        "top": "white shirt",
        "bottoms": "black trousers",
        "background": "bookshelf",
        "shot_type": "full-body",
    }
    assert describe(look, 67, "male", "Japan") == (
        "A full-body shot of a 67-year-old man from Japan with a slim build, light skin, white "
        "hair in a neat crew cut and a trimmed white moustache, wearing a navy cardigan over a "
        "white shirt and black trousers, in front of a bookshelf."
    )


def test_age_shows() -> None:
    old = Counter[str]()
    for seed in range(600):
        for age in (25, 45, 65, 85):
            look = draw_look(age, "male", "France", random.Random(seed))
            old[f"grey {age}"] += look.get("hair_colour") in ("salt-and-pepper", "grey", "white")
            old[f"bald {age}"] += look.get("hair_style") == "bald"
    assert old["grey 25"] == 0 < old["grey 45"] < old["grey 65"]
    assert old["bald 25"] < old["bald 45"] < old["bald 85"]


def test_headscarves_are_worn_by_some_women_of_some_countries() -> None:
    worn = Counter[str]()
    for country in countries():
        for seed in range(200):
            for gender in GENDERS:
                look = draw_look(30, gender, country, random.Random(seed))
                worn[f"{gender} {country}"] += "headscarf" in look
                assert not ("headscarf" in look and "hair_style" in look)
    assert 0.25 < worn["female Saudi Arabia"] / 200 < 0.65
    assert worn["female Japan"] == worn["male Saudi Arabia"] == worn["non-binary Egypt"] == 0


@pytest.mark.parametrize(
    ("change", "age", "gender"),
    [
        ({"facial_hair": "full black beard"}, 15, "male"),
        ({"facial_hair": "full black beard"}, 40, "female"),
        ({"facial_hair": "full brown beard"}, 40, "male"),
        ({"hair_colour": "white"}, 30, "male"),
        ({"hair_style": "bald"}, 40, "male"),
        ({"hair_style": "two braids", "hair_length": "long"}, 40, "female"),
        ({"hair_length": "long"}, 40, "male"),
        ({"headscarf": "black headscarf"}, 40, "female"),
        ({"hat": "navy beanie", "headband": "teal headband"}, 40, "female"),
        ({"tie": "red tie"}, 40, "male"),
        ({"one_piece": "teal dress"}, 40, "female"),
        ({"coat": "navy suit jacket"}, 40, "male"),
        ({"special_clothing": "navy school uniform"}, 40, "male"),
        ({"background": "beach", "scarf": "navy wool scarf"}, 40, "male"),
        ({"skin_tone": "deep brown"}, 40, "male"),
        ({"wings": "white wings"}, 40, "male"),
        ({"age": "41"}, 40, "male"),
    ],
)
def test_contradictions_are_found(change: dict[str, str], age: int, gender: str) -> None:
    look = {
        "hair_style": "crew cut" if gender == "male" else "bob",
        "hair_length": "short" if gender == "male" else "chin-length",
        "hair_colour": "black",
        "skin_tone": "light",
        "top": "navy T-shirt",
    }
    assert check_look(look, age, gender, "Japan") == []
    assert check_look(look | change, age, gender, "Japan") != []


@pytest.mark.parametrize("age", [3, 9, 91, 130])
def test_ages_beyond_the_groups_are_drawn_too(age: int) -> None:
    for gender in GENDERS:
        look = draw_look(age, gender, "Egypt", random.Random(age))
        assert check_look(look, age, gender, "Egypt") == []
        assert f"{age}-year-old" in describe(look, age, gender, "Egypt")


def test_an_unknown_gender_is_an_error() -> None:
    with pytest.raises(ValueError, match="gender must be"):
        draw_look(30, "robot", "Japan", random.Random(0))
