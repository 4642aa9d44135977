"""JSON schemas for structured output, in the strict form that providers ask for."""

from functools import cache
from typing import Any

from pydantic import BaseModel

from mcu.ids import digest


@cache
def schema_of(reply: type[BaseModel]) -> dict[str, Any]:
    """A reply's schema: every field required, no other allowed, no remarks."""
    schema: dict[str, Any] = _strict(reply.model_json_schema())
    return schema


@cache
def schema_digest(reply: type[BaseModel]) -> str:
    """A hash of a reply's schema."""
    return digest(schema_of(reply))


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {
        # Below these two keys are names of fields, of which one may well be "description".
        k: {n: _strict(s) for n, s in v.items()} if k in ("properties", "$defs") else _strict(v)
        for k, v in node.items()
        if k not in ("title", "default", "description")
    }
    if kept.get("type") == "object" and "properties" in kept:
        kept["required"] = list(kept["properties"])
        kept["additionalProperties"] = False
    return kept
