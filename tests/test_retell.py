"""How the scripted author retells a dialogue: what it takes and leaves, and any text."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu.author.retell import details, first_of, news, question, tip
from mcu.backends.scripted import answer


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("I got a haircut today.", [("got a haircut", False)]),
        (
            "There is more: I invited my brother to tea just now!",
            [("invited her brother to tea", False)],
        ),
        ("Since then I bought a good pen.", [("bought a good pen", True)]),
        ("And two hours ago I returned a book!", [("returned a book", False)]),
        ("I sold my bike, and I want to talk about it.", [("sold her bike", False)]),
        ("I signed the lease this morning.", [("signed the lease that morning", False)]),
        ("I think I bought too much.", []),
        ("I need a plan.", []),
        ("I'd read it five times.", []),
        ("I found a picture of a rocket for you.", []),
        ("I forgot to take one.", []),
        ("I won, can you believe it?", []),
        ("You know I painted the door.", []),
    ],
)
def test_news(said: str, told: list[tuple[str, bool]]) -> None:
    assert news([said], "she") == told


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "My father looked worried and hid my keys.",
            ["his father looked worried and hid his keys."],
        ),
        ("We lost all sense of time.", ["they lost all sense of time."]),
        ("We eat at nine every day.", []),
        ("My cousin wants to see it too.", []),
        ("My tea got cold on the table.", []),
    ],
)
def test_details(said: str, told: list[str]) -> None:
    assert details([said], "he") == told


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("Tell me: how do I keep the words in my head?", "how to keep the words in her head"),
        ("Should I move house?", "whether to move house"),
        ("Could you show me a picture?", ""),
        ("How do I repair that?", ""),
    ],
)
def test_question(said: str, asked: str) -> None:
    assert question(said, "she") == asked


def test_tip() -> None:
    long = "Tie it to something you do anyway; " + "then again and again " * 6
    assert tip(f"Yes. {long}") == "Tie it to something you do anyway."
    assert tip('Say "no" to all of them.') == "Say 'no' to all of them."
    assert tip("Yes.") == ""


def test_first_of() -> None:
    assert first_of(["Hello there, my old friend!", "The cat was on the box."]) == (
        "The cat was on the box."
    )
    assert first_of(["Hi!"]) == "Hi!..."
    assert first_of([]) == "..."


LINE = st.text(st.characters(exclude_characters="\n"), max_size=60)
WORDS = st.one_of(LINE, st.sampled_from(["I bought a car today.", "My cousin said no.", "Hi!"]))


@given(
    st.sampled_from(["summary_first", "summary_next"]),
    LINE,
    st.lists(
        st.tuples(st.sampled_from(["Turn", "Picture shared in turn"]), LINE, WORDS), max_size=9
    ),
)
def test_any_dialogue_is_summed_up(task: str, name: str, turns: list[tuple[str, str, str]]) -> None:
    rows = [f"{kind} {n}, {who}: {text}" for n, (kind, who, text) in enumerate(turns, 1)]
    user = "\n".join([f"Name: {name}", "Date: 2023.01.01", *rows])
    messages = [
        {"role": "system", "content": f"Task: {task}\n"},
        {"role": "user", "content": user},
    ]
    text = json.loads(answer(messages, 1))["summary"]
    assert re.search("assistant", text, re.IGNORECASE)
    assert answer(messages, 1) == answer(messages, 1)
