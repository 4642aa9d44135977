"""Which pictures a session of the scripted author shows, and how they are spoken of."""

import re
from dataclasses import dataclass
from typing import Any

from mcu.author.grammar import Voice, bare, sentences, the
from mcu.author.sheet import Scene, Sheet, deal, library

_NEW = "new added image"
_MOBILE = 0.39  # share of device pictures
_KEPT = 0.35  # share of device pictures that are already in the album
_AGAIN = 0.25  # share of kept pictures that were shown in an earlier session
_DEALT = 0.22  # share of internet pictures that have nothing to do with the scene
_OF_VALUE = " => <pic_why>"
_BRIEF = 9  # words of a picture's name when it is spoken of again
_FEWEST = 8  # words of a description that needs no more
_SHOWN = re.compile(
    r"an? (?:[\w-]+ ){0,2}(?:selfie|photo|picture|screenshot|drawing|chart|diagram|plot|"
    r"histogram|map|graph)\b"
)
_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
_PARTING = re.compile(
    r"(?:^|\b)(?:an?|the|of|in|on|at|with|and|to|from|under|over|by|for|my|into|near|beside|behind|"
    r"between|against|above|after|about|whether|across|next|its|that|who|some)\b"
)
_CIRCUMSTANCE = re.compile(
    r"(?<=\w) (?:in|on|at|with|under|over|between|beside|behind|near|against|for|"
    r"after|before|without|into|above|below|through|across|next to|per|by) (?=\w)"
)
_CHART = re.compile(
    r"\b(?:chart|diagram|plot|histogram|heat map|mind map|decision tree|curve|graph|floor plan|"
    r"triangle|bracket|profile|flow|probability tree|multiplication table|golden spiral|map of)\b"
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
    """How its owner names a picture seen before: "the picture of me at the beach"."""
    core = short_of(core_of(description, name))
    return the(core if _SHOWN.match(core) else f"a picture of {core}")


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
    """What a picture shows with its first circumstance, or two if they are brief."""
    ends = [found.start() for found in _CIRCUMSTANCE.finditer(core)]
    fits = [end for end in ends[2:3] if len(core[:end].split()) <= _BRIEF]
    return re.sub(
        r" (?:lying|hanging|leaning|standing|sitting)$",
        "",
        core[: (fits or ends[1:2] or [len(core)])[0]],
    )


def _subject(description: str) -> str:
    """What tells pictures of one kind from those of another: "a light bulb" is "a lightbulb"."""
    return re.sub(r"^(?:an?|the)|\W", "", core_of(description, "").casefold())


def _deck(sheet: Sheet, speaker: Voice) -> list[str]:
    """Internet pictures for any scene: of the episode's share of its persona's, from the session's.

    A picture of the entity value itself comes up in few of a persona's episodes, and once in them.
    """
    mine, others = deal(sheet, "pictures", [*sheet.group["pics"], *library().talk["pics"]])
    start = 2 * session_of(sheet) % len(mine)
    deck = [*mine[start:], *mine[:start], *others]
    values = sheet.entry.pictures
    if sheet.hand < 2 * len(values) and session_of(sheet) == 1 + len(sheet.name) % 3:
        deck.insert(0, values[sheet.hand % len(values)] + _OF_VALUE)
    return deck


def session_of(sheet: Sheet) -> int:
    """Which session this is, for what is dealt."""
    found = re.match(r"\d{1,3}", sheet.get("Session"))
    return int(found[0]) if found else 1


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
        self._known = {_subject(text) for text in past}
        album = rng.sample(self._album, len(self._album))
        self._seen = [row for row in album if row[1] in past]
        self._fresh = [row for row in album if row[1] not in past]
        if self._seen and (rng.random() < _AGAIN or not self._fresh):
            self._fresh += self._seen
        group = sheet.group
        still = rng.choice(library().talk["stills"]).split("|")[0].strip()
        self._mob = [
            *rng.sample([*scene.mob, still], len(scene.mob) + 1),
            *rng.sample(group["mob"], len(group["mob"])),
        ]
        self._web = rng.sample([*scene.web], len(scene.web))
        self._dealt = _deck(sheet, speaker)
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
            if _subject(text) not in self._used:
                core = text.split(",")[0].rstrip(".")
                core = core if core.startswith(self._sheet.name) else core[:1].lower() + core[1:]
                self._name(core)
                self._speak("again" if (number, text) in self._seen else "kept")
                return self._made(text, core, "mobile", number)
        own = kind in "mv"
        speaker, why, core = self._speaker, "", ""
        for _ in range(99):
            (core, _, why), dealt = self._next(own)
            core = speaker.fill(core)
            if _subject(core) not in self._used | self._known:
                break
        chart = _CHART.search(core) is not None
        self._name(core)
        self._speak("own")
        self._tell_why(why, chart, dealt)
        tail = speaker.pick("tail_own" if own else "tail_chart" if chart else "tail_web")
        self._used.add(_subject(core))
        text = sentences(f"{core}, {tail}" if len(_WORD.findall(core)) < _FEWEST else core)
        return self._made(text, core, "mobile" if own else "internet", _NEW if own else "")

    def _next(self, own: bool) -> tuple[tuple[str, str, str], bool]:
        """The next pattern of a picture with its reason, and whether any scene could have it."""
        if own:
            return (self._mob.pop(0) if self._mob else "<spare_mob>", "", ""), False
        first = self._dealt[:1] and self._dealt[0].endswith(_OF_VALUE)
        if self._dealt and (first or not self._web or self._speaker.rng.random() < _DEALT):
            return self._dealt.pop(0).partition(" => "), True
        return (self._web.pop(0) if self._web else "<spare_web>").partition(" => "), False

    def _speak(self, kind: str) -> None:
        """Slots for what is said before and after a picture that was to be an older one."""
        for rule in ("lead", "see"):
            self._speaker.slots[f"{rule}_old"] = self._speaker.pick(f"{rule}_{kind}")

    def _tell_why(self, why: str, chart: bool, dealt: bool) -> None:
        """Slots for what leads to an internet picture.

        A scene's reason speaks of the picture as known and follows it; another comes first.
        """
        speaker, slots = self._speaker, self._speaker.slots
        named = "named" if why else "plain"
        after = bool(why) and not dealt
        why = speaker.say(why or ("<chart_why>" if chart else "<web_why>"))
        for rule in ("ask", "lead"):
            text = speaker.pick(f"{rule}_{named}")
            slots[f"{rule}_web"] = f"{text} {why}" if after else f"{why} {text}"
        slots["hint_web"] = speaker.pick("hint_scene") if after else why
        slots["offer_web"] = speaker.pick(f"offer_{named}")
        slots["agree_web"] = f"{speaker.pick('yes_web')} {why if after else ''}"

    def _name(self, core: str) -> None:
        """Slots for the picture as the person calls it and as it is called."""
        slots = self._speaker.slots
        slots["shown"] = core
        slots["core"] = core = core_of(core, self._sheet.name)
        slots["shot"] = core if _SHOWN.match(core) else f"a picture of {core}"
        slots["bit"] = short_of(core)

    def _made(self, text: str, core: str, source: str, number: str) -> Shot:
        self._used.add(_subject(text))
        self._name(core)
        own = "why_own" if number == _NEW else "why_kept"
        rule = own if source == "mobile" else "why_web"
        rationale = self._speaker.say(f"<{rule}>")
        return Shot(text, source, number, self._keywords(self._speaker.slots["core"]), rationale)

    def _keywords(self, core: str) -> list[str]:
        """The picture's first phrases, parted by its small words, then the entity value if seen."""
        phrases = re.split(_PARTING, bare(core.casefold()))
        found = [" ".join(_WORD.findall(phrase)[:4]) for phrase in phrases]
        value = " ".join(_WORD.findall(self._speaker.slots["value"])[:5])
        kept = [phrase for phrase in found if phrase and phrase != "me"][:2]
        if value and value in core.casefold():
            kept.append(value)
        return list(dict.fromkeys(kept)) or ["moment"]
