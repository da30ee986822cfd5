"""Text in a configuration becomes what the connector's specification wants, and only where it wants no text."""

from __future__ import annotations

from typing import Any

import pytest

from app.connectors.sources.airbyte.casting import cast_by


def cast(schema: Any, value: Any) -> Any:
    specification = {"type": "object", "properties": {"key": schema}}
    return cast_by(specification, {"key": value})["key"]


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "integer"}, "100", 100),
        ({"type": ["null", "integer"]}, "100", 100),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "100", 100),
        ({"type": "integer", "enum": [1, 2]}, "2", 2),
        ({"type": "number"}, "1.5", 1.5),
        ({"type": "boolean"}, "True", True),
        ({"type": "array", "items": {"type": "integer"}}, '["1", 2]', [1, 2]),
        ({"type": "object", "properties": {"a": {"type": "integer"}}}, '{"a": "1"}', {"a": 1}),
        ({"type": "array", "items": {"type": "boolean"}}, ["true", "false"], [True, False]),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, {"a": "1"}, {"a": 1}),
    ],
)
def test_text_becomes_what_is_wanted(schema: Any, text: Any, value: Any) -> None:
    found = cast(schema, text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", ["007", "1e3", "true", "[1]", "100"])
@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"type": ["string", "integer"]},
        {"oneOf": [{"type": "integer"}, {"type": "string"}]},
        {"enum": ["007", "1e3", "true", "[1]", "100"]},
        {"type": "integer", "const": "100"},
        {},
        True,
        None,
    ],
)
def test_text_stays_where_text_may_be_meant(schema: Any, text: str) -> None:
    assert cast(schema, text) == text


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "integer"}, "1.5"),
        ({"type": "boolean"}, "perhaps"),
        ({"type": "array"}, "a,b"),
        ({"type": "null"}, "1"),
    ],
)
def test_text_that_is_no_such_value_is_left_to_the_connector(schema: Any, text: str) -> None:
    assert cast(schema, text) == text


def test_of_alternatives_the_one_that_is_chosen_counts() -> None:
    by_port = {"properties": {"kind": {"const": "tunnel"}, "port": {"type": "integer"}}}
    by_name = {"properties": {"kind": {"const": "none"}, "port": {"type": "string"}}}
    schema = {"type": "object", "oneOf": [by_port, by_name]}
    assert cast(schema, {"kind": "tunnel", "port": "22"}) == {"kind": "tunnel", "port": 22}
    assert cast(schema, {"kind": "none", "port": "22"}) == {"kind": "none", "port": "22"}
