"""Pictures drawn, found and kept once, as a stage is given them."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image
from worlds import RECORD, World

from mcu.backends import Hit, ImageRequest, Search
from mcu.backends.avatar import Avatar
from mcu.context import Context
from mcu.errors import Reject
from mcu.finding import fetch
from mcu.ids import seed_of
from mcu.indexes.encoders import CaptionEncoder
from mcu.indexes.search import open_starter
from mcu.marks import sealed
from mcu.records import Narrative
from mcu.store import Store
from mcu.tries import Drawn


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class Recorder(Avatar):
    """Draws, and notes the requests; `blank` of them first have nothing in them."""

    def __init__(self, blank: int = 0) -> None:
        super().__init__()
        self.requests: list[ImageRequest] = []
        self._blank = blank

    def generate(self, requests: Sequence[ImageRequest]) -> list[Image.Image | Reject]:
        self.requests += requests
        if len(self.requests) <= self._blank:
            return [Image.new("RGB", (512, 512), "white")]
        return super().generate(requests)


FACE = ImageRequest(kind="face", prompt="A woman of 30 years.", seed=99, look={"age": "30"})


def test_a_picture_depends_on_record_name_and_seed_alone(world: World, tmp_path: Path) -> None:
    def picture(seed: int, text: str, name: str, folder: str) -> str:
        world.root = tmp_path / folder
        world.root.mkdir(exist_ok=True)
        world.set(run={"seed": seed})
        drawn: Drawn = world(lambda ctx: ctx.draw(FACE, name), Narrative(parent="p", text=text))
        assert drawn.best
        return drawn.best.image

    usual = picture(0, "one", "a", "1")
    assert picture(0, "one", "a", "2") == usual
    others = {picture(1, "one", "a", "3"), picture(0, "two", "a", "4"), picture(0, "one", "b", "5")}
    assert len(others | {usual}) == 4


def test_a_picture_is_kept_and_drawn_once(world: World) -> None:
    world.images = Recorder()
    first = world(lambda ctx: ctx.draw(FACE, "a"))
    assert first == world(lambda ctx: ctx.draw(FACE, "a"))
    assert len(world.images.requests) == 1
    assert world.images.requests[0].seed == seed_of(0, RECORD.id, "a", 0)

    async def read(ctx: Context) -> bytes:
        return ctx.picture(first.best.image)

    assert Image.open(io.BytesIO(world(read))).size == (512, 512)
    Store(world.root).image_path(first.best.image).unlink()
    assert world(lambda ctx: ctx.draw(FACE, "a")) == first
    assert len(world.images.requests) == 2, "one that was deleted is drawn again"


def test_pictures_that_are_not_accepted_are_tries(world: World) -> None:
    world.images = Recorder(blank=2)
    found = world(lambda ctx: ctx.draw(FACE, "a"))
    assert len({request.seed for request in world.images.requests}) == 3
    wanted = Avatar().generate(world.images.requests[2:])[0]
    assert isinstance(wanted, Image.Image)
    kept = Store(world.root).image(found.best.image)
    assert kept == sealed(wanted, Avatar().origin(world.images.requests[2]))
    assert [one.reason for one in found.tried] == [*["no face instead of one"] * 2, ""]
    assert [bool(one.image) for one in found.tried] == [False, False, True]
    assert found.best == found.tried[2] and found.best.checks == {"faces": 1}
    assert world(lambda ctx: ctx.draw(FACE, "a")) == found
    assert len(world.images.requests) == 3, "the tries are journalled, too"


def test_no_acceptable_picture(world: World) -> None:
    world.images = Recorder(blank=100)
    world.set(checks={"face_tries": 3})
    drawn = world(lambda ctx: ctx.draw(FACE, "a"))
    assert drawn.best is None and "no acceptable picture in 3 tries" in drawn.why
    assert len(world.images.requests) == 3


def test_faces_are_not_counted_where_the_check_is_off(world: World) -> None:
    world.images = Recorder(blank=100)
    world.set(checks={"faces": "off"})
    assert world(lambda ctx: ctx.draw(FACE, "a")).best


class Listening:
    """A search that notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._search: Search = open_starter(CaptionEncoder())

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        self.asked += queries
        return self._search.search(queries, k)

    def fetch(self, hit: Hit) -> bytes:
        self.asked.append(hit.file)
        return self._search.fetch(hit)


@pytest.fixture(scope="module")
def listening() -> Iterator[Listening]:
    yield Listening()


def test_what_was_found_is_not_searched_again(world: World, listening: Listening) -> None:
    async def work(ctx: Context) -> tuple[list[Hit], str]:
        ctx.services.search = {"retrieval": listening, "web": listening}
        hits = await ctx.find("retrieval", "a guitar")
        return hits, await fetch(ctx, "retrieval", hits[0])

    hits, image = world(work)
    assert len(hits) == 5 and "guitar" in hits[0].caption
    assert hits == sorted(hits, key=lambda hit: -hit.score)
    assert Image.open(io.BytesIO(Store(world.root).image(image))).format == "JPEG"
    assert listening.asked == ["a guitar", hits[0].file]
    assert world(work) == (hits, image)
    assert listening.asked == ["a guitar", hits[0].file], "the journal knows"

    async def elsewhere(ctx: Context) -> list[Hit]:
        ctx.services.search = {"retrieval": listening, "web": listening}
        return await ctx.find("web", "a guitar")

    assert world(elsewhere) == hits
    assert listening.asked[2:] == ["a guitar"], "another place is another search"


def test_a_picture_that_cannot_be_had(world: World) -> None:
    hit = Hit(file="nosuch.jpg", caption="", source="starter")
    with pytest.raises(Reject):
        world(lambda ctx: fetch(ctx, "retrieval", hit))
