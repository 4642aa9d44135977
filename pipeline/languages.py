"""Languages by name and script: what a prompt asks for, and whether a text is written in it."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

ENGLISH = "English"
UNSTOPPED = frozenset({"Lao", "Thai"})  # their sentences end without a sign

_LATIN = {
    "af": "Afrikaans", "ca": "Catalan", "cs": "Czech", "cy": "Welsh", "da": "Danish",
    "de": "German", "en": ENGLISH, "es": "Spanish", "et": "Estonian", "eu": "Basque",
    "fi": "Finnish", "fil": "Filipino", "fr": "French", "ga": "Irish", "gl": "Galician",
    "ha": "Hausa", "hr": "Croatian", "hu": "Hungarian", "id": "Indonesian", "ig": "Igbo",
    "is": "Icelandic", "it": "Italian", "jv": "Javanese", "mi": "Maori", "ms": "Malay",
    "nb": "Norwegian", "nl": "Dutch", "nn": "Nynorsk", "no": "Norwegian", "pl": "Polish",
    "pt": "Portuguese", "ro": "Romanian", "sk": "Slovak", "sl": "Slovenian", "so": "Somali",
    "sv": "Swedish", "sw": "Swahili", "tl": "Tagalog", "tr": "Turkish", "vi": "Vietnamese",
    "yo": "Yoruba", "zu": "Zulu",
}  # fmt: skip
# Languages of Latin letters that spell foreign names anew, as those of other letters must.
_RESPELT = {
    "az": "Azerbaijani", "lt": "Lithuanian", "lv": "Latvian", "sq": "Albanian",
}  # fmt: skip
# Name and scripts; a script is the first word of its letters' names in Unicode.
_OTHER = {
    "am": ("Amharic", "ETHIOPIC"), "ar": ("Arabic", "ARABIC"), "be": ("Belarusian", "CYRILLIC"),
    "bg": ("Bulgarian", "CYRILLIC"), "bn": ("Bengali", "BENGALI"), "cmn": ("Mandarin", "CJK"),
    "el": ("Greek", "GREEK"), "fa": ("Persian", "ARABIC"), "gu": ("Gujarati", "GUJARATI"),
    "he": ("Hebrew", "HEBREW"), "hi": ("Hindi", "DEVANAGARI"), "hy": ("Armenian", "ARMENIAN"),
    "ja": ("Japanese", "HIRAGANA", "KATAKANA", "CJK"), "ka": ("Georgian", "GEORGIAN"),
    "kk": ("Kazakh", "CYRILLIC", "LATIN"), "km": ("Khmer", "KHMER"), "kn": ("Kannada", "KANNADA"),
    "ko": ("Korean", "HANGUL"), "lo": ("Lao", "LAO"), "mk": ("Macedonian", "CYRILLIC"),
    "ml": ("Malayalam", "MALAYALAM"), "mn": ("Mongolian", "CYRILLIC", "MONGOLIAN"),
    "mr": ("Marathi", "DEVANAGARI"), "my": ("Burmese", "MYANMAR"), "ne": ("Nepali", "DEVANAGARI"),
    "pa": ("Punjabi", "GURMUKHI", "ARABIC"), "ps": ("Pashto", "ARABIC"),
    "ru": ("Russian", "CYRILLIC"), "si": ("Sinhala", "SINHALA"),
    "sr": ("Serbian", "CYRILLIC", "LATIN"), "ta": ("Tamil", "TAMIL"), "te": ("Telugu", "TELUGU"),
    "th": ("Thai", "THAI"), "uk": ("Ukrainian", "CYRILLIC"), "ur": ("Urdu", "ARABIC"),
    "uz": ("Uzbek", "LATIN", "CYRILLIC"), "yue": ("Cantonese", "CJK"), "zh": ("Chinese", "CJK"),
}  # fmt: skip
_REGIONS = {
    "pt-br": "Brazilian Portuguese", "zh-cn": "Simplified Chinese", "zh-hans": "Simplified Chinese",
    "zh-hant": "Traditional Chinese", "zh-hk": "Traditional Chinese",
    "zh-tw": "Traditional Chinese",
}  # fmt: skip
_NAMES = {**_REGIONS, **_LATIN, **_RESPELT, **{code: row[0] for code, row in _OTHER.items()}}
_SCRIPTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys([*_LATIN.values(), *_RESPELT.values()], ("LATIN",)),
    **{name: tuple(scripts) for name, *scripts in _OTHER.values()},
}
_KEEPS = frozenset(_LATIN.values())
_MOST = 0.5  # of the letters: names, titles and brands often stay as they are
_KANA = 0.1  # of the letters of a Japanese text; a Chinese one has none
# Frequent in English and no words of the other languages of Latin letters, so that few of them
# tell: 12 to 27 of 100 words of the scripted author's narratives and sessions are these.
_TELLING = frozenset({
    "the", "and", "of", "it", "that", "you", "your", "with", "this", "what", "from", "there",
    "they", "about", "would", "but", "not", "how", "when", "where", "who", "then", "these", "she",
})  # fmt: skip
_TOLD = 0.07  # of the words
_ENOUGH = 20  # words, before so small a share says anything
_WORD = re.compile(r"[^\W\d_]+")


def language_name(language: str) -> str:
    """The English name of a language given by code (`ko`, `pt-BR`) or by name, as it is."""
    code = language.strip().casefold().replace("_", "-")
    found = _NAMES.get(code) or _NAMES.get(code.split("-")[0])
    return found or language.strip().title()


def language_code(language: str) -> str:
    """The code of a language, such as `ko`; `und` for one that is not known by a code."""
    name = language_name(language)
    return next((code for code, known in _NAMES.items() if known == name), "und").partition("-")[0]


def keeps_names(language: str) -> bool:
    """Whether a language leaves people's names as English spells them, but for their endings."""
    return _known(language) in _KEEPS


def written_in(text: str, language: str, names: Iterable[str] = ()) -> bool:
    """Whether a text can be in a language, as far as that is easily told.

    At least half of the letters must be of its script; a Japanese text needs some hiragana, too.
    Languages of one script are not told apart, with one exception: text for another language of
    Latin letters must not be English, which is what a model falls back to. A language of which
    this module knows nothing is not judged.

    Args:
        text: any text.
        language: the English name, also with a word before it ("Brazilian Portuguese").
        names: phrases that may stay as they are, and do not count.
    """
    if language == ENGLISH and text.isascii():
        return True
    for name in names:
        text = re.sub(re.escape(name), " ", text, flags=re.IGNORECASE)
    known = _known(language)
    scripts = _SCRIPTS.get(known, ())
    found: Counter[str] = Counter()
    for letter, times in Counter(text).items():
        if letter.isalpha():
            found[re.split("[ -]", unicodedata.name(letter, ""))[0]] += times
    letters = found.total()
    if not scripts or not letters:
        return True
    if sum(found[script] for script in scripts) < _MOST * letters:
        return False
    if known == "Japanese":
        return found["HIRAGANA"] >= _KANA * letters
    return known == ENGLISH or "LATIN" not in scripts or not _is_english(text)


def _is_english(text: str) -> bool:
    words = _WORD.findall(text.casefold())
    return sum(word in _TELLING for word in words) >= _TOLD * max(len(words), _ENOUGH)


def _known(language: str) -> str:
    """The language that a name such as "Traditional Chinese" is about, or an empty text."""
    words = reversed(language.title().split())
    return next((word for word in words if word in _SCRIPTS), "")
