"""How the scripted author routes a picture: drawn with or without the face, or looked up."""

import re
from random import Random

from mcu.author.grammar import bare
from mcu.author.sheet import Sheet, clean, library

_MOST_WORDS = 50
_LOOKS = ("", "", "", ", natural light", ", a phone snapshot", ", soft colours")
_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")


def plan(sheet: Sheet, rng: Random) -> dict[str, str]:
    """Answer the plan task."""
    text = _plain(sheet.get("Description", "a quiet afternoon"))
    own = sheet.get("Source") == "mobile"
    shown = re.search(
        rf"(?<!\w){re.escape(sheet.name)}(?!\w)(?!['\u2019]s?\b)", text, re.IGNORECASE
    )
    seen = own and shown and sheet.get("Shared by") != "AI Assistant"
    if seen and (drawn := _with_face(text, sheet)):
        return {**drawn, "prompt": drawn["prompt"] + rng.choice(_LOOKS)}
    if own:
        prompt = _without_name(text, sheet.name) + rng.choice(_LOOKS)
        return {"route": "t2i", "class_word": "", "prompt": prompt}
    route = "web" if _is_worldly(text) else "retrieval"
    return {"route": route, "class_word": "", "prompt": _query(sheet, text, rng)}


def _with_face(text: str, sheet: Sheet) -> dict[str, str] | None:
    """The description with the name's first mention turned into the trigger phrase."""
    word = _class_word(sheet)
    subject = {"he": "he", "she": "she"}.get(sheet.pronoun, "they")
    owner = {"he": "his", "she": "her"}.get(sheet.pronoun, "their")
    found = rf"(?<!\w){re.escape(sheet.name)}(?!\w)"
    text = re.sub(rf"{found}['\u2019]s?(?!\w)", owner, text, flags=re.IGNORECASE)
    text = re.sub(found, f"a {word} img", text, count=1, flags=re.IGNORECASE)
    text = re.sub(found, subject, text, flags=re.IGNORECASE)
    fine = len(re.findall(r"\bimg\b", text)) == 1 and not re.search(found, text, re.IGNORECASE)
    if not fine or len(_WORD.findall(text)) > _MOST_WORDS:
        return None
    return {"route": "p-t2i", "class_word": word, "prompt": text[:1].lower() + text[1:]}


def _class_word(sheet: Sheet) -> str:
    young = sheet.age < 18
    words = {"he": "boy" if young else "man", "she": "girl" if young else "woman"}
    return words.get(sheet.pronoun, "person")


def _without_name(text: str, name: str) -> str:
    text = re.sub(rf"(?<!\w){re.escape(name)}['\u2019]s?(?!\w)", "the", text, flags=re.IGNORECASE)
    return _short(re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "someone", text, flags=re.IGNORECASE))


def _is_worldly(text: str) -> bool:
    """Whether a picture shows something of the real world that has a name or a date."""
    table = library().talk["plan"]
    low = f" {' '.join(_WORD.findall(text.casefold().replace('-', ' ')))} "
    if any(f" {word} " in low for word in table["retrieval"]):
        return False
    return any(f" {word} " in low for word in table["web"]) or bool(_names(text))


def _names(text: str) -> list[str]:
    """Words in upper case inside a sentence: places, events and works."""
    return re.findall(r"(?<=\w )[A-Z][^\W\d_]{2,}", text)


def _query(sheet: Sheet, text: str, rng: Random) -> str:
    """Two to ten words that find the picture: what it shows, up to the first comma."""
    core = text.split(",")[0]
    name = sheet.name.casefold()
    words = [w for w in _WORD.findall(core) if w.casefold() not in ("img", name)]
    if len(words) > 2 and rng.random() < 0.5:
        words = bare(" ".join(words)).split()
    words = words[:10] or ["everyday", "life"]
    return " ".join(words if len(words) > 1 else [*words, "picture"])


def _plain(text: str) -> str:
    text = re.sub(r"\bimg\b", "", clean(text, 1_000), flags=re.IGNORECASE).strip().rstrip(".")
    return " ".join(text.split()) if _WORD.search(text) else "a quiet afternoon"


def _short(text: str) -> str:
    kept = " ".join(text.split()[:_MOST_WORDS])
    return kept if _WORD.search(kept) else "a quiet afternoon"
