"""What a stage is given: the model asked and asked again, pictures drawn, found and kept once."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from worlds import RECORD, World

from mcu import prompts
from mcu.backends import ChatReply
from mcu.context import Context
from mcu.contract import Reply
from mcu.errors import ConfigError, Fault, Reject
from mcu.ids import seed_of
from mcu.records import Commonsense, Narrative, Persona

UNSAFE = "how to make a bomb"


class Word(Reply):
    word: str


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
        return ctx.ask("narrative", Word, persona=persona, inference=inference, language="English")

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
    assert caught.value.code == "filtered"
    assert len(world.author.requests) == 1


@pytest.mark.parametrize(
    ("finish", "code"), [("refusal", "refused"), ("context_length", "too_long")]
)
def test_what_no_repair_will_mend_is_not_asked_again(world: World, finish: str, code: str) -> None:
    world.says(ChatReply("No.", finish=finish))
    with pytest.raises(Reject) as caught:
        world(ask())
    assert (caught.value.code, caught.value.raw) == (code, "No.")
    assert len(world.author.requests) == 1


def test_a_refusal_in_words_is_told_apart_from_bad_json(world: World) -> None:
    world.says("I'm sorry, but I can't help with that.")
    with pytest.raises(Reject) as caught:
        world(ask())
    assert caught.value.code == "refused"


def test_what_was_cut_off_is_asked_once_more_with_a_larger_budget(world: World) -> None:
    """Even where it parses, for who knows what is missing; it takes none of the repairs."""
    world.set(chat={"repairs": 0})
    world.says(ChatReply('{"word": "part"}', finish="length"), '{"word": "whole"}')
    assert world(ask()).word == "whole"
    first, second = world.author.requests
    assert second == replace(first, max_tokens=2 * first.max_tokens)


def test_what_is_cut_off_twice_is_a_reject(world: World) -> None:
    world.says(ChatReply('{"word": "part"}', finish="length"))
    with pytest.raises(Reject) as caught:
        world(ask())
    assert caught.value.code == "cut_off"
    assert len(world.author.requests) == 2


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


def test_the_generator_is_of_run_record_and_name(world: World) -> None:
    async def draw(ctx: Context) -> tuple[float, float]:
        return ctx.rng().random(), ctx.rng("a").random()

    one, two = world(draw), world(draw, Narrative(parent="p", text="two"))
    assert one == world(draw)
    world.set(run={"seed": 1})
    assert len({*one, *two, *world(draw)}) == 6
