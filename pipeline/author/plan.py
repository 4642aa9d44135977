"""How the scripted author routes a picture: drawn with or without the face, or looked up."""

import re
from random import Random

from mcu.author.grammar import bare
from mcu.author.sheet import Sheet, clean, library

_MOST_WORDS = 50
_LOOKS = ("", "", "", ", natural light", ", a phone snapshot", ", soft colours")
_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
_POSSESSIVE = r"['\u2019]s?(?!\w)"

# A picture that has the person in it without their face.
_FACELESS = re.compile(
    r"\bfrom (?:behind|the back)\b|\bsilhouett|\bbacks? (?:turned )?to(?:wards)? the camera\b"
    r"|\bturned away\b|\b(?:cover|hid)\w*\b[^,]{0,25}\bface|\bface[^,]{0,20}\b(?:hidden|covered)\b"
    r"|\bclosed[^,]{0,15}\bhelmet|\bnot to be recogni|\bshadow of\b|\bfootprints?\b",
    re.IGNORECASE,
)
# What stands before a name that is written somewhere, or that tells whose or when something is.
_TOLD = re.compile(
    r"\b(?:words?|names?|named|dear|reads|says|addressed|dedicated|made out|signed)\b[^,.;]{0,40}$"
    r"|\b(?:card|letter|message|note|email|parcel|package|present|gift|invitation|postcard|ticket"
    r"|certificate|envelope|poem|drawing)\b[^,.;]{0,40}\b(?:for|from|by|(?<!next )(?<!close )to)\s$"
    r"|\bin\s$",
    re.IGNORECASE,
)
# Nouns before "of" and a name that do not make the person an owner.
_VIEW = r"photo(?:graph)?|picture|selfie|portrait|snapshot|image|shot|view|video|front|side|group"
_OF = re.compile(rf"(?<!\w)(?!(?:{_VIEW}|up|middle) )\w+ of $", re.IGNORECASE)
_WRITTEN = re.compile(
    r"\s(?:printed|written|scribbled|engraved|embroidered|carved|stitched|spelled)"
    r" (?:on|in|into|across|along|out)\b"
)


def plan(sheet: Sheet, rng: Random) -> dict[str, str]:
    """Answer the plan task."""
    text = _plain(sheet.get("Description", "a quiet afternoon"))
    own = sheet.get("Source") == "mobile" and sheet.get("Shared by") != "AI Assistant"
    if own and _shows_face(text, sheet.name) and (drawn := _with_face(text, sheet)):
        return {**drawn, "prompt": drawn["prompt"] + rng.choice(_LOOKS)}
    route = _of_own(text, sheet) if sheet.get("Source") == "mobile" else _of_others(text, sheet)
    if route == "t2i":
        prompt = _without_name(text, sheet.name) + rng.choice(_LOOKS)
        return {"route": route, "class_word": "", "prompt": prompt}
    return {"route": route, "class_word": "", "prompt": _query(sheet, text, rng)}


def _shows_face(text: str, name: str) -> bool:
    """Whether the person is seen, not only named: as an owner, on a card, from behind."""
    if _FACELESS.search(text):
        return False
    for found in re.finditer(_called(name), text):
        before, after = text[: found.start()], text[found.end() :]
        told = _TOLD.search(before) or _OF.search(before)
        if not (told or re.match(_POSSESSIVE, after) or _WRITTEN.match(after)):
            return True
    return False


def _called(name: str) -> str:
    """A pattern for a name: "Rose" is not the flower, though "ROSE" may be the person."""
    return rf"(?<!\w){re.escape(name[:1])}(?i:{re.escape(name[1:])})(?!\w)"


def _with_face(text: str, sheet: Sheet) -> dict[str, str] | None:
    """The description with the name's first mention turned into the trigger phrase."""
    word = _class_word(sheet)
    subject = {"he": "he", "she": "she"}.get(sheet.pronoun, "they")
    owner = {"he": "his", "she": "her"}.get(sheet.pronoun, "their")
    found = _called(sheet.name)
    text = re.sub(found + _POSSESSIVE, owner, text)
    text = re.sub(found, f"a {word} img", text, count=1)
    text = re.sub(found, subject, text)
    found = rf"(?<!\w){re.escape(sheet.name)}(?!\w)"
    text = re.sub(found, "one", text, flags=re.IGNORECASE)  # the flower, as names are not allowed
    fine = len(re.findall(r"\bimg\b", text)) == 1 and not re.search(found, text, re.IGNORECASE)
    if not fine or len(_WORD.findall(text)) > _MOST_WORDS:
        return None
    return {"route": "p-t2i", "class_word": word, "prompt": text[:1].lower() + text[1:]}


def _class_word(sheet: Sheet) -> str:
    young = sheet.age < 18
    words = {"he": "boy" if young else "man", "she": "girl" if young else "woman"}
    return words.get(sheet.pronoun, "person")


def _without_name(text: str, name: str) -> str:
    text = re.sub(_called(name) + _POSSESSIVE, "the", text)
    return _short(re.sub(_called(name), "someone", text))


def _of_own(text: str, sheet: Sheet) -> str:
    """The route of a picture from the device that does not show the person's face."""
    if _has(text, "drawn") or re.search(rf"{_called(sheet.name)}|\b(?i:his|her|their)\b", text):
        return "t2i"
    if _has(text, "figures"):
        return "retrieval"
    return "web" if _names(text) else "t2i"


def _of_others(text: str, sheet: Sheet) -> str:
    """The route of a picture from the internet, which never shows the person."""
    text = re.sub(_called(sheet.name), "someone", text)
    if _has(text, "drawn"):
        return "t2i"
    if _has(text, "figures") or _has(text, "retrieval"):
        return "retrieval"
    return "web" if _has(text, "web") or _names(text) else "retrieval"


def _has(text: str, key: str) -> bool:
    """Whether one of the words or phrases of a list stands in a text."""
    low = f" {' '.join(_WORD.findall(text.casefold().replace('-', ' ')))} "
    return any(f" {word} " in low for word in library().talk["plan"][key])


def _names(text: str) -> list[str]:
    """Words in upper case inside a sentence: places, events and works of the real world."""
    found = re.findall(r"(?<=\w )[A-Z][^\W\d_]{2,}", text)
    return [word for word in found if word not in library().talk["plan"]["plain"]]


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
