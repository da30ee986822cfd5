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
    expected = [(datetime.fromisoformat(moment).replace(tzinfo=UTC),) * 2 for moment in moments]
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
    duckdb.execute("DELETE FROM loaded.made")
    (stored,) = duckdb.execute("SELECT bookmark FROM loaded._syncline_bookmarks")[0]
    kept = json.loads(stored)
    kept["type"] = "timestamp"
    assert kept == {"cursor_field": field, "type": "timestamp", "value": "2024-05-01T12:00:00"}
    duckdb.execute(f"UPDATE loaded._syncline_bookmarks SET bookmark = '{json.dumps(kept)}'")
    mariadb.execute("DELETE FROM shop.made")
    for number, moment in enumerate(["09:59:59", "10:00:00", "12:00:00"], start=1):
        add(mariadb, number, f"2024-05-01 {moment}")
    copying.run(cursor_field=field, key="id")
    assert [number for (number,) in duckdb.execute("SELECT id FROM loaded.made ORDER BY id")] == ids


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
    assert duckdb.execute(found) == [("DECIMAL(10,2)", "DOUBLE", "DOUBLE")]
    assert duckdb.execute("SELECT sum(price) FROM loaded.made") == [(Decimal("0.30"),)]
