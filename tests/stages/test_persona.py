"""Stage 1: what an attribute must be, who is asked about, and which attributes are the same."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from authors import act, says
from people import PERSONA, SEED

from mcu.config import parse_config
from mcu.errors import Fault
from mcu.records import PersonaSeed
from mcu.stages.persona import Attribute, Duplicates, check, persona, seeds, taxonomy

SEEDS = seeds(parse_config({}), 0, 1000)


def reply(*items: tuple[str, str]) -> str:
    return json.dumps({"personas": [{"value": v, "sentence": s} for v, s in items]})


GOOD = ("paella", "I cook paella on Sundays.")


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        GOOD,
        ("Paella", "My PAELLA is known in the whole street."),
        ("rock 'n' roll", "I dance to rock 'n' roll in the kitchen."),
        ("C++", "I teach C++ to beginners."),
        ("\u00c9cole Nationale", "I went to the \u00c9cole Nationale in Lyon."),
        ("tea", "I drink tea."),
    ],
)
def test_good_attributes(value: str, sentence: str) -> None:
    check(Attribute(value=value, sentence=sentence))


@pytest.mark.parametrize(
    ("value", "sentence", "words"),
    [
        ("", "I cook paella on Sundays.", "the value must have 1 to 12 words, not 0"),
        ("...", "I cook ... on Sundays.", "the value must have 1 to 12 words, not 0"),
        ("a " * 13, "I cook " + "a " * 13, "the value must have 1 to 12 words, not 13"),
        ("paella\nrice", "I cook paella on Sundays.", "the value must be one line"),
        ("paella", "paella", "the sentence must have 3 to 40 words, not 1"),
        ("paella", "paella " + "and so on " * 14, "the sentence must have 3 to 40 words, not 43"),
        ("paella", "I cook paella.\nI do.", "the sentence must be one line"),
        ("paella", "I cook rice on Sundays.", "must contain the value 'paella' word for word"),
        ("art", "I start every day with a cartoon.", "must contain the value 'art' word for word"),
        ("the big red barn", "The big red barn, ever.", "must say something about the person"),
    ],
)
def test_bad_attributes(value: str, sentence: str, words: str) -> None:
    with pytest.raises(Fault, match=words):
        check(Attribute(value=value, sentence=sentence))


def test_each_attribute_becomes_a_person(tmp_path: Path) -> None:
    seed = SEED.model_copy(update={"count": 3})
    second, third = ("tapas", "I queue for tapas every Friday."), ("soup", "I live on soup alone.")
    made, losses = act(persona, seed, says(reply(GOOD, second, third, GOOD)), tmp_path)
    assert [p.entity_value for p in made] == ["paella", "tapas", "soup"], "no more than asked for"
    assert not losses
    for found in made:
        assert found.parent == seed.id
        for key in ("category", "entity_key", "age", "gender", "birthplace", "residence"):
            assert getattr(found, key) == getattr(seed, key)
        assert found.name.isalpha()
    assert len({found.id for found in made}) == 3


def test_bad_attributes_are_lost_one_by_one(tmp_path: Path) -> None:
    seed = SEED.model_copy(update={"count": 3})
    author = says(reply(GOOD, ("tapas", "I queue every Friday."), ("soup", "I live on soup.")))
    made, losses = act(persona, seed, author, tmp_path, chat={"repairs": 2})
    assert len(author.requests) == 3, "first it is asked again"
    assert [p.entity_value for p in made] == ["paella", "soup"]
    assert [(row["code"], json.loads(row["raw"])["value"]) for row in losses] == [
        ("bad_attribute", "tapas")
    ]


def test_too_few_are_asked_for_again_and_then_taken(tmp_path: Path) -> None:
    seed = SEED.model_copy(update={"count": 2})
    author = says(reply(GOOD))
    made, losses = act(persona, seed, author, tmp_path, chat={"repairs": 1})
    assert "2 attributes are asked for, not 1" in author.requests[1].messages[-1]["content"]
    assert (len(made), losses) == (1, [])


def test_an_unsafe_attribute_is_never_kept(tmp_path: Path) -> None:
    author = says(reply(("porn", "I watch porn with my neighbours.")))
    made, losses = act(persona, SEED, author, tmp_path)
    assert made == []
    assert [row["code"] for row in losses] == ["bad_reply"]
    assert "unsafe" in losses[0]["reason"]


def spread(values: list[Any]) -> int:
    """How far apart the most and the least frequent are."""
    counts = Counter(values)
    return max(counts.values()) - min(counts.values())


def test_all_fifty_categories_are_used_alike() -> None:
    found = [(seed.category, seed.entity_key) for seed in SEEDS]
    assert set(found) == {tuple(row) for row in taxonomy()["categories"]}
    assert Counter(Counter(found).values()) == {20: 50}
    assert len(set(found[:50])) == 50, "in a small run, too"


def test_genders_and_countries_are_even() -> None:
    assert Counter(seed.gender for seed in SEEDS) == {"male": 500, "female": 500}
    assert {seed.birthplace for seed in SEEDS} == set(taxonomy()["countries"])
    assert spread([seed.birthplace for seed in SEEDS]) <= 1


def test_seven_in_ten_stay() -> None:
    assert sum(seed.birthplace == seed.residence for seed in SEEDS) == 700
    moved = Counter(seed.residence for seed in SEEDS if seed.birthplace != seed.residence)
    assert set(moved) == set(taxonomy()["countries"])


def test_age_groups_are_even() -> None:
    groups = [(18, 29), *((a, a + 9) for a in range(30, 80, 10)), (80, 90)]
    counts = [sum(low <= seed.age <= high for seed in SEEDS) for low, high in groups]
    assert sum(counts) == 1000
    assert max(counts) - min(counts) <= 1
    assert len({seed.age for seed in SEEDS}) == 73, "every age from 18 to 90"


@pytest.mark.parametrize("ages", [(18, 90), (20, 20), (18, 20), (10, 17), (29, 31), (65, 100)])
def test_ages_are_respected(ages: tuple[int, int]) -> None:
    found = {seed.age for seed in seeds(parse_config({"run": {"ages": ages}}), 0, 600)}
    assert found == set(range(ages[0], ages[1] + 1))


def test_one_trait_tells_nothing_of_another() -> None:
    """The decks are shuffled apart: each category meets both genders and many countries."""
    for category in {seed.category for seed in SEEDS}:
        mine = [seed for seed in SEEDS if seed.category == category]
        assert {seed.gender for seed in mine} == {"male", "female"}
        assert len({seed.birthplace for seed in mine}) >= 8
        assert len({seed.age // 10 for seed in mine}) >= 4


def test_seeds_depend_on_run_and_number_alone() -> None:
    config = parse_config({})
    assert seeds(config, 700, 20) == SEEDS[700:720]
    assert len({seed.id for seed in SEEDS}) == 1000
    other = seeds(parse_config({"run": {"seed": 1}}), 0, 1000)
    assert sum(a == b for a, b in zip(SEEDS, other, strict=True)) < 10


def test_every_person_gets_a_name_of_their_country(tmp_path: Path) -> None:
    for country in taxonomy()["countries"]:
        for gender in taxonomy()["genders"]:
            facts = {"birthplace": country, "gender": gender}
            seed = PersonaSeed.model_validate({**SEED.model_dump(exclude={"id"}), **facts})
            made, _ = act(persona, seed, says(reply(GOOD)), tmp_path)
            assert made[0].name and made[0].name.strip() == made[0].name


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"entity_value": "Paellas!"}, True),
        ({"sentence": "i cook PAELLA for my neighbours, on Sundays"}, True),
        ({"sentence": "On Sundays I cook paella for my neighbours."}, True),
        ({"sentence": "I cook paella for all my neighbours on Sundays."}, True),
        ({"name": "Ana", "age": 80, "residence": "Japan"}, True),
        ({"sentence": "My grandmother burnt her paella at every wedding."}, False),
        ({"entity_value": "rice", "sentence": "I cook rice for my neighbours on Sundays."}, False),
        ({"entity_key": "hobby"}, False),
    ],
)
def test_duplicates(change: dict[str, Any], same: bool) -> None:
    known = Duplicates()
    assert known.add(PERSONA)
    assert known.add(PERSONA.model_copy(update=change)) is not same
    assert not known.add(PERSONA)


def test_a_duplicate_of_any_earlier_one_is_found() -> None:
    known = Duplicates()
    sentences = ["I cook paella at sea.", "Paella reminds me of school.", "My dog ate the paella."]
    people = [PERSONA.model_copy(update={"sentence": text}) for text in sentences]
    assert [known.add(one) for one in people] == [True] * 3
    assert [known.add(one) for one in people] == [False] * 3
