"""Items of the derived tasks: the envelope that all share, and the view that probes have of one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from mcu.records import Row

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
LABELS = "ABCD"


class ItemSource(Row):
    """Where in stark-dialogue an item comes from: session numbers, turns of them, both from 1.

    `unique_id` is the row's `index`; `utter_ids` are texts such as `2.7`, turn 7 of session 2;
    `image_keys` are as in `images_key`, with their prefixes.
    """

    unique_id: str
    sessions: list[int] = Field([])
    utter_ids: list[str] = Field([])
    image_keys: list[str] = Field([])


class Provenance(Row):
    """What wrote an item; `prompts` are `name:hash` texts, empty where no model was asked."""

    backend: str = ""
    model: str = ""
    prompts: list[str] = Field([])
    seed: int = 0
    mcu: str = ""


class Item(Row):
    """One example of a derived task. A task's own fields follow the envelope's.

    `split_group` is the persona's id: no group is on two sides of a split. `checks` tells what was
    found by name: 1.0 for passed, 0.0 for failed, else a score.
    """

    item_id: str
    task: str
    task_version: int
    language: str = "en"
    split: Split
    split_group: str
    source: ItemSource
    provenance: Provenance
    checks: dict[str, float] = Field({})


@dataclass(frozen=True)
class Question:
    """A multiple-choice item as a probe or a scorer sees it.

    Attributes:
        options: the texts without labels.
        answer: index of the right one.
        views: partial inputs by name, such as `last turn` or `no captions`; `full` is everything.
            A probe sees one of them and the options; `options` is seen by itself always.
        rules: options that a simple rule would choose, by the rule's name; several are a tie, of
            which each counts its share.
        photos: for each option the picture that it belongs to, where that is meant; else empty.
        chance: where it is not one in the number of options, by the name of view or rule.
        bins: what tells how hard the item is, by name, for tables.
        pair: id of the item's twin; a pair is right when both are.
    """

    id: str
    group: str
    split: str
    options: tuple[str, ...]
    answer: int
    views: Mapping[str, str]
    rules: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    photos: tuple[int, ...] = ()
    chance: Mapping[str, float] = field(default_factory=dict)
    bins: Mapping[str, str] = field(default_factory=dict)
    pair: str = ""
    language: str = "en"
