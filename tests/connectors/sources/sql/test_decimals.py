"""Decimal numbers of databases into DuckDB: with the digits that they have there, and never rounded."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine

from app.connectors.contract.schema import Digits
from app.connectors.sources.sql.reflected import Reflected
from tests.connectors.sources.sql.origins import Copying, Origin, SqliteOrigin

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Duckdb, Postgres

BOTH = pytest.mark.parametrize("origin", ["postgres", "duckdb"], indirect=True)
POSTGRES = pytest.mark.parametrize("origin", ["postgres"], indirect=True)
TYPES = """
    SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'made' AND NOT starts_with(column_name, '_')
"""


@pytest.fixture
def copying(origin: Origin, duckdb: Duckdb, tmp_path: Path) -> Copying:
    origin.execute("CREATE TABLE made (id INTEGER NOT NULL, price NUMERIC(10, 2))")
    origin.execute("INSERT INTO made VALUES " + ", ".join(f"({number}, 0.10)" for number in range(10)))
    return Copying(origin.url, tmp_path, {"warehouse": duckdb.options()})


def types(duckdb: Duckdb) -> dict[str, str]:
    return dict(duckdb.execute(TYPES))


@BOTH
@pytest.mark.parametrize("mode", ["upsert", "history", "append", "replace"])
def test_a_sum_of_money_is_the_sources_and_rows_that_come_again_are_the_same(
    copying: Copying, origin: Origin, duckdb: Duckdb, mode: str
) -> None:
    copying.collection["write_mode"] = mode
    incremental = mode == "append"
    parameters: dict[str, Any] = {"cursor_field": "price"} if incremental else {"key": "id"}
    copying.run(**parameters)
    assert types(duckdb) == {"id": "BIGINT", "price": "DECIMAL(10,2)"}
    assert duckdb.execute("SELECT sum(price) FROM loaded.made") == [(Decimal("1.00"),)]
    again = copying.run(**parameters).finished
    assert again.rows_written == (10 if mode == "replace" else 0)
    origin.execute("UPDATE made SET price = 0.35 WHERE id = 3")
    copying.run(**parameters)
    current = " WHERE _syncline_valid_to IS NULL" if mode == "history" else ""
    count = 11 if incremental else 10
    expected = [(count, Decimal("0.35"), Decimal("1.25") + (Decimal("0.10") if incremental else 0))]
    assert duckdb.execute(f"SELECT count(*), max(price), sum(price) FROM loaded.made{current}") == expected


@POSTGRES
def test_columns_have_the_digits_of_the_source(
    origin: Origin, postgres: Postgres, duckdb: Duckdb, tmp_path: Path
) -> None:
    origin.execute(
        """
        CREATE TABLE made (
            id INTEGER, exact NUMERIC(38, 10), whole NUMERIC(20), tens NUMERIC(3, -2), tiny NUMERIC(2, 4),
            long NUMERIC(50, 10), free NUMERIC, listed NUMERIC(10, 2)[], single REAL
        )
        """
    )
    exact = Decimal("1234567890123456789012345678.0123456789")
    origin.execute(
        f"INSERT INTO made VALUES (1, {exact}, 12345678901234567890, 12300, 0.0012, 0.1, 0.1, '{{1.10}}', 0.1)"
    )
    origin.execute("INSERT INTO made (id) VALUES (2)")
    copying = Copying(origin.url, tmp_path, {"first": postgres.options(), "second": duckdb.options()})
    copying.run(key="id")
    assert types(duckdb) == {
        "id": "BIGINT",
        "exact": "DECIMAL(38,10)",
        "whole": "DECIMAL(20,0)",
        "tens": "DECIMAL(5,0)",
        "tiny": "DECIMAL(4,4)",
        "long": "DECIMAL(38,10)",
        "free": "DECIMAL(38,18)",
        "listed": "JSON",
        "single": "DOUBLE",
    }
    found = "SELECT exact, whole, tens, tiny, long, free FROM loaded.made ORDER BY id"
    numbers = (exact, Decimal(12345678901234567890), Decimal(12300), Decimal("0.0012"))
    assert duckdb.execute(found) == [(*numbers, Decimal("0.1"), Decimal("0.1")), (None,) * 6]
    assert postgres.execute(found) == [(*numbers, Decimal("0.1"), Decimal("0.1")), (None,) * 6]
    origin.execute("UPDATE made SET free = 0.1234567890123456789012345 WHERE id = 1")
    failed = copying.run(key="id").failed
    assert "column 'free' of table 'made' is DECIMAL(38,18) and cannot hold 0.1234567890123456789012345" in failed.error
    assert "too many digits after the decimal point" in failed.error


@BOTH
def test_queries_and_new_columns_have_their_digits_too(copying: Copying, origin: Origin, duckdb: Duckdb) -> None:
    query = "SELECT id, price FROM made"
    copying.run(query=query, key="id")
    origin.execute("ALTER TABLE made ADD COLUMN fee NUMERIC(6, 3)")
    origin.execute("UPDATE made SET fee = 1.125")
    copying.run(query=query.replace("price", "price, fee"), key="id")
    assert types(duckdb) == {"id": "BIGINT", "price": "DECIMAL(10,2)", "fee": "DECIMAL(6,3)"}
    assert duckdb.execute("SELECT sum(fee) FROM loaded.made") == [(Decimal("11.250"),)]


@POSTGRES
def test_a_column_of_doubles_stays_one_and_one_of_too_few_digits_refuses(
    copying: Copying, origin: Origin, duckdb: Duckdb
) -> None:
    duckdb.execute("CREATE SCHEMA loaded")
    duckdb.execute(
        "CREATE TABLE loaded.made (id BIGINT, price DOUBLE, _syncline_task_id VARCHAR, _syncline_synced_at TIMESTAMPTZ)"
    )
    copying.collection["write_mode"] = "upsert"
    told = copying.run(key="id")
    assert types(duckdb)["price"] == "DOUBLE"
    statement = 'ALTER TABLE "loaded"."made" ALTER COLUMN "price" SET DATA TYPE DECIMAL(10,2)'
    (warning,) = [line for line in told.lines if "exact decimals" in line]
    assert warning == (
        "table 'made': the source has exact decimals for 'price' (DOUBLE), but sums over binary floats are not exact. "
        f"Widen with {statement}"
    )
    duckdb.execute(statement)
    assert not [line for line in copying.run(key="id").lines if "exact decimals" in line]
    duckdb.execute("DROP TABLE loaded.made")
    copying.run(key="id")
    assert types(duckdb)["price"] == "DECIMAL(10,2)"
    origin.execute("ALTER TABLE made ALTER price TYPE NUMERIC(12, 4)")
    assert copying.run(key="id").finished.rows_written == 0
    origin.execute("UPDATE made SET price = 0.1234 WHERE id = 3")
    failed = copying.run(key="id").failed
    assert "column 'price' of table 'made' is DECIMAL(10,2) and cannot hold 0.1234" in failed.error
    assert not failed.retryable


@POSTGRES
@pytest.mark.parametrize(
    ("widened", "price", "altered"),
    [
        ("NUMERIC(14, 4)", Decimal("0.1234"), "DECIMAL(14,4)"),
        ("NUMERIC(14, 2)", Decimal("123456789012.25"), "DECIMAL(14,2)"),
        ("NUMERIC(10, 4)", Decimal("0.1234"), "DECIMAL(12,4)"),
    ],
)
def test_the_error_names_the_statement_that_gives_a_column_the_digits_that_its_source_has_by_now(
    copying: Copying, origin: Origin, duckdb: Duckdb, *, widened: str, price: Decimal, altered: str
) -> None:
    copying.run(key="id")
    origin.execute(f"ALTER TABLE made ALTER price TYPE {widened}")
    origin.execute(f"UPDATE made SET price = {price} WHERE id = 3")
    error = copying.run(key="id").failed.error
    statement = f'ALTER TABLE "loaded"."made" ALTER COLUMN "price" SET DATA TYPE {altered}'
    assert error.endswith(f". Set 'schema_policy: widen', or run {statement}")
    duckdb.execute(statement)
    assert copying.run(key="id").finished
    assert duckdb.execute("SELECT price FROM loaded.made WHERE id = 3") == [(price,)]


def test_sqlite_keeps_whatever_was_declared_and_other_databases_are_asked(duckdb: Duckdb, tmp_path: Path) -> None:
    origin = SqliteOrigin(tmp_path / "shop.db")
    origin.execute("CREATE TABLE made (id INTEGER, price DECIMAL(10, 2), ratio FLOAT, free NUMERIC)")
    origin.execute("INSERT INTO made VALUES (1, 1.125, 0.1, 0.1)")
    copying = Copying(origin.url, tmp_path, {"warehouse": duckdb.options()})
    copying.run(key="id")
    assert types(duckdb)["price"] == "DOUBLE"
    engine = create_engine(origin.url)
    with engine.connect() as connection:
        declared = Reflected().declared(connection, "made", None)
        assert {name: each.digits for name, each in declared.items() if each.digits} == {"price": Digits(10, 2)}
        assert Reflected().declared(connection, "nothing", None) == {}
    engine.dispose()
