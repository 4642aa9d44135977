"""Rows may hold anything: no part of the check stumbles over what somebody wrote into a column."""

import json
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu.check.diversity import Diversity
from mcu.check.duplicates import Duplicates
from mcu.check.persona import Contradictions
from mcu.check.references import References
from mcu.check.rows import DEVICE_LISTS, TURN_LISTS, read_row
from mcu.check.safety import Private, Safety
from mcu.check.shape import Shape
from mcu.check.times import Times

TEXT = st.text(st.characters(), max_size=12) | st.sampled_from(["\ud83d", "I am 99.", "a@b.de"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=8,
)
CELL = st.none() | TEXT | JSON.map(json.dumps)
COLUMNS = (
    "index",
    "name",
    "age",
    "birthplace",
    "human_face_image_key",
    "narrative",
    "persona_sentence",
    "split_group",
    *(f"session1:{name}" for name in (*TURN_LISTS, *DEVICE_LISTS)),
    *(f"session1:{name}" for name in ("date", "event", "time_interval", "caused_by")),
    *(f"session2:{name}" for name in ("date", "time_interval", "experience_op", "caused_by")),
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(COLUMNS), CELL), st.none() | st.integers(-1, 9))
def test_no_part_stumbles(cells: dict[str, str | None], sessions: int | None) -> None:
    row = read_row("train", {**cells, "number_of_session": sessions}, set())
    parts = (References(), Times(date(2024, 4, 30)), Safety(), Private(), Contradictions())
    for part in (*parts, Duplicates(), Shape()):
        part.add(row)
        assert all(isinstance(found.passed, bool) for found in part.findings())
    Diversity().add(row)


@pytest.mark.parametrize("value", ["[1, 2]", '{"a": 1}', '"text"', "7", "nul"])
def test_a_list_that_is_none_is_told_or_kept(value: str) -> None:
    cells = {f"session1:{name}": "[]" for name in (*TURN_LISTS, *DEVICE_LISTS)}
    row = read_row("train", {**cells, "number_of_session": 1, "session1:speakers": value}, set())
    kinds = {kind for kind, _ in row.faults}
    assert kinds == ({"parallel"} if value.startswith("[") else {"lists"})
