"""Which pictures a session of the scripted author shows, and how they are spoken of."""

import re
from dataclasses import dataclass
from typing import Any

from mcu.backends.author import Scene, Sheet
from mcu.backends.grammar import Voice, bare, sentences

_NEW = "new added image"
_MOBILE = 0.39  # share of device pictures
_KEPT = 0.35  # share of device pictures that are already in the album
_SHOWN = ("a selfie", "a photo", "a picture", "a screenshot", "a drawing")
_SMALL = frozenset("a an the of in on at with and to from under over by for my into near".split())


@dataclass
class Shot:
    """One picture to share: its text, where it is from, what is said of it."""

    description: str
    source: str
    number: str
    keywords: list[str]
    rationale: str
    gist: str = ""
    core: str = ""

    @staticmethod
    def gist_of(description: str, name: str) -> str:
        """How its owner names a picture: "a picture of me at the beach"."""
        core = core_of(description, name)
        return core if core.startswith(_SHOWN) else f"a picture of {core}"

    def sharing(self) -> dict[str, Any]:
        """The picture as a turn holds it."""
        return {
            "description": self.description,
            "rationale": self.rationale,
            "source": self.source,
            "keywords": self.keywords,
            "image_id_from_mobile": self.number,
        }


def core_of(description: str, name: str) -> str:
    """What a picture shows, up to the first comma, with the person as "me"."""
    core = description.split(",")[0].strip().rstrip(".")
    if name:
        core = re.sub(rf"(?<!\w){re.escape(name)}['’]s?(?!\w)", "my", core)
        core = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "me", core)
    first = core.split(" ", 1)[0]
    return core[:1].lower() + core[1:] if first in ("A", "An", "The", "Two", "My", "Some") else core


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
        self._fresh = [row for row in self._album if row[1] not in past] or self._album
        self._fresh = rng.sample(self._fresh, len(self._fresh))
        group = sheet.group
        self._mob = [*rng.sample([*scene.mob], len(scene.mob)), *rng.sample(group["mob"], len(group["mob"]))]
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
                return self._made(text, "mobile", number)
        for _ in range(40):
            stock = self._mob if kind in "mv" else self._web
            pattern = stock.pop(0) if stock else ("<spare_mob>" if kind in "mv" else "<spare_web>")
            core = self._speaker.fill(pattern)
            tail = self._speaker.pick("tail_own" if kind in "mv" else "tail_web")
            text = sentences(core if "," in core else f"{core}, {tail}")
            if core.casefold() not in self._used:
                break
        self._used.add(core.casefold())
        source = "mobile" if kind in "mv" else "internet"
        return self._made(text, source, _NEW if source == "mobile" else "")

    def _made(self, text: str, source: str, number: str) -> Shot:
        self._used.add(text.casefold())
        core = core_of(text, self._sheet.name)
        gist = Shot.gist_of(text, self._sheet.name)
        slots = self._speaker.slots
        slots["shot"], slots["core"] = gist, core
        slots["shown"] = core_of(text, "")
        rationale = self._speaker.say("<why_own>" if source == "mobile" else "<why_web>")
        return Shot(text, source, number, self._keywords(core), rationale, gist, core)

    def _keywords(self, core: str) -> list[str]:
        words = [w for w in re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", bare(core)) if w != "me"]
        while words and words[0].casefold() in _SMALL:
            words.pop(0)
        phrase = words[:4]
        while phrase and phrase[-1].casefold() in _SMALL:
            phrase.pop()
        value = " ".join(self._speaker.slots["value"].split()[:5])
        found = [" ".join(phrase) or "moment", value]
        return list(dict.fromkeys(k for k in found if re.search(r"\w", k))) or ["moment"]
