"""What texts state of a persona, and what looks like private data: rules, one sentence each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu.check.persona import Facts, rules
from mcu.check.safety import luhn, private
from mcu.check.times import day_of, interval_of

FACTS = Facts("Inge", 34, "female", "Germany", "United Kingdom", 3)


@pytest.mark.parametrize(
    "text",
    [
        "I'm 34.",
        "I am 36 years old now.",
        "I'm Inge, 34 years old, from Germany.",
        "As a 34-year-old I know.",
        "I am thirty-four, and tired.",
        "I live in England.",
        "I'm living in the UK.",
        "I was born in Germany.",
        "I'm from Germany, but that is long ago.",
        "I come from the United Kingdom.",
        "My name is Inge.",
        "I'm a woman of habits.",
    ],
)
def test_what_agrees_is_judged_and_passes(text: str) -> None:
    said = list(rules(text, FACTS, own=True))
    assert said and all(one.agrees for one in said)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("I am 99.", "age"),
        ("I\u2019m 62 years old", "age"),
        ("as a seventy-year-old", "age"),
        ("At my age of 50 one knows", "age"),
        ("I live in France.", "residence"),
        ("I was born and raised in the United States.", "birthplace"),
        ("I'm originally from Korea.", "origin"),
        ("my name is Olga", "name"),
        ("I am an old man, you know", "gender"),
    ],
)
def test_what_contradicts_is_found(text: str, kind: str) -> None:
    assert [(one.kind, one.agrees) for one in rules(text, FACTS, own=True)] == [(kind, False)]


@pytest.mark.parametrize(
    "text",
    [
        "I'm 20 minutes late.",
        "I am 100 % sure, and I am 5 feet from it",
        "When I was 12, I lived in France.",
        "I'd love to live in Italy one day.",
        "My mother was born in Spain.",
        "I got a postcard from Japan.",
        "my name is known",
        "I am a man-eater's friend",
        "I'm 34th in the line",
        "I am 40.5 kilometres away",
        "I've known him since I was a boy.",
    ],
)
def test_what_says_nothing_of_the_persona_is_left_alone(text: str) -> None:
    assert not list(rules(text, FACTS, own=True))


def test_the_assistant_speaks_of_the_persona_and_not_of_itself() -> None:
    assert not list(rules("I am 99. I live in France.", FACTS, own=False))
    assert [one.agrees for one in rules("You are 60 years old!", FACTS, own=False)] == [False]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Write to ana.b+c@mail.co.kr now", "e-mail addresses"),
        ("call +49 30 901820 today", "phone numbers"),
        ("call (030) 9018-2000 or so", "phone numbers"),
        ("it is 010-1234-5678", "phone numbers"),
        ("it is 212-867-5309.", "phone numbers"),
        ("my card 4111 1111 1111 1111 is new", "card numbers"),
        ("SSN 123-45-6789", "identity numbers"),
        ("900101-1234567 is the number", "identity numbers"),
        ("the server at 8.8.8.8 answers", "internet addresses"),
    ],
)
def test_private_data_is_found(text: str, kind: str) -> None:
    assert [found for found, _ in private(text)] == [kind]


@pytest.mark.parametrize(
    "text",
    [
        "jane@example.com, bob@mail.test and @inge say hello",
        "on 2023.05.10, 2023-05-10 or 10.05.2023 at 10:30",
        "in 1999-2003, pages 100-120, for 1 000 000 people or 2,500,000",
        "call 212-555-0123 as they do in films",
        "the card 4111 1111 1111 1112 has a wrong digit",
        "at home it is 192.168.0.1 or 127.0.0.1, and version 1.2.3.4.5 is out",
        "order 12345678901234567890123 was sent",
        "bus 12 at 7 and 20 past, 3 x 4 = 12, room 4.12.7",
        "0.123456789 of it, or 3.14159 26535 89793",
    ],
)
def test_harmless_numbers_are_left_alone(text: str) -> None:
    assert not list(private(text))


@given(st.text("0123456789", min_size=1, max_size=20))
def test_one_check_digit_of_ten_is_right(digits: str) -> None:
    right = [digit for digit in "0123456789" if luhn(digits + digit)]
    assert len(right) == (0 if set(digits) == {"0"} else 1)


def test_dates_and_intervals() -> None:
    assert str(day_of("2024.02.29")) == str(day_of("2024/02/29")) == "2024-02-29"
    assert all(day_of(text) is None for text in ("2023.02.29", "24.2.2", "", "2024.02.29.1"))
    assert interval_of("2 weeks") == (2, "week")
    assert interval_of("1 hour") == (1, "hour")
    assert all(interval_of(text) is None for text in ("", "2", "two weeks", "2 decades", "-1 day"))
