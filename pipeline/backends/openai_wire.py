"""What goes over the wire of the `openai` backend: requests to JSON bodies, answers to replies."""

import json
from typing import Any

from mcu.backends import ChatReply, ChatRequest

MODES = ("json_schema", "json_object", "text")
_PENALTIES = ("frequency_penalty", "presence_penalty")
_MOST_TOKENS = 2**31


def arguments_of(request: ChatRequest, mode: int) -> dict[str, Any]:
    """The body of a request; `mode` is the place in MODES of the form of structured output."""
    messages = [
        {name: text.encode("utf-8", "replace").decode() for name, text in message.items()}
        for message in request.messages
    ]
    arguments: dict[str, Any] = {
        "model": request.model,
        "seed": request.seed,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "max_tokens": request.max_tokens,
    }
    for name in _PENALTIES:
        if value := getattr(request, name):
            arguments[name] = value
    if MODES[mode] == "json_schema":
        schema = {"name": request.schema_name, "schema": request.schema, "strict": True}
        arguments["response_format"] = {"type": "json_schema", "json_schema": schema}
    else:
        shape = json.dumps(request.schema, ensure_ascii=False)
        head = messages[0]["content"] + f"\n\nThe JSON has exactly this schema:\n{shape}"
        messages[0] = {**messages[0], "content": head}
        if MODES[mode] == "json_object":
            arguments["response_format"] = {"type": "json_object"}
    return {**arguments, "messages": messages}


def reply_of(answer: Any) -> ChatReply:
    """What the server sent as a reply; nothing in it can be trusted to have its type.

    Raises:
        ValueError: it is not a chat completion at all.
    """
    try:
        choice, usage = answer["choices"][0], answer.get("usage")
        text, refusal = choice["message"].get("content"), choice["message"].get("refusal")
        finish, model = choice.get("finish_reason"), answer.get("model")
    except (AttributeError, IndexError, KeyError, TypeError):
        raise ValueError("not a chat completion") from None
    return ChatReply(
        text=_text(text) or _text(refusal),
        finish="content_filter" if refusal else finish if isinstance(finish, str) else "stop",
        model=_text(model),
        prompt_tokens=_count(usage, "prompt_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
    )


def _text(value: object) -> str:
    """Text that any file can hold: half a surrogate pair as its escape, which JSON refuses."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else ""


def _count(usage: object, name: str) -> int:
    value = usage.get(name) if isinstance(usage, dict) else 0
    return value if isinstance(value, int) and 0 <= value < _MOST_TOKENS else 0
