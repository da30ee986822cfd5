"""What the declaration of a table says beyond its rows: NOT NULL, and the source's own names of types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine

from app.connectors.sources.sql.reflected import Reflected
from tests.connectors.sources.sql.origins import Copying, Origin, SqliteOrigin

if TYPE_CHECKING:
    from pathlib import Path

    from app.domain.attempt_protocol import TableDescribed
    from tests.connectors.attempts import Duckdb, Told, Warehouse

EVERYWHERE = pytest.mark.parametrize("origin", ["postgres", "duckdb", "sqlite"], indirect=True)


@pytest.fixture
def copying(origin: Origin, warehouse: Warehouse, tmp_path: Path) -> Copying:
    origin.execute("CREATE TABLE made (id INTEGER NOT NULL, name VARCHAR(20) NOT NULL, note VARCHAR(20))")
    origin.execute("INSERT INTO made VALUES (1, 'Ada', NULL)")
    return Copying(origin.url, tmp_path, {"warehouse": warehouse.options()})


def required(warehouse: Warehouse) -> list[str]:
    """The columns of the loaded table that are NOT NULL."""
    return [
        name
        for (name,) in warehouse.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'loaded' AND table_name = 'made' "
            "AND is_nullable = 'NO' ORDER BY ordinal_position"
        )
    ]


def source_types(told: Told) -> dict[str, str]:
    (described,) = [each for each in told.messages if type(each).__name__ == "TableDescribed"]
    found: Any = described
    table: TableDescribed = found
    return {column.field: column.field_type for column in table.columns}


@EVERYWHERE
def test_columns_that_are_not_null_stay_so_until_the_source_lets_them_be(
    copying: Copying, origin: Origin, warehouse: Warehouse
) -> None:
    copying.run()
    assert required(warehouse) == ["id", "name"]
    origin.execute("ALTER TABLE made RENAME TO earlier")
    origin.execute("CREATE TABLE made (id INTEGER NOT NULL, name VARCHAR(20), note VARCHAR(20))")
    origin.execute("INSERT INTO made VALUES (1, NULL, 'x'), (2, 'Bob', 'y')")
    told = copying.run()
    assert told.finished.rows_written == 2
    assert "table 'made': NOT NULL was dropped for 'name', because the source no longer declares it" in told.lines
    assert required(warehouse) == ["id"]
    assert not [line for line in copying.run().lines if "NOT NULL" in line]


@EVERYWHERE
def test_a_column_that_the_source_drops_may_be_null(copying: Copying, origin: Origin, warehouse: Warehouse) -> None:
    copying.collection["write_mode"] = "upsert"
    copying.run(key="id")
    origin.execute("ALTER TABLE made DROP COLUMN name")
    origin.execute("INSERT INTO made VALUES (2, 'x')")
    assert copying.run(key="id").finished.rows_written == 1
    assert warehouse.execute("SELECT id, name FROM loaded.made ORDER BY id") == [(1, "Ada"), (2, None)]


@pytest.mark.parametrize("origin", ["postgres"], indirect=True)
def test_what_somebody_else_declares_at_the_destination_stays(
    copying: Copying, origin: Origin, warehouse: Warehouse
) -> None:
    origin.execute("UPDATE made SET note = 'x'")
    copying.run(key="id")
    warehouse.execute("ALTER TABLE loaded.made ALTER COLUMN note SET NOT NULL")
    assert copying.run(key="id").finished
    assert "note" in required(warehouse)
    origin.execute("INSERT INTO made VALUES (2, 'Bob', NULL)")
    assert "a row has NULL in column 'note' of table 'made'" in copying.run(key="id").failed.error


@pytest.mark.parametrize("origin", ["postgres"], indirect=True)
def test_a_column_that_is_added_later_or_comes_from_a_view_or_query_may_be_null(
    copying: Copying, origin: Origin, warehouse: Warehouse
) -> None:
    copying.run(key="id")
    origin.execute("ALTER TABLE made ADD COLUMN city text NOT NULL DEFAULT 'Rome'")
    copying.run(key="id")
    assert "city" not in required(warehouse)
    origin.execute("CREATE VIEW seen AS SELECT * FROM made")
    assert "name" in required(warehouse)
    copying.run(table="seen")
    assert "name" not in required(warehouse)
    warehouse.execute("DROP TABLE loaded.made")
    copying.run(query="SELECT * FROM made")
    assert "name" not in required(warehouse)


@pytest.mark.parametrize("origin", ["postgres"], indirect=True)
def test_null_in_json_may_come_from_a_column_that_is_not_null(
    copying: Copying, origin: Origin, warehouse: Warehouse
) -> None:
    origin.execute("CREATE TABLE documents (id INTEGER NOT NULL, body JSONB NOT NULL)")
    origin.execute("INSERT INTO documents VALUES (1, 'null'), (2, '{}')")
    assert copying.run(table="documents").finished.rows_written == 2
    assert required(warehouse) == ["id"]


@pytest.mark.parametrize("origin", ["postgres"], indirect=True)
def test_a_constraint_that_is_not_valid_promises_nothing(
    copying: Copying, origin: Origin, warehouse: Warehouse
) -> None:
    if origin.execute("SELECT current_setting('server_version_num')::int < 180000")[0][0]:
        pytest.skip("PostgreSQL 18 has the first NOT NULL that is not valid")
    origin.execute("ALTER TABLE made ADD CONSTRAINT later NOT NULL note NOT VALID")
    assert copying.run().finished.rows_written == 1
    assert "note" not in required(warehouse)


@pytest.mark.parametrize("origin", ["duckdb"], indirect=True)
def test_an_index_that_keeps_not_null_in_duckdb_is_named_only_when_a_null_comes(
    copying: Copying, origin: Origin, warehouse: Warehouse, duckdb: Duckdb
) -> None:
    if warehouse is not duckdb:
        pytest.skip("PostgreSQL changes tables with indexes")
    copying.run()
    warehouse.execute("CREATE INDEX own ON loaded.made (name)")
    origin.execute("CREATE OR REPLACE TABLE made (id INTEGER NOT NULL, name VARCHAR)")
    origin.execute("INSERT INTO made VALUES (1, 'Ada')")
    assert copying.run().finished.rows_written == 1
    origin.execute("INSERT INTO made VALUES (2, NULL)")
    error = copying.run().failed.error
    assert "a row has NULL in column 'name' of table 'made', which is NOT NULL there: drop that with ALTER" in error
    assert "after indexes on the table" in error


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("postgres", {"id": "int4", "name": "varchar(20)", "note": "varchar(20)"}),
        ("duckdb", {"id": "INTEGER", "name": "VARCHAR", "note": "VARCHAR"}),
        ("sqlite", {"id": "INTEGER", "name": "VARCHAR(20)", "note": "VARCHAR(20)"}),
    ],
    indirect=["origin"],
)
def test_types_are_told_by_the_names_of_the_source(copying: Copying, expected: dict[str, str]) -> None:
    assert source_types(copying.run()) == expected


def test_other_databases_are_asked(tmp_path: Path) -> None:
    origin = SqliteOrigin(tmp_path / "shop.db")
    origin.execute("CREATE TABLE made (id INTEGER NOT NULL, name VARCHAR(20))")
    engine = create_engine(origin.url)
    with engine.connect() as connection:
        found = Reflected().declared(connection, "made", None)
    engine.dispose()
    assert {name: (each.full_type, each.required) for name, each in found.items()} == {
        "id": ("integer", True),
        "name": ("varchar(20)", False),
    }
