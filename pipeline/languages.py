"""Languages by name and script: what a prompt asks for, and whether a text is written in it."""

import re
import unicodedata

_NAMES = {
    "ar": "Arabic", "bn": "Bengali", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek",
    "en": "English", "es": "Spanish", "fa": "Persian", "fi": "Finnish", "fr": "French",
    "he": "Hebrew", "hi": "Hindi", "hu": "Hungarian", "id": "Indonesian", "it": "Italian",
    "ja": "Japanese", "ko": "Korean", "ms": "Malay", "nl": "Dutch", "no": "Norwegian",
    "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sv": "Swedish",
    "sw": "Swahili", "ta": "Tamil", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian",
    "ur": "Urdu", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
# How the Unicode names of a script's letters begin.
_SCRIPTS = {
    "Arabic": ("ARABIC",), "Bengali": ("BENGALI",), "Chinese": ("CJK",), "Greek": ("GREEK",),
    "Hebrew": ("HEBREW",), "Hindi": ("DEVANAGARI",), "Japanese": ("HIRAGANA", "KATAKANA", "CJK"),
    "Korean": ("HANGUL",), "Persian": ("ARABIC",), "Russian": ("CYRILLIC",), "Tamil": ("TAMIL",),
    "Thai": ("THAI",), "Ukrainian": ("CYRILLIC",), "Urdu": ("ARABIC",),
}  # fmt: skip
_FEW = 0.3  # of the letters: names, places and brands often stay as they are


def language_name(language: str) -> str:
    """The English name of a language given by code (`ko`, `pt-BR`) or by name, as it is."""
    code = re.split(r"[-_]", language.strip().casefold())[0]
    return _NAMES.get(code, language.strip().title())


def written_in(text: str, language: str) -> bool:
    """Whether a text can be in a language, as far as its script tells; Latin is not told apart.

    Args:
        text: any text.
        language: the English name.
    """
    scripts = _SCRIPTS.get(language)
    letters = [c for c in text if c.isalpha()]
    if scripts is None or not letters:
        return True
    own = sum(unicodedata.name(c, "").startswith(scripts) for c in letters)
    return own >= _FEW * len(letters)
