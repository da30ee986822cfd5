"""`naming` of a destination: the names of its tables and columns."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.attempt_protocol import TableDescribed
from tests.connectors.attempts import Duckdb, Scene, Trial, record, schema
from tests.connectors.destinations.parquet.lake import Lake

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Told, Warehouse

HEADER = ["Order ID", "customerName", "Amount (EUR)", "Größe"]
ROWS = [["1", "Ada", "9.5", "L"], ["2", "Grace", "10", "S"]]
SNAKE = {"naming": "snake_case"}


class Export:
    """A CSV file with the names of a spreadsheet, on its way to a destination."""

    def __init__(self, directory: Path, options: dict[str, Any]) -> None:
        self._path = directory / "orders.csv"
        self.trial = Trial(directory, {"there": options | SNAKE}, "files")
        self.trial.collection = {
            "table_name": "shop_Order Items",
            "parameters": {"path": str(self._path)},
            "primary_key": ["Order ID"],
            "write_mode": "upsert",
        }
        self.write(HEADER, *ROWS)

    def write(self, *lines: list[str]) -> None:
        with self._path.open("w", newline="") as file:
            csv.writer(file).writerows(lines)

    def load(self, **changes: Any) -> Told:
        self.trial.collection |= changes
        return self.trial.run()

    def name(self, naming: str) -> None:
        self.trial.destinations["there"]["naming"] = naming


@pytest.fixture
def export(tmp_path: Path, warehouse: Warehouse) -> Export:
    return Export(tmp_path, warehouse.options())


def test_tables_and_columns_are_named_in_snake_case(export: Export, warehouse: Warehouse) -> None:
    told = export.load()
    query = "SELECT order_id, customer_name, amount_eur, grosse FROM loaded.shop_order_items ORDER BY 1"
    assert [(str(number), name, float(amount), size) for number, name, amount, size in warehouse.execute(query)] == [
        ("1", "Ada", 9.5, "L"),
        ("2", "Grace", 10.0, "S"),
    ]
    assert told.finished.rows_written == len(ROWS)
    (described,) = [message for message in told.messages if isinstance(message, TableDescribed)]
    assert described.table == "shop_order_items"
    assert {column.field: column.column for column in described.columns}["Amount (EUR)"] == "amount_eur"
    assert export.load().finished.rows_written == 0


def test_a_history_and_new_columns_are_named_likewise(export: Export, warehouse: Warehouse) -> None:
    export.load(write_mode="history", sync_mode="full_refresh")
    export.write([*HEADER, "Sold At"], ["1", "Ada", "9.5", "L", "today"], ["2", "Grace", "10", "S", ""])
    export.load()
    found = warehouse.execute(
        "SELECT order_id, sold_at FROM loaded.shop_order_items WHERE _syncline_valid_to IS NULL ORDER BY 1"
    )
    assert [(str(number), sold) for number, sold in found][:1] == [("1", "today")]


def test_fields_that_become_one_name_are_refused_with_both(export: Export) -> None:
    export.write([*HEADER, "order-id"], ["1", "Ada", "9.5", "L", "x"])
    assert (
        "table 'shop_order_items': the fields 'Order ID' and 'order-id' would both become the column 'order_id'"
        in export.load().failed.error
    )


def test_a_field_without_a_letter_or_digit_is_refused_until_it_is_renamed(export: Export, warehouse: Warehouse) -> None:
    export.write([*HEADER, "数量"], ["1", "Ada", "9.5", "L", "7"])
    failed = export.load().failed
    assert "the field name '数量' cannot be a column name in snake_case" in failed.error
    assert "rename it with 'columns'" in failed.error
    export.load(columns={"rename": {"数量": "Quantity"}})
    assert [str(row[0]) for row in warehouse.execute("SELECT quantity FROM loaded.shop_order_items")] == ["7"]


def test_a_table_without_a_letter_or_digit_is_refused(export: Export) -> None:
    assert "'数量' cannot be a table name in snake_case" in export.load(table_name="数量").failed.error


def test_another_naming_loads_everything_into_the_tables_of_its_names(export: Export, warehouse: Warehouse) -> None:
    export.name("as_is")
    export.load()
    export.name("snake_case")
    told = export.load()
    assert warehouse.execute("SELECT count(*) FROM loaded.shop_order_items") == [(2,)]
    assert warehouse.execute('SELECT count(*) FROM loaded."shop_Order Items"') == [(2,)], "what was loaded before stays"
    assert any("'naming: as_is', but the destination now has 'snake_case'" in line for line in told.lines)
    again = export.load()
    assert not any("naming" in line for line in again.lines)


def test_another_naming_of_a_key_in_the_same_table_doubles_no_rows(export: Export, warehouse: Warehouse) -> None:
    export.name("as_is")
    export.load(table_name="made")
    export.name("snake_case")
    failed = export.load().failed
    assert "table 'made' has rows, but no column 'order_id', which the key has now" in failed.error
    assert warehouse.execute("SELECT count(*) FROM loaded.made") == [(2,)]


def test_two_tables_of_a_source_must_not_become_one(scene: Scene) -> None:
    def stream(name: str) -> list[dict[str, Any]]:
        return [{**message, "stream": name} for message in (schema(["id"], id="integer"), record(id=1))]

    scene.destinations["warehouse"] |= SNAKE
    scene.collection = {"type": "all", "name": "all"}
    scene.catalog = {"streams": [{"tap_stream_id": each, "stream": each, "schema": {}} for each in ("aB", "a_b")]}
    failed = scene.load(*stream("aB"), *stream("a_b")).failed
    assert "would both become" in failed.error


def test_parquet_names_its_columns_and_directories_likewise(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    export = Export(tmp_path, lake.options)
    for _ in range(2):
        export.load(write_mode="replace", sync_mode="full_refresh")
    assert [str(row[0]) for row in lake.select("order_id, amount_eur", table="shop_order_items")] == ["1", "2"]
    assert {name.split("/")[0] for name in lake.files} == {"shop_order_items"}


def test_dlt_names_them_likewise_and_otherwise_by_its_own_rules(tmp_path: Path) -> None:
    warehouse = Duckdb(tmp_path / "there.duckdb")
    export = Export(tmp_path, {"type": "dlt:duckdb", "dataset": "loaded", "credentials": str(warehouse.path)})
    for _ in range(2):
        export.load()
    found = warehouse.execute("SELECT order_id, amount_eur, grosse FROM loaded.shop_order_items ORDER BY 1")
    assert [str(row[0]) for row in found] == ["1", "2"]
    export.name("as_is")
    export.load(table_name="others")
    columns = {
        name
        for (name,) in warehouse.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'loaded' AND table_name = 'others'"
        )
    }
    assert {"order_id", "customer_name"} <= columns
    assert "amount_eur" not in columns
