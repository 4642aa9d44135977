"""What goes over the wire of the `openai` backend: requests to JSON bodies, answers to replies."""

import json
import math
import re
from collections.abc import Container
from typing import Any

from mcu.backends import ChatReply, ChatRequest

MODES = ("json_schema", "json_object", "text")
_PENALTIES = ("frequency_penalty", "presence_penalty")
_MOST_TOKENS = 2**31
_REASONING = re.compile(r"(?:o[134]\b|gpt-(?:[5-9]|\d\d))(?!.*chat)")
# What such models refuse.
_FIXED = frozenset({"max_tokens", "temperature", "top_p", *_PENALTIES})
# How often the reply's own budget a model may think in before it writes. Providers count a budget
# as used when they limit tokens a minute; one that was too small is doubled, thoughts and all.
_THOUGHT = {
    "none": 0,
    "minimal": 1,
    "low": 2,
    "": 2,
    "medium": 4,
    "high": 8,
    "xhigh": 16,
    "max": 32,
}
_MOST_THOUGHT = 65_536
_BYTES_A_TOKEN = 3  # fewer than any language's mean, so that a price is never set too low
_A_MESSAGE = 16  # tokens of a message's own marks


def refused_by(model: str, effort: str = "") -> frozenset[str]:
    """The settings that a model is known to refuse: one that thinks takes no sampling."""
    if not _reasons(model):
        return frozenset()
    return frozenset({"max_tokens"}) if effort == "none" else _FIXED


def _reasons(model: str) -> bool:
    return _REASONING.match(model.rpartition("/")[2]) is not None


def budget_of(request: ChatRequest) -> int:
    """Most tokens that may be written, thoughts of a reasoning model included."""
    if not (_reasons(request.model) or request.reasoning_effort):
        return request.max_tokens
    thought = _THOUGHT.get(request.reasoning_effort, 2) * request.max_tokens
    return request.max_tokens + min(thought, _MOST_THOUGHT)


def prompt_of(request: ChatRequest, schema: int) -> int:
    """Tokens of the prompt, at most, but for models with a tokenizer of single bytes.

    `schema` is the size of the reply's schema in bytes.
    """
    texts = [text for message in request.messages for text in message.values()]
    size = sum(len(t) if t.isascii() else len(t.encode("utf-8", "replace")) for t in texts)
    return (size + schema) // _BYTES_A_TOKEN + _A_MESSAGE * len(request.messages)


def schema_size(request: ChatRequest) -> int:
    """Bytes of the reply's schema, which providers put into the prompt."""
    return len(json.dumps(request.schema))


def arguments_of(
    request: ChatRequest, mode: int, dropped: Container[str] = (), tier: str = ""
) -> dict[str, Any]:
    """The body of a request, without the settings that the server was found to refuse.

    `mode` is the place in MODES of the form of structured output.
    """
    messages = [
        {name: text.encode("utf-8", "replace").decode() for name, text in message.items()}
        for message in request.messages
    ]
    settings: dict[str, Any] = {
        "seed": request.seed,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "max_tokens": budget_of(request),
        **{name: value for name in _PENALTIES if (value := getattr(request, name))},
    }
    if request.reasoning_effort:
        settings["reasoning_effort"] = request.reasoning_effort
    arguments: dict[str, Any] = {"model": request.model}
    arguments |= {name: value for name, value in settings.items() if name not in dropped}
    if "max_tokens" in dropped and "max_completion_tokens" not in dropped:
        arguments["max_completion_tokens"] = settings["max_tokens"]
    if tier:
        arguments["service_tier"] = tier
    if MODES[mode] == "json_schema":
        schema = {"name": request.schema_name, "schema": request.schema, "strict": True}
        arguments["response_format"] = {"type": "json_schema", "json_schema": schema}
    else:
        shape = json.dumps(request.schema, ensure_ascii=False)
        head = messages[0]["content"] + f"\n\nThe JSON has exactly this schema:\n{shape}"
        messages[0] = {**messages[0], "content": head}
        if MODES[mode] == "json_object":
            arguments["response_format"] = {"type": "json_object"}
    return {**arguments, "messages": messages, **request.extra}


def reply_of(answer: Any) -> ChatReply:
    """What the server sent as a reply; nothing in it can be trusted to have its type.

    `usd` is what the server says that the call cost, which some do.

    Raises:
        ValueError: it is not a chat completion at all.
    """
    try:
        choice, usage = answer["choices"][0], answer.get("usage")
        text, refusal = choice["message"].get("content"), choice["message"].get("refusal")
        finish, model, tier = (
            choice.get("finish_reason"),
            answer.get("model"),
            answer.get("service_tier"),
        )
    except (AttributeError, IndexError, KeyError, TypeError):
        raise ValueError("not a chat completion") from None
    usage = usage if isinstance(usage, dict) else {}
    prompt, parts = _count(usage, "prompt_tokens"), usage.get("prompt_tokens_details")
    return ChatReply(
        text=_text(text) or _text(refusal),
        finish="refusal" if _text(refusal) else finish if isinstance(finish, str) else "stop",
        model=_text(model),
        prompt_tokens=prompt,
        completion_tokens=_count(usage, "completion_tokens"),
        cached_tokens=min(_count(parts, "cached_tokens"), prompt),
        written_tokens=min(_count(parts, "cache_write_tokens"), prompt),
        usd=_dollars(usage.get("cost")),
        tier=_text(tier),
    )


def _text(value: object) -> str:
    """Text that any file can hold: half a surrogate pair as its escape, which JSON refuses."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else ""


def _count(usage: object, name: str) -> int:
    value = usage.get(name) if isinstance(usage, dict) else 0
    return value if isinstance(value, int) and 0 <= value < _MOST_TOKENS else 0


def _dollars(value: object) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if good and 0 <= value < math.inf else None  # type: ignore[arg-type,operator]
