"""How the scripted author plans an episode: its scenes, what comes between, and the dates."""

import calendar
import re
from datetime import date, timedelta
from random import Random
from typing import Any

from mcu.author.grammar import Voice, sentences, to_third, verb
from mcu.author.sheet import RELATIONS, Scene, Sheet, deal, episode, library

_LONG = re.compile(r"\b(?:weeks?|months?|winter|days|nights|evenings|every)\b")
_EARLIEST = date(1990, 1, 2)
_UPDATES = 0.17  # share of experiences that change something known
_LENGTHS = {4: 0.15, 5: 0.4, 6: 0.45}
_DAYS = {"day": 1, "week": 7}
# How often the time between two sessions has each unit, and from and to how many; hours only where
# the later scene is a quick one.
_GAPS = (
    (0.35, "hour", 2, 11),
    (0.34, "day", 1, 6),
    (0.3, "week", 1, 3),
    (0.17, "month", 1, 5),
    (0.05, "year", 1, 2),
)


def events(sheet: Sheet, rng: Random) -> dict[str, Any]:
    """Answer the events task."""
    speaker = episode(sheet, rng)
    speaker.deal = None
    bring_inference(speaker, sheet)
    fewest = sheet.number("Fewest events", 4, 1, 12)
    most = sheet.number("Most events", 6, fewest, 12)
    sizes = list(range(fewest, most + 1))
    size = rng.choices(sizes, [_LENGTHS.get(n, 0.01) for n in sizes])[0]
    scenes = _scenes(sheet, rng, size)
    days, gaps = _calendar(_last(sheet), scenes, rng)
    updates = ["update" if rng.random() < _UPDATES else "add" for _ in scenes]
    rows: list[dict[str, Any]] = []
    seen: set[str] = set()
    for number, scene in enumerate(scenes, 1):
        kind = updates[number - 1] if number > 1 else ""
        text = _event(scene, speaker, sheet, seen)
        rows.append(
            {
                "id": number,
                "date": f"{days[number - 1]:%Y.%m.%d}",
                "event": text,
                "caused_by": _causes(number, rng),
                "time_interval": gaps[number - 2] if number > 1 else None,
                "experience": _since(scene, kind, gaps[number - 2]["unit"], speaker, sheet, seen)
                if number > 1
                else "",
                "experience_op": kind,
            }
        )
    return {"events": rows}


def bring_inference(speaker: Voice, sheet: Sheet) -> None:
    """Let patterns speak of the episode's inference."""
    clause = sheet.get("Inference", "try something new").rstrip(" .!?,;")
    speaker.slots["inference"] = clause


def _scenes(sheet: Sheet, rng: Random, size: int) -> list[Scene]:
    """Scenes in the order of their steps: of the category, of the relation, and of all lives.

    Each of a persona's five episodes is dealt its own, so that they hardly share an event.
    """
    value = sheet.get("Entity value")

    def fitting(*groups: str) -> list[Scene]:
        found = [scene for group in groups for scene in library().scenes.get(group, [])]
        return [scene for scene in found if scene.suits(sheet.age, value)]

    about = rng.sample(found := fitting(RELATIONS[sheet.hand]), len(found))
    own, spare = deal(sheet, "own", fitting(*sheet.shelves))
    wide, more = deal(sheet, "life", fitting("life"))
    two, one = (2 if size > 4 else 1), rng.choice((0, 1, 1))
    chosen = [*about[:two], *wide[:one], *own, *wide[one:], *about[two:], *spare, *more][:size]
    order = {id(scene): (scene.step, rng.random()) for scene in chosen}
    return sorted(chosen, key=lambda scene: order[id(scene)])


def _event(scene: Scene, speaker: Voice, sheet: Sheet, seen: set[str]) -> str:
    first, _, rest = speaker.fill(scene.event).partition(" ")
    text = f"{sheet.name} {verb(first, 0)} {to_third(rest, sheet.pronoun)}."
    if text.casefold() in seen:
        text = f"{text[:-1]} once more, for the {len(seen) + 1}th time."
    seen.add(text.casefold())
    return sentences(text)


def _since(scene: Scene, kind: str, unit: str, speaker: Voice, sheet: Sheet, seen: set[str]) -> str:
    """What came between; after hours or days nothing that takes longer."""
    rules = library().talk["rules"]
    texts = rules["change"] if kind == "update" else scene.since
    if kind != "update" and unit in _DAYS | {"hour": 0}:
        texts = [t for t in texts if unit != "hour" and not (unit == "day" and _LONG.search(t))]
        texts = texts or rules[f"since_{unit}s"]
    for _ in range(8):
        text = speaker.fill(speaker.rng.choice(texts))
        if text.casefold() not in seen:
            break
    seen.add(text.casefold())
    return sentences(f"{sheet.name} {to_third(text, sheet.pronoun)}.")


def _causes(number: int, rng: Random) -> list[int]:
    if number == 1:
        return []
    far = rng.randint(1, number - 1)
    return sorted({number - 1, far} if rng.random() < 0.35 else {number - 1})


def _last(sheet: Sheet) -> date:
    try:
        year, month, day = sheet.get("Last date", "2024.04.30").split(".")
        return date(int(year), int(month), int(day))
    except ValueError:
        return date(2024, 4, 30)


def _calendar(
    last: date, scenes: list[Scene], rng: Random
) -> tuple[list[date], list[dict[str, Any]]]:
    """Days in order and the intervals between them, the last one before the last date."""
    gaps = [_gap(rng, scene.quick) for scene in scenes[1:]]
    latest = last - timedelta(days=int(rng.triangular(3, 1000, 120)))
    start = latest - timedelta(days=sum(_longest(gap) for gap in gaps))
    if start < _EARLIEST:
        gaps = [{"value": 2, "unit": "hour"} for _ in gaps]
        start = max(min(last, _EARLIEST), last - timedelta(days=30))
    days = [start]
    for gap in gaps:
        days.append(_later(days[-1], gap["value"], gap["unit"]))
    return days, gaps


def _gap(rng: Random, quick: bool) -> dict[str, Any]:
    shares = [gap[0] if quick or gap[1] != "hour" else 0 for gap in _GAPS]
    _, unit, low, high = rng.choices(_GAPS, shares)[0]
    return {"value": rng.randint(low, high), "unit": unit}


def _longest(gap: dict[str, Any]) -> int:
    return int(
        gap["value"] * {"hour": 0, "day": 1, "week": 7, "month": 31, "year": 366}[gap["unit"]]
    )


def _later(day: date, value: int, unit: str) -> date:
    if unit == "hour":
        return day
    if unit in _DAYS:
        return day + timedelta(days=value * _DAYS[unit])
    months = day.month - 1 + value * (12 if unit == "year" else 1)
    year, month = day.year + months // 12, months % 12 + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))
