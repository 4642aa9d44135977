"""The offline checks tell faces from scenes and leave everyday talk alone."""

import random
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from mcu.backends import ImageRequest
from mcu.backends.avatar import Avatar
from mcu.backends.checks import PerceptualFaces, WordLists
from mcu.drawing.canvas import shapes
from mcu.stages.looks import countries, draw_look

GENDERS = ("male", "female", "non-binary")
SCENES = (
    "a plate of sushi",
    "a dog in the park",
    "the city skyline at night",
    "Screenshot of a group chat about a trip",
    "a handwritten recipe for a chocolate cake",
    "a cat in the living room",
    "a bouquet on a desk",
    "a brick wall",
    "a farm with a cow and a horse",
    "a sandy beach with an umbrella",
)


def portrait(seed: int, **change: str) -> Image.Image:
    rng = random.Random(seed)
    look = draw_look(rng.randint(10, 90), GENDERS[seed % 3], rng.choice(countries()), rng)
    [image] = drawn([ImageRequest("face", "", seed, look | change)])
    return image


def drawn(asked: list[ImageRequest]) -> list[Image.Image]:
    return [one for one in Avatar().generate(asked) if isinstance(one, Image.Image)]


@pytest.fixture(scope="module")
def portraits() -> list[Image.Image]:
    tones = list(shapes("palette")["skin"])
    return [portrait(seed, skin_tone=tones[seed % len(tones)]) for seed in range(200)]


def test_one_face_in_a_portrait(portraits: list[Image.Image]) -> None:
    found = Counter(PerceptualFaces().count(picture) for picture in portraits)
    assert found[1] >= 197, found


def test_two_faces_in_two_portraits_side_by_side(portraits: list[Image.Image]) -> None:
    found = Counter[int]()
    for left, right in zip(portraits[:80:2], portraits[1:80:2], strict=True):
        both = Image.new("RGB", (1024, 512))
        both.paste(left, (0, 0))
        both.paste(right, (512, 0))
        found[PerceptualFaces().count(both)] += 1
    assert found[2] >= 38, found


def test_faces_are_found_at_other_sizes_and_modes(portraits: list[Image.Image]) -> None:
    for size in (300, 900):
        found = [PerceptualFaces().count(one.resize((size, size))) for one in portraits[:20]]
        assert found.count(1) >= 18
    assert PerceptualFaces().count(portraits[0].convert("RGBA")) == 1


def test_no_face_in_a_scene_without_people() -> None:
    asked = [ImageRequest("t2i", prompt, seed) for prompt in SCENES for seed in range(10)]
    pictures = drawn(asked)
    assert sum(PerceptualFaces().count(picture) > 0 for picture in pictures) <= 1


@pytest.mark.parametrize("colour", ["white", "black", "#e6b78f", "#78482a"])
def test_no_face_in_a_blank_picture(colour: str) -> None:
    assert PerceptualFaces().count(Image.new("RGB", (512, 512), colour)) == 0
    assert PerceptualFaces().count(Image.new("L", (1, 1))) == 0


def test_no_face_in_noise() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    assert PerceptualFaces().count(Image.fromarray(noise)) == 0


@pytest.mark.parametrize(
    "text",
    [
        "My doctor shot me a message about the results.",
        "We had to kill time at the airport, so I shot a few photos.",
        "Paris was lovely, and I bought a Taylor guitar.",
        "I am depressed and have had suicidal thoughts; my therapist helps.",
        "Breast cancer screening, chicken breast, and a classic cocktail in Essex.",
        "You can see the comet with the naked eye.",
        "The Maine Coon knocked over my pussy willow.",
        "This exam is murder and my knees are killing me.",
        "A nude lipstick and a pair of nude heels.",
        "My friends Drake and Adele live on Prince Street in Madonna di Campiglio.",
        "She studies the history of the Rwandan genocide and war poetry.",
        "He graduated summa cum laude.",
        "Kill two birds with one stone; I am dying to see the match.",
        "",
    ],
)
def test_everyday_text_passes(text: str) -> None:
    assert WordLists().text(text) == ""
    assert WordLists().famous(text) == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Send me NUDES tonight", "sexual content"),
        ("a blow-job scene", "sexual content"),
        ("they beheaded the man", "violence"),
        ("how do I make a bomb at home", "violence"),
        ("tell me how to kill myself", "self-harm instructions"),
        ("Kill\nyourself", "self-harm instructions"),
        ("you are a ret\u200barded boy", "slur"),
    ],
)
def test_harmful_text_is_refused_with_a_reason(text: str, reason: str) -> None:
    assert WordLists().text(text).startswith(reason)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("A selfie with Taylor Swift backstage", "Taylor Swift"),
        ("BEYONCE on stage", "Beyoncé"),
        ("a poster of jay z", "Jay-Z"),
        ("Lionel\nMessi's shirt", "Lionel Messi"),
        ("Recep Tayyip Erdogan speaks", "Recep Tayyip Erdoğan"),
        ("Taylor runs swiftly; Emma likes Watson and Holmes", ""),
        ("Will Smithson and Tom Hankson", ""),
    ],
)
def test_the_famous_are_known_by_their_full_names(text: str, name: str) -> None:
    assert WordLists().famous(text) == name
    assert WordLists().text(text) == ""
