"""JSON schemas for structured output, in the strict form that providers ask for."""

from functools import cache
from typing import Any

from pydantic import BaseModel


@cache
def schema_of(reply: type[BaseModel]) -> dict[str, Any]:
    """A reply's schema: every field required, no other allowed, no titles or defaults."""
    schema: dict[str, Any] = _strict(reply.model_json_schema())
    return schema


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {k: _strict(v) for k, v in node.items() if k not in ("default", "description")}
    if not isinstance(kept.get("title"), dict):
        kept.pop("title", None)
    if kept.get("type") == "object" and "properties" in kept:
        kept["required"] = list(kept["properties"])
        kept["additionalProperties"] = False
    return kept
