"""How the scripted author sums up a session: what both said and showed, read out of the prompt."""

import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from random import Random

from mcu.author.grammar import Voice, capital, sentences
from mcu.author.retell import details, first_of, news, question, tip
from mcu.author.sheet import Sheet
from mcu.author.shots import core_of, gist_of
from mcu.author.times import spoken

_TURN = re.compile(r"(Turn|Picture shared in turn) (\d{1,4}), (.+)")
_RECALLED = re.compile(r"\b(?:back to|of|remember|recall) the day you ([^.,!?]{8,80})")
_PRONOUNS = {"he": ("his", "him", "himself"), "she": ("her", "her", "herself")}
_PRONOUNS["they"] = ("their", "them", "themself")
_MONTHS = "January February March April May June July August September October November December"
_DETAILS = 2
_FEWEST = 28  # words, under which more is told


@dataclass
class Said:
    """What was said and shown, in the order of the dialogue."""

    turns: list[tuple[bool, str]] = field(default_factory=list)  # whether by the person, words
    pictures: list[tuple[bool, str]] = field(default_factory=list)


def summary(sheet: Sheet, rng: Random) -> dict[str, str]:
    """Answer the tasks of both rounds."""
    said = _read(sheet)
    speaker = _voice(sheet, rng)
    told = news([words for own, words in said.turns if own], sheet.pronoun)
    kind = "next" if sheet.get("Time since the session before") else "first"
    if told:
        speaker.slots["news"] = told.pop(0)[0]
    else:
        kind += "_quiet"
        speaker.slots["quote"] = _quote(said)
    parts = [_further(speaker, told)] if told else []
    parts += [_pictures(speaker, said, sheet), _advice(speaker, said, sheet)]
    parts.append(_recalled(speaker, said, sheet))
    found = details([words for own, words in said.turns if own], sheet.pronoun)
    spare = rng.sample(found, len(found))
    parts = [part for part in parts if part]
    for _ in range(_DETAILS):
        if spare:
            parts.insert(min(1, len(parts)), spare.pop())
    rng.shuffle(parts)
    parts.insert(0, speaker.pick(kind))
    if "assistant" not in " ".join(parts).casefold():
        parts.append(_answered(speaker, said))
    while len(" ".join(parts).split()) < _FEWEST and spare:
        parts.append(spare.pop())
    return {"summary": sentences(" ".join(capital(part) for part in parts))}


def _read(sheet: Sheet) -> Said:
    said = Said()
    for label, text in sheet.rows:
        if found := _TURN.fullmatch(label):
            where = said.turns if found[1] == "Turn" else said.pictures
            where.append((found[3] == sheet.name, text))
    return said


def _voice(sheet: Sheet, rng: Random) -> Voice:
    owner, target, _ = _PRONOUNS[sheet.pronoun]
    slots = {
        "name": sheet.name,
        "she": sheet.pronoun,
        "her": owner,
        "him": target,
        "date": _day(sheet.get("Date")),
        "last": _day(sheet.get("Date of the session before")),
        "gap": spoken(sheet.get("Time since the session before")),
    }
    return Voice(rng, slots, _patterns())


@cache
def _patterns() -> dict[str, list[str]]:
    text = (files("mcu.author") / "data/summary.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _further(speaker: Voice, told: list[tuple[str, bool]]) -> str:
    """One more thing that happened."""
    text, between = told[0]
    speaker.slots["told"] = text
    later = bool(speaker.slots["last"])
    return speaker.pick("since" if between and later else "also")


def _pictures(speaker: Voice, said: Said, sheet: Sheet) -> str:
    kinds = []
    for kind, own in (("mine", True), ("theirs", False)):
        shown = [_shown(text, sheet) for by, text in said.pictures if by is own]
        if shown:
            kinds.append(kind)
            speaker.slots[kind] = _listed(list(dict.fromkeys(shown)))
    return speaker.pick("tell_both" if len(kinds) == 2 else f"tell_{kinds[0]}") if kinds else ""


def _shown(description: str, sheet: Sheet) -> str:
    """A picture as others name it: "a picture of herself at the beach"."""
    owner, _, own = _PRONOUNS[sheet.pronoun]
    core = re.sub(r"\bme\b", own, core_of(description, sheet.name))
    core = re.sub(r"\bmy\b", owner, core)
    named = gist_of(description, sheet.name).startswith("the picture of")
    return f"a picture of {core}" if named and not core.startswith("a picture of") else core


def _listed(parts: list[str]) -> str:
    return " and ".join(([", ".join(parts[:-1])] if parts[1:] else []) + parts[-1:])


def _advice(speaker: Voice, said: Said, sheet: Sheet) -> str:
    """What the person asked, and the heart of the assistant's answer."""
    for (own, words), (other, answer) in zip(said.turns, said.turns[1:], strict=False):
        asked = question(words, sheet.pronoun) if own and not other else ""
        if asked and (found := tip(answer)):
            speaker.slots |= {"asked": asked, "tip": found}
            return speaker.pick("tell_advice")
    return ""


def _recalled(speaker: Voice, said: Said, sheet: Sheet) -> str:
    for own, words in said.turns:
        if not own and (found := _RECALLED.search(words)):
            if re.search(r"\bI\b|\bme\b", found[1]):
                continue
            text = re.sub(r"\byour\b", speaker.slots["her"], found[1])
            text = re.sub(r"\byou\b", speaker.slots["him"], text)
            speaker.slots["recalled"] = f"{sheet.pronoun} {text}"
            return speaker.pick("tell_recalled")
    return ""


def _quote(said: Said, own: bool = True) -> str:
    return first_of([words for mine, words in said.turns if mine is own])


def _answered(speaker: Voice, said: Said) -> str:
    """What the assistant said, where nothing else tells of it."""
    speaker.slots["answer"] = _quote(said, own=False)
    return speaker.pick("tell_answer")


def _day(text: str) -> str:
    """A date as prose has it: 7 March 2023."""
    found = re.fullmatch(r"(\d{4})\.(\d{2})\.(\d{2})", text)
    if not found or not 1 <= int(found[2]) <= 12:
        return text
    return f"{int(found[3])} {_MONTHS.split()[int(found[2]) - 1]} {found[1]}"
