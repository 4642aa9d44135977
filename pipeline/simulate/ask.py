"""A chat completion request as the simulator reads it, and the models that refuse it."""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from mcu.ids import digest
from mcu.simulate.wire import Refused

CHARACTERS_A_TOKEN = 4
_REASONING = re.compile(r"(?:o[134](?:-.*)?|gpt-(?:[5-9]|\d\d).*)")
_STEP = 64  # reasoning tokens of each step of effort
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True)
class Ask:
    """A request.

    Attributes:
        text: what all messages say, one after the other.
        key: digest of the body; the same for a live call and a line of a batch.
    """

    body: dict[str, Any]
    messages: list[dict[str, Any]]
    model: str
    text: str
    key: str

    @property
    def prompt(self) -> int:
        """Tokens of the messages."""
        return len(self.text) // CHARACTERS_A_TOKEN + 1

    @property
    def budget(self) -> int:
        """Tokens that the answer may have; 0 when nothing is said of it."""
        for name in ("max_completion_tokens", "max_tokens"):
            if isinstance(found := self.body.get(name), int):
                return found
        return 0

    @property
    def tier(self) -> str:
        """The tier that it is billed at when it is live."""
        return "flex" if self.body.get("service_tier") == "flex" else ""

    @property
    def reasoning(self) -> int:
        """Tokens that the model thinks for."""
        if not _REASONING.fullmatch(self.model):
            return 0
        effort = self.body.get("reasoning_effort") or "medium"
        return _STEP * _EFFORTS.index(effort) if effort in _EFFORTS else 0


def ask_of(body: Any, models: Collection[str]) -> Ask:
    """A request's JSON as an Ask.

    Args:
        body: whatever was sent.
        models: names that are served; empty for all.

    Raises:
        Refused: it is no request, or its model does not take it.
    """
    try:
        messages, model = body["messages"], str(body["model"])
        if not (messages and all(isinstance(message, dict) for message in messages)):
            raise TypeError("messages must be a list of objects")
        text = "".join(map(_said, messages))
        key = digest(body)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise unread(error) from error
    if models and model not in models:
        reason = f"The model `{model}` does not exist or you do not have access to it."
        raise Refused(404, reason, code="model_not_found")
    if _REASONING.fullmatch(model):
        _check_reasoning(body)
    return Ask(body, messages, model, text, key)


def unread(error: Exception) -> Refused:
    """What to say of something that is no request."""
    return Refused(400, f"not a chat completion request: {error!r}")


def _said(message: dict[str, Any]) -> str:
    content = message.get("content")
    return content if isinstance(content, str) else json.dumps(content)


def _check_reasoning(body: dict[str, Any]) -> None:
    """Raise Refused for the first parameter that reasoning models do not take."""
    if body.get("max_tokens") is not None:
        _unsupported("max_tokens", " Use 'max_completion_tokens' instead.")
    for name in ("frequency_penalty", "presence_penalty"):
        if body.get(name):
            _unsupported(name)
    for name in ("temperature", "top_p"):
        if (value := body.get(name, 1)) not in (1, None):
            raise Refused(
                400,
                f"Unsupported value: '{name}' does not support {value} with this model. "
                "Only the default (1) value is supported.",
                code="unsupported_value",
                param=name,
            )


def _unsupported(name: str, advice: str = "") -> None:
    reason = f"Unsupported parameter: '{name}' is not supported with this model.{advice}"
    raise Refused(400, reason, code="unsupported_parameter", param=name)
