"""A small coreference-like set on disk, as `mcu derive` writes one, and its task."""

from pathlib import Path
from typing import Any

from made_items import items

from mcu.derive import Task
from mcu.items import LABELS, Item, ItemSource, Provenance, Question
from mcu.records import Row
from mcu.release.items import ItemSet


class Option(Row):
    label: str
    text: str
    photo: int


class MadeItem(Item):
    talk: list[str]
    options: list[Option]
    answer: str
    answer_text: str
    twin_id: str
    difficulty: dict[str, str]
    note: str | None = None
    weights: tuple[float, ...] = ()


def question(item: MadeItem) -> Question:
    return Question(
        id=item.item_id,
        group=item.split_group,
        split=item.split,
        options=tuple(option.text for option in item.options),
        answer=LABELS.index(item.answer),
        views={"full": "\n".join(item.talk)},
        photos=tuple(option.photo for option in item.options),
        bins=item.difficulty,
        pair=item.twin_id,
        language=item.language,
    )


def chat(item: MadeItem) -> list[dict[str, Any]]:
    listed = [f"{option.label}) {option.text}" for option in item.options]
    return [
        {"role": "user", "content": "\n".join([*item.talk, *listed])},
        {"role": "assistant", "content": f"{item.answer}) {item.answer_text}"},
    ]


TASK = Task(
    name="coref",
    folder="stark-coref",
    version=1,
    about="Made up.",
    makes=MadeItem,
    items=lambda material: iter(()),
    question=question,
    chat=chat,
)


def made(n: int) -> list[MadeItem]:
    found = []
    for at, own in enumerate(items(n, 7)):
        found.append(
            MadeItem(
                item_id=own.id,
                task="coref",
                task_version=1,
                split="test" if at >= n // 2 else "train",
                split_group=own.group,
                source=ItemSource(unique_id=own.id),
                provenance=Provenance(),
                checks={"solved": 1.0},
                talk=own.views["full"].splitlines(),
                options=[
                    Option(label=label, text=text, photo=photo)
                    for label, text, photo in zip(LABELS, own.options, own.photos, strict=True)
                ],
                answer=LABELS[own.answer],
                answer_text=own.options[own.answer],
                twin_id=own.pair,
                difficulty=dict(own.bins),
                note="half a pair \ud83d" if at == n - 1 else None,
                weights=(0.5,) * (at % 2),
            )
        )
    return found


def write_set(folder: Path, found: list[MadeItem]) -> Path:
    folder.mkdir(parents=True)
    files = ItemSet(folder, TASK)
    for item in found:
        files.add(item)
    files.close()
    return folder
