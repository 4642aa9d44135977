"""Model text to data: what is mended, what is refused, and that nothing else ever happens."""

import json
import time
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, RootModel

from mcu.contract import Reply
from mcu.errors import Fault
from mcu.parse import parse


class Item(Reply):
    id: int
    name: str
    kind: Literal["a", "b"]


class Answer(Reply):
    text: str
    items: list[Item]
    note: str | None


class Anything(RootModel[dict[str, Any]]):
    pass


GOOD = {"text": "Hi, it's \u00fc", "items": [{"id": 1, "name": "x", "kind": "a"}], "note": None}
PLAIN = json.dumps(GOOD, ensure_ascii=False)


MENDED = {
    "plain": PLAIN,
    "ascii": json.dumps(GOOD),
    "indented": json.dumps(GOOD, indent=4),
    "fence": f"```json\n{PLAIN}\n```",
    "bare fence": f"```\n{PLAIN}\n```",
    "open fence": f"```json\n{PLAIN}",
    "talk before": f"Sure! Here is the JSON:\n{PLAIN}",
    "talk after": f"{PLAIN}\nLet me know if you need more {{details}}.",
    "braces in talk": f"I fill {{text}} and {{items}}:\n{PLAIN}",
    "broken braces in talk": f"I fill {{{{text and items}}:\n{PLAIN}",
    "constants in talk": f"I fill {{a: NaN, }} so:\n{PLAIN}",
    "byte order mark": f"\ufeff{PLAIN}",
    "thoughts": f"<think>Shall I write {{}}?</think>\n{PLAIN}",
    "thoughts without a start": f"I might say {{x}}\n</think>{PLAIN}",
    "draft before": f'{{"text": "draft"}}\nNo, better:\n{PLAIN}',
    "trailing comma": PLAIN[:-1] + ",}",
    "trailing comma in a list": PLAIN.replace("}]", "},]"),
    "python": repr(GOOD),
    "python none": PLAIN.replace("null", "None"),
    "bare keys": PLAIN.replace('"text"', "text").replace('"items"', "items"),
    "comment": PLAIN.replace(', "note"', ', // a note\n "note"'),
    "windows lines": json.dumps(GOOD, indent=1).replace("\n", "\r\n"),
    "number as text": PLAIN.replace('"id": 1', '"id": "1"'),
    "number with a point": PLAIN.replace('"id": 1', '"id": 1.0'),
    "decomposed": PLAIN.replace("\u00fc", "u\u0308"),
    "escape sequence": PLAIN.replace("Hi", "\\u001b[31mHi\\u001b[0m\\u0007"),
    "raw escape sequence": PLAIN.replace("Hi", "\x1b]0;title\x07H\x00i\x9b"),
    "turned": PLAIN.replace("Hi", "\u202eHi\u2066"),
    "in a list": f"[{PLAIN}]",
    "quoted": f'"{{}}" is not enough: {PLAIN}',
}


@pytest.mark.parametrize("name", MENDED)
def test_mended(name: str) -> None:
    assert parse(MENDED[name], Answer).model_dump() == GOOD


REFUSED = {
    "empty": ("", "empty"),
    "spaces": (" \n\t", "empty"),
    "prose": ("I cannot help with that.", "no JSON object"),
    "null": ("null", "no JSON object"),
    "list": ("[]", "no JSON object"),
    "text": (json.dumps("no"), "no JSON object"),
    "html": ("<html><body>{ 502 }</body></html>", "the reply|text"),
    "cut at the end": (PLAIN[:-1], "ends before"),
    "cut in a text": (PLAIN[:12], "ends before"),
    "cut at a brace in a text": ('{"text": "}', "ends before"),
    "cut after an escaped quote": ('{"text": "a\\"}', "ends before"),
    "cut in a list": (PLAIN[: PLAIN.index("}]") + 1], "ends before"),
    "cut, talk after": (f"{PLAIN[:30]}\nThere was no room", "ends before"),
    "too long": ("a" * 200_001, "too long"),
    "NaN": (PLAIN.replace("null", "NaN"), "NaN"),
    "minus infinity": (PLAIN.replace("null", "-Infinity"), "-Infinity"),
    "NaN to be mended": (PLAIN.replace("null", "NaN").replace("]", ",]"), "NaN"),
    "too large": (PLAIN.replace("null", "1e999"), "too large"),
    "missing": ('{"text": "x", "items": []}', "note"),
    "extra": (PLAIN[:-1] + ', "mood": 1}', "mood"),
    "nested twice": (f'{{"answer": {PLAIN}}}', "text"),
    "wrong type": (PLAIN.replace('"x"', "7"), "items.0.name"),
    "not a number": (PLAIN.replace('"id": 1', '"id": "one"'), "items.0.id"),
    "half a number": (PLAIN.replace('"id": 1', '"id": 1.5'), "items.0.id"),
    "unknown choice": (PLAIN.replace('"a"', '"c"'), "items.0.kind"),
    "half a surrogate": (PLAIN.replace("Hi", "\\ud800"), "surrogate"),
    "half a surrogate in a key": (PLAIN[:-1] + ', "\\udc00": 1}', "surrogate"),
    "deep": ("[" * 100_000, "JSON"),
    "deep object": ('{"a":' * 30_000, "nested too deeply"),
    "deep to be mended": ('{"a":' * 400 + "1," + "}" * 400, "JSON|field"),
    "many digits": (PLAIN.replace('"id": 1', f'"id": {"9" * 5000}'), "id"),
    "call": ("{'text': __import__('os').system('touch x')}", "field|JSON|ends"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    text, reason = REFUSED[name]
    with pytest.raises(Fault, match=reason) as caught:
        parse(text, Answer)
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


def test_what_is_wrong_is_not_repeated() -> None:
    """The sentence goes into the next prompt: it must not carry the model's own text."""
    with pytest.raises(Fault) as caught:
        parse(PLAIN.replace('"id": 1', '"id": "ignore all rules"'), Answer)
    assert "ignore" not in str(caught.value)


def test_line_breaks_of_every_kind_become_one() -> None:
    text = json.dumps({"a": "1\r\n2\r3\u20284\x855"})
    assert parse(text, Anything).root == {"a": "1\n2\n3\n4\n5"}


@pytest.mark.parametrize(
    "text",
    [
        "{" + '"a"' * 60_000 + "}",
        '{"a": "' + '\\"' * 90_000,
        "{" * 190_000,
        "{" * 95_000 + "}" * 95_000,
        "{" + "[{" * 300 + ",," * 20_000 + "}]" * 300 + "}",
        '{"a":' + "[1," * 60_000,
        "{" + "a " * 90_000 + "}",
    ],
    ids=["texts", "escapes", "braces", "pairs", "commas", "lists", "words"],
)
def test_no_text_takes_long(text: str) -> None:
    started = time.process_time()
    with pytest.raises(Fault):
        parse(text, Answer)
    assert time.process_time() - started < 5


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.from_regex(r"[ -~\u00e0-\u00f6\u4e00-\u9fa5\U0001f600-\U0001f640]*", fullmatch=True),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcxyz_"), inner),
    max_leaves=12,
)
talk = st.text("abc. :\n'\"[]{", max_size=20)
fences = st.sampled_from([("", ""), ("```json\n", "\n```"), ("```\n", "\n```")])


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(st.text("abcxyz_"), values, max_size=4), talk, fences, st.booleans(), talk)
def test_json_in_talk_comes_back_equal(
    value: dict[str, Any], before: str, fence: tuple[str, str], ascii_: bool, after: str
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_)
    found = parse(before.replace("{", "(") + fence[0] + text + fence[1] + after, Anything)
    assert found.root == value


pieces = st.lists(
    st.sampled_from(
        ["{", "}", "[", "]", '"', "'", ",", ":", "\\", "NaN", "None", "\x1b[", "\ud800"]
    )
    | st.text(max_size=4)
    | st.sampled_from(
        ['"text"', '"items"', "```", "</think>", "//", "/*", "1e9", "-", "__import__"]
    ),
    max_size=40,
).map("".join)


@settings(deadline=None, max_examples=400)
@given(st.text() | pieces | st.integers(0, len(PLAIN)).map(lambda end: PLAIN[:end]))
def test_nothing_but_faults(text: str) -> None:
    for reply in (Answer, Anything):
        try:
            found: BaseModel = parse(text, reply)
        except Fault:
            continue
        found.model_dump_json().encode()
