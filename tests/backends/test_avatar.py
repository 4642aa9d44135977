"""The avatar draws people and places: same request, same bytes; same look, same head."""

import hashlib
import io
import json
import os
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from mcu.backends import ImageRequest
from mcu.backends.avatar import Avatar
from mcu.drawing.brief import read
from mcu.drawing.canvas import kinds, places, shapes
from mcu.drawing.figure import SHEET, Figure
from mcu.drawing.scene import HALF, _figure
from mcu.drawing.things import Thing
from mcu.drawing.wording import wording
from mcu.marks import sealed
from mcu.stages.lexicon import COLOURED, lexicon
from mcu.stages.looks import draw_look

PROMPTS = (
    "A woman img holding a cup of coffee in a cozy café",
    "a golden retriever in the snow at night",
    "Screenshot of a fitness app with a chart",
    "A poster for a concert with a guitar",
    "A funny meme about cats on Monday",
    "a plate of sushi",
    "",
)
HOSTILE = (
    "x" * 1_000_000,
    "a \x00 screenshot \x07\x1b[31m of \u202e messages \ud800",
    "🎸🎉 poster 👩‍👩‍👧 " * 50,
    "../../etc/passwd poster <svg onload=alert(1)> $skin [[x]] @tree 0 0 1@ %sky 0 0 9 9%",
    "sign " + "Donaudampfschifffahrtsgesellschaft" * 400,
    "{look} {0} meme \\1 \\g<0>",
)


def look_of(seed: int) -> dict[str, str]:
    rng = random.Random(seed)
    gender = rng.choice(["male", "female", "non-binary"])
    return draw_look(rng.randint(10, 90), gender, "Brazil", rng)


def requests() -> list[ImageRequest]:
    look = look_of(3)
    faces = [ImageRequest("face", "", seed, look_of(seed)) for seed in range(4)]
    scenes = [ImageRequest("p-t2i", prompt, 1, look) for prompt in PROMPTS]
    return [*faces, *scenes, *(ImageRequest("t2i", prompt, 1) for prompt in PROMPTS)]


def drawn(asked: list[ImageRequest]) -> list[Image.Image]:
    found = [one for one in Avatar().generate(asked) if isinstance(one, Image.Image)]
    assert len(found) == len(asked)
    return found


def files(asked: list[ImageRequest]) -> list[bytes]:
    origins = map(Avatar().origin, asked)
    return [sealed(*both) for both in zip(drawn(asked), origins, strict=True)]


def test_every_picture_is_a_jpeg_of_one_size() -> None:
    for image in files(requests()):
        picture = Image.open(io.BytesIO(image))
        assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (512, 512))
        assert 4_000 < len(image) < 140_000


DRAW = """
import hashlib, json, sys
sys.path.insert(0, "tests/backends")
from test_avatar import files, requests
images = files(requests())
print(json.dumps([hashlib.sha256(image).hexdigest() for image in images]))
"""


def test_other_processes_and_threads_draw_the_same_bytes() -> None:
    here = [hashlib.sha256(image).hexdigest() for image in files(requests())]
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", DRAW],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(done.stdout) == here
    with ThreadPoolExecutor(4) as pool:
        again = pool.map(lambda one: files([one])[0], requests() * 2)
        assert [hashlib.sha256(image).hexdigest() for image in again] == here * 2


def test_a_picture_depends_on_its_request_alone() -> None:
    asked = requests()
    assert files(asked) == files(asked[::-1])[::-1]


def test_other_seeds_prompts_and_looks_give_other_bytes() -> None:
    asked = [
        ImageRequest("t2i", f"a dog in the park {n}", seed) for n in range(8) for seed in (1, 2)
    ]
    asked += [ImageRequest("p-t2i", "at home", seed, look_of(4)) for seed in range(16)]
    asked += [ImageRequest("face", "", 1, look_of(seed)) for seed in range(16)]
    assert len({image.tobytes() for image in drawn(asked)}) == len(asked)


def crop(picture: Image.Image, box: tuple[float, float, float, float]) -> np.ndarray:  # type: ignore[type-arg]
    resized = picture.convert("RGB").resize((64, 64), Image.Resampling.BOX, box=box)
    return np.asarray(resized, dtype=float)


def face_box(scale: float) -> tuple[float, float, float, float]:
    """Eyes, nose and mouth on the sheet of a figure drawn at this scale."""
    x, y = SHEET[:2]
    left, top, right, bottom = ((200 - x), (195 - y), (312 - x), (310 - y))
    return left * scale, top * scale, right * scale, bottom * scale


def test_the_head_of_a_look_is_the_same_in_portraits_and_scenes() -> None:
    heads = []
    for seed in range(12):
        look = look_of(seed)
        portrait = drawn([ImageRequest("face", "", seed, look)])[0]
        left, top, width = shapes("parts")["frame"][look["shot_type"]]
        zoom = 512 / width
        box = tuple(
            (v - o) * zoom for v, o in zip((200, 195, 312, 310), (left, top) * 2, strict=True)
        )
        key = tuple(sorted(Figure(look).look.items()))
        scene = _figure(key, "hold", HALF)
        heads.append((crop(portrait, box), crop(scene, face_box(HALF))))
    for n, (head, _) in enumerate(heads):
        apart = [float(np.abs(head - other).mean()) for _, other in heads]
        assert int(np.argmin(apart)) == n
        assert apart[n] < 14


def test_the_person_of_the_request_is_in_the_scene() -> None:
    looks = [look_of(seed) for seed in range(8)]
    asked = [ImageRequest("p-t2i", "a man img in his office", 1, look) for look in looks]
    scenes = [np.asarray(image.resize((256, 256)), dtype=float) for image in drawn(asked)]
    heads = []
    for look in looks:
        sheet = _figure(tuple(sorted(Figure(look).look.items())), "rest", HALF)
        head = sheet.convert("RGB").resize((34, 34), Image.Resampling.BOX, box=face_box(HALF))
        heads.append(np.asarray(head, dtype=float))
    for n, scene in enumerate(scenes):
        windows = np.lib.stride_tricks.sliding_window_view(scene[:180], (34, 34, 3))[::2, ::2, 0]
        nearest = [float(np.abs(windows - head).mean(axis=(2, 3, 4)).min()) for head in heads]
        assert int(np.argmin(nearest)) == n


def test_setting_does_not_change_the_person() -> None:
    look = look_of(8)
    other = look | {"background": "beach", "shot_type": "headshot"}
    assert Figure(look).svg() == Figure(other).svg()


@pytest.mark.parametrize("prompt", HOSTILE)
@pytest.mark.parametrize("kind", ["t2i", "p-t2i", "face"])
def test_any_prompt_is_drawn(prompt: str, kind: str) -> None:
    [image] = drawn([ImageRequest(kind, prompt, 0, look_of(0))])  # type: ignore[arg-type]
    assert image.size == (512, 512)


def test_any_look_is_drawn() -> None:
    odd = {
        "age": "²",
        "gender": "?",
        "top": "",
        "coat": "x" * 9000,
        "hat": "$skin",
        "hair_style": "<",
    }
    for look in ({}, odd, {"skin_tone": "green"}, {"facial_hair": "beard"}):
        for kind in ("face", "p-t2i"):
            [image] = drawn([ImageRequest(kind, "at home", 0, look)])  # type: ignore[arg-type]
            assert image.size == (512, 512)


def test_every_word_of_the_lexicon_has_a_drawing() -> None:
    palette, parts, clothes = shapes("palette"), shapes("parts"), shapes("clothes")
    words = lexicon()
    for row in words["palette"].values():
        assert set(row["skin_tone"]) <= set(palette["skin"])
        assert set(row["hair_colour"]) <= set(palette["hair"])
        assert set(row["eye_colour"]) <= set(palette["eyes"])
    assert set(words["grey"]) <= set(palette["hair"])
    assert set(words["body_shape"]) <= set(parts["build"])
    assert {word for row in words["colours"].values() for word in row} <= set(palette["cloth"])
    for slot in set(COLOURED) - {"top", "one_piece", "special_clothing"}:
        assert set(words[slot]) <= set(clothes[slot])
    for slot in ("top", "one_piece", "special_clothing"):
        assert set(words[slot]) <= set(clothes["garment"])
    assert set(words["shot_types"]) == set(parts["frame"])
    assert set(words["glasses"]) <= set(parts["glasses"])
    assert set(words["earrings"]) <= set(parts["earrings"])
    hair = shapes("hair")
    for style, row in words["hair_style"].items():
        back = hair["style"][style].get("back")
        assert back is None or set(row["lengths"]) <= set(hair["back"][back])
    names = shapes("scenes")["backgrounds"]
    for background in words["background"]:
        assert names.get(background, background) in places()


@pytest.mark.slow
def test_every_place_and_thing_can_be_drawn() -> None:
    assert len(places()) >= 50
    assert len(kinds()) >= 200
    asked = [
        ImageRequest(kind, f"{row['words'][0]} at noon", 0)  # type: ignore[arg-type]
        for row in [*places().values(), *kinds().values()]
        for kind in ("t2i", "p-t2i")
    ]
    assert drawn(asked)


@pytest.mark.parametrize(
    ("prompt", "place", "things", "pose", "when"),
    [
        ("A man img holding a cup of coffee in a café at night", "cafe", ["cup"], "hold", "night"),
        ("two puppies on the beach at sunset", "beach", ["dog"], "", "sunset"),
        ("hiking in the mountains with a backpack", "mountain", ["backpack"], "", ""),
        ("a lion and a tiger at the zoo", "zoo", ["elephant", "elephant"], "", ""),
        ("stack of ticket stubs beside a cup of tea", "", ["ticket stubs", "cup"], "", ""),
        ("worn paperback beside a cup of coffee in a café", "cafe", ["paperback", "cup"], "", ""),
        ("an old photo with a bent corner on a wooden floor", "floor", ["photo"], "", ""),
        ("a page of colourful notes with a yellow marker", "", ["notes", "marker"], "", ""),
        ("a handwritten list of songs on the back of an envelope", "", ["song list"], "", ""),
        ("a stone bridge over a river in the fog", "bridge", [], "", "grey"),
        ("she is a carpenter, catalogue, phonetic", "", [], "", ""),
    ],
)
def test_prompts_are_read(prompt: str, place: str, things: list[str], pose: str, when: str) -> None:
    brief = read(prompt)
    assert (brief.place, brief.pose, brief.when) == (place, pose, when)
    assert [thing.name for thing in brief.things] == things


@pytest.mark.parametrize(
    ("prompt", "place"),
    [
        ("a man img sharing lunch on a blanket in the park", "park"),
        ("a woman img with a laptop and a bed in the garden", "garden"),
        ("a pillow and a blanket at the beach", "beach"),
        ("a man img in the kitchen, later in the library", "library"),
        ("a woman img beside a map on the wall in the living room", "living room"),
        ("a cat asleep on the warm bonnet of a parked car", ""),
        ("a man img in a car", "car"),
        ("a man img behind a market stall in the street", "market"),
        ("a street dog with a school bag in a café", "cafe"),
    ],
)
def test_the_last_place_after_a_preposition_is_where_it_is(prompt: str, place: str) -> None:
    assert read(prompt).place == place


def test_what_lies_in_or_on_another_thing_comes_with_it() -> None:
    cat, box, pile = (
        read(prompt).things
        for prompt in (
            "a cat asleep on the warm bonnet of a parked car",
            "a cardboard box of exercise books on the floor",
            "six notebooks and a red mug, a small plant to one side",
        )
    )
    assert [(t.name, t.load and t.load.name) for t in cat] == [("car", "sleeping cat")]
    assert [(t.name, t.load and t.load.name) for t in box] == [("cardboard box", "notebooks")]
    assert [(t.name, t.colour, t.aside) for t in pile] == [
        ("notebooks", "", False),
        ("mug", "red", False),
        ("plant", "", True),
    ]


def test_what_cannot_be_drawn_is_left_out() -> None:
    for prompt in ("a set of keys and a hovercraft", "a hurdy-gurdy on a table", "an ibis"):
        assert all(thing.row or thing.clip for thing in read(prompt).things)
    assert read("an eel, a hurdy-gurdy and a gazebo").things == ()


def test_screens_and_posters_say_phrases_and_no_keyword_salad() -> None:
    known = {word for row in shapes("phrases")["subject"].values() for word in row.split(" ")}
    for prompt, form, kind in (
        ("A screenshot of a weather map with rain coming from the west", "screen", "weather"),
        ("A screenshot of a group chat planning a picnic for three people", "screen", "chat"),
        ("A screenshot of a timetable with one lecture marked in red", "screen", "timetable"),
        ("A screenshot of a vet appointment in the calendar", "screen", "calendar"),
        ("A screenshot of a zebra xylophone quorum", "screen", "notes"),
        ("A concert poster with a violin on a brick wall", "poster", "concert"),
        ("A poster with a zebra", "poster", "notice"),
    ):
        table = shapes("phrases")[form][kind]
        written = " ".join(
            [*table["titles"], *table.get("plain", ()), *(" ".join(row) for row in table["lines"])]
        )
        for seed in range(20):
            said = wording(read(prompt), form, random.Random(seed))
            assert said.kind == kind
            words = " ".join([said.title, *said.lines]).split(" ")
            new = {word.strip(",.?!:").casefold() for word in words}
            new -= {word.strip(",.?!:").casefold() for word in written.split(" ")}
            assert len(new) <= 2
            assert all(word.isdigit() or word in {k.casefold() for k in known} for word in new)


def face_of(gender: str, seed: int) -> Figure:
    look = draw_look(35, gender, "Brazil", random.Random(seed))
    return Figure(look)


def test_men_and_women_are_told_apart() -> None:
    men = [face_of("male", seed) for seed in range(40)]
    women = [face_of("female", seed) for seed in range(40)]
    cue = shapes("parts")["cue"]
    assert cue["male"]["blush"] < 0.1 < cue["female"]["blush"]
    assert not {man.face["head"] for man in men} & {woman.face["head"] for woman in women}
    assert not {man.face["brows"] for man in men} & {woman.face["brows"] for woman in women}
    assert not {man.face["mouth"] for man in men} & {woman.face["mouth"] for woman in women}
    for man, woman in zip(men, women, strict=True):
        plain = {"body_shape": "average"}
        wide = [float(str(Figure(figure.look | plain).size["sr"])) - 256 for figure in (man, woman)]
        assert wide[0] > 1.15 * wide[1]
    styles = lexicon()["hair_style"]
    for row in styles.values():
        if "m" in row["genders"]:
            assert not {"chin-length", "shoulder-length", "long"} & set(row["lengths"]) or (
                "textures" in row and row["textures"] == ["coily"]
            )


def test_those_who_sit_have_the_same_face_as_those_who_stand() -> None:
    look = look_of(6)
    standing = Figure(look)
    dressed = Figure(look, {"coat": "red bomber jacket"})
    assert standing.face == dressed.face
    assert standing._head() == dressed._head()
    for seat in ("kneel", "ground", "chair"):
        assert standing._head() in standing.svg("rest", seat)
        assert standing.svg("rest", seat) != standing.svg("rest")


def test_text_in_pictures_is_short_and_plain() -> None:
    words = read("sign \x00\x1b[31m Zażółć " + "a" * 500 + " 漢字 🎉").words
    assert all(word.isprintable() and len(word) <= 16 for word in words)
    assert not {"\x00", "\x1b"} & set("".join(words))


def test_a_missing_sprite_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from mcu.drawing import things

    monkeypatch.setattr(things, "_clip", lambda phrase: None)
    monkeypatch.setattr(things, "sprites", lambda: {})
    assert things.draw.__wrapped__(Thing("unicorn", "unicorn"), 80, 0).size == (1, 1)


def test_drawing_is_fast() -> None:
    asked = [
        ImageRequest("p-t2i" if n % 2 else "face", PROMPTS[n % 5], n, look_of(n)) for n in range(30)
    ]
    Avatar().generate(asked[:2])
    start = time.process_time()
    Avatar().generate(asked)
    assert (time.process_time() - start) / len(asked) < 0.3
