"""Languages: names for codes, and texts that are or are not written in one."""

import unicodedata

import pytest

from mcu.languages import ENGLISH, keeps_names, language_name, written_in

ENGLISH_TEXT = (
    "I am Mary, 34, and I live in the north of Canada. There is a kitchen that I would like to "
    "rent with my sister, but she has not seen it yet."
)
TEXTS = {
    "Afrikaans": "My naam is Mary, ek is 34 en my huis is in Kanada. In die stad is daar 'n "
    "kombuis wat ek wil huur, en dit was my droom of ten minste my plan.",
    "Arabic": "أنا ماري، عمري ٣٤ سنة، ولدت في إسبانيا وأعيش في كندا. أريد أن أفتح مطعماً صغيراً.",
    "Chinese": "我叫Mary。我今年34岁。我出生在西班牙。我现在住在加拿大。有一天我想开一家小厨房。",
    "Czech": "Jsem Mary, je mi 34 a to je můj domov. A to se mi líbí, a my to víme, a on to ví.",
    "Danish": "Jeg hedder Mary, er 34 og bor i Canada, hvor jeg laver mad for mine naboer. Det var "
    "så sjovt at være med i det, for at vi kan have et lille køkken i byen.",
    "Dutch": "Ik ben Mary, 34, en ik woon in Canada, waar ik op zondag kook. Het is een droom van "
    "me om in de stad of op de markt een keuken te openen, want dat was zo leuk.",
    "French": "Je m'appelle Mary, j'ai 34 ans et je vis au Canada. Un jour, on aura une cuisine.",
    "German": "Ich heiße Mary, bin 34 und lebe in Kanada. Ich will so bald wie möglich eine kleine "
    "Küche mieten, und meine Schwester war schon am Montag in der Stadt.",
    "Greek": "Με λένε Mary, είμαι 34 και ζω στον Καναδά. Θα ήθελα μια μικρή κουζίνα.",
    "Hebrew": "שמי מרי, אני בת 34 וגרה בקנדה. יום אחד אני רוצה לפתוח מטבח קטן.",
    "Hindi": "मेरा नाम मैरी है और मैं ३४ साल की हूँ। मैं कनाडा में रहती हूँ। एक दिन मैं रसोई खोलूँगी।",
    "Hungarian": "Mary vagyok, 34 éves, a családommal a városban élek, a piacon is ott a konyhám.",
    "Japanese": "私はMary、34歳です。スペインで生まれ、今はカナダです。いつか店を開きたいです。",
    "Korean": "저는 Mary이고 34살이에요. 스페인에서 태어나 지금은 캐나다에 살아요.",
    "Polish": "Jestem Mary, mam 34 lata i to jest moje marzenie. A my w to wierzymy i on też.",
    "Russian": "Меня зовут Мэри, мне 34 года, и я живу в Канаде. Однажды я хочу открыть кухню.",
    "Thai": "ฉันชื่อแมรี่ อายุ 34 ปี เกิดที่สเปนและอยู่ที่แคนาดา วันหนึ่งฉันอยากเปิดครัวเล็กๆ",
    "Vietnamese": "Tôi tên là Mary, 34 tuổi, sống ở Canada và muốn mở một căn bếp nhỏ cùng em gái.",
}
TITLE = "The Lord of the Rings and the Return of the King"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("en", "English"),
        ("EN-gb", "English"),
        ("ko", "Korean"),
        (" ko ", "Korean"),
        ("ko_KR", "Korean"),
        ("korean", "Korean"),
        ("KOREAN", "Korean"),
        ("pt-BR", "Brazilian Portuguese"),
        ("pt", "Portuguese"),
        ("pt-PT", "Portuguese"),
        ("zh-Hant", "Traditional Chinese"),
        ("zh_TW", "Traditional Chinese"),
        ("zh", "Chinese"),
        ("brazilian portuguese", "Brazilian Portuguese"),
        ("scottish gaelic", "Scottish Gaelic"),
    ],
)
def test_names(given: str, name: str) -> None:
    assert language_name(given) == name


@pytest.mark.parametrize("language", TEXTS)
def test_a_text_is_written_in_its_language_and_english_is_not(language: str) -> None:
    text = TEXTS[language]
    assert written_in(text, language)
    assert written_in(unicodedata.normalize("NFD", text), language)
    assert not written_in(ENGLISH_TEXT, language)


@pytest.mark.parametrize(
    ("text", "languages"),
    [
        ("Korean", "Japanese Chinese Russian French English Thai Hindi"),
        ("Chinese", "Korean Japanese French English"),
        ("Japanese", "Korean Chinese English"),
        ("Russian", "Greek Korean English German"),
        ("French", "Korean Russian Arabic"),
    ],
)
def test_scripts_are_told_apart(text: str, languages: str) -> None:
    for language in languages.split():
        assert not written_in(TEXTS[text], language)


def test_what_is_not_told_apart() -> None:
    assert written_in(TEXTS["French"], "German")
    assert written_in(TEXTS["French"], ENGLISH)
    assert written_in(TEXTS["Russian"], "Ukrainian")
    assert written_in(TEXTS["Arabic"], "Persian")


@pytest.mark.parametrize("language", ["Korean", "French", "English", "Klingon"])
@pytest.mark.parametrize("text", ["", "34", "?! \U0001f600 ..."])
def test_a_text_without_letters_is_not_judged(text: str, language: str) -> None:
    assert written_in(text, language)


def test_a_language_that_is_not_known_is_not_judged() -> None:
    for text in (ENGLISH_TEXT, *TEXTS.values()):
        assert written_in(text, "Klingon")


def test_a_word_before_the_name_changes_nothing() -> None:
    assert written_in(TEXTS["Chinese"], "Traditional Chinese")
    assert not written_in(ENGLISH_TEXT, "Traditional Chinese")
    assert not written_in(ENGLISH_TEXT, "Canadian French")


def test_mixed_text_needs_half_of_its_letters() -> None:
    korean = "저는 오늘 시장에 다녀왔어요"  # 12 letters
    assert written_in(f"{korean} hello world", "Korean")
    assert not written_in(f"{korean} hello again, wide world", "Korean")


def test_names_do_not_count() -> None:
    korean = f"요즘은 {TITLE}를 읽어요."
    assert not written_in(korean, "Korean")
    assert written_in(korean, "Korean", [TITLE.upper()])
    french = f"Je lis {TITLE} depuis des mois et je ne pense plus à autre chose, même la nuit."
    assert not written_in(french, "French")
    assert written_in(french, "French", ["", TITLE])


def test_two_scripts_of_one_language() -> None:
    assert written_in("Данас кувам за другове из школе.", "Serbian")
    assert written_in("Danas kuvam za drugove iz škole.", "Serbian")
    assert not written_in(ENGLISH_TEXT, "Serbian")


def test_which_languages_leave_names_as_they_are() -> None:
    assert keeps_names("French") and keeps_names("Brazilian Portuguese")
    assert not any(keeps_names(name) for name in ("Korean", "Latvian", "Serbian", "Klingon"))
