"""Taps that send only what has changed of a row, and what was deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.connectors.attempts import Scene, record, schema, state

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Warehouse

GONE = "_sdc_deleted_at"
TEXT = {"type": ["null", "string"]}
DESCRIBED = schema(["id"], id="integer", name=TEXT, mail=TEXT, **{GONE: TEXT | {"format": "date-time"}})
CATALOG = {
    "streams": [
        {
            "tap_stream_id": "made",
            "stream": "made",
            "key_properties": ["id"],
            "schema": DESCRIBED["schema"],
            "metadata": [{"breadcrumb": [], "metadata": {"replication-method": "LOG_BASED"}}],
        }
    ]
}
BEGINNING = [
    DESCRIBED,
    record(id=1, name="Ada", mail="ada@example.com", **{GONE: None}),
    record(id=2, name="Bo", mail="bo@example.com", **{GONE: None}),
    state({"bookmarks": {"made": {"lsn": 1}}}),
]
CHANGES = [
    DESCRIBED,
    record(id=1, **{GONE: "2024-05-01T10:00:00Z"}),
    record(id=2, name="Bob"),
    state({"bookmarks": {"made": {"lsn": 2}}}),
]


@pytest.fixture
def scene(tmp_path: Path, warehouse: Warehouse) -> Scene:
    return Scene(tmp_path, {"warehouse": warehouse.options()}, collection={}, catalog=CATALOG)


@pytest.mark.parametrize(
    ("keys", "left", "told"),
    [
        ({}, [(1, "Ada", "ada@example.com", True), (2, "Bob", "bo@example.com", False)], "'deletes: mark'"),
        ({"deletes": "remove"}, [(2, "Bob", "bo@example.com", False)], "'deletes: remove'"),
        (
            {"deletes": "ignore"},
            [(1, "Ada", "ada@example.com", False), (2, "Bob", "bo@example.com", False)],
            "'deletes: ignore'",
        ),
    ],
)
def test_a_delete_that_has_only_its_key_does_what_the_collection_says_and_a_partial_record_changes_only_its_fields(
    scene: Scene, warehouse: Warehouse, keys: dict[str, Any], left: list[tuple[Any, ...]], told: str
) -> None:
    scene.collection |= keys
    assert scene.load(*BEGINNING).finished
    lines = scene.load(*CHANGES).lines
    assert warehouse.execute(f"SELECT id, name, mail, {GONE} IS NOT NULL FROM loaded.made ORDER BY id") == left
    assert [line for line in lines if told in line]


def test_a_delete_is_seen_even_if_its_field_was_not_selected(scene: Scene, warehouse: Warehouse) -> None:
    scene.collection |= {"parameters": {"select": ["id", "name"]}}
    for messages in (BEGINNING, CHANGES):
        assert scene.load(*messages).finished
    found = warehouse.execute(f"SELECT id, name, {GONE} IS NOT NULL FROM loaded.made ORDER BY id")
    assert found == [(1, "Ada", True), (2, "Bob", False)]


def test_a_collection_that_adds_rows_gets_deletes_as_rows(scene: Scene, warehouse: Warehouse) -> None:
    scene.collection |= {"write_mode": "append", "deletes": "remove"}
    for messages in (BEGINNING, CHANGES):
        assert scene.load(*messages).finished
    found = warehouse.execute(f"SELECT id, name, mail, {GONE} IS NOT NULL FROM loaded.made ORDER BY id, name")
    assert sorted(found, key=str) == sorted(
        [
            (1, "Ada", "ada@example.com", False),
            (1, None, None, True),
            (2, "Bo", "bo@example.com", False),
            (2, "Bob", None, False),
        ],
        key=str,
    )
