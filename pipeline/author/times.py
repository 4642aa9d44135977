"""Times as people say them: how long since, how long ago."""

from datetime import date

_NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
_NUMBERS += ["eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"]
_NUMBERS += ["eighteen", "nineteen", "twenty"]


def number(value: int) -> str:
    """A small number in words."""
    return _NUMBERS[value] if 0 <= value < len(_NUMBERS) else str(value)


def spoken(interval: str) -> str:
    """An interval such as `3 weeks` in words: `three weeks`, `a year`, `an hour`."""
    count, _, unit = interval.partition(" ")
    if not (count.isascii() and count.isdigit() and unit and len(count) < 5):
        return "a while"
    if int(count) == 1:
        return f"an {unit}" if unit.startswith("hour") else f"a {unit}"
    return f"{number(int(count))} {unit}"


def ago(day: str, today: str) -> str:
    """How a person places an earlier date: `yesterday`, `two weeks ago`, `last year`."""
    try:
        days = (_date(today) - _date(day)).days
    except ValueError:
        return "the other day"
    if days < 1:
        return "earlier today"
    if days == 1:
        return "yesterday"
    if days < 14:
        return f"{number(days)} days ago" if days != 7 else "a week ago"
    if days < 56:
        return f"{number(round(days / 7))} weeks ago"
    if days < 340:
        return f"{number(round(days / 30.4))} months ago"
    years = round(days / 365)
    return "about a year ago" if years == 1 else f"about {number(years)} years ago"


def _date(text: str) -> date:
    year, month, day = text.split(".")
    return date(int(year), int(month), int(day))
