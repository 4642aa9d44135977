"""Lists of objects: what is taken from a reply, what is a twin, what a picture shows."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from authors import Author, act, says
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from stages.people import LINE, PERSONA, episode

from mcu.author.objects import objects as author
from mcu.author.seen import korean, read
from mcu.author.sheet import Sheet
from mcu.errors import Fault
from mcu.ids import rng_of
from mcu.records import Picture, Plan
from mcu.stages.derive.alike import alike
from mcu.stages.derive.objects import Named, Objects, Seen, SeenTwice, check, confirmed, objects
from mcu.store import Store
from tiny import torch_ready

TEXT = "Lucía with a blue bowl next to a red teapot on a wooden table"
CAPTION = "Someone with a blue bowl next to a red teapot on a wooden table."
GOOD = {"bowl": "blue", "teapot": "next to the blue part"}


def picture(text: str, number: int = 1) -> Picture:
    return Picture(
        parent=EVENTS.id,
        slot=f"album:{number}",
        description=text,
        album=number,
        places=[],
        plan=Plan(route="t2i", prompt=text),
        key=f"k{number}",
        image=f"{number}" * 64,
        route="t2i",
        source="t2i",
    )


EVENTS = episode(4)


def reply(caption: str = CAPTION, **told: str) -> Seen:
    named = [Named(name=name, detail=detail) for name, detail in (told or GOOD).items()]
    return Seen(caption=caption, objects=named)


def made(
    tmp_path: Path, chat: Author, *texts: str, **sections: dict[str, Any]
) -> tuple[list[Objects], list[dict[str, str]]]:
    pictures = [picture(text, number) for number, text in enumerate(texts, 1)]
    return act(objects, EVENTS, chat, tmp_path, [*LINE, *pictures], **sections)


def test_a_good_list() -> None:
    check(reply(), TEXT, PERSONA.name)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (reply("Lucía with a blue bowl and a red teapot."), "must not name the person"),
        (reply(CAPTION[:-1] + " and an elephant."), "more than the description"),
        (reply(kettle="red"), "must stand in the description"),
        (reply(bowl="blue", teapot="blue"), "given twice"),
        (reply(bowl="blue", teapot="next to the bowl"), "must not name"),
        (reply(bowl="striped"), "is not in the caption"),
        (reply("A blue bowl on a table.", bowl="blue", teapot=""), "and in the caption"),
    ],
)
def test_bad_lists(bad: Seen, told: str) -> None:
    with pytest.raises(Fault, match=told):
        check(bad, TEXT, PERSONA.name)


def test_bad_korean() -> None:
    both = {"name": "bowl", "detail": "blue", "name_korean": "그릇", "detail_korean": "파란"}
    good = {"caption": CAPTION, "objects": [both], "caption_korean": "파란 그릇이 보이는 사진"}
    check(SeenTwice.model_validate(good), TEXT, PERSONA.name)
    for change, told in (
        ({"caption_korean": "a blue bowl"}, "must be in Korean"),
        ({"objects": [{**both, "name_korean": "접시"}]}, "must stand in caption_korean"),
        ({"objects": [{**both, "detail_korean": ""}]}, "in both languages"),
        ({"objects": [{**both, "detail_korean": "그릇 옆에 있는"}]}, "must not name"),
    ):
        with pytest.raises(Fault, match=told):
            check(SeenTwice.model_validate({**good, **change}), TEXT, PERSONA.name)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("cup", "mug", True),
        ("paper cup", "cup", True),
        ("blue lamp", "red lamp", True),
        ("sofa", "couch", True),
        ("table", "furniture", True),
        ("book", "page", True),
        ("drawer", "handle", True),
        ("mug", "notebook", False),
        ("umbrella", "bench", False),
        ("boots", "fence", False),
    ],
)
def test_alike(one: str, other: str, same: bool) -> None:
    assert alike(one, other) is alike(other, one) is same


def test_twins_are_dropped_and_the_rest_is_kept(tmp_path: Path) -> None:
    text = "A blue cup, a red mug and a green hat"
    told = {"cup": "blue", "mug": "red", "hat": "green"}
    chat = says(json.dumps(reply(text, **told).model_dump()))
    [one], losses = made(tmp_path, chat, text)
    assert [thing.name for thing in one.objects] == ["cup", "hat"]
    assert all(thing.in_caption and thing.in_pixels is None for thing in one.objects)
    assert not losses


def test_a_picture_without_a_usable_list_is_a_reject_and_the_others_stay(tmp_path: Path) -> None:
    found, losses = made(tmp_path, says("no"), TEXT, "A bell")
    assert (found, [loss["code"] for loss in losses]) == ([], ["bad_reply"] * 2)


def test_the_author_lists_in_both_languages(tmp_path: Path) -> None:
    languages = {"languages": ["en", "ko"]}
    found, losses = made(tmp_path, Author(), TEXT, "A hat", "Fireworks", derive=languages)
    assert not losses
    assert [one.key for one in found] == ["k1", "k2", "k3"]
    first = found[0]
    assert {thing.name for thing in first.objects} == {"bowl", "teapot"}
    assert first.caption == CAPTION
    assert first.caption_in("ko") == "나무로 된 탁자 위 빨간 찻주전자 옆에 파란 그릇이 보이는 사진"
    for thing in first.objects:
        assert thing.name_in("ko") in first.caption_in("ko")
        assert thing.detail_in("ko")
        assert thing.name_in("en") == thing.name


def test_one_language_asks_for_no_other(tmp_path: Path) -> None:
    chat = Author()
    [one], _ = made(tmp_path, chat, TEXT)
    assert one.also == {}
    assert "Korean" not in chat.requests[0].messages[0]["content"]


def test_a_picture_must_beat_most_others_that_lack_a_thing() -> None:
    scores = [0.3, 0.1, 0.2, 0.25, 0.4, 0.1]
    assert confirmed(0, scores, [False, True, True, True, True, True]) is True
    assert confirmed(3, scores, [True, True, True, False, True, True]) is False
    assert confirmed(3, scores, [False, True, True, False, False, True]) is True
    assert confirmed(0, [0.3], [False]) is None


def test_an_encoder_that_sees_looks_for_each_thing(tmp_path: Path) -> None:
    torch_ready()
    from tiny_clip import MODEL, write_clip

    weights = write_clip(tmp_path / "clip")
    store = Store(tmp_path / "run")
    shades = ["#204060", "#c04020", "#30a050"]
    images = [store.add_image(_jpeg(shade)) for shade in shades]
    texts = [TEXT, "A green hat beside a white bell", "A black drum beside a pink towel"]
    pictures = [
        picture(text, number).model_copy(update={"image": image, "id": f"p{number}"})
        for number, (text, image) in enumerate(zip(texts, images, strict=True), 1)
    ]
    encoder = {"backend": "open_clip", "model": MODEL, "pretrained": str(weights), "device": "cpu"}
    found, losses = act(
        objects, EVENTS, Author(), tmp_path / "run", [*LINE, *pictures], encoder=encoder
    )
    assert not losses
    things = [thing for one in found for thing in one.objects]
    assert len(things) == 6
    assert all(thing.in_pixels is not None and thing.score is not None for thing in things)
    assert {thing.in_pixels for thing in things} == {True, False}


def _jpeg(shade: str) -> bytes:
    image = Image.new("RGB", (64, 64), shade)
    image.paste("#ffffff", (8, 8, 24, 40))
    file = io.BytesIO()
    image.save(file, "JPEG")
    return file.getvalue()


def test_what_is_read_in_a_caption() -> None:
    things, relations = read("A pile of old tickets beside a cup of tea on the kitchen table")
    assert [thing.name for thing in things] == ["tickets", "cup", "tea", "kitchen table"]
    assert relations == ["beside", "of", "on"]
    assert [thing.looks for thing in things] == [("old",), (), (), ()]
    assert korean(things, relations) == "식탁 위 차가 담긴 컵 옆에 오래된 표가 보이는 사진"


@given(st.text(max_size=80))
def test_the_author_answers_whatever_the_description(text: str) -> None:
    sheet = Sheet(f"Name: Lucía\nAlso in: Korean\nDescription: {text}")
    SeenTwice.model_validate(author(sheet, rng_of("any")))
