"""What sources say that they offer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.attempt_protocol import Offered
from tests.connectors.discovering import discovered, offers
from tests.connectors.sources.airbyte.connecting import Connection, stream
from tests.connectors.sources.sql.origins import Copying, Origin

if TYPE_CHECKING:
    from pathlib import Path

BOTH: list[Any] = ["full_refresh", "incremental"]


@pytest.mark.parametrize("origin", ["postgres", "sqlite", "duckdb"], indirect=True)
def test_a_database_offers_its_tables_and_views(origin: Origin, tmp_path: Path) -> None:
    origin.execute(
        "CREATE TABLE users (id INTEGER NOT NULL PRIMARY KEY, created TIMESTAMP NOT NULL,"
        " updated_at TIMESTAMP NOT NULL, seen TIMESTAMP, name TEXT NOT NULL)"
    )
    origin.execute("CREATE TABLE notes (body TEXT)")
    origin.execute("CREATE VIEW recent AS SELECT id, updated_at FROM users")
    found = {each.name: each for each in offers(Copying(origin.url, tmp_path, {}, mode="discover").run())}
    # SQLite does not say whether its times have a zone.
    moment = "timestamp" if origin.url.startswith("sqlite") else "local timestamp"
    assert found == {
        "users": Offered(
            name="users",
            columns={
                "id": "integer",
                "created": moment,
                "updated_at": moment,
                "seen": moment,
                "name": "text",
            },
            key=["id"],
            cursor_fields=["updated_at", "created", "id"],
            sync_modes=BOTH,
        ),
        "notes": Offered(name="notes", columns={"body": "text"}),
        "recent": Offered(
            name="recent",
            columns={"id": "integer", "updated_at": moment},
            cursor_fields=["updated_at", "id"],
            sync_modes=BOTH,
        ),
    }


@pytest.mark.parametrize("origin", ["postgres", "duckdb"], indirect=True)
def test_tables_of_other_schemas_are_named_with_theirs_unless_one_is_chosen(origin: Origin, tmp_path: Path) -> None:
    origin.execute("CREATE SCHEMA sales")
    origin.execute("CREATE TABLE sales.orders (a INTEGER NOT NULL, b INTEGER NOT NULL, PRIMARY KEY (b, a))")
    asking = Copying(origin.url, tmp_path, {}, mode="discover")
    [named] = offers(asking.run())
    assert (named.name, named.key) == ("sales.orders", ["b", "a"])
    asking.source_config["schema"] = "sales"
    assert [each.name for each in offers(asking.run())] == ["orders"]


@pytest.mark.parametrize("origin", ["postgres"], indirect=True)
def test_a_table_that_cannot_be_read_keeps_no_other_back(origin: Origin, tmp_path: Path) -> None:
    origin.execute("CREATE TABLE a (id integer)")
    origin.execute("CREATE TABLE empty ()")
    origin.execute("CREATE TABLE z (id integer)")
    told = Copying(origin.url, tmp_path, {}, mode="discover").run()
    assert [each.name for each in offers(told)] == ["a", "z"]
    assert "there are no columns to read" in told.lines


def test_a_module_offers_the_functions_that_declare_a_schema(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "from syncline import Schema\n"
        "@Schema(columns={'id': int, 'at': 'timestamp'}, key='id', cursor_field='at')\n"
        "def orders(context): raise RuntimeError('it is not called')\n"
        "@Schema()\n"
        "def items(context): ...\n"
        "def helper(): ...\n"
    )
    config = {"function": "shop", "path": str(tmp_path)}
    orders = Offered("orders", {"id": "integer", "at": "timestamp"}, ["id"], ["at"], BOTH)
    assert offers(discovered(tmp_path, "python", config)) == [orders, Offered(name="items", columns={})]
    assert offers(discovered(tmp_path, "python", config | {"function": "shop:orders"})) == [orders]


MONEY = {"type": "number", "multipleOf": 0.01, "exclusiveMinimum": -10000, "exclusiveMaximum": 10000}
CATALOG = {
    "streams": [
        {
            "tap_stream_id": "public-users",
            "stream": "users",
            "key_properties": ["id"],
            "schema": {
                "properties": {
                    "id": {"type": ["integer"]},
                    "name": {"type": ["null", "string"]},
                    "updated": {"type": "string", "format": "date-time"},
                }
            },
            "metadata": [],
        },
        {
            "tap_stream_id": "events",
            "schema": {"properties": {"at": {"type": "string"}}},
            "metadata": [
                {
                    "breadcrumb": [],
                    "metadata": {"forced-replication-method": "INCREMENTAL", "valid-replication-keys": ["at"]},
                }
            ],
        },
        {
            "tap_stream_id": "rates",
            "schema": {"properties": {"at": {"type": "integer"}, "rate": MONEY}},
            "metadata": [{"breadcrumb": [], "metadata": {"forced-replication-method": "FULL_TABLE"}}],
        },
        {"tap_stream_id": "secret", "metadata": [{"breadcrumb": [], "metadata": {"inclusion": "unsupported"}}]},
    ]
}


def test_a_tap_offers_the_streams_of_its_discovery(tmp_path: Path) -> None:
    (tmp_path / "tap.py").write_text(f"import json\nprint(json.dumps({json.loads(json.dumps(CATALOG))!r}))")
    config = {"command": ["python3", str(tmp_path / "tap.py")]}
    assert offers(discovered(tmp_path, "singer", config)) == [
        Offered(
            name="public-users",
            columns={"id": "integer", "name": "text", "updated": "timestamp"},
            key=["id"],
            cursor_fields=["updated", "id"],
            sync_modes=BOTH,
        ),
        Offered(name="events", columns={"at": "text"}, cursor_fields=["at"], sync_modes=BOTH),
        Offered(name="rates", columns={"at": "integer", "rate": "decimal(6,2)"}),
    ]


def test_files_offer_the_columns_of_what_their_collections_name(tmp_path: Path) -> None:
    (tmp_path / "sales.jsonl").write_text('{"id": 1, "name": "Ada"}\n')
    (tmp_path / "rates.csv").write_text("day,rate\n2024-01-01,1.5\n")
    told = discovered(
        tmp_path,
        "files",
        {},
        {"name": "sales", "parameters": {"path": str(tmp_path / "*.jsonl")}, "primary_key": ["id"]},
        {"name": "rates", "parameters": {"path": str(tmp_path / "rates.csv"), "types": {"rate": "number"}}},
    )
    assert offers(told) == [
        Offered(name="sales", columns={"id": "integer", "name": "text"}, key=["id"], sync_modes=BOTH),
        Offered(name="rates", columns={"day": "text", "rate": "number"}, sync_modes=BOTH),
    ]


def test_a_connector_offers_its_streams(tmp_path: Path) -> None:
    columns = {"at": {"type": "string", "format": "date-time"}, "id": {"type": "integer"}, "more": {"type": "object"}}
    nullable = {"at": {"type": ["null", "integer"]}, "seen": {"type": ["null", "string"], "format": "date"}}
    streams = [
        stream("own", source_defined_primary_key=[["id"]]),
        stream("ours", source_defined_cursor=False, default_cursor_field=[], json_schema={"properties": columns}),
        stream("hidden", default_cursor_field=[], namespace="sales", source_defined_primary_key=[["id"], ["a", "b"]]),
        stream("nothing", source_defined_cursor=False, default_cursor_field=[], json_schema={"properties": nullable}),
        stream("inside", default_cursor_field=["more", "at"], json_schema={"properties": columns}),
        {"name": "rates", "json_schema": None, "default_cursor_field": ["at"]},
    ]
    connection = Connection(tmp_path, config={"catalog": {"streams": streams}})
    made = {"id": "integer", "at": "integer", "text": "text"}
    shown = {"at": "timestamp", "id": "integer", "more": "json"}
    assert offers(discovered(tmp_path, "airbyte", connection.options | {"config": connection.config})) == [
        Offered(name="own", columns=made, key=["id"], cursor_fields=["at"], sync_modes=BOTH),
        Offered(name="ours", columns=shown, cursor_fields=["at", "id"], sync_modes=BOTH),
        Offered(name="sales.hidden", columns=made, sync_modes=BOTH),
        Offered(name="nothing", columns={"at": "integer", "seen": "date"}, sync_modes=BOTH),
        Offered(name="inside", columns=shown, cursor_fields=["more.at"], sync_modes=BOTH),
        Offered(name="rates", columns={}),
    ]


def test_a_connector_that_says_nothing_is_told_by_the_catalog_that_is_given(tmp_path: Path) -> None:
    catalog = {"streams": [{"stream": stream(), "primary_key": [["at"]], "cursor_field": ["id"]}]}
    [made] = offers(discovered(tmp_path, "airbyte", {"command": ["false"], "catalog": catalog}))
    assert (made.name, made.key, made.cursor_fields) == ("made", ["at"], ["id"])


def test_an_api_offers_its_resources_without_being_asked(tmp_path: Path) -> None:
    config = {
        "client": {"base_url": "http://127.0.0.1:9/"},
        "resource_defaults": {"columns": {"total": {"data_type": "decimal"}, "note": {}}},
        "resources": [
            {
                "name": "orders",
                "primary_key": ["shop", "id"],
                "endpoint": {"path": "o", "incremental": {"cursor_path": "at", "start_param": "since"}},
            },
            {"name": "inside", "endpoint": {"incremental": {"cursor_path": "$.meta.at", "start_param": "since"}}},
            "rates",
        ],
    }
    shown = {"total": "decimal", "note": "unknown"}
    assert offers(discovered(tmp_path, "rest", config)) == [
        Offered(
            name="orders",
            columns=shown | {"shop": "unknown", "id": "unknown"},
            key=["shop", "id"],
            cursor_fields=["at"],
            sync_modes=BOTH,
        ),
        Offered(name="inside", columns=shown, sync_modes=BOTH),
        Offered(name="rates", columns=shown),
    ]


def test_made_up_records_are_offered_too(tmp_path: Path) -> None:
    [made] = offers(discovered(tmp_path, "synthetic", {}, {"name": "load", "type": "load"}))
    assert (made.name, made.key, made.columns["timestamp"]) == ("load", ["id"], "timestamp")


def test_a_source_that_cannot_tell_says_so(tmp_path: Path) -> None:
    config = {"host": "127.0.0.1"}
    failed = discovered(tmp_path, "redis", config, {"name": "a", "parameters": {"redis_key": "*"}}).failed
    assert failed.error == "a source of type 'redis' cannot be discovered: list its collections in the catalogue"
    assert not failed.retryable
