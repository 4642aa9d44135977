"""How the scripted author chats about two photos, and how it finds what such a chat means."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any

from mcu.author.seen import particles, read, several
from mcu.author.sheet import Sheet

_OBJECTS = 4
_CODES = {"Korean": "ko"}
_TOKEN = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_OPTION = re.compile(r"the (?P<name>.+) in (?P<owner>[AB])'s photo|(?P<by>[AB])가 .*?속 (?P<ko>.+)")
# Told by where it is from the other thing of its photo.
_BESIDE = re.compile(
    r"\b(?:next to|under|on top of|inside|around|behind|in front of|above|below|near) "
    r"(?:the|what)|[것거] (?:위|아래|옆|앞|뒤|안|곁|바깥)"
)
# Words and roots that say where a thing is, or stand for one.
_PLACES = frozenset({
    "the", "a", "an", "part", "with", "of", "on", "in", "near", "next", "to", "top", "under",
    "front", "behind", "above", "below", "inside", "around", "있는", "담긴", "것", "거", "위에",
    "아래", "옆에", "앞에", "뒤에", "안에", "곁에", "바깥", "위쪽", "감싼",
})  # fmt: skip
_ENDS = re.compile(r"[가-힣]+(?:과|와)(?= )|(?:위쪽|아래쪽|위|아래|옆|앞|뒤|안|곁)에?(?= )|에(?= )")


@cache
def phrases(code: str) -> dict[str, Any]:
    """What is said in chats of a language."""
    path = files("mcu.author") / "data" / "coref.toml"
    found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))[code]
    return found


@cache
def _worn(code: str) -> frozenset[str]:
    """The words that chats have whatever they are about."""
    rows = phrases(code).values()
    text = " ".join(" ".join(row) for row in rows if isinstance(row, list))
    return frozenset(_tokens(re.sub(r"\{\w\}|\[\S+\]", " ", text), code))


def _tokens(text: str, code: str) -> set[str]:
    """The words of a text; of Korean ones the roots, roughly."""
    found = (token.casefold() for token in _TOKEN.findall(text))
    return {token[:2] for token in found} if code == "ko" else set(found)


@dataclass
class Chat:
    """A chat while it is written."""

    sheet: Sheet
    rng: Random
    code: str

    def pick(self, rule: str) -> str:
        """One of the phrases of a kind, none twice in a chat."""
        left = [
            phrase
            for phrase in phrases(self.code)[rule]
            if not phrase or not (phrase in self.used or _tokens(phrase, self.code) & self.shown)
        ]
        chosen = self.rng.choice(left or phrases(self.code)[rule])
        self.used.add(chosen)
        return str(chosen)

    def __post_init__(self) -> None:
        self.used: set[str] = set()
        details = (self.sheet.get(f"Detail of object {n}") for n in range(1, _OBJECTS + 1))
        self.shown = _tokens(" ".join(details), self.code) - _PLACES

    def detail(self, number: int) -> str:
        """The words that stand for an object; they tell no number where one of the four is many."""
        text = self.sheet.get(f"Detail of object {number}", "other")
        if self.code == "ko":
            return f"{text.replace('것 ', '거 ')} 거"
        names = (self.sheet.get(f"Object {n}") for n in range(1, _OBJECTS + 1))
        one = self.rng.choice(("part", "bit") if any(map(several, names)) else ("one", "thing"))
        text = re.sub(r"\bpart\b", one, text)
        if text.startswith("with "):
            return f"the {one} {text}"
        if " " in text:
            return f"{self.rng.choice(('what is', 'whatever is'))} {text}"
        return f"the {text} {one}"

    def say(self, pattern: str, **values: str) -> str:
        """A pattern filled, as a sentence."""
        capitals = {key.upper(): value[:1].upper() + value[1:] for key, value in values.items()}
        text = particles(pattern.format(**values, **capitals))
        return text[:1].upper() + text[1:]

    def turn(self, number: int) -> dict[str, Any]:
        """What is said of one object."""
        words = self.detail(number)
        topic = self.sheet.get(f"Subject of object {number}", "something")
        core = self.say(self.pick("turn"), d=words, t=topic)
        parts = (self.pick("before"), core, self.pick("after"))
        text = " ".join(part for part in parts if part)
        at = text.casefold().find(words.casefold())
        return {"text": text, "object": number, "words": text[at : at + len(words)]}


def coref(sheet: Sheet, rng: Random) -> dict[str, Any]:
    """Answer the coref task."""
    code = _CODES.get(sheet.get("Language"), "en")
    chat = Chat(sheet, rng, code)
    order = [int(n) for n in re.findall(r"[1-4]", sheet.get("Order"))] or list(range(1, 5))
    body: list[dict[str, Any]] = [chat.turn(number) for number in order]
    names = sheet.get("Order of names").split(", ")
    if len(names) == _OBJECTS:
        *most, final = names
        told = f"{', '.join(most)}{phrases(code)['and']}{final}"
        body.insert(0, {"text": chat.say(chat.pick("list"), n=told)})
    first, last = sheet.get("First speaker", "A"), sheet.get("Last speaker", "A")
    body = _filled(chat, body, sheet.number("Turns", 9, 6, 14) - 2, even=first == last)
    opening = [{"text": chat.pick("first"), "photo": 1}, {"text": chat.pick("second"), "photo": 2}]
    speakers = (first, "B" if first == "A" else "A")
    blank = {"photo": 0, "object": 0, "words": ""}
    turns = [
        {"speaker": speakers[at % 2], **blank, **one} for at, one in enumerate([*opening, *body])
    ]
    return {"turns": turns, "endings": [_ending(chat, number) for number in (1, 2)]}


def _filled(
    chat: Chat, body: list[dict[str, Any]], wanted: int, even: bool
) -> list[dict[str, Any]]:
    """The turns with small ones between them, so many that the right speaker is the last."""
    wanted = min(max(wanted, len(body)), 2 * len(body))
    wanted += (wanted % 2 == 0) != even
    gaps = sorted(chat.rng.sample(range(len(body) + 1), min(wanted - len(body), len(body) + 1)))
    for gap in reversed(gaps):
        body.insert(gap, {"text": chat.pick("small")})
    return body


def _ending(chat: Chat, number: int) -> dict[str, str]:
    pattern = chat.pick("last")
    word = chat.sheet.get(f"Ending {number}", "that")
    topics = (chat.sheet.get(f"Subject of {kind} {number}", "it") for kind in ("ending", "twin"))
    text, twin = (chat.say(pattern, t=topic, w=word) for topic in topics)
    return {"text": text, "twin": twin}


def coref_solve(sheet: Sheet, rng: Random) -> dict[str, str]:
    """Answer the coref_solve task: from the last turn to what was said, from there to a caption."""
    code = _CODES.get(sheet.get("Language"), "en")
    if sheet.get("Captions") == "withheld":
        return {"reason": "Nothing decides it without the captions.", "answer": rng.choice("ABCD")}
    rows = [text.partition(": ") for label, text in sheet.rows if label.startswith("Line ")]
    talk = [text.strip('"') for label, _, text in rows if not label.startswith("(")]
    captions = {
        rows[at - 1][0]: text.rstrip(")")
        for at, (label, _, text) in enumerate(rows)
        if label.startswith("(") and at
    }
    said = _said_before(talk, code) if len(talk) > 1 else ""
    if not said:
        return {"reason": "The last turn comes back to nothing that was said.", "answer": "E"}
    found = _meant(said, sheet, captions, code)
    reason = f"It comes back to “{said}”."
    return {"reason": reason, "answer": found[0] if len(found) == 1 else "EF"[bool(found)]}


def _said_before(talk: Sequence[str], code: str) -> str:
    """The one turn before that shares most of what is particular about the last."""
    asked = _tokens(talk[-1], code) - _worn(code)
    shared = [sum(len(word) for word in asked & _tokens(text, code)) for text in talk[:-1]]
    most = max(shared)
    return talk[shared.index(most)] if most and shared.count(most) == 1 else ""


def _meant(said: str, sheet: Sheet, captions: dict[str, str], code: str) -> list[str]:
    """The letters of the options whose object fits what was said of it."""
    options: dict[str, tuple[str, str]] = {}
    for letter in "ABCD":
        if found := _OPTION.fullmatch(sheet.get(f"Option {letter}")):
            owner = found["owner"] or found["by"]
            options[letter] = owner, found["name"] or found["ko"]
    words, names = _tokens(said, code), [name for _, name in options.values()]
    fits = {
        letter: len(words & _looks(captions.get(owner, ""), name, names, code))
        for letter, (owner, name) in options.items()
    }
    best = max(fits.values(), default=0)
    chosen = [letter for letter, fit in fits.items() if fit == best and best]
    if len(chosen) == 1 and _BESIDE.search(said):
        owner = options[chosen[0]][0]
        chosen = [one for one, (by, _) in options.items() if by == owner and one != chosen[0]]
    return chosen


def _looks(caption: str, name: str, names: Sequence[str], code: str) -> set[str]:
    """What a caption says of a thing right beside its name, but for what is said of the others."""
    if code == "ko":
        before = _stands(name).split(caption)[0] if _stands(name).search(caption) else ""
        for other in names:
            before = before if other == name else _stands(other).split(before)[-1]
        return _tokens(_ENDS.split(before)[-1], code) - _PLACES
    things, relations = read(caption)
    for at, thing in enumerate(things):
        if thing.name.casefold() == name.casefold():
            has = at < len(relations) and relations[at] in ("with", "of")
            has = has and things[at + 1].name not in names
            return set(thing.looks) | (_tokens(things[at + 1].whole, code) if has else set())
    return set()


def _stands(name: str) -> re.Pattern[str]:
    """Finds a Korean name as a word of its own, with a particle at most."""
    return re.compile(rf"(?<![가-힣]){re.escape(name)}(?=[과와이가]?(?: |$))")
