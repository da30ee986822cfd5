"""A connector's description of its configuration becomes YAML that can be pasted and filled in."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from app.config.skeletons import skeleton

SPECIFICATION: dict[str, Any] = {
    "type": "object",
    "required": ["api_key", "start", "credentials"],
    "properties": {
        "limit": {"type": "integer", "default": 100, "description": "How many\nat most."},
        "start": {"type": "string", "order": 2, "examples": ["2024-01-01T00:00:00Z"]},
        "api_key": {"type": ["null", "string"], "order": 1, "airbyte_secret": True},
        "region": {"type": "string", "enum": ["eu", "us: all"]},
        "credentials": {
            "order": 3,
            "oneOf": [
                {
                    "title": "OAuth",
                    "required": ["kind"],
                    "properties": {"kind": {"const": "oauth"}, "client_secret": {"type": "string"}},
                },
                {"title": "Key", "properties": {"kind": {"const": "key"}, "key": {"type": "string"}}},
            ],
        },
        "tunnel": {"type": "object", "required": ["host"], "properties": {"host": {"type": "string"}}},
    },
}
EXPECTED = """\
  config:
    # required, string
    api_key: ${env.API_KEY}
    # required, string
    start: '2024-01-01T00:00:00Z'
    # required
    credentials:
      # required
      kind: oauth
      # optional, string
      # client_secret: ${env.CLIENT_SECRET}
      # or Key: kind, key
    # How many at most. (optional, integer, default 100)
    # limit: 100
    # optional, string, one of eu, 'us: all'
    # region: eu
    # optional, object
    # tunnel:
      # required, string
      # host: ''
"""


def test_required_keys_come_first_and_optional_ones_are_comments() -> None:
    assert skeleton(SPECIFICATION, indent=2) == EXPECTED.splitlines()


def test_it_is_yaml_as_it_is_and_with_everything_that_is_a_comment() -> None:
    lines = skeleton(SPECIFICATION, indent=0)
    assert yaml.safe_load("\n".join(lines))["config"]["credentials"] == {"kind": "oauth"}
    keys = [line.replace("# ", "", 1) for line in lines if re.match(r" *(# )?\w+:", line)]
    assert yaml.safe_load("\n".join(keys))["config"]["tunnel"] == {"host": ""}


def test_without_required_keys_nothing_has_to_be_written() -> None:
    lines = skeleton({"properties": {"limit": {"type": "integer"}}}, indent=0)
    assert lines[0] == "# config:"
    assert yaml.safe_load("\n".join(lines)) is None


@pytest.mark.parametrize("specification", [{}, {"properties": []}, {"properties": {}}])
def test_a_connector_that_asks_for_nothing(specification: dict[str, Any]) -> None:
    assert skeleton(specification, indent=2) == ["  # The connector asks for no configuration."]


def test_what_a_connector_writes_cannot_do_more_than_be_read() -> None:
    hostile = {
        "required": ["a: b\n- c", 7],
        "properties": {
            "a: b\n- c": {"type": "string", "description": "one\n# two: three\x1b[31m", "default": "x\ny: z"},
            "odd": 5,
        },
    }
    lines = skeleton(hostile, indent=0)
    assert yaml.safe_load("\n".join(lines)) == {"config": {"a: b\n- c": "x\ny: z"}}
    assert all(line.isprintable() for line in lines)


def test_a_description_without_end_has_one() -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(100):
        deep = {"type": "object", "required": ["a"], "properties": {"a": deep}}
    assert len(skeleton(deep, indent=0)) < 100
