"""MariaDB read through `sql`: its session is in UTC, whatever the zone of the server."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pymysql  # type: ignore[import-untyped]
import pytest

from app.connectors.sources.sql.database import Database
from app.connectors.sources.sql.options import SqlOptions
from tests.connectors.attempts import unheard
from tests.connectors.sources.sql.origins import Copying
from tests.servers.mysql import MISSING, PROGRAM, running_mariadb

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.connectors.attempts import Duckdb

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=MISSING)


@dataclass(frozen=True)
class Mariadb:
    socket: Path

    @property
    def url(self) -> str:
        return f"mysql+pymysql://root@localhost/shop?unix_socket={self.socket}"

    def execute(self, statement: str) -> Any:
        with closing(pymysql.connect(unix_socket=str(self.socket), user="root", autocommit=True)) as connection:
            connection.query("SET time_zone = '+00:00'")
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mariadb]:
    with running_mariadb(tmp_path_factory.mktemp("mariadb"), zone="Europe/Berlin") as socket:
        yield Mariadb(socket)


@pytest.fixture
def mariadb(server: Mariadb) -> Mariadb:
    server.execute("CREATE OR REPLACE DATABASE shop")
    server.execute(
        "CREATE TABLE shop.made (id INT PRIMARY KEY, at TIMESTAMP(3) NULL, noted DATETIME, price DECIMAL(10, 2),"
        " flags SET('b', 'a', 'c'), ratio DOUBLE, huge DECIMAL(65, 2))"
    )
    return server


@pytest.fixture
def copying(mariadb: Mariadb, duckdb: Duckdb, tmp_path: Path) -> Copying:
    return Copying(mariadb.url, tmp_path, {"warehouse": duckdb.options()})


def add(mariadb: Mariadb, number: int, moment: str) -> None:
    mariadb.execute(f"INSERT INTO shop.made VALUES ({number}, '{moment}', '{moment}', 0.10, 'c,a', 0.5, 0.5)")


def test_moments_are_those_of_the_server_also_in_the_hour_that_comes_twice(
    copying: Copying, mariadb: Mariadb, duckdb: Duckdb
) -> None:
    moments = ["2024-10-27 00:10:00", "2024-10-27 00:50:00", "2024-10-27 01:10:00", "2024-10-27 01:40:00"]
    for number, moment in enumerate(moments):
        add(mariadb, number, moment)
        assert copying.run(cursor_field="at", key="id").finished.rows_written == 1
    walls = [datetime.fromisoformat(moment) for moment in moments]
    expected = [(wall.replace(tzinfo=UTC), wall) for wall in walls]
    assert duckdb.execute('SELECT "at", noted FROM loaded.made ORDER BY id') == expected


def test_what_the_address_says_of_the_session_does_not_change_moments(
    copying: Copying, mariadb: Mariadb, duckdb: Duckdb
) -> None:
    copying.source_config["url"] += "&init_command=SET time_zone='-05:00'"
    add(mariadb, 1, "2024-05-01 10:00:00")
    copying.run(key="id")
    assert duckdb.execute('SELECT "at" FROM loaded.made') == [(datetime(2024, 5, 1, 10, tzinfo=UTC),)]


@pytest.mark.parametrize(("field", "ids"), [("at", [2, 3]), ("noted", [3])])
def test_the_bookmark_of_a_session_in_another_zone_loses_no_row(
    copying: Copying, mariadb: Mariadb, duckdb: Duckdb, field: str, ids: list[int]
) -> None:
    """A release that left the zone alone wrote 12:00 for the TIMESTAMP of 10:00 in UTC."""
    add(mariadb, 1, "2024-05-01 12:00:00")
    copying.run(cursor_field=field, key="id")
    duckdb.execute("UPDATE loaded.made SET id = 0")
    (stored,) = duckdb.execute("SELECT bookmark FROM loaded._syncline_bookmarks")[0]
    kept = json.loads(stored)
    kept["type"] = "timestamp"
    assert kept == {"cursor_field": field, "type": "timestamp", "value": "2024-05-01T12:00:00"}
    duckdb.execute(f"UPDATE loaded._syncline_bookmarks SET bookmark = '{json.dumps(kept)}'")
    mariadb.execute("DELETE FROM shop.made")
    for number, moment in enumerate(["09:59:59", "10:00:00", "12:00:00"], start=1):
        add(mariadb, number, f"2024-05-01 {moment}")
    copying.run(cursor_field=field, key="id")
    assert [number for (number,) in duckdb.execute("SELECT id FROM loaded.made ORDER BY id")] == [0, *ids]


@pytest.mark.parametrize("zone", [{}, {"type": "timestamp", "zone": "UTC"}])
def test_the_bookmark_of_a_timestamp_is_in_utc_and_of_a_type_that_0_1_0_reads_all_rows_for(
    copying: Copying, mariadb: Mariadb, duckdb: Duckdb, zone: dict[str, str]
) -> None:
    add(mariadb, 1, "2024-05-01 12:00:00")
    copying.run(cursor_field="at", key="id")
    (stored,) = duckdb.execute("SELECT bookmark FROM loaded._syncline_bookmarks")[0]
    kept = json.loads(stored)
    assert kept == {"cursor_field": "at", "type": "timestamp_utc", "value": "2024-05-01T12:00:00"}
    duckdb.execute(f"UPDATE loaded._syncline_bookmarks SET bookmark = '{json.dumps(kept | zone)}'")
    add(mariadb, 2, "2024-05-01 11:59:59")
    add(mariadb, 3, "2024-05-01 12:00:01")
    assert copying.run(cursor_field="at", key="id").finished.records_read == 2


def test_a_table_has_the_digits_of_its_decimals(copying: Copying, mariadb: Mariadb, duckdb: Duckdb) -> None:
    for number in range(3):
        add(mariadb, number, "2024-05-01 10:00:00")
    copying.run(key="id")
    found = "SELECT DISTINCT typeof(price), typeof(ratio), typeof(huge) FROM loaded.made"
    assert duckdb.execute(found) == [("DECIMAL(10,2)", "DOUBLE", "DECIMAL(38,2)")]
    assert duckdb.execute("SELECT sum(price) FROM loaded.made") == [(Decimal("0.30"),)]


def test_a_set_has_its_names_in_the_order_of_the_declaration(
    copying: Copying, mariadb: Mariadb, duckdb: Duckdb
) -> None:
    add(mariadb, 1, "2024-05-01 10:00:00")
    copying.run(key="id")
    assert duckdb.execute("SELECT flags FROM loaded.made") == [("a,c",)]


DRIVERS = pytest.mark.parametrize("driver", ["pymysql", "mysqlconnector"])


@DRIVERS
def test_values_are_those_of_the_server_whatever_the_driver_makes_of_them(
    copying: Copying, mariadb: Mariadb, duckdb: Duckdb, driver: str
) -> None:
    if driver == "mysqlconnector":
        pytest.importorskip("mysql.connector")
    copying.source_config["url"] = copying.source_config["url"].replace("pymysql", driver)
    mariadb.execute("DROP TABLE shop.made")
    mariadb.execute("CREATE TABLE shop.made (id INT PRIMARY KEY, span TIME(6), single FLOAT, wide DOUBLE, day DATE)")
    mariadb.execute(
        "INSERT INTO shop.made VALUES (1, '-01:30:00', 1234567.89, 1234567.89, '1000-01-01'),"
        " (2, '26:15:00.5', 0.1, 0.1, '9999-12-31'), (3, '838:59:59.999999', -3.4e38, 5e-324, NULL),"
        " (4, '24:00:00', 1e-38, -1.7976931348623157e308, '2024-02-29')"
    )
    copying.run(key="id")
    found = duckdb.execute("SELECT span::VARCHAR, single, wide, day::VARCHAR FROM loaded.made ORDER BY id")
    assert found == [
        ("-01:30:00", 1234567.9, 1234567.89, "1000-01-01"),
        ("26:15:00.5", 0.1, 0.1, "9999-12-31"),
        ("838:59:59.999999", -3.4e38, 5e-324, None),
        ("24:00:00", 1e-38, -1.7976931348623157e308, "2024-02-29"),
    ]


@DRIVERS
def test_zero_dates_become_null_and_are_told(copying: Copying, mariadb: Mariadb, duckdb: Duckdb, driver: str) -> None:
    if driver == "mysqlconnector":
        pytest.importorskip("mysql.connector")
    copying.source_config["url"] = copying.source_config["url"].replace("pymysql", driver)
    mariadb.execute("DROP TABLE shop.made")
    mariadb.execute("CREATE TABLE shop.made (id INT PRIMARY KEY, day DATE, noted DATETIME, at TIMESTAMP NULL)")
    mariadb.execute(
        "SET STATEMENT sql_mode = '' FOR INSERT INTO shop.made VALUES"
        " (1, '0000-00-00', '0000-00-00 00:00:00', '0000-00-00 00:00:00'),"
        " (2, '2024-00-00', '2024-05-00 10:00:00', '2024-05-01 10:00:00'), (3, '2024-05-01', NULL, NULL)"
    )
    attempt = copying.run(key="id")
    found = duckdb.execute('SELECT day::VARCHAR, noted, "at"::VARCHAR FROM loaded.made ORDER BY id')
    assert found == [(None,) * 3, (None, None, "2024-05-01 10:00:00+00"), ("2024-05-01", None, None)]
    assert [line for line in attempt.lines if "not date" in line or "not a date" in line] == [
        "table 'made', column 'day': 2 values are not dates, such as 0000-00-00; loaded as NULL",
        "table 'made', column 'noted': 2 values are not dates, such as 0000-00-00; loaded as NULL",
        "table 'made', column 'at': one value is not a date, such as 0000-00-00; loaded as NULL",
    ]
    refused = copying.run(key="id", cursor_field="noted").failed
    assert "has rows where cursor_field 'noted' is NULL" in refused.error


@pytest.mark.parametrize(
    ("type_", "value"),
    [("FLOAT", "0.7"), ("FLOAT", "0.1"), ("FLOAT", "1234567.89"), ("DOUBLE", "0.7"), ("DECIMAL(20, 4)", "0.7"),
     ("DATETIME(6)", "'2024-05-01 10:00:00.123456'"), ("TIMESTAMP(6)", "'2024-05-01 10:00:00.123456'"),
     ("DATE", "'2024-05-01'"), ("VARCHAR(20)", "'b'")],
)  # fmt: skip
def test_a_row_at_the_bookmark_of_any_type_is_not_lost(
    copying: Copying, mariadb: Mariadb, duckdb: Duckdb, type_: str, value: str
) -> None:
    mariadb.execute(f"CREATE OR REPLACE TABLE shop.made (id INT PRIMARY KEY, seq {type_} NOT NULL)")
    for number in (1, 2):
        mariadb.execute(f"INSERT INTO shop.made VALUES ({number}, {value})")
        copying.run(cursor_field="seq")
    assert duckdb.execute("SELECT id FROM loaded.made ORDER BY id") == [(1,), (2,)]


@pytest.mark.parametrize(
    ("before", "after"),
    [("9", "10"), ("INV-999", "INV-1000"), ("2024-05-01T09:00:00", "2024-05-01 10:00:00"), ("2024-9-10", "2024-10-1")],
)
def test_a_string_that_is_later_and_would_never_come_fails_the_attempt(
    copying: Copying, mariadb: Mariadb, before: str, after: str
) -> None:
    mariadb.execute("CREATE OR REPLACE TABLE shop.made (id INT PRIMARY KEY, seq VARCHAR(30) NOT NULL)")
    mariadb.execute(f"INSERT INTO shop.made VALUES (1, '{before}')")
    copying.run(cursor_field="seq")
    mariadb.execute(f"INSERT INTO shop.made VALUES (2, '{after}')")
    assert f"'{after}' sorts before '{before}'" in copying.run(cursor_field="seq").failed.error


def test_words_are_in_the_order_of_the_databases_collation(copying: Copying, mariadb: Mariadb, duckdb: Duckdb) -> None:
    mariadb.execute("CREATE OR REPLACE TABLE shop.made (id INT PRIMARY KEY, seq VARCHAR(30) NOT NULL)")
    mariadb.execute("INSERT INTO shop.made VALUES (1, 'a'), (2, 'B')")
    copying.run(cursor_field="seq")
    mariadb.execute("INSERT INTO shop.made VALUES (3, 'b'), (4, 'C')")
    copying.run(cursor_field="seq")
    assert duckdb.execute("SELECT id FROM loaded.made ORDER BY id") == [(1,), (2,), (3,), (4,)]


@pytest.mark.parametrize(
    ("type_", "values"),
    [
        ("DATETIME(3)", ["2024-05-01 10:00:00.5", "2024-05-01 09:50:00.5", "2024-05-01 09:50:00.4"]),
        ("TIMESTAMP", ["2024-10-27 01:05:00", "2024-10-27 00:55:00", "2024-10-27 00:54:59"]),
        ("DATE", ["2024-03-01", "2024-02-29", "2024-02-28"]),
        ("VARCHAR(30)", ["2024-05-01T10:00:00Z", "2024-05-01T09:50:00Z", "2024-05-01T09:49:59Z"]),
    ],
)
def test_rows_within_the_lookback_arrive_late_and_those_before_it_do_not(
    copying: Copying, mariadb: Mariadb, duckdb: Duckdb, type_: str, values: list[str]
) -> None:
    newest, late, too_late = values
    copying.collection = {"lookback": "PT10M"}
    mariadb.execute(f"CREATE OR REPLACE TABLE shop.made (id INT PRIMARY KEY, seq {type_} NOT NULL)")
    mariadb.execute(f"INSERT INTO shop.made VALUES (1, '{newest}')")
    copying.run(cursor_field="seq")
    mariadb.execute(f"INSERT INTO shop.made VALUES (2, '{late}'), (3, '{too_late}')")
    copying.run(cursor_field="seq")
    assert duckdb.execute("SELECT id FROM loaded.made ORDER BY id") == [(1,), (2,)]


def test_the_server_learns_which_collection_a_session_reads(mariadb: Mariadb, tmp_path: Path) -> None:
    options = SqlOptions.model_validate({"url": mariadb.url})
    database = Database(options, name="syncline shop.made", work_dir=tmp_path, log=unheard)
    with database.snapshot() as connection:
        # The server itself keeps attributes only if it runs with its performance schema.
        driver: Any = connection.connection.driver_connection
        assert driver._connect_attrs["program_name"] == "syncline shop.made"
