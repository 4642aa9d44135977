"""Model text to checked data: JSON is found, mended where that is safe, and validated."""

import json
import re
import unicodedata
from typing import Any, TypeVar

import json_repair
from mcu.errors import Fault
from pydantic import BaseModel, ValidationError

M = TypeVar("M", bound=BaseModel)

_LONGEST = 200_000  # characters; a reply budget of 4,096 tokens is a tenth of it
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?")
# Controls but tab and newline, and the marks that turn the direction of text.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


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
    try:
        value = _clean(_load(text))
        return reply.model_validate(value)
    except ValidationError as error:
        raise Fault(_sentence(error)) from None
    except RecursionError:
        raise Fault("the JSON is nested too deeply") from None


def _load(text: str) -> Any:
    text = text.rpartition("</think>")[2].strip()
    try:
        return json.loads(text, parse_constant=_refuse)
    except ValueError:
        pass
    start = text.find("{")
    if start < 0:
        raise Fault("the reply holds no JSON object")
    try:
        decoder = json.JSONDecoder(parse_constant=_refuse)
        return decoder.raw_decode(text, start)[0]
    except ValueError:
        pass
    body = text[start : text.rfind("}") + 1]
    if not body or any(body.count(a) != body.count(b) for a, b in ("{}", "[]")):
        raise Fault("the reply ends before its JSON does")
    return json_repair.loads(body, skip_json_loads=True)


def _refuse(constant: str) -> None:
    raise Fault(f"{constant} is not JSON")


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        if _SURROGATE.search(value):
            raise Fault("the reply holds half of a surrogate pair")
        plain = _CONTROLS.sub("", _ESCAPES.sub("", value))
        return unicodedata.normalize("NFC", plain)
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
