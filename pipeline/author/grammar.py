"""A small text grammar: patterns with alternatives and slots, and the English around them."""

import random
import re
from collections.abc import Mapping, Sequence
from functools import cache

Part = str | tuple[str, ...] | list[list["Part"]]

_SLOT = re.compile(r"<([a-z0-9_]+)((?:\.[a-z]+)*)>")
_VOWEL = re.compile(r"8|11\b|18\b|[aeiou]|hour|hono|heir", re.IGNORECASE)
_YOO = re.compile(r"eu|one\b|once\b|uni(?!n)|us[ei]|ukul|uto|uti|ur[ai]", re.IGNORECASE)
_ACRONYM = re.compile(r"[A-Z][A-Z&]+\b|[A-Z]-")
# The first letter of a sentence; the stop after an initial ("M. was") ends none.
_START = re.compile(r"(?:^|(?<=[.!?] )(?<!\W[A-HJ-Z]\. ))[^\W\d_]")


class GrammarError(ValueError):
    """A pattern is malformed or names a slot that nothing fills."""


@cache
def parse(pattern: str) -> list[Part]:
    """Read a pattern: text, `{one|two}` alternatives (nestable), `<slot>` and `<slot.filter>`."""
    parts, rest = _sequence(pattern, 0, nested=False)
    if rest != len(pattern):
        raise GrammarError(f"unbalanced braces in {pattern!r}")
    return parts


def _sequence(pattern: str, at: int, nested: bool) -> tuple[list[Part], int]:
    parts: list[Part] = []
    while at < len(pattern):
        char = pattern[at]
        if nested and char in "|}":
            return parts, at
        if char == "{":
            options, at = _options(pattern, at + 1)
            parts.append(options)
        elif char == "<" and (found := _SLOT.match(pattern, at)):
            parts.append((found[1], *found[2].split(".")[1:]))
            at = found.end()
        elif char in "{}<>":
            raise GrammarError(f"stray {char!r} in {pattern!r}")
        else:
            end = at + 1
            while end < len(pattern) and pattern[end] not in "{|}<":
                end += 1
            parts.append(pattern[at:end])
            at = end
    return parts, at


def _options(pattern: str, at: int) -> tuple[list[list[Part]], int]:
    options: list[list[Part]] = []
    while True:
        option, at = _sequence(pattern, at, nested=True)
        options.append(option)
        if at >= len(pattern):
            raise GrammarError(f"unbalanced braces in {pattern!r}")
        at += 1
        if pattern[at - 1] == "}":
            return options, at


class Voice:
    """Fills patterns for one answer.

    Attributes:
        slots: texts inserted as they stand, so that braces in them mean nothing.
        rules: named lists of patterns, used where no slot has the name.
        deal: a key and a starting place; with it, rules are dealt from shuffled decks, so that
            several answers that share the key but not the place differ.
    """

    def __init__(
        self, rng: random.Random, slots: dict[str, str], rules: Mapping[str, Sequence[str]]
    ) -> None:
        self.rng = rng
        self.slots = slots
        self.rules = rules
        self.deal: tuple[str, int] | None = None
        self._decks: dict[str, list[str]] = {}

    def fill(self, pattern: str) -> str:
        """The pattern with one choice made everywhere, on one line, as a phrase."""
        out: list[str] = []
        self._walk(parse(pattern), out)
        return " ".join("".join(out).split())

    def say(self, *patterns: str) -> str:
        """Patterns filled and joined as whole sentences."""
        return sentences(" ".join(self.fill(pattern) for pattern in patterns))

    def pick(self, rule: str) -> str:
        """One filled pattern of a rule, as a phrase."""
        return self.fill(f"<{rule}>")

    def draw(self, name: str, patterns: Sequence[str]) -> str:
        """One of several patterns: any of them or, where `deal` is set, the next of a deck."""
        if self.deal is None or len(patterns) == 1:
            return self.rng.choice(patterns)
        deck = self._decks.get(name)
        if not deck:
            key, start = self.deal
            deck = random.Random(f"{key} {name}").sample(patterns, len(patterns))
            turn = start % len(deck)
            deck = self._decks[name] = [*deck[turn:], *deck[:turn]]
        return deck.pop(0)

    def _walk(self, parts: list[Part], out: list[str]) -> None:
        for part in parts:
            if isinstance(part, str):
                _emit(out, part)
            elif isinstance(part, list):
                self._walk(self.rng.choice(part), out)
            elif part[1:]:
                inner: list[str] = []
                self._slot(part[0], inner)
                text = "".join(inner)
                for name in part[1:]:
                    text = _FILTERS[name](text)
                _emit(out, text)
            else:
                self._slot(part[0], out)

    def _slot(self, name: str, out: list[str]) -> None:
        if name in self.slots:
            _emit(out, self.slots[name])
        elif self.rules.get(name):
            self._walk(parse(self.draw(name, self.rules[name])), out)
        else:
            raise GrammarError(f"nothing fills the slot <{name}>")


def _emit(out: list[str], text: str) -> None:
    """Add a piece; an article that a pattern left before it is made to agree with it."""
    if not text:
        return
    last = out[-1] if out else ""
    if last.endswith((" a ", " an ", "A ", "An ")) or last in ("a ", "an "):
        stem = last.rstrip().removesuffix("n") if last.endswith("n ") else last.rstrip()
        out[-1] = f"{stem}n " if takes_an(text) else f"{stem} "
    out.append(text)


def takes_an(text: str) -> bool:
    """Whether the indefinite article before this text is "an"."""
    if _ACRONYM.match(text):
        return text[0] in "AEFHILMNORSX"
    return _VOWEL.match(text) is not None and _YOO.match(text) is None


def article(text: str) -> str:
    """A noun phrase with its indefinite article; one that has a determiner keeps it."""
    first = text.split(" ", 1)[0].casefold()
    if first in ("a", "an", "the", "my", "your", "his", "her", "their", "our"):
        return text
    return f"{'an' if takes_an(text) else 'a'} {text}"


def bare(text: str) -> str:
    """A noun phrase without its article."""
    return re.sub(r"^(?:an?|the|my|some) ", "", text, flags=re.IGNORECASE)


def the(text: str) -> str:
    """A noun phrase with the definite article in place of an indefinite one."""
    return re.sub(r"^an?\b", "the", text)


def plural(noun: str) -> str:
    """The regular plural of a noun phrase's last word."""
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}s"


def capital(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def lowered(text: str) -> str:
    """The text with its first letter in lower case, unless its first word is "I"."""
    return text if re.match(r"I\b", text) else text[:1].lower() + text[1:]


def sentences(text: str) -> str:
    """One line with sentence starts in upper case and no doubled spaces or stops."""
    text = re.sub(r" +(?=[,.!?;:](?: |$))", "", " ".join(text.split()))
    text = re.sub(r"([.!?])[.](?!\w)", r"\1", text)
    return re.sub(_START, lambda found: found[0].upper(), text)


_YOU = {
    "i": "you", "me": "you", "my": "your", "mine": "yours", "myself": "yourself",
    "we": "you", "us": "you", "our": "your", "i'm": "you're", "i've": "you've", "i'd": "you'd",
    "i'll": "you'll",
}  # fmt: skip
_THEY = {
    "he": ("he", "him", "his", "himself"),
    "she": ("she", "her", "her", "herself"),
    "they": ("they", "them", "their", "themself"),
}
_FIRST = re.compile(r"\b(?:I'm|I've|I'd|I'll|I|me|my|mine|myself|we|us|our)\b")


def to_you(text: str) -> str:
    """First person turned into second."""
    text = text.replace("I am ", "you are ").replace("I was ", "you were ")
    return _FIRST.sub(lambda found: _YOU[found[0].casefold()], text)


def to_third(text: str, pronoun: str) -> str:
    """First person turned into third, for the pronoun he, she or they."""
    subject, target, owner, own = _THEY[pronoun]
    table = {"i": subject, "me": target, "my": owner, "mine": owner, "myself": own}
    table |= {"we": "they", "us": "them", "our": "their", "i'm": f"{subject} is"}
    table |= {"i've": f"{subject} has", "i'd": f"{subject} would", "i'll": f"{subject} will"}
    return _FIRST.sub(lambda found: table[found[0].casefold()], text)


def to_first(text: str, pronoun: str) -> str:
    """Third person, as an event tells it, turned into first."""
    subject, target, owner, own = _THEY[pronoun]
    text = re.sub(rf"\b{target}(?=$|[.,;:!?])", "me", text)
    table = {target: "me", owner: "my", own: "myself", subject: "I"}
    return re.sub(rf"\b(?:{'|'.join(table)})\b", lambda found: table[found[0]], text)


_IRREGULAR = {
    "be": "is was being", "become": "becomes became becoming", "begin": "begins began beginning",
    "bring": "brings brought bringing", "build": "builds built building",
    "buy": "buys bought buying", "catch": "catches caught catching",
    "choose": "chooses chose choosing", "come": "comes came coming", "do": "does did doing",
    "draw": "draws drew drawing", "drive": "drives drove driving", "eat": "eats ate eating",
    "fall": "falls fell falling", "feed": "feeds fed feeding", "feel": "feels felt feeling",
    "find": "finds found finding", "get": "gets got getting", "give": "gives gave giving",
    "go": "goes went going", "grow": "grows grew growing", "have": "has had having",
    "hear": "hears heard hearing", "hold": "holds held holding", "keep": "keeps kept keeping",
    "lay": "lays laid laying", "lead": "leads led leading", "leave": "leaves left leaving",
    "lend": "lends lent lending", "let": "lets let letting", "lose": "loses lost losing",
    "make": "makes made making", "meet": "meets met meeting", "pay": "pays paid paying",
    "put": "puts put putting", "read": "reads read reading", "ride": "rides rode riding",
    "run": "runs ran running", "say": "says said saying", "see": "sees saw seeing",
    "sell": "sells sold selling", "send": "sends sent sending", "set": "sets set setting",
    "show": "shows showed showing", "sing": "sings sang singing", "sit": "sits sat sitting",
    "sleep": "sleeps slept sleeping", "speak": "speaks spoke speaking",
    "spend": "spends spent spending", "stand": "stands stood standing",
    "swap": "swaps swapped swapping", "swim": "swims swam swimming", "take": "takes took taking",
    "teach": "teaches taught teaching", "tell": "tells told telling",
    "think": "thinks thought thinking", "wake": "wakes woke waking", "wear": "wears wore wearing",
    "win": "wins won winning", "write": "writes wrote writing", "plan": "plans planned planning",
    "stop": "stops stopped stopping", "drop": "drops dropped dropping",
    "fit": "fits fitted fitting", "shop": "shops shopped shopping",
    "trim": "trims trimmed trimming", "break": "breaks broke breaking",
    "chat": "chats chatted chatting", "hike": "hikes hiked hiking", "tie": "ties tied tying",
}  # fmt: skip
_BASES = {forms.split()[0]: base for base, forms in _IRREGULAR.items()}


def verb(base: str, form: int) -> str:
    """A verb's third person (0), past (1) or gerund (2)."""
    if base in _IRREGULAR:
        return _IRREGULAR[base].split()[form]
    soft = base.endswith("y") and base[-2:-1] not in "aeiou"
    if form == 0:
        return f"{base[:-1]}ies" if soft else base + _es(base)
    if form == 1:
        return f"{base[:-1]}ied" if soft else f"{base.removesuffix('e')}ed"
    return f"{base.removesuffix('e') if not base.endswith('ee') else base}ing"


def _es(base: str) -> str:
    return "es" if base.endswith(("s", "x", "z", "ch", "sh", "o")) else "s"


def verb_base(third: str) -> str:
    """The base of a verb in the third person."""
    if third in _BASES:
        return _BASES[third]
    if third.endswith("ies") and len(third) > 4:
        return f"{third[:-3]}y"
    if third.endswith(("sses", "xes", "zzes", "ches", "shes", "oes")):
        return third[:-2]
    return third.removesuffix("s")


_FILTERS = {
    "a": article,
    "bare": bare,
    "the": the,
    "s": plural,
    "cap": capital,
    "you": to_you,
}
