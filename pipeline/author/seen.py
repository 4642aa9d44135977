"""What the scripted author sees in a caption: its things, their looks and how they lie."""

import re
import tomllib
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*|,")
_ONE = frozenset({"a", "an", "the", "one", "her", "his", "their", "another"})
_MANY = frozenset({
    "two", "three", "four", "five", "six", "seven", "nine", "ten", "many", "some", "several",
    "few", "both", "odd", "different",
})  # fmt: skip
_HEAPS = re.compile(
    r"\b(?:an?|the|\w+) (?:[\w-]+ )?(?:rows?|piles?|stacks?|heaps?|groups?|pairs?|pieces?|bunch"
    r"|circles?|half circle|towers?|slices?|crates?) of (?=\w)",
    re.IGNORECASE,
)
_SHEET = re.compile(
    r"\b(an?|the) ((?:[\w-]+ )?)(?:sheet|piece|slip) of (?:[\w-]+ )?paper\b", re.IGNORECASE
)
_POINTED_AT = ("furniture", "vessel", "paper", "tool", "cloth", "food", "scenery")
_OF_ITSELF = re.compile(
    r"^(?:an? )?(?:[\w-]+ )?(?:photo|picture|view|screenshot) of ", re.IGNORECASE
)
# What these show is no thing that lies about.
_DEPICTS = frozenset({
    "drawing", "sketch", "photo", "painting", "poster", "map", "list", "page", "plan", "graph",
    "record", "note",
})  # fmt: skip
HAS = {"with": "있는", "of": "담긴"}
_BATCHIM = 0xAC00, 28


@dataclass(frozen=True)
class Thing:
    """One thing that a caption names: as it stands there, and as it is called in Korean."""

    name: str
    lemma: str
    looks: tuple[str, ...]
    many: bool
    whole: str

    @property
    def shown(self) -> bool:
        """Whether somebody may point at it."""
        return lexicon().nouns[self.lemma][0] in _POINTED_AT

    @property
    def lies(self) -> bool:
        """Whether it is a thing, and no part of the scene around it."""
        return lexicon().nouns[self.lemma][0] not in ("scenery", "place")

    @property
    def korean(self) -> str:
        """Its name in Korean."""
        return lexicon().nouns[self.lemma][1]

    @property
    def told(self) -> str:
        """Its name and looks in Korean."""
        return " ".join([*(lexicon().looks[one] for one in self.looks), self.korean])


@dataclass(frozen=True)
class Lexicon:
    """Nouns with kind and Korean, adjectives with their Korean, relations read from both sides."""

    nouns: dict[str, tuple[str, str]]
    looks: dict[str, str]
    relations: dict[str, list[str]]


@cache
def lexicon() -> Lexicon:
    """The vocabulary of `data/seen.toml`."""
    path = files("mcu.author") / "data" / "seen.toml"
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    nouns = {
        word: (kind, korean)
        for kind, text in reversed(table["nouns"].items())
        for word, korean in _pairs(text)
    }
    return Lexicon(nouns, dict(_pairs(table["adjectives"]["list"])), table["relations"])


def _pairs(text: str) -> list[tuple[str, str]]:
    rows = [row.strip() for line in text.splitlines() for row in line.split("|") if row.strip()]
    split = (re.match(r"([^가-힣]+) ([가-힣].*)", row) for row in rows)
    return [(found[1], found[2]) for found in split if found]


def read(caption: str) -> tuple[list[Thing], list[str]]:
    """The things of a caption in order, and the relation of each to the next, empty if unknown."""
    text = _SHEET.sub(r"\1 \2paper", _OF_ITSELF.sub("", caption.rstrip(".")))
    words = _WORD.findall(_HEAPS.sub("some ", text))
    low = [word.casefold() for word in words]
    things: list[Thing] = []
    relations: list[str] = []
    done = at = 0
    depicted = False
    while at < len(low):
        length = _noun(low, at)
        if not length or _noun(low, at + length):  # a noun before a noun only modifies it
            at += length or 1
            continue
        start, looks, many = _before(low, at, done)
        relation = _relation(low[done:start])
        lemma = _lemma(low[at : at + length])
        depicted = depicted and relation == "and"
        depicted |= bool(things) and relation == "of" and things[-1].lemma in _DEPICTS
        if not (depicted or (lemma == "orange" and start == at)):
            name, whole = (" ".join(words[i : at + length]) for i in (at, start))
            if things:
                relations.append(relation)
            things.append(Thing(name, lemma, looks, many or lemma != name.casefold(), whole))
            done = at + length
        at += length
    return things, relations


def _noun(words: list[str], at: int) -> int:
    """How many words from here on are a noun that is known; 0 for none."""
    lengths = (n for n in (3, 2, 1) if at + n <= len(words) and _lemma(words[at : at + n]))
    return next(lengths, 0)


def _lemma(words: list[str]) -> str:
    """The singular under which a noun is known, or an empty text."""
    nouns, text = lexicon().nouns, " ".join(words)
    ends = (("", ""), ("s", ""), ("es", ""), ("ies", "y"), ("ves", "f"))
    forms = (text.removesuffix(end) + new for end, new in ends if text.endswith(end))
    return next((form for form in forms if form in nouns), "")


def _before(words: list[str], at: int, done: int) -> tuple[int, tuple[str, ...], bool]:
    """Where a noun's phrase begins, its adjectives, and whether it is told as several."""
    looks, start = lexicon().looks, at
    for back in range(at - 1, max(done, at - 5) - 1, -1):
        word = words[back]
        if word in _ONE or word in _MANY:
            found = tuple(w for w in words[back + 1 : at] if w in looks)
            return back, found, word in _MANY
        if word in lexicon().relations or word in ("of", "to", ","):
            break
        if word in looks and back == start - 1:
            start = back
    return start, tuple(w for w in words[start:at] if w in looks), False


def _relation(words: list[str]) -> str:
    """What the words between two things say of them."""
    text = " ".join(words)
    for known in ("in front of", "next to", "full of", "covered with"):
        if text.endswith(known):
            return {"full of": "of", "covered with": "of"}.get(known, known)
    last = words[-1] if words else ""
    return last if last == "of" or last in lexicon().relations else ""


def plain(description: str, name: str) -> str:
    """A description up to its first comma as a caption, without the person's name."""
    text = description.split(",")[0].strip().rstrip(".")
    found = re.escape(name)
    text = re.sub(rf"(?i)^(a selfie) of {found}(?!\w)", r"\1", text)
    text = re.sub(rf"(?i)(?<!\w){found}['\u2019]s?(?!\w)", "someone's", text) if name else text
    text = re.sub(rf"(?i)(?<!\w){found}(?!\w)", "someone", text) if name else text
    return f"{text[:1].upper()}{text[1:]}."


def korean(things: list[Thing], relations: list[str]) -> str:
    """Things and how they lie as the caption of a picture in Korean."""
    row, places = [things[0].told], list[str]()
    for before, thing, relation in zip(things, things[1:], relations, strict=False):
        if relation == "of" and not before.lies and places:
            places[-1] = f"{thing.told} {places[-1]}"
        elif relation in HAS:  # of the thing before, or of the first where that is no thing
            owner = places if places and (relation == "of" or before.lies) else row
            owner[-1] = f"{held(thing, relation)} {owner[-1]}"
        elif relation == "and":
            row.append(thing.told)
        else:
            scene = lexicon().nouns[thing.lemma][0] == "place"
            place = "에" if scene else f" {lexicon().relations[relation][4]}"
            places.append(thing.told + place)
    for one in row[1:]:
        row[0] = f"{josa(row[0], '과', '와')} {one}"
    where = [place.removesuffix("에") for place in reversed(places[1:])]
    return " ".join([*where, *places[:1], f"{josa(row[0], '이', '가')} 보이는 사진"])


def held(thing: Thing, relation: str) -> str:
    """What another thing has, in Korean, before that thing."""
    return f"{josa(thing.told, '이', '가')} {HAS[relation]}"


def josa(word: str, closed: str, open_: str) -> str:
    """A Korean word with the particle that its last sound asks for."""
    first, step = _BATCHIM
    code = ord(word[-1]) - first if word else -1
    ends = 0 <= code < 11_172 and code % step
    if closed == "으로" and ends == 8:  # ㄹ takes 로
        ends = 0
    return word + (closed if ends else open_)


def particles(text: str) -> str:
    """A Korean text with each `[이/가]` set as the word before it asks for."""
    return re.sub(
        r"(\S+?)([\"'”\u2019)]*)\[(\w+)/(\w*)\]",
        lambda m: m[1] + m[2] + josa(m[1], m[3], m[4])[len(m[1]) :],
        text,
    )


def unlike(things: list[Thing]) -> list[Thing]:
    """The things with only those adjectives that none of the others has."""
    looks = [look for thing in things for look in thing.looks]
    return [replace(t, looks=tuple(k for k in t.looks if looks.count(k) == 1)) for t in things]


def several(name: str) -> bool:
    """Whether a name is told of several things."""
    lemma = _lemma(name.casefold().split())
    return bool(lemma) and lemma != name.casefold()
