"""Reading answers: the two quoted outputs, the rules one by one, the chain of implications."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu.scores.answers import LETTERS, normal, parse, score, stated

KOREAN = (
    "A가 올린 사진 속 노트북",
    "A가 올린 사진 속 헤드폰",
    "B가 올린 사진 속 책",
    "B가 올린 사진 속 커피잔",
)
ENGLISH = (
    "the laptop in A's photo",
    "the headphones in A's photo",
    "the book in B's photo",
    "the cup in B's photo",
)
OWNERS = (0, 0, 1, 1)


@pytest.mark.parametrize(
    ("thing", "output"),
    [
        (
            "완성된 요리",
            "마지막 A의 발화에서 '저거'는 B가 올린 사진에 포함된 완성된 요리에 대한 언급입니다. "
            "따라서 정답은 D) B가 올린 사진 속 완성된 요리입니다.",
        ),
        (
            "손뜨개 작품",
            "마지막 A의 발화에서 '저거'는 B가 올린 사진에 포함된 손뜨개 작품을 가리키는 것으로 "
            "보입니다. 따라서 정답은 D) B가 올린 사진 속 손뜨개 작품입니다.",
        ),
    ],
)
def test_the_long_answers_that_the_seed_quotes(thing: str, output: str) -> None:
    options = (*KOREAN[:3], f"B가 올린 사진 속 {thing}")
    found = score(output, options, 3, OWNERS)
    assert (found.object, found.strict, found.photo, found.exact) == (True, True, True, False)
    assert (found.parse.labels, found.parse.how) == (("D",), "labels")
    assert score(f"D) B가 올린 사진 속 {thing}", options, 3, OWNERS).exact


@pytest.mark.parametrize(
    ("output", "labels", "how"),
    [
        ("D) B가 올린 사진 속 커피잔", "D", "exact"),
        ("\uff24\uff09\u3000B가  올린 사진 속\n커피잔<|eot_id|></s>", "D", "exact"),
        ("D) B가 올린 사진 속 커피잔.", "D", "labels"),
        ("정답: D", "D", "labels"),
        ("정답은 D입니다.", "D", "labels"),
        ("정답은 [D]", "D", "labels"),
        ("정답은 A가 올린 사진 속 노트북입니다.", "A", "text"),  # A is a person here, not a label
        ("정답은 B가 올린 사진 속 커피잔입니다.", "D", "text"),
        ("A가 아니라 B의 사진이니 D. 커피잔", "D", "labels"),
        ("C", "C", "letter"),
        (" C \n", "C", "letter"),
        ("C 같아요", "", "none"),
        ("A B", "", "none"),
        ("(B)", "B", "labels"),
        ("**C)** B가 올린 사진 속 책", "C", "labels"),
        ("A) A가 올린 사진 속 노트북 B) A가 올린 사진 속 헤드폰", "AB", "labels"),
        ("B가 올린 사진 속 커피잔", "D", "text"),
        ("B가 올린 사진 속 커피잔, A가 올린 사진 속 노트북", "", "none"),
        ("모르겠어요", "", "none"),
        ("", "", "none"),
        ("USB. 비타C) E) 12D)", "", "none"),
        ("d)", "", "none"),
    ],
)
def test_what_is_read_out_of_korean(output: str, labels: str, how: str) -> None:
    found = parse(output, KOREAN)
    assert ("".join(found.labels), found.how) == (labels, how)


@pytest.mark.parametrize(
    ("output", "labels", "how"),
    [
        ("The answer is D.", "D", "labels"),
        ("The answer is D because the cup was meant", "D", "labels"),
        ("Answer: A laptop, I think", "", "none"),
        ("Answer: option B", "B", "labels"),
        ("It is the laptop in A's photo", "A", "text"),
        ("The Book in B's Photo!", "C", "text"),
        ("the laptop in A's photo, or the cup in B's photo", "", "none"),
    ],
)
def test_what_is_read_out_of_english(output: str, labels: str, how: str) -> None:
    found = parse(output, ENGLISH)
    assert ("".join(found.labels), found.how) == (labels, how)


def test_an_option_within_another_one_is_not_named() -> None:
    options = ("the cup", "the cup holder", "the pen", "10")
    assert parse("it is the cup holder", options).labels == ("B",)
    assert parse("the cup holder and the cup", options).labels == ()
    assert parse("100 of them", options).labels == ()
    assert parse("10 of them", options).labels == ("D",)


def test_labels_inside_of_an_option_are_not_said() -> None:
    options = ("B: the cup", "A) the pen", "the book", "the lamp")
    assert parse("A) B: the cup", options).how == "exact"
    assert parse("I say B) A) the pen", options).labels == ("B",)


def test_all_options_listed_is_right_by_object_and_not_strictly() -> None:
    output = "\n".join(stated(label, text) for label, text in zip("ABCD", ENGLISH, strict=True))
    found = score(output, ENGLISH, 0, OWNERS)
    assert (found.object, found.strict, found.photo, found.exact) == (True, False, True, False)
    again = score("A) " + "the laptop in A's photo A) " * 3, ENGLISH, 0, OWNERS)
    assert (again.object, again.strict, again.exact) == (True, True, False)
    other = score("B) the headphones in A's photo", ENGLISH, 0, OWNERS)
    assert (other.object, other.photo) == (False, True)
    assert score("C", ENGLISH, 2).photo is None


_PIECES = st.sampled_from(
    [*"ABCDabcd", *[f"{one})" for one in "ABCD"], "A.", "B:", "정답은 ", "정답", "answer is ", " ",
     "\n", "<|eot_id|>", "입니다", "\uff24\uff09", "because", "x", *KOREAN, *ENGLISH]
)  # fmt: skip
_WORDS = st.lists(_PIECES, min_size=1, max_size=8).map("".join)
_TEXTS = st.one_of(_WORDS, st.text(max_size=12))
_OPTIONS = st.one_of(
    st.just(KOREAN), st.just(ENGLISH), st.lists(_TEXTS, min_size=2, max_size=5).map(tuple)
)


@given(st.data())
def test_exact_is_strict_is_object_is_photo(data: st.DataObject) -> None:
    options = data.draw(_OPTIONS)
    answer = data.draw(st.integers(0, len(options) - 1))
    photos = data.draw(st.lists(st.integers(0, 1), min_size=len(options), max_size=len(options)))
    gold = stated(LETTERS[answer], options[answer])
    output = data.draw(st.one_of(_TEXTS, st.just(gold), _WORDS.map(lambda more: f"{gold}{more}")))
    found = score(output, options, answer, photos)
    assert found.strict or not found.exact
    assert found.object or not found.strict
    assert found.photo or not found.object
    assert found.exact == (normal(output) == normal(gold))
    assert bool(found.parse.labels) == (found.parse.how != "none")
    assert set(found.parse.labels) <= set(LETTERS[: len(options)])


@given(_TEXTS)
def test_what_is_normal_stays_so(text: str) -> None:
    assert normal(normal(text)) == normal(text)
