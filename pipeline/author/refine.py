"""How the scripted author plays a student who chooses a picture, and the teacher who helps."""

import re
from random import Random
from typing import Any

from mcu.author.grammar import Voice
from mcu.author.sheet import Sheet, clean

_LETTERS = "ABCD"
_LENGTH = 1_000  # characters of a line or a description
_WORD = re.compile(r"[^\W\d_]{3,}")
_LINE = re.compile(r"\bline (\d{1,2})\b", re.IGNORECASE)
# Words that stand in any talk.
_SMALL_WORDS = """
the and for with that this you was were have has had not but from they them then there what when who
how all are can could would will out one two three into over after before just like too also very
its another photo picture
"""
_SMALL = frozenset(_SMALL_WORDS.split())
_REASONS = (
    "{It goes with|It suits|It belongs to} what is said in line <line>",
    "{Line <line> sounds like it|In line <line> the talk comes close to it}",
    "{After line <line>|Reading line <line>}, {this is what I expect|it seems the likeliest}",
    "It {fits the mood|goes with the subject} of line <line> {better than the rest|best}",
)
_WRONG = (
    "{Not yet|Not quite|That is not it|No}. {Read line <line> again|Go back to line <line>}: "
    "{what would the speaker want to add to it|what is it about}?",
    "{No, that comes from somewhere else|That would be an answer to other words}. "
    "{Start from line <line>|Line <line> is the one that matters}.",
    "{Close, but no|A fair guess, but no}: {you passed over line <line>|line <line> got lost}. "
    "{Who speaks there, and why?|Ask yourself why it is said.}",
    "{I see why, yet it is wrong|Wrong, though not without reason}. "
    "{Take line <line> by its word|There is a hint in line <line>}.",
    "{That leaves line <line> unanswered|With that, line <line> would hang in the air}. "
    "{Try another|Think again}.",
)
_RIGHT = (
    "{Right|Yes|Exactly}! {That is the one|You found it}{| by line <line>}.",
    "{Well done|Good}: {it follows from line <line>|line <line> led you there}.",
    "{Yes, that is it|That is right}. {Nothing to add|You listened well}.",
)


def refine_student(sheet: Sheet, rng: Random) -> dict[str, Any]:
    """Answer the refine_student task: the picture nearest to the line that was pointed to.

    Without a hint the student guesses. One who went by the words of the talk would err less where
    the right picture has common ones, and what is kept of the dialogues would tell it.
    """
    lines, pictures = _numbered(sheet, r"Line (\d+)"), _pictures(sheet)
    tried = {text.strip() for text in _numbered(sheet, r"Try (\d+)").values()}
    open_ = [letter for letter in pictures if letter not in tried] or [*pictures] or ["A"]
    hints = [
        found[1]
        for text in _numbered(sheet, r"Feedback (\d+)").values()
        if (found := _LINE.search(text))
    ]
    line = hints[-1] if hints else rng.choice([*lines] or ["1"])
    heard = _words(lines.get(line, "")) - _speakers(lines) if hints else set()
    fits = {letter: len(heard & _words(pictures.get(letter, ""))) for letter in open_}
    best = max(fits.values())
    choice = rng.choice([letter for letter in open_ if fits[letter] == best])
    voice = Voice(rng, {"line": line}, {})
    return {"choice": choice, "reason": voice.say(rng.choice(_REASONS)) + "."}


def refine_teacher(sheet: Sheet, rng: Random) -> dict[str, Any]:
    """Answer the refine_teacher task: point to the line that says most of the right picture."""
    lines, pictures = _numbered(sheet, r"Line (\d+)"), _pictures(sheet)
    right, choice = sheet.get("Right", "A"), sheet.get("Choice", "B")
    wanted = _words(pictures.get(right, "")) - _speakers(lines)
    fits = {number: len(_words(text) & wanted) for number, text in lines.items()} or {"1": 0}
    best = max(fits.values())
    line = rng.choice([number for number in fits if fits[number] == best])
    voice = Voice(rng, {"line": line}, {})
    if choice == right:
        return {"score": 10, "feedback": voice.say(rng.choice(_RIGHT))}
    # It grows with the tries alone: how like the choice is would tell of the right picture.
    later = sheet.number("Try", 1, 1, 4) - 1
    return {"score": rng.randint(1, 3) + 2 * later, "feedback": voice.say(rng.choice(_WRONG))}


def _numbered(sheet: Sheet, label: str) -> dict[str, str]:
    """Fields whose label has a number, by that number."""
    return {
        found[1]: clean(text, _LENGTH)
        for name, text in sheet.rows
        if (found := re.fullmatch(label, name))
    }


def _pictures(sheet: Sheet) -> dict[str, str]:
    return {
        name[-1]: text
        for name, text in sheet.rows
        if name[:-1] == "Picture " and name[-1] in _LETTERS
    }


def _speakers(lines: dict[str, str]) -> set[str]:
    """Words of the speakers' names, which tell nothing of a picture."""
    return _words(" ".join(text.partition(":")[0] for text in lines.values()))


def _words(text: str) -> set[str]:
    """The words of a text that mean something, cut so that inflections meet."""
    return {word[:6] for word in _WORD.findall(text.casefold()) if word not in _SMALL}
