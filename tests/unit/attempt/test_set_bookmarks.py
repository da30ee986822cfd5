"""Which bookmarks a source could begin at, as far as their form shows."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from app.attempt.set_bookmarks import bookmark_problem
from app.config.reader import load_catalogue
from app.domain.attempt_protocol import SourceJob

CATALOGUE = """
server: {admin_token: token-of-the-tests}
sources:
  sql:
    type: sql
    destinations: [nowhere]
    config: {url: "sqlite:///shop.db"}
    collections:
      - {name: orders, cursor_field: at}
      - {name: windows, type: orders, cursor_field: at, interval: day, primary_key: id}
      - {name: several, cursor_field: at, parameters: {include: ["*"]}}
      - {name: own, parameters: {cursor_field: at, table: orders}}
      - {name: whole, parameters: {cursor_field: at, table: orders, mode: full_refresh}}
  files: {type: files, destinations: [nowhere], collections: [{name: c, parameters: {path: "/tmp/*.csv"}}]}
  singer: {type: singer, destinations: [nowhere], config: {command: [tap], catalog: {streams: []}}, collections: [c]}
  airbyte: {type: airbyte, destinations: [nowhere], config: {command: [connector]}, collections: [c]}
  redis:
    type: redis
    destinations: [nowhere]
    config: {host: here}
    collections: [{name: c, parameters: {redis_key: a}}]
  rest:
    type: rest
    destinations: [nowhere]
    config: {client: {base_url: "http://here"}, resources: [c]}
    collections: [c]
  made: {type: synthetic, destinations: [nowhere], collections: [c]}
  python: {type: python, destinations: [nowhere], config: {function: "a:b"}, collections: [c]}
destinations:
  nowhere: {type: none}
"""
AT = {"cursor_field": "at", "type": "integer", "value": "3"}
STATE = {"type": "STREAM", "stream": {"stream_descriptor": {"name": "c"}, "stream_state": {"at": 3}}}


def problem(where: str, bookmark: Any) -> str | None:
    catalogue = load_catalogue(CATALOGUE, {})
    source, collection = catalogue.find(*where.split("/"))
    job = SourceJob(
        source=source.id,
        source_type=source.type,
        source_config=source.config,
        collection=collection.for_attempt(dt.datetime(2024, 1, 31, tzinfo=dt.UTC)),
        data_dir="",
    )
    return bookmark_problem(json.dumps(bookmark), job)


@pytest.mark.parametrize(
    ("where", "bookmark"),
    [
        ("sql/orders", AT),
        ("sql/orders", AT | {"type": "timestamp_utc", "value": "2024-01-31T00:00:00+00:00"}),
        ("sql/own", AT),
        ("sql/several", {"tables": {"main.orders": AT, "main.log": {"task": "0192f7c2-0000-7000-8000-000000000001"}}}),
        ("sql/windows", {"interval": "day", "settled": ["2024-01-01T00:00:00Z/2024-01-05T00:00:00Z"], "loaded": {}}),
        ("files/c", {"files": {"a.csv": "etag 1 2"}}),
        ("rest/c", {"c": {"incremental": {"at": {"last_value": 3}}}}),
        ("singer/c", {"bookmarks": {}}),
        ("airbyte/c", [STATE]),
        ("airbyte/c", {"at": 3}),
        ("python/c", "anything"),
    ],
)
def test_what_it_writes_itself_can_be_used(where: str, bookmark: Any) -> None:
    assert problem(where, bookmark) is None


@pytest.mark.parametrize(
    ("where", "bookmark", "why"),
    [
        ("sql/several", AT, "the bookmark of each table"),
        ("sql/several", {"tables": {"main.orders": AT | {"value": "x"}}}, "table 'main.orders': \"x\" is not a value"),
        ("sql/whole", AT, "reads everything each time"),
        ("sql/windows", AT, "needs the windows that are loaded"),
        ("files/c", {"files": [1]}, "must have the form"),
        ("files/c", {"at": 3}, "must have the form"),
        ("rest/c", {"at": 3}, "must have the state of a resource"),
        ("rest/c", 3, "must be a JSON object"),
        ("singer/c", [STATE], "must be a JSON object"),
        ("airbyte/c", 3, "a list of states, or the object"),
        ("airbyte/c", [{"type": "STREAM"}], "not a list of Airbyte states"),
        ("airbyte/c", ["a"], "not a list of Airbyte states"),
        ("redis/c", {}, "reads everything each time"),
        ("made/c", {}, "reads everything each time"),
    ],
)
def test_anything_else_says_what_is_needed(where: str, bookmark: Any, why: str) -> None:
    found = problem(where, bookmark)
    assert found is not None
    assert why in found
