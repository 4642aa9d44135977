"""Rows of stark-dialogue as the checks see them: read by name, lists decoded, faults kept."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mcu.ids import key_bytes
from mcu.release.rows import SESSIONS

# One element a turn.
TURN_LISTS = (
    "speakers",
    "utterances",
    "rationales",
    "image_descriptions",
    "image_sources",
    "keywords",
    "image_id_from_mobile",
    "images_key",
    "images_module_name",
)
# One element a device picture; only the first is a released column.
DEVICE_LISTS = ("device_images_key", "device_image_descriptions", "device_image_categories")
_ASSISTANTS = frozenset({"ai assistant", "personal ai assistant", "ai", "assistant", "system"})


@dataclass(frozen=True)
class Talk:
    """One session: its scalars, its turn-parallel lists and those of the device album."""

    number: int
    scalars: dict[str, str]
    lists: dict[str, list[Any]]
    devices: dict[str, list[Any]]
    caused_by: list[Any]

    def turns(self) -> Iterator[tuple[str, str]]:
        """Speaker and utterance of each turn, where they are texts."""
        for speaker, said in zip(self.lists["speakers"], self.lists["utterances"], strict=False):
            if isinstance(speaker, str) and isinstance(said, str):
                yield speaker, said

    @property
    def images(self) -> int:
        """How many turns share a picture, whether or not one was found."""
        return sum(bool(text) for text in self.lists["image_descriptions"])


@dataclass(frozen=True)
class Row:
    """One episode. `faults` tells what could not be read as it should, by kind.

    `group` is the persona's id, which the split keeps together; `first` says that no row before
    was of this persona.
    """

    split: str
    index: str
    group: str
    first: bool
    values: dict[str, Any]
    talks: list[Talk]
    faults: list[tuple[str, str]]

    def text(self, column: str) -> str:
        """A column's text; empty where there is none."""
        value = self.values.get(column)
        return value if isinstance(value, str) else ""

    @cached_property
    def age(self) -> int | None:
        """The persona's age, None where the column holds no number."""
        text = str(self.values.get("age", ""))
        return int(text) if text.isdecimal() and len(text) < 4 else None

    @cached_property
    def dialogue(self) -> str:
        """All that is said, a line a turn."""
        return "\n".join(said for talk in self.talks for _, said in talk.turns() if said)

    @cached_property
    def images(self) -> list[str]:
        """Every description of a picture, shared or on the device, once."""
        found = dict.fromkeys(
            text
            for talk in self.talks
            for part in (
                talk.lists["image_descriptions"],
                talk.devices["device_image_descriptions"],
            )
            for text in part
            if isinstance(text, str) and text
        )
        return list(found)

    @cached_property
    def texts(self) -> list[str]:
        """Every text that is published, once, in the order of the columns."""
        columns = ("name", "persona_sentence", "persona_entity_value", "human_face_description")
        inference = ("persona_commonsense_inference", "narrative")
        found = dict.fromkeys(self.text(column) for column in (*columns, *inference))
        for talk in self.talks:
            found.update(dict.fromkeys(talk.scalars[part] for part in ("event", "experience")))
            for name in ("utterances", "rationales", "keywords"):
                found.update(dict.fromkeys(flat(talk.lists[name])))
            found.update(dict.fromkeys(flat(talk.devices["device_image_categories"])))
        found.update(dict.fromkeys(self.images))
        found.pop("", None)
        return list(found)


def read_row(split: str, values: dict[str, Any], seen: set[bytes]) -> Row:
    """A row with its lists decoded; `seen` remembers the personas of the rows before."""
    faults: list[tuple[str, str]] = []
    index = str(values.get("index") or "")
    # `<seed>:<persona>-<relation>`, where there is no column of ours.
    group = str(values.get("split_group") or index.rpartition("-")[0].partition(":")[2] or index)
    mark = key_bytes(group)
    first = mark not in seen
    seen.add(mark)
    count = values.get("number_of_session")
    if not isinstance(count, int) or not 1 <= count <= SESSIONS:
        faults.append(("sessions", f"{index}: number_of_session is {count!r}"))
        count = 0
    talks = []
    for number in range(1, SESSIONS + 1):
        head = f"session{number}:"
        if number <= count:
            talks.append(_talk(index, number, values, faults))
        elif any(value for name, value in values.items() if name.startswith(head)):
            faults.append(("sessions", f"{index}: session {number} does not exist, but has values"))
    return Row(split, index, group, first, values, talks, faults)


def _talk(index: str, number: int, values: dict[str, Any], faults: list[tuple[str, str]]) -> Talk:
    head = f"session{number}:"
    where = f"{index}, session {number}"

    def decoded(name: str) -> list[Any]:
        text = values.get(head + name)
        try:
            found = json.loads(text) if isinstance(text, str) and text else None
        except ValueError:
            found = None
        if isinstance(found, list):
            return found
        # Lists of ours may be missing, as in the published data set.
        if name in TURN_LISTS or name == DEVICE_LISTS[0] or text:
            faults.append(("lists", f"{where}: {name} is no JSON list"))
        return []

    lists = {name: decoded(name) for name in TURN_LISTS}
    lengths = {name: len(found) for name, found in lists.items()}
    if head + "relevance_scores" in values:
        lengths["relevance_scores"] = len(decoded("relevance_scores"))
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {length}" for name, length in lengths.items())
        faults.append(("parallel", f"{where}: {told}"))
    devices = {name: decoded(name) for name in DEVICE_LISTS}
    if len({len(found) for name, found in devices.items() if head + name in values}) > 1:
        told = ", ".join(f"{name} {len(found)}" for name, found in devices.items())
        faults.append(("parallel", f"{where}: {told}"))
    scalars = ("date", "event", "experience", "time_interval", "experience_op")
    return Talk(
        number,
        {name: str(values.get(head + name) or "") for name in scalars},
        lists,
        devices,
        decoded("caused_by"),
    )


def is_assistant(speaker: str) -> bool:
    """Whether a speaker is the assistant, under any of the names that Stark has for it."""
    return speaker.strip().casefold() in _ASSISTANTS


def flat(value: Any) -> Iterator[str]:
    """The texts in a value that is a text, or lists of texts however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from flat(part)
