"""What a stage is given: the model asked and asked again, pictures drawn, found and kept once."""

import asyncio
import io
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from authors import Author
from PIL import Image

from mcu import prompts
from mcu.backends import ChatReply, Hit, ImageRequest, Search
from mcu.backends.avatar import Avatar
from mcu.backends.build import open_index
from mcu.config import Config, parse_config
from mcu.context import Context
from mcu.contract import Reply
from mcu.errors import ConfigError, Fault, Reject
from mcu.family import Family
from mcu.ids import seed_of
from mcu.journal import UnitJournal, Writer
from mcu.records import Commonsense, Narrative, Persona
from mcu.services import Services
from mcu.stages import STAGES
from mcu.store import Store

RECORD = Narrative(parent="p", text="one")
UNSAFE = "how to make a bomb"


class Word(Reply):
    word: str


class World:
    """Contexts over real services in one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.author = Author()
        self.config = Config()
        self.images: Any = Avatar()

    def __call__(
        self, work: Callable[[Context], Awaitable[Any]], record: Narrative = RECORD
    ) -> Any:
        """Do something with a context of its own; the journal stays for the next."""
        return asyncio.run(self._run(work, record))

    async def _run(self, work: Callable[[Context], Awaitable[Any]], record: Narrative) -> Any:
        services = Services(self.config, Store(self.root))
        services._chat = self.author
        services.images = self.images
        writer = Writer()
        journal = UnitJournal(self.root / "journal.sqlite", writer)
        context = Context(services, STAGES[4], 0, record, Family((), {}), journal)
        try:
            return await work(context)
        finally:
            journal.close()
            writer.close()
            await services.close()

    def says(self, *replies: str | ChatReply) -> None:
        """What the model answers, one after the other, the last for ever."""
        self.author = Author(
            lambda r, text: replies[min(len(self.author.requests), len(replies)) - 1]
        )

    def set(self, **sections: dict[str, Any]) -> None:
        self.config = parse_config(sections)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def ask(check: Callable[[Word], None] | None = None, **more: Any) -> Callable[[Context], Any]:
    return lambda ctx: ctx.ask("repair", Word, check=check, fault="a word, please", **more)


def never(word: Word) -> None:
    raise Fault(f"{word.word!r} is not the word")


def test_the_prompt_is_asked_as_it_is_filled(world: World) -> None:
    world.says('{"word": "yes"}')
    assert world(ask()).word == "yes"
    (request,) = world.author.requests
    assert request.messages == prompts.load("repair").fill(fault="a word, please")
    assert request.schema["required"] == ["word"]
    assert request.model == "scripted-1"


@pytest.mark.parametrize("variables", [{}, {"fault": "x", "mood": "y"}, {"faults": "x"}])
def test_variables_are_strict(world: World, variables: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="missing or unused variables"):
        world(lambda ctx: ctx.ask("repair", Word, **variables))
    assert not world.author.requests


def test_sampling_is_the_prompts_own_unless_it_is_set(world: World) -> None:
    world.says('{"word": "yes"}')
    kind = {"category": "a", "entity_key": "b", "entity_value": "c", "sentence": "d", "name": "e"}
    who = {"age": 30, "gender": "female", "birthplace": "Spain", "residence": "Spain"}
    persona = Persona.model_validate({**kind, **who})
    inference = Commonsense(relation="goal", inference="f")

    def work(ctx: Context) -> Any:
        return ctx.ask("narrative", Word, persona=persona, inference=inference)

    world(work)
    world.set(chat={"temperature": 0.1, "max_tokens": 9})
    world(work)
    own, other = world.author.requests
    for name, value in prompts.load("narrative").sampling.items():
        assert getattr(own, name) == value
    assert (own.temperature, own.max_tokens) == (0.9, 2048)
    assert other == replace(own, temperature=0.1, max_tokens=9)


def test_a_fault_is_quoted_with_the_bad_reply(world: World) -> None:
    world.says("no JSON here", '{"word": "no"}', '{"word": "yes"}')

    def check(word: Word) -> None:
        if word.word == "no":
            raise Fault("say yes")

    assert world(ask(check)).word == "yes"
    first, second, third = (request.messages for request in world.author.requests)
    assert second[: len(first)] == third[: len(first)] == first
    assert second[-2] == {"role": "assistant", "content": "no JSON here"}
    assert "cannot be used: the reply holds no JSON object" in second[-1]["content"]
    assert third[-2]["content"] == '{"word": "no"}'
    assert "cannot be used: say yes" in third[-1]["content"]
    assert "no JSON here" not in str(third), "the last bad reply alone is shown"


@pytest.mark.parametrize("repairs", [0, 1, 3])
def test_repairs_are_counted(world: World, repairs: int) -> None:
    world.set(chat={"repairs": repairs})
    world.says('{"word": "no"}')
    with pytest.raises(Reject, match="'no' is not the word") as caught:
        world(ask(never))
    assert (caught.value.code, caught.value.raw) == ("bad_reply", '{"word": "no"}')
    assert len(world.author.requests) == repairs + 1


def test_nothing_but_emptiness(world: World) -> None:
    world.says(" \n")
    with pytest.raises(Reject) as caught:
        world(ask())
    assert caught.value.code == "empty"
    assert world.author.requests[1].messages[-2]["content"].strip() in ("", "(nothing)")


def test_a_lenient_stage_gets_the_last_well_formed_reply(world: World) -> None:
    world.says('{"word": "one"}', '{"word": "two"}', "torn {")
    assert world(ask(never, lenient=True)).word == "two"
    assert len(world.author.requests) == 3


def test_lenience_needs_a_well_formed_reply(world: World) -> None:
    world.says("nothing")
    with pytest.raises(Reject):
        world(ask(never, lenient=True))


def test_lenience_does_not_reach_to_unsafe_replies(world: World) -> None:
    world.says('{"word": "fine"}', f'{{"word": "{UNSAFE}"}}')
    assert world(ask(never, lenient=True)).word == "fine"
    world.says(f'{{"word": "{UNSAFE}"}}')
    with pytest.raises(Reject, match="unsafe"):
        world(ask(lenient=True, check=never), Narrative(parent="p", text="two"))


def test_unsafe_replies_are_asked_for_again_unless_the_check_is_off(world: World) -> None:
    world.says(f'{{"word": "{UNSAFE}"}}', '{"word": "fine"}')
    assert world(ask()).word == "fine"
    assert "unsafe" in world.author.requests[1].messages[-1]["content"]
    world.set(checks={"safety": "off"})
    world.says(f'{{"word": "{UNSAFE}"}}')
    assert world(ask(), Narrative(parent="p", text="two")).word == UNSAFE


def test_what_the_filter_refuses_is_not_asked_again(world: World) -> None:
    world.says(ChatReply('{"word": "half', finish="content_filter"))
    with pytest.raises(Reject) as caught:
        world(ask(lenient=True))
    assert caught.value.code == "refused"
    assert len(world.author.requests) == 1


def test_what_was_cut_off_is_asked_again(world: World) -> None:
    """Even where it parses, for who knows what is missing."""
    world.says(ChatReply('{"word": "part"}', finish="length"), '{"word": "whole"}')
    assert world(ask()).word == "whole"
    assert "briefer" in world.author.requests[1].messages[-1]["content"]


def test_long_texts_are_cut_for_the_model_and_the_rejects(world: World) -> None:
    world.says("x" * 10_000)
    with pytest.raises(Reject):
        world(ask())
    assert len(world.author.requests[1].messages[-2]["content"]) == 4_000

    def long(word: Word) -> None:
        raise Fault("y" * 1_000)

    world.says('{"word": "no"}')
    with pytest.raises(Reject) as caught:
        world(ask(long), Narrative(parent="p", text="two"))
    assert len(str(caught.value)) == 303
    losses: list[dict[str, str]] = []

    async def reject(ctx: Context) -> None:
        ctx.reject("code", "why", "z" * 10_000)
        losses.extend(ctx.losses)

    world(reject)
    assert losses == [{"id": RECORD.id, "code": "code", "reason": "why", "raw": "z" * 4_000}]


def test_the_seed_differs_with_attempt_record_and_run(world: World) -> None:
    world.says("no")
    for number, text in ((0, "one"), (0, "two"), (1, "one")):
        world.root = world.root / "x"
        world.root.mkdir()
        world.set(run={"seed": number})
        with pytest.raises(Reject):
            world(ask(), Narrative(parent="p", text=text))
    seeds = [request.seed for request in world.author.requests]
    assert len(seeds) == len(set(seeds)) == 9
    assert seeds[:3] == [seed_of(0, "events", RECORD.id, attempt) for attempt in range(3)]


def test_what_was_answered_is_not_asked_again(world: World) -> None:
    world.says("no", '{"word": "yes"}')
    assert world(ask()).word == "yes"
    world.says('{"word": "another"}')
    assert world(ask()).word == "yes"
    assert not world.author.requests


def test_all_of_gives_results_in_order(world: World) -> None:
    async def one(number: int) -> int:
        await asyncio.sleep(0.01 / (number + 1))
        return number

    assert world(lambda ctx: ctx.all_of(one(n) for n in range(4))) == [0, 1, 2, 3]


def test_when_one_fails_the_others_are_stopped_first(world: World) -> None:
    ended: list[str] = []

    async def slow() -> None:
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)  # giving things back takes a moment
            ended.append("stopped")
            raise

    async def fail() -> None:
        await asyncio.sleep(0)
        raise Reject("code", "why")

    async def work(ctx: Context) -> None:
        with pytest.raises(Reject):
            await ctx.all_of([slow(), fail(), slow()])
        assert ended == ["stopped", "stopped"]

    world(work)


class Recorder:
    """Draws, and notes the requests; `blank` of them first have nothing in them."""

    def __init__(self, blank: int = 0) -> None:
        self.requests: list[ImageRequest] = []
        self._blank = blank
        self._avatar = Avatar()

    def generate(self, requests: Sequence[ImageRequest]) -> list[bytes]:
        self.requests += requests
        if len(self.requests) <= self._blank:
            buffer = io.BytesIO()
            Image.new("RGB", (512, 512), "white").save(buffer, "JPEG")
            return [buffer.getvalue()]
        return self._avatar.generate(requests)


FACE = ImageRequest(kind="face", prompt="A woman of 30 years.", seed=99, look={"age": "30"})


def test_a_picture_depends_on_record_name_and_seed_alone(world: World, tmp_path: Path) -> None:
    def picture(seed: int, text: str, name: str, folder: str) -> str:
        world.root = tmp_path / folder
        world.root.mkdir(exist_ok=True)
        world.set(run={"seed": seed})
        found: str = world(lambda ctx: ctx.draw(FACE, name), Narrative(parent="p", text=text))
        return found

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
        return ctx.picture(first)

    assert Image.open(io.BytesIO(world(read))).size == (512, 512)
    Store(world.root).image_path(first).unlink()
    assert world(lambda ctx: ctx.draw(FACE, "a")) == first
    assert len(world.images.requests) == 2, "one that was deleted is drawn again"


def test_pictures_that_are_not_accepted_are_tries(world: World) -> None:
    world.images = Recorder(blank=2)
    found = world(lambda ctx: ctx.draw(FACE, "a", accept=ctx.one_face))
    assert len({request.seed for request in world.images.requests}) == 3
    wanted = Avatar().generate(world.images.requests[2:])[0]
    assert Store(world.root).image(found) == wanted
    assert world(lambda ctx: ctx.draw(FACE, "a", accept=ctx.one_face)) == found
    assert len(world.images.requests) == 3, "the tries are journalled, too"


def test_no_acceptable_picture(world: World) -> None:
    world.images = Recorder(blank=100)
    world.set(checks={"face_tries": 3})
    with pytest.raises(Reject, match="no acceptable picture in 3 tries") as caught:
        world(lambda ctx: ctx.draw(FACE, "a", accept=ctx.one_face))
    assert caught.value.code == "bad_image"
    assert len(world.images.requests) == 3


def test_faces_are_not_counted_where_the_check_is_off(world: World) -> None:
    world.images = Recorder(blank=100)
    world.set(checks={"faces": "off"})
    assert world(lambda ctx: ctx.draw(FACE, "a", accept=ctx.one_face))


class Listening:
    """A search that notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._search: Search = open_index("starter")

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
        return hits, await ctx.fetch("retrieval", hits[0])

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
        world(lambda ctx: ctx.fetch("retrieval", hit))


def test_the_generator_is_of_run_record_and_name(world: World) -> None:
    async def draw(ctx: Context) -> tuple[float, float]:
        return ctx.rng().random(), ctx.rng("a").random()

    one, two = world(draw), world(draw, Narrative(parent="p", text="two"))
    assert one == world(draw)
    world.set(run={"seed": 1})
    assert len({*one, *two, *world(draw)}) == 6
