"""The scripted planner on the labelled slots, and the rules that the labels follow."""

from collections import Counter
from typing import Any

import pytest
from labelled import HELD_OUT, ROUTES, accuracy, confusion, planned, slots

from mcu.records import ASSISTANT, Persona
from mcu.stages.routes import Planned, check
from mcu.stages.slots import Slot
from mcu.stages.text import mentions

ROWS = slots()


def persona(row: dict[str, Any]) -> Persona:
    return Persona(
        category="Food",
        entity_key="food",
        entity_value="soup",
        sentence="I like soup.",
        birthplace="Spain",
        residence="Spain",
        **{key: row[key] for key in ("name", "age", "gender")},
    )


def test_the_labelled_slots_are_many_and_varied() -> None:
    assert len(ROWS) >= 300
    assert len({row["description"] for row in ROWS}) == len(ROWS)
    routes = Counter(row["route"] for row in ROWS)
    assert min(routes[route] for route in ROUTES) >= 60
    assert len({row["category"] for row in ROWS}) >= 15
    assert len({row["kind"] for row in ROWS}) >= 50
    for row in ROWS:
        assert row["sharer"] in (row["name"], ASSISTANT)
        assert row["source"] == "internet" or row["sharer"] == row["name"]
        assert 5 <= len(row["description"].split()) <= 30
        if row["route"] == "p-t2i":
            assert row["source"] == "mobile" and mentions(row["description"], row["name"])


def test_nine_in_ten_routes_are_right() -> None:
    found = [planned(row)["route"] for row in ROWS]
    held, held_found = ROWS[:HELD_OUT], found[:HELD_OUT]
    print("\n" + "\n".join(confusion(ROWS, found)))
    print(f"all {accuracy(ROWS, found):.3f}, held out {accuracy(held, held_found):.3f}")
    assert accuracy(ROWS, found) >= 0.9
    assert accuracy(held, held_found) >= 0.9
    for route in ROUTES:  # none of the routes is bought with another one
        own = [n for n, row in enumerate(ROWS) if row["route"] == route]
        assert accuracy([ROWS[n] for n in own], [found[n] for n in own]) >= 0.85, route


def test_a_table_of_routes() -> None:
    rows = [{"route": route} for route in ("web", "web", "t2i")]
    head, *lines = confusion(rows, ["web", "retrieval", "t2i"])
    assert head.split() == ["label", *ROUTES]
    assert [line.split() for line in lines][1:3] == [
        ["t2i", "0", "1", "0", "0"],
        ["web", "0", "0", "1", "1"],
    ]


def test_every_plan_has_the_form_of_its_route() -> None:
    for row in ROWS:
        slot = Slot("slot", row["description"], album=int(row["source"] == "mobile"))
        check(Planned.model_validate(planned(row)), slot, persona(row))


def route(text: str, name: str = "Rose", source: str = "mobile") -> dict[str, str]:
    return planned(
        {
            "name": name,
            "age": 30,
            "gender": "female",
            "sharer": name if source == "mobile" else ASSISTANT,
            "source": source,
            "category": "",
            "keywords": [],
            "description": text,
        }
    )


@pytest.mark.parametrize(
    "text",
    [
        "A photo of Rose behind a market stall",
        "A dog next to Rose on a bench",
        "A group of Rose and her neighbours in the yard",
        "A cake on the table in front of Rose, who laughs",
        "A girl leaning her head close to Rose on a sofa",
        "Rose's dog and Rose in the waves",
        "Rose reading a letter by the window",
        "Rose on the back of a white horse",
        "ROSE waving from a balcony",
    ],
)
def test_the_person_is_seen(text: str) -> None:
    assert route(text)["route"] == "p-t2i"


@pytest.mark.parametrize(
    "text",
    [
        "Rose's dog in the waves",
        "Rose\u2019s boots in the hall",
        "An uncle of Rose at a grill",
        "A red rose on the breakfast table",
        "A postcard from Greece for Rose",
        "A bracelet with Rose engraved on the inside",
        "A cake with the name Rose in pink letters",
        "Rose with her back to the camera on a cliff",
        "Rose hiding her face behind a big leaf",
        "The shadow of Rose on a wet road",
    ],
)
def test_the_person_is_named_only(text: str) -> None:
    plan = route(text)
    assert (plan["route"], plan["class_word"]) == ("t2i", "")
    assert "Rose" not in plan["prompt"]


def test_a_common_word_as_a_name() -> None:
    assert "a woman img cutting a yellow one" in route("Rose cutting a yellow rose")["prompt"]
    assert "A red rose" in route("A red rose on the breakfast table")["prompt"]


@pytest.mark.parametrize(
    ("text", "source", "expected"),
    [
        ("A screenshot of a message from the bank", "internet", "t2i"),
        ("A unicorn asleep under a street lamp", "internet", "t2i"),
        ("The old town of Salamanca in the evening", "mobile", "web"),
        ("Her ticket to Salamanca on the kitchen table", "mobile", "t2i"),
        ("A narrow street with cats on a Sunday morning", "mobile", "t2i"),
        ("A scatter plot on a lecture slide", "mobile", "retrieval"),
        ("A French onion soup with melted cheese", "internet", "retrieval"),
        ("The harbour of Marseille with its fishing boats", "internet", "web"),
        ("A garden chair like the one that Rose wants", "internet", "retrieval"),
    ],
)
def test_other_routes(text: str, source: str, expected: str) -> None:
    assert route(text, source=source)["route"] == expected
