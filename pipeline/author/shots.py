"""Which pictures a session of the scripted author shows, and how they are spoken of."""

import re
from dataclasses import dataclass
from typing import Any

from mcu.author.grammar import Voice, bare, sentences
from mcu.author.sheet import Scene, Sheet

_NEW = "new added image"
_MOBILE = 0.39  # share of device pictures
_KEPT = 0.35  # share of device pictures that are already in the album
_AGAIN = 0.3  # share of sessions in which an album picture may be shown that was shown before
_SHOWN = ("a selfie", "a photo", "a picture", "a screenshot", "a drawing")
_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
_PARTING = re.compile(
    r"(?:^|\b)(?:an?|the|of|in|on|at|with|and|to|from|under|over|by|for|my|into|near|beside|behind|"
    r"between|against|above|after|its|that|who|some)\b"
)
_CIRCUMSTANCE = re.compile(
    r"(?<=\w) (?:in|on|at|with|under|over|between|beside|behind|near|against|for|"
    r"after|before|without|into|above|below|through|across|next to|per|by) (?=\w)"
)
_CHART = re.compile(
    r"\b(?:chart|diagram|plot|histogram|heat map|mind map|decision tree|curve|graph|floor plan|"
    r"triangle|bracket|profile|flow|probability tree|multiplication table|spiral|map of)\b"
)


@dataclass
class Shot:
    """One picture to share: its text, where it is from, what is said of it."""

    description: str
    source: str
    number: str
    keywords: list[str]
    rationale: str

    def sharing(self) -> dict[str, Any]:
        """The picture as a turn holds it."""
        return {
            "description": self.description,
            "rationale": self.rationale,
            "source": self.source,
            "keywords": self.keywords,
            "image_id_from_mobile": self.number,
        }


def gist_of(description: str, name: str) -> str:
    """How its owner names a picture: "a picture of me at the beach"."""
    core = short_of(core_of(description, name))
    return core if core.startswith(_SHOWN) else f"a picture of {core}"


def core_of(description: str, name: str) -> str:
    """What a picture shows, up to the first comma, with the person, if named, as "me"."""
    core = description.split(",")[0].strip().rstrip(".")
    if not (name and core.casefold().startswith(name.casefold())):
        core = core[:1].lower() + core[1:]
    if name:
        core = re.sub(rf"(?<!\w){re.escape(name)}['\u2019]s?(?!\w)", "my", core)
        core = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "me", core)
    return core


def short_of(core: str) -> str:
    """What a picture shows without its second and later circumstances."""
    ends = [found.start() for found in _CIRCUMSTANCE.finditer(core)]
    return core[: ends[1]].rstrip() if len(ends) > 1 else core


class Shots:
    """Hands out different pictures for one session."""

    def __init__(self, sheet: Sheet, speaker: Voice, scene: Scene) -> None:
        self._sheet, self._speaker = sheet, speaker
        rng = speaker.rng
        self._album = [
            (found[1], text)
            for label, text in sheet.rows
            if (found := re.fullmatch(r"Device picture (\d+) \[.*\]", label)) and text
        ]
        past = {text for label, text in sheet.rows if label.startswith("Picture shared in")}
        self._known = {core_of(text, "").casefold() for text in past}
        unseen = [row for row in self._album if row[1] not in past]
        self._fresh = self._album if rng.random() < _AGAIN else unseen or self._album
        self._fresh = rng.sample(self._fresh, len(self._fresh))
        group = sheet.group
        self._mob = [
            *rng.sample([*scene.mob], len(scene.mob)),
            *rng.sample(group["mob"], len(group["mob"])),
        ]
        pictures = [*scene.web, *rng.sample(group["pics"], len(group["pics"]))]
        pictures.insert(rng.choice((0, 0, 1, 1, 2)), "<pic>")
        self._web = pictures
        self._used: set[str] = set()

    def plan(self, images: int) -> list[str]:
        """The kinds of block that show the session's pictures."""
        rng = self._speaker.rng
        kinds: list[str] = []
        for _ in range(images):
            own = rng.random() < _MOBILE
            kept = own and self._fresh and rng.random() < _KEPT
            if own:
                kinds.append("kept" if kept and "kept" not in kinds else "new")
            else:
                kinds.append(rng.choice(("web_assistant", "web_assistant", "web_user")))
        return kinds

    def take(self, kind: str) -> Shot:
        """The next picture: new on the device (m), kept there (v) or from the internet (w)."""
        if kind == "v" and self._fresh:
            number, text = self._fresh.pop()
            if text.casefold() not in self._used:
                core = text.split(",")[0].rstrip(".")
                core = core if core.startswith(self._sheet.name) else core[:1].lower() + core[1:]
                return self._made(text, core, "mobile", number)
        own = kind in "mv"
        speaker, why, core = self._speaker, "", ""
        for _ in range(40):
            stock = self._mob if own else self._web
            pattern = stock.pop(0) if stock else ("<spare_mob>" if own else "<spare_web>")
            pattern, _, why = pattern.partition(" => ")
            core = speaker.fill(pattern)
            if core.casefold() not in self._used | self._known:
                break
        chart = _CHART.search(core) is not None
        self._name(core)
        self._tell_why(why, pattern, chart)
        tail = speaker.pick("tail_own" if own else "tail_chart" if chart else "tail_web")
        self._used.add(core.casefold())
        text = sentences(f"{core}, {tail}")
        return self._made(text, core, "mobile" if own else "internet", _NEW if own else "")

    def _tell_why(self, why: str, pattern: str, chart: bool) -> None:
        """Slots for what leads to an internet picture; only some reasons name what it shows."""
        speaker = self._speaker
        named = "named" if why or pattern == "<pic>" else "plain"
        why = why or (
            "<pic_why>" if pattern == "<pic>" else "<chart_why>" if chart else "<web_why>"
        )
        speaker.slots["why"] = speaker.say(why)
        for rule in ("ask", "offer", "lead"):
            speaker.slots[f"{rule}_web"] = speaker.pick(f"{rule}_{named}")

    def _name(self, core: str) -> None:
        """Slots for the picture as the person calls it and as it is called."""
        slots = self._speaker.slots
        slots["shown"] = core
        slots["core"] = core = core_of(core, self._sheet.name)
        slots["shot"] = core if core.startswith(_SHOWN) else f"a picture of {core}"
        slots["bit"] = short_of(core)

    def _made(self, text: str, core: str, source: str, number: str) -> Shot:
        self._used.add(text.casefold())
        self._name(core)
        own = "why_own" if number == _NEW else "why_kept"
        rule = own if source == "mobile" else "why_web"
        rationale = self._speaker.say(f"<{rule}>")
        return Shot(text, source, number, self._keywords(self._speaker.slots["core"]), rationale)

    def _keywords(self, core: str) -> list[str]:
        """The picture's first phrases, parted by its small words, then the entity value."""
        phrases = re.split(_PARTING, bare(core.casefold()))
        found = [" ".join(_WORD.findall(phrase)[:4]) for phrase in phrases]
        value = " ".join(_WORD.findall(self._speaker.slots["value"])[:5])
        kept = [phrase for phrase in found if phrase and phrase != "me"][:2]
        return list(dict.fromkeys([*kept, value] if value else kept)) or ["moment"]
