"""Model text to checked data: JSON is found, mended where that is safe, and validated."""

import json
import math
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, TypeVar

import json_repair
from pydantic import BaseModel, ValidationError

from mcu.errors import Fault

M = TypeVar("M", bound=BaseModel)

_LONGEST = 200_000  # characters; a reply budget of 4,096 tokens is a tenth of it
_LONGEST_MENDED = 50_000  # the mender's time grows with the square of some texts' length
_STARTS = 32  # opening braces that are tried as the start of the JSON: talk may hold some, too
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?")
_BREAKS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# Controls but tab and newline, and the marks that turn the direction of text.
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_CONSTANT = re.compile(r"[:\[,]\s*(-?(?:NaN|Infinity))\s*[,\]}]")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+("?)', re.DOTALL)


def parse(text: str, reply: type[M]) -> M:
    """Read a model's reply as data of the given schema; nothing in it is ever executed.

    Fences, talk before or after, trailing commas, single quotes and Python literals are mended.
    A reply that ends before its JSON does is not: what is missing cannot be known.

    Raises:
        Fault: one sentence that says what is wrong.
    """
    if not text.strip():
        raise Fault("the reply is empty")
    if len(text) > _LONGEST:
        raise Fault(f"the reply is far too long ({len(text)} characters)")
    failure: Fault | None = None
    try:
        for value in _readings(text):
            try:
                return reply.model_validate(_clean(value))
            except ValidationError as error:
                failure = failure or Fault(_sentence(error))
    except Fault as fault:
        failure = fault
    except RecursionError:
        failure = failure or Fault("the JSON is nested too deeply")
    raise failure or Fault("the reply holds no JSON object")


def _readings(text: str) -> Iterator[Any]:
    """What the text may mean, likeliest first; raises Fault for what no reading can cure."""
    decoder = json.JSONDecoder(parse_constant=_refuse)
    with suppress(ValueError):
        value = decoder.decode(text)
        if isinstance(value, dict):
            yield value
            return
    body = text.rpartition("</think>")[2]
    start, tried, trouble = body.find("{"), False, None
    for _ in range(_STARTS):
        if start < 0:
            break
        try:
            value, end = decoder.raw_decode(body, start)
            yield value
        except ValueError:
            end = start + 1
            if not tried:
                tried = True
                try:
                    yield _mend(body[start : body.rfind("}") + 1] or body)
                except Fault as fault:
                    trouble = fault
        start = body.find("{", end)
    if trouble:
        raise trouble


def _torn(text: str) -> bool:
    """Whether a bracket or a string is left open, so that a part may be missing."""
    if not all(match[1] for match in _STRING.finditer(text)):
        return True
    bare = _STRING.sub("", text)
    return any(bare.count(a) != bare.count(b) for a, b in ("{}", "[]"))


def _mend(text: str) -> Any:
    if _torn(text):
        raise Fault("the reply ends before its JSON does")
    if len(text) > _LONGEST_MENDED:
        raise Fault("the reply is not JSON")
    if constant := _CONSTANT.search(text):
        _refuse(constant[1])
    try:
        return json_repair.loads(text, skip_json_loads=True)
    except Exception as error:  # whatever the mender stumbles over is the model's fault
        raise Fault("the reply is not JSON") from error


def _refuse(constant: str) -> None:
    raise Fault(f"{constant} is not JSON")


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        if value.isprintable() and unicodedata.is_normalized("NFC", value):
            return value  # nearly all are: no control, no mark, no half of a pair
        if _SURROGATE.search(value):
            raise Fault("the reply holds half of a surrogate pair")
        plain = _CONTROLS.sub("", _BREAKS.sub("\n", _ESCAPES.sub("", value)))
        return unicodedata.normalize("NFC", plain)
    if isinstance(value, float) and not math.isfinite(value):
        raise Fault("the reply holds a number that is too large")
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return value


def _sentence(error: ValidationError) -> str:
    """The first complaint, with the field's place and without the offending value."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])[:80] or "the reply"
    return f"field {place!r}: {first['msg']}"
