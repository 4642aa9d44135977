"""A session as lines of text, `Speaker: words`, with a marker where a picture is shared."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the command line, which is quick to answer, needs the marker alone
    from mcu.records import Turn

MARKER = "[shares a picture: {description}]"


def line(turn: "Turn", marker: str = MARKER) -> str:
    """One turn; `{description}` in the marker stands for the picture's."""
    return f"{turn.speaker}: {words(turn, marker)}"


def words(turn: "Turn", marker: str = MARKER) -> str:
    """What a turn says and shows."""
    shown = marker.replace("{description}", turn.image.description) if turn.image else ""
    return " ".join(part for part in (turn.utterance, shown) if part)


def transcript(turns: "Iterable[Turn]", marker: str = MARKER) -> str:
    """Turns in order, a line each."""
    return "\n".join(line(turn, marker) for turn in turns)
