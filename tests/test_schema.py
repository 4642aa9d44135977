"""Schemas for structured output: the strict form, and no field lost on the way to it."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, Field

from mcu import stages
from mcu.contract import Reply
from mcu.schema import schema_of

REPLIES = {
    r.__name__: r for r in Reply.__subclasses__() if r.__module__.startswith(stages.__name__)
}


def objects(node: Any) -> Iterator[dict[str, Any]]:
    """Every part of a schema that describes an object."""
    if isinstance(node, dict):
        if node.get("type") == "object":
            yield node
        node = [*node.values()]
    if isinstance(node, list):
        for item in node:
            yield from objects(item)


@pytest.mark.parametrize("name", REPLIES)
def test_every_reply_has_a_strict_schema(name: str) -> None:
    schema = schema_of(REPLIES[name])
    assert schema["type"] == "object"
    assert list(schema["properties"]) == list(REPLIES[name].model_fields)
    for node in objects(schema):
        assert node["required"] == list(node["properties"])
        assert node["additionalProperties"] is False
        assert "description" not in node and "title" not in node
        for field in node["properties"].values():
            assert not {"title", "default", "description"} & set(field)


def test_a_field_may_be_called_like_a_remark() -> None:
    """The album's pictures have a `description`, which a provider must be asked for."""

    class Inner(BaseModel):
        title: str = Field(description="a remark")
        description: str = "unknown"
        default: int | None = None

    class Outer(BaseModel):
        properties: list[Inner]
        description: Inner

    schema = schema_of(Outer)
    assert schema["required"] == ["properties", "description"]
    inner = schema["$defs"]["Inner"]
    assert inner["required"] == ["title", "description", "default"]
    assert inner["properties"]["title"] == {"type": "string"}
    assert inner["properties"]["default"] == {"anyOf": [{"type": "integer"}, {"type": "null"}]}
