"""Contradictions in a look are found: with the person, the origin and between what is worn."""

import pytest

from mcu.stages.looks import check_look, describe


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
        ({"background": "beach", "hat": "navy beanie"}, 40, "male"),
        ({"background": "kitchen", "hat": "pale straw hat"}, 40, "male"),
        ({"scarf": "navy wool scarf"}, 40, "male"),
        ({"bottoms": "blue jeans", "belt": "black slim belt"}, 40, "male"),
        ({"belt": "black leather belt"}, 40, "male"),
        (
            {
                "special_clothing": "red football jersey",
                "bottoms": "blue jeans",
                "belt": "tan leather belt",
            },
            40,
            "male",
        ),
        ({"shoes": "brown sandals", "socks": "white ankle socks"}, 40, "male"),
        (
            {"shoes": "brown sandals", "scarf": "navy wool scarf", "coat": "navy cardigan"},
            40,
            "male",
        ),
        ({"socks": "white ankle socks"}, 40, "male"),
        ({"bottoms": "blue jeans", "socks": "red football socks"}, 40, "male"),
        ({"bag": "brown handbag"}, 40, "male"),
        ({"bag": "brown backpack", "background": "kitchen"}, 40, "male"),
        ({"bag": "brown briefcase"}, 40, "male"),
        ({"veil": "sheer chiffon veil"}, 40, "female"),
        ({"veil": "sheer bridal veil"}, 40, "female"),
        ({"bottoms": "navy shorts", "hat": "navy beanie"}, 40, "male"),
        ({"hat": "red baseball cap", "hair_style": "quiff"}, 40, "male"),
        ({"shot_type": "x-ray"}, 40, "male"),
        ({"eye_colour": "blue"}, 40, "male"),
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


def test_a_veil_goes_with_a_headscarf_or_a_wedding_dress() -> None:
    covered = {"headscarf": "black headscarf", "top": "navy jumper", "veil": "fine chiffon veil"}
    assert check_look(covered, 40, "female", "Egypt") == []
    assert check_look(covered, 40, "female", "France") != []
    assert check_look(covered | {"top": "navy T-shirt"}, 40, "female", "Egypt") != []
    bride = {
        "hair_style": "bun",
        "hair_length": "long",
        "hair_colour": "black",
        "one_piece": "white wedding dress",
        "veil": "sheer bridal veil",
    }
    assert check_look(bride, 40, "female", "Japan") == []
    assert "veil drawn back from the face" in describe(bride, 40, "female", "Japan")
    for change in ({"hat": "navy fedora"}, {"bag": "tan handbag"}, {"background": "office"}):
        assert check_look(bride | change, 40, "female", "Japan") != []


def test_traits_of_several_origins_are_not_mixed() -> None:
    look = {"top": "red T-shirt", "hair_style": "crew cut", "hair_length": "short"}
    look |= {"hair_colour": "blonde", "skin_tone": "fair", "eye_colour": "blue"}
    assert check_look(look, 30, "male", "France") == []
    assert check_look(look | {"skin_tone": "deep brown"}, 30, "male", "France") != []
    curls = {"hair_style": "short locs", "hair_colour": "black"}
    assert check_look(look | curls, 30, "male", "France") != []
