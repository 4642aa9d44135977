"""What a written chat must keep to, and the small questions about words that decide it."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu import prompts
from mcu.author.coref import coref
from mcu.author.sheet import Sheet
from mcu.errors import Fault
from mcu.ids import rng_of
from mcu.stages.derive.coref_check import Chat, check
from mcu.stages.derive.coref_plan import Plan, plans
from mcu.stages.derive.coref_words import particles, same_but, words_of
from mcu.stages.derive.objects import Objects, Thing


def picture(key: str, caption: str, korean: str, *things: tuple[str, str, str, str]) -> Objects:
    return Objects(
        parent="e",
        picture=key,
        key=key,
        caption=caption,
        objects=[
            Thing(name=name, detail=detail, also={"ko": [other, told]})
            for name, detail, other, told in things
        ],
        also={"ko": korean},
    )


DESK = picture(
    "k1",
    "A blue mug next to a red notebook on a desk.",
    "책상 위 빨간 공책 옆에 파란 머그잔이 보이는 사진",
    ("mug", "blue", "머그잔", "파란"),
    ("notebook", "next to the blue part", "공책", "파란 것 옆에 있는"),
)
BENCH = picture(
    "k2",
    "A green hat and a white bell on a bench.",
    "벤치 위에 초록색 모자와 하얀 종이 보이는 사진",
    ("hat", "green", "모자", "초록색"),
    ("bell", "white", "종", "하얀"),
)
HALL = picture(
    "k3",
    "A green bag and a black tray in a hall.",
    "홀에 초록색 가방과 검은 쟁반이 보이는 사진",
    ("bag", "green", "가방", "초록색"),
    ("tray", "black", "쟁반", "검은"),
)
LANGUAGES = ("en", "ko")


def planned(code: str, seed: int = 0, named: bool = False) -> Plan:
    for n in range(seed * 50, seed * 50 + 50):
        [plan] = plans([DESK, BENCH], words_of(code), 4, rng_of("test", n))
        if bool(plan.naming) is named:
            return plan
    raise AssertionError


def written(plan: Plan, code: str) -> Chat:
    """What the scripted author writes for a plan."""
    language = words_of(code).language
    user = prompts.load("coref").fill(language=language, plan=plan)[1]["content"]
    return Chat.model_validate(coref(Sheet(user), rng_of("chat", plan.order, plan.last)))


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("seed", range(5))
def test_the_author_keeps_to_the_plan(code: str, seed: int, named: bool) -> None:
    plan = planned(code, seed, named)
    reply = written(plan, code)
    check(reply, plan, words_of(code))
    speakers = [turn.speaker for turn in reply.turns] + [plan.last]
    assert all(one != other for one, other in pairwise(speakers))


def changed(reply: Chat, at: int, **values: Any) -> Chat:
    turns = list(reply.turns)
    turns[at] = turns[at].model_copy(update=values)
    return reply.model_copy(update={"turns": turns})


def of_object(reply: Chat) -> int:
    return next(at for at, turn in enumerate(reply.turns) if turn.object)


def ended(reply: Chat, text: str, twin: str) -> Chat:
    first = reply.endings[0].model_copy(update={"text": text, "twin": twin})
    return reply.model_copy(update={"endings": [first, *reply.endings[1:]]})


def with_text(reply: Chat, add: str) -> Chat:
    at = of_object(reply)
    return changed(reply, at, text=f"{reply.turns[at].text} {add}")


FAULTS: list[tuple[Callable[[Chat, Plan], Chat], str]] = [
    (lambda r, p: r.model_copy(update={"turns": r.turns[:4]}), "turns before the last"),
    (lambda r, p: changed(r, 2, speaker="C"), "as its speaker"),
    (lambda r, p: changed(r, 0, photo=2), "first two turns"),
    (lambda r, p: changed(r, 3, photo=1), "first two turns"),
    (lambda r, p: with_text(r, "What a lovely mug."), "names an object"),
    (lambda r, p: with_text(r, "I like your picture."), "tells whose"),
    (lambda r, p: with_text(r, p.objects[p.order[1] - 1].topic), "its own object alone"),
    (lambda r, p: changed(r, of_object(r), words=""), "which words stand"),
    (lambda r, p: changed(r, of_object(r), words="nothing like it"), "needs its words"),
    (lambda r, p: changed(r, of_object(r), object=p.order[1]), "in the order"),
    (lambda r, p: r.model_copy(update={"endings": r.endings[:1]}), "2 endings"),
    (lambda r, p: ended(r, r.endings[0].text, r.endings[0].text), "the same but for"),
    (lambda r, p: ended(r, *(t + " A mug!" for t in _both(r))), "must not name or describe"),
    (lambda r, p: ended(r, *(f"{t} I {_word(p)}" for t in _both(r))), "must stand once"),
]


def _both(reply: Chat) -> tuple[str, str]:
    return reply.endings[0].text, reply.endings[0].twin


def _word(plan: Plan) -> str:
    return plan.endings[0].demonstrative


@pytest.mark.parametrize(("change", "told"), FAULTS, ids=[told for _, told in FAULTS])
def test_a_chat_that_breaks_a_rule_is_told_which(
    change: Callable[[Chat, Plan], Chat], told: str
) -> None:
    plan = planned("en")
    with pytest.raises(Fault, match=told):
        check(change(written(plan, "en"), plan), plan, words_of("en"))


def test_a_chat_in_the_other_language_is_told_so() -> None:
    plan = planned("ko")
    with pytest.raises(Fault, match="must be in Korean"):
        check(written(planned("en"), "en"), plan, words_of("ko"))


def test_a_plan_without_names_takes_none_and_one_with_names_needs_them() -> None:
    plan, other = planned("en", named=True), planned("en")
    reply = written(plan, "en")
    bare = [turn for turn in reply.turns if "mug" not in turn.text]
    with pytest.raises(Fault, match="list all of their names"):
        check(reply.model_copy(update={"turns": bare}), plan, words_of("en"))
    assert other.naming == ()


@pytest.mark.parametrize("code", LANGUAGES)
def test_pictures_that_share_a_detail_make_no_chat(code: str) -> None:
    found = list(plans([DESK, BENCH, HALL], words_of(code), 4, rng_of(1)))
    pairs = {frozenset(p.key for p in plan.pictures) for plan in found}
    assert pairs == {frozenset({"k1", "k2"}), frozenset({"k1", "k3"})}


@pytest.mark.parametrize("code", LANGUAGES)
def test_topics_share_no_word_with_the_pictures_or_each_other(code: str) -> None:
    words = words_of(code)
    for seed in range(20):
        plan = planned(code, seed)
        signs = [words.signs(one.topic) for one in plan.objects]
        shown = set[str]().union(*(words.signs(caption) for caption in plan.captions))
        assert len(set[str]().union(*signs)) == sum(len(one) for one in signs)
        assert not shown & set[str]().union(*signs)


def test_an_object_that_no_picture_shows_is_left_out() -> None:
    things = [thing.model_copy(update={"in_pixels": False}) for thing in DESK.objects]
    unseen = DESK.model_copy(update={"objects": things})
    assert not list(plans([unseen, BENCH], words_of("en"), 4, rng_of(1)))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("책[이/가] 있다", "책이 있다"),
        ("모자[이/가] 있다", "모자가 있다"),
        ("'책'[와/과] 함께", "'책'과 함께"),
        ("'모자'[와/과] 함께", "'모자'와 함께"),
        ("종[은/는] 종[이다/다]", "종은 종이다"),
        ("모자[은/는] 모자[이다/다]", "모자는 모자다"),
    ],
)
def test_particles(text: str, told: str) -> None:
    assert particles(text) == told


@pytest.mark.parametrize(
    ("text", "name", "named"),
    [
        ("공책이 있네", "공책", True),
        ("이 공책, 좋다", "공책", True),
        ("연습공책이 있네", "공책", False),
        ("종이 들린다", "종", True),
        ("종종 생각나", "종", False),
    ],
)
def test_korean_names(text: str, name: str, named: bool) -> None:
    assert words_of("ko").names(text, name) is named


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_text_is_the_same_but_for_its_topic(before: str, after: str) -> None:
    for code, topics in (("en", ("exam week", "jet lag")), ("ko", ("졸업식", "병문안"))):
        one, other = (f"{before} {topic} {after}" for topic in topics)
        if not any(topic.casefold() in f"{before} {after}".casefold() for topic in topics):
            assert same_but(one, other, topics, code)
            assert not same_but(one, f"{other}!", topics, code)
