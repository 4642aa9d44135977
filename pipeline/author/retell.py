"""What the scripted author retells of a dialogue: first-person sentences turned into the third."""

import re

from mcu.author.grammar import to_third

_PAST = frozenset({
    "ate", "became", "began", "bent", "bit", "bought", "broke", "brought", "built", "burst", "came",
    "caught", "chose", "could", "crept", "cut", "did", "drank", "dreamt", "drew", "drove", "dug",
    "fell", "felt", "flew", "forgot", "fought", "found", "gave", "got", "grew", "had", "heard",
    "held", "hid", "hung", "kept", "knew", "laid", "lay", "left", "lent", "let", "lost", "made",
    "met", "paid", "put", "ran", "rang", "read", "rode", "said", "sang", "sat", "saw", "sent",
    "set", "shook", "slept", "sold", "spent", "spoke", "stood", "stuck", "swam", "taught",
    "thought", "told", "took", "tore", "was", "went", "woke", "won", "wore", "would", "wrote",
})  # fmt: skip
_STOP = re.compile(r"(?<=[.!?])[\"'\u201d\u2019]?\s+")
# What nobody would put in a summary: small talk, words to the assistant, talk of pictures.
_ASIDE = re.compile(
    r"\b(?:you|your|yours|pictures?|photos?|screenshot|selfie|album|look|looking|here|mine|hello|"
    r"this(?! (?:morning|afternoon|evening|week|month|year))|thanks?|goodbye|bye|I'll|I'd|I've|I'm|"
    r"wonder|fear|swear|treasure|them|none|need)\b|\b(?:one|it|that)[.!]?$|\?",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"^(?:since then|in the meantime)\b", re.IGNORECASE)
_LEAD = re.compile(
    r"^(?:[^:.!?]{2,40}: |and |then |but |since then,? |in the meantime,? |in the end,? |"
    r"(?:a little while|not even an hour|two hours|an hour|\w+ (?:days|weeks|hours)) ago,? |"
    r"today,? |just now,? |earlier today,? |yesterday,? )+(?=I\b)",
    re.IGNORECASE,
)
_TODAY = re.compile(
    r",? (?:today|just now|earlier today|a little while ago|not even an hour ago|two hours ago|"
    r"an hour ago)(?=[.,!;]|$| and| with)"
)
_VERB = re.compile(r"I (?:(?:just|once|even|never|also|only|then|finally|really) )?([a-z]+)\b")
_KIN = (
    r"friend|cousin|sister|brother|neighbour|colleague|mother|father|daughter|son|niece|nephew|"
    r"grandmother|grandfather|granddaughter|grandson|classmate|roommate|partner|teacher|boss|aunt|"
    r"uncle|husband|wife|coach|in-law"
)
_OTHERS = re.compile(rf"^(?:My (?:[\w-]+ ){{0,2}}(?:{_KIN})\b|We|They) (\w+)")
_IDLE = re.compile(
    r"^(?:should|want\w*|hate\w*|is|are|sent|asked|can|will|has|owe\w*|say)$|^(?:need|deserv)"
)
_ASK_HOW = re.compile(
    r"\b(how|what|where|when) (?:do|should|can|could) (?:I|we) ([^?]{4,90})\?", re.IGNORECASE
)
_ASK_WHETHER = re.compile(r"\b(?:should|do|can) (?:I|we) ([^?]{4,90})\?", re.IGNORECASE)
_TO_ASSISTANT = re.compile(r"\b(?:you|your|pictures?|see|look|it|that|them)\b", re.IGNORECASE)
_GREETING = re.compile(
    r"\?|^(?:hello|hi|hey|good (?:morning|day|evening|afternoon|to)|nice|lovely|that)\b"
    r"|\b(?:pictures?|ago|last talked)\b",
    re.IGNORECASE,
)
_LONG = 18  # words of a quotation


def news(turns: list[str], pronoun: str) -> list[tuple[str, bool]]:
    """What the person did, as what follows "she"; each with whether it was between sessions."""
    found: list[tuple[str, bool]] = []
    for sentence in _sentences(turns):
        between = bool(_BETWEEN.match(sentence))
        told = re.split(r",? (?:and|but) I (?:want|need|am|have)\b", _LEAD.sub("", sentence))[0]
        if not told.startswith("I ") or _ASIDE.search(told):
            continue
        told = _dated(told).rstrip(" .!;,")
        if _retold(told) and 3 <= len(told.split()) <= 28:
            found.append((to_third(told, pronoun).split(" ", 1)[1], between))
    return found


def details(turns: list[str], pronoun: str) -> list[str]:
    """Whole sentences about what others did and said."""
    found = []
    for sentence in _sentences(turns):
        who = _OTHERS.match(sentence)
        if who is None or _IDLE.match(who[1]) or _ASIDE.search(sentence):
            continue
        if not (_is_past(who[1]) or sentence.startswith("My ")):
            continue
        told = _dated(sentence)
        if _retold(told) and 4 <= len(told.split()) <= 24:
            first, _, rest = told.partition(" ")
            told = "My " + rest if first == "My" else f"{first.lower()} {rest}"
            told = to_third(told.replace("My ", "my ", 1), pronoun)
            found.append(told.rstrip(".!") + ".")
    return found


def question(words: str, pronoun: str) -> str:
    """What was asked, as what follows "she asked": "how to keep the words in her head"."""
    for sentence in _STOP.split(words):
        if found := _ASK_HOW.search(sentence):
            text = f"{found[1].lower()} to {found[2]}"
        elif found := _ASK_WHETHER.search(sentence):
            text = f"whether to {found[1]}"
        else:
            continue
        if not _TO_ASSISTANT.search(sentence) and _retold(text):
            return to_third(text, pronoun)
    return ""


def tip(answer: str) -> str:
    """The longest sentence of an answer, up to a sign before it gets too long to quote."""
    longest = max((s for s in _STOP.split(answer) if "?" not in s), key=len, default="")
    while len(longest.split()) > _LONG and (cut := max(map(longest.rfind, ",;:"))) > 0:
        longest = longest[:cut]
    return quoted(longest) if 4 <= len(longest.split()) <= _LONG else ""


def quoted(sentence: str) -> str:
    """A sentence as it stands between quotation marks: it ends in a stop and holds none of them."""
    text = sentence.strip().replace('"', "'")
    return text if text.endswith((".", "!", "?")) else f"{text.rstrip(',;:')}."


def first_of(turns: list[str]) -> str:
    """The first sentence that says more than hello, for a quotation."""
    fits = [s for s in _sentences(turns) if 5 <= len(s.split()) <= _LONG]
    told = [s for s in fits if not _GREETING.search(s)]
    start = " ".join(" ".join(turns).split()[:_LONG])
    return quoted((told or fits or [f"{start}..."])[0])


def _sentences(turns: list[str]) -> list[str]:
    return [sentence.strip() for words in turns for sentence in _STOP.split(words)]


def _dated(text: str) -> str:
    """The text without words that hold on the day of the talk alone."""
    text = _TODAY.sub("", text)
    text = re.sub(r"\b[Tt]his (?=morning|afternoon|evening|week|month|year)", "that ", text)
    return re.sub(r"\btomorrow\b", "the next day", re.sub(r"\byesterday\b", "the day before", text))


def _retold(text: str) -> bool:
    """Whether every verb of the first person is in the past, which the third person shares."""
    for found in re.finditer(r"\bI\b", text):
        verb = _VERB.match(text, found.start())
        if verb is None or not _is_past(verb[1]):
            return False
    return True


def _is_past(verb: str) -> bool:
    return verb in _PAST or verb.endswith("ed")
