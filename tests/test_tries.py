"""Seeds tried for a picture: real faces, compared and counted by the real networks."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image
from worlds import World

from mcu.backends import ImageRequest, Origin
from mcu.errors import Reject
from mcu.tries import Drawn

FACES = Path(__file__).parent / "data" / "faces"
PERSONA = (FACES / "a" / "1.jpg").read_bytes()
ASKED = ImageRequest("p-t2i", "a photo of a man img", 0, faces=(PERSONA,))
PORTRAIT = ImageRequest("face", "a man of 50", 0)


class Shown:
    """A model that always draws what it was told: one picture a seed, in order."""

    lanes = 1

    def __init__(self, *names: str) -> None:
        self.left = list(names)
        self.drawn = 0

    def most(self, kind: str) -> int:
        return 1

    def generate(self, requests: Sequence[ImageRequest]) -> list[Image.Image | Reject]:
        self.drawn += len(requests)
        return [self._one(self.left.pop(0)) for _ in requests]

    def _one(self, name: str) -> Image.Image | Reject:
        if name == "refused":
            return Reject("bad_prompt", "two trigger words")
        if name == "blank":
            return Image.new("RGB", (200, 200), "white")
        return Image.open(FACES / f"{name}.jpg")

    def origin(self, request: ImageRequest) -> Origin:
        return Origin("shown", request.seed, "trainedAlgorithmicMedia")


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.set(checks={"faces": "dlib", "pictures": "nudenet"})
    return world


def test_another_person_and_nobody_are_drawn_again(world: World) -> None:
    world.images = Shown("b/1", "blank", "a/2")
    drawn: Drawn = world(lambda ctx: ctx.draw(ASKED, "slot"))
    wrong, nobody, right = drawn.tried
    assert "from the persona's, above 0." in wrong.reason and wrong.checks["distance"] > 0.6
    assert nobody.reason == "no face that could be compared with the persona's"
    assert not right.reason and right.checks["distance"] < 0.5
    assert drawn.best == right
    assert right.score == pytest.approx(1 - right.checks["distance"])
    assert len({one.seed for one in drawn.tried}) == 3


def test_of_several_seeds_the_likest_is_taken(world: World) -> None:
    world.set(checks={"faces": "dlib", "best_of": 3, "face_tries": 6})
    world.images = Shown("a/2", "a/1", "a/3")
    drawn: Drawn = world(lambda ctx: ctx.draw(ASKED, "slot"))
    assert [one.reason for one in drawn.tried] == ["", "", ""]
    likest = min(drawn.tried, key=lambda one: one.checks["distance"])
    assert drawn.best == likest and likest.checks["distance"] < 0.1, "it is that picture"


def test_a_bar_that_is_moved_costs_no_picture(world: World) -> None:
    world.images = Shown("a/2", "b/1")
    first: Drawn = world(lambda ctx: ctx.draw(ASKED, "slot"))
    assert first.best
    bar = first.best.checks["distance"] - 0.001
    strict = {"faces": "dlib", "pictures": "nudenet", "identity_bar": bar, "face_tries": 2}
    world.set(checks=strict)
    again: Drawn = world(lambda ctx: ctx.draw(ASKED, "slot"))
    assert again.best is None and len(again.tried) == 2
    assert world.images.drawn == 2, "the first was known, and is judged anew"


def test_none_passes(world: World) -> None:
    world.set(checks={"faces": "dlib", "face_tries": 2})
    world.images = Shown("b/1", "c/1")
    drawn: Drawn = world(lambda ctx: ctx.draw(ASKED, "slot"))
    assert drawn.best is None
    assert drawn.why.startswith("no acceptable picture in 2 tries; the last: the face is 0.")


def test_a_portrait_has_one_face(world: World) -> None:
    world.images = Shown("blank", "c/1")
    drawn: Drawn = world(lambda ctx: ctx.draw(PORTRAIT, "face"))
    assert [one.reason for one in drawn.tried] == ["no face instead of one", ""]
    kept = list((world.root / "images").rglob("*.jpg"))
    assert len(kept) == 1, "what can never pass is not kept"


def test_a_request_that_cannot_be_drawn_is_a_try(world: World) -> None:
    world.images = Shown("refused", "refused")
    world.set(checks={"faces": "dlib", "face_tries": 2})
    drawn: Drawn = world(lambda ctx: ctx.draw(ASKED, "slot"))
    assert drawn.best is None and drawn.why.endswith("the last: two trigger words")


def test_scenes_are_not_searched_for_faces(world: World) -> None:
    world.images = Shown("b/1")
    drawn: Drawn = world(lambda ctx: ctx.draw(ImageRequest("t2i", "a man", 0), "slot"))
    assert drawn.best and drawn.best.checks == {} and drawn.best.score == 1.0
