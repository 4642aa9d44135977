"""What a model that shares pictures answered: a description, or why there is none."""

import re
import unicodedata
from dataclasses import dataclass

_TAG = re.compile(r"<\s*(/?)\s*(ret|h)\s*>", re.IGNORECASE)
# Signs that end or part messages: <|eot_id|>, </s>, <eos>, <end_of_turn>, <pad> and their like.
_END = re.compile(
    r"<\|[^<>|\s]{1,40}\|>|</?s>|<(?:eos|bos|pad|unk|(?:start|end)_of_(?:turn|text))>"
)
# What opens the model's own message where a whole conversation was decoded.
_OWN = re.compile(
    r"<\|start_header_id\|>\s*assistant\s*<\|end_header_id\|>|<\|im_start\|>\s*assistant\b"
    r"|<start_of_turn>\s*model\b|\[/INST\]"
)
# The words that a template has in the place of a description, which a weak model gives back.
_PLACEHOLDERS = frozenset(
    {"image description", "the image description", "description", "description of the picture"}
)


@dataclass(frozen=True)
class Shared:
    """A picture is shared.

    Attributes:
        description: of the picture; one line without tags.
        said: the words before the picture, for models that speak and share.
        flaws: what was wrong with the form although it could be read: "unclosed", "nested",
            "several" or "placeholder".
    """

    description: str
    said: str = ""
    flaws: tuple[str, ...] = ()


@dataclass(frozen=True)
class NotShared:
    """No picture is shared.

    Attributes:
        reason: "no <RET>", "no <h>", "empty description" or "placeholder".
        said: the words in its place.
    """

    reason: str
    said: str = ""


def share(description: str) -> str:
    """A description in the form that `parse_share` reads: `<RET> <h> description </h>`."""
    return f"<RET> <h> {plain(description)} </h>"


def parse_share(output: str, prompt: str = "") -> Shared | NotShared:
    """Read what a model answered where it may share a picture; any text can be read.

    The answer to seeds/001's trap: there the prompt, which itself holds `<RET>` and a description's
    placeholder, is part of what is decoded, so that a model that shares nothing seems to. Here the
    prompt is taken off, `<RET>` must stand in the answer, and the placeholder is no description.

    Args:
        output: as decoded, with the prompt before it or without, with special tokens or without.
        prompt: the text that was asked, if the output may begin with it.
    """
    answer = _own_words(output, prompt)
    marks = list(_TAG.finditer(answer))
    first = next((n for n, mark in enumerate(marks) if _kind(mark) == "ret"), None)
    if first is None:
        return NotShared("no <RET>", plain(answer))
    said, marks = plain(answer[: marks[first].start()]), marks[first:]
    spans, flaws = _spans(answer, marks)
    if not spans:
        return NotShared("no <h>", said)
    real = [span for span in spans if _is_description(span[0])]
    if not real:
        empty = all(not _words(text) for text, _ in spans)
        return NotShared("empty description" if empty else "placeholder", said)
    text, closed = next((span for span in real if span[1]), real[0])
    if not closed:
        flaws.append("unclosed")
    if sum(_kind(mark) == "ret" for mark in marks) > 1 or len(real) > 1:
        flaws.append("several")
    if any(_is_placeholder(text) for text, _ in spans):  # part of the prompt was not taken off
        said, flaws = "", [*flaws, "placeholder"]
    return Shared(text, said, tuple(dict.fromkeys(flaws)))


def _own_words(output: str, prompt: str) -> str:
    """The model's message alone, up to its end-of-text token."""
    text = unicodedata.normalize("NFC", output)
    if prompt.strip():
        text = _after(text, unicodedata.normalize("NFC", prompt))
    if headers := list(_OWN.finditer(text)):
        text = text[headers[-1].end() :]
    # Tokens before the first word open the message; the first one after it ends it.
    at = 0
    while (found := _END.search(text, at)) and not text[at : found.start()].strip():
        at = found.end()
    return text[at : found.start()] if found else text[at:]


def _after(text: str, prompt: str) -> str:
    """What follows the prompt, however it is spaced; the whole text where it does not stand."""
    pattern = r"\s+".join(re.escape(word) for word in prompt.split())
    found = re.search(pattern, text)
    return text[found.end() :] if found else text


def _spans(answer: str, marks: list[re.Match[str]]) -> tuple[list[tuple[str, bool]], list[str]]:
    """The texts after each `<h>` up to the next tag, each with whether `</h>` ends it."""
    spans: list[tuple[str, bool]] = []
    flaws: list[str] = []
    for number, mark in enumerate(marks):
        if _kind(mark) != "h":
            continue
        after = marks[number + 1] if number + 1 < len(marks) else None
        end = after.start() if after else len(answer)
        kind = _kind(after) if after else ""
        if kind in ("h", "ret"):
            flaws.append("nested")
        spans.append((plain(answer[mark.end() : end]), kind == "/h"))
    return spans, flaws


def _kind(mark: re.Match[str]) -> str:
    return f"{mark[1]}{mark[2].casefold()}"


def _is_description(text: str) -> bool:
    return bool(_words(text)) and not _is_placeholder(text)


def _is_placeholder(text: str) -> bool:
    return " ".join(_words(text)) in _PLACEHOLDERS


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.casefold())


def plain(text: str) -> str:
    """A text on one line without tags and special tokens, nor what is one when another is gone."""
    text, before = unicodedata.normalize("NFC", text), ""
    while text != before:
        text, before = " ".join(_END.sub(" ", _TAG.sub(" ", text)).split()), text
    return text
