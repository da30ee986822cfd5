"""Cursors of PostgreSQL, DuckDB and SQLite are compared as what they are, or refused; late commits arrive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.connectors.destinations.parquet.lake import Lake
from tests.connectors.sources.sql.origins import Copying, Origin

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Duckdb, Postgres, Told

IDS = "SELECT id FROM loaded.made ORDER BY id"
OF_TYPES = pytest.mark.parametrize("origin", ["postgres", "duckdb"], indirect=True)
OF_POSTGRES = pytest.mark.parametrize("origin", ["postgres"], indirect=True)
EVERY = pytest.mark.parametrize("origin", ["postgres", "duckdb", "sqlite"], indirect=True)


@pytest.fixture
def copying(origin: Origin, duckdb: Duckdb, tmp_path: Path) -> Copying:
    return Copying(origin.url, tmp_path, {"warehouse": duckdb.options()})


def new_rows(
    copying: Copying, origin: Origin, type_: str, before: list[str], after: list[str], **parameters: Any
) -> Told:
    """What comes of rows with the cursors `after` when those of `before`, as SQL writes them, have been loaded."""
    origin.execute(f"CREATE TABLE made (id INTEGER NOT NULL, seq {type_})")
    for number, value in enumerate([*before, *after]):
        if number == len(before):
            copying.run(cursor_field="seq", **parameters)
        origin.execute(f"INSERT INTO made VALUES ({number}, {value})")
    return copying.run(cursor_field="seq", **parameters)


@OF_TYPES
@pytest.mark.parametrize("number", ["0.7", "0.1", "1e-30", "16777217", "-0.7", "3.4e38", "1.1754942e-38"])
def test_a_row_at_the_bookmark_of_single_floats_is_not_lost(
    copying: Copying, origin: Origin, duckdb: Duckdb, number: str
) -> None:
    new_rows(copying, origin, "REAL", [number], [number])
    assert duckdb.execute(IDS) == [(0,), (1,)]


@OF_TYPES
@pytest.mark.parametrize(
    ("type_", "value"),
    [("NUMERIC(20, 4)", "1234567890.1"), ("DOUBLE PRECISION", "0.7"), ("TIMESTAMP", "'2024-05-01 10:00:00.123456'"),
     ("TIMESTAMP WITH TIME ZONE", "'2024-05-01 10:00:00.123456+02'"), ("DATE", "'2024-05-01'"), ("UUID",
     "'018f0000-0000-7000-8000-000000000001'"), ("INTERVAL", "'30 days'"), ("TIME", "'10:00:00.5'"),
     ("VARCHAR(20)", "'b'")],
)  # fmt: skip
def test_a_row_at_the_bookmark_of_any_type_is_not_lost(
    copying: Copying, origin: Origin, duckdb: Duckdb, type_: str, value: str
) -> None:
    assert new_rows(copying, origin, type_, [value], [value]).finished.rows_written == 1
    assert copying.run(cursor_field="seq").finished.rows_written == 0
    assert duckdb.execute(IDS) == [(0,), (1,)]


LATER_BUT_SORTED_BEFORE = [
    ("9", "10"),
    ("999", "1000"),
    ("9.25", "12.5"),
    ("-5", "-3"),
    ("9e5", "1e6"),
    ("INV-999", "INV-1000"),
    ("2-1000", "10-1"),
    ("v1.9.0", "v1.10.0"),
    ("2024-05-01T09:00:00", "2024-05-01 10:00:00"),
    ("2024-05-01T10:00:00Z", "2024-05-01T10:00:00.500Z"),
    ("2024-10-27T02:30:00+02:00", "2024-10-27T02:10:00+01:00"),
    ("20241027T023000+0200", "20241027T021000+0100"),
    ("2024-9-10", "2024-10-1"),
    ("30.04.2024", "01.05.2024"),
    ("Wed, 01 May 2024 10:00:00 GMT", "Fri, 03 May 2024 10:00:00 GMT"),
    ("2024-05-01 12:30 PM", "2024-05-01 01:30 PM"),
    ("31-Dec-2024", "01-Jan-2025"),
    ("Feb 1 2024", "Apr 5 2024"),
    ("pending", "2024-05-01"),
    ("Jan 2, 2025", "Feb 1, 2025"),
    ("30/01/24", "01/02/24"),
    ("Q4 2024", "Q1 2025"),
    ("2024-10-27 02:30:00 CEST", "2024-10-27 02:10:00 CET"),
    ("2024-10-27T02:30:00+02:00[Europe/Berlin]", "2024-10-27T02:10:00+01:00[Europe/Berlin]"),
]


@OF_TYPES
@pytest.mark.parametrize(("before", "after"), LATER_BUT_SORTED_BEFORE)
def test_a_string_that_is_later_and_would_never_come_fails_the_attempt(
    copying: Copying, origin: Origin, before: str, after: str
) -> None:
    failed = new_rows(copying, origin, "TEXT", [f"'{before}'"], [f"'{after}'"]).failed
    assert not failed.retryable
    assert "cursor_field 'seq' of table 'made' has values in several formats" in failed.error
    assert f"'{after}' sorts before '{before}'" in failed.error


@OF_POSTGRES
def test_digits_in_a_column_that_adds_blanks_are_compared_without_them(copying: Copying, origin: Origin) -> None:
    failed = new_rows(copying, origin, "CHAR(10)", ["'9'"], ["'10'"]).failed
    assert "'10 ' sorts before '9 '" in failed.error


@OF_TYPES
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["998", "999"], ["999"]),
        (["01", "09"], ["10"]),
        (["a", "B"], ["c"]),
        (["01HXA0000A", "01HXA0000Z"], ["01HXB00000"]),
        (["2024-05-01T10:00:00.250Z"], ["2024-05-01T10:00:00.500Z"]),
        (["2023-01-01 10:00:00", "2024-05-01T09:00:00"], ["2024-05-01T10:00:00"]),
        (["", "0000-00-00", "2024-05-01"], ["2024-05-02"]),
        (["a_%/1"], ["a_%/2"]),
    ],
)
def test_strings_in_one_order_are_read_as_ever(
    copying: Copying, origin: Origin, before: list[str], after: list[str]
) -> None:
    quoted = [[f"'{value}'" for value in values] for values in (before, after)]
    assert new_rows(copying, origin, "TEXT", *quoted).finished.rows_written == len(after)


@OF_POSTGRES
def test_words_are_in_the_order_of_the_database(copying: Copying, origin: Origin, duckdb: Duckdb) -> None:
    """Here `B` is after `a` and `é` before `z`; in Python it is the other way round."""
    origin.execute("CREATE TYPE word AS ENUM ('a', 'é', 'B', 'z')")
    new_rows(copying, origin, "word", ["'a'", "'é'", "'B'"], ["'z'"])
    assert duckdb.execute(IDS) == [(0,), (1,), (2,), (3,)]


@OF_TYPES
def test_random_uuids_as_a_cursor_are_warned_of(copying: Copying, origin: Origin) -> None:
    random, growing = "'f0000000-0000-4000-8000-000000000000'", "'f18f0000-0000-7000-8000-000000000000'"
    warned = new_rows(copying, origin, "UUID", [random], [growing])
    assert any(line.startswith("cursor_field 'seq' has UUIDs such as 'f0000000-") for line in warned.lines)
    assert not any("UUIDs" in line for line in copying.run(cursor_field="seq").lines)


LATE = {
    "TIMESTAMP": ("'2024-05-01 10:00:00.5'", "'2024-05-01 09:50:00.5'", "'2024-05-01 09:50:00.4'"),
    "TIMESTAMP WITH TIME ZONE": ("'2024-05-01 10:00:00+00'", "'2024-05-01 11:50:00+02'", "'2024-05-01 11:49:59+02'"),
    "DATE": ("'2024-03-01'", "'2024-02-29'", "'2024-02-28'"),
    "TEXT": ("'2024-05-01T10:00:00Z'", "'2024-05-01T09:50:00Z'", "'2024-05-01T09:49:59Z'"),
}


@pytest.mark.parametrize(
    ("origin", "type_"),
    [(origin, type_) for origin in ("postgres", "duckdb") for type_ in LATE] + [("sqlite", "DATETIME")],
    indirect=["origin"],
)
@pytest.mark.parametrize("key", [{"key": "id"}, {}])
def test_rows_within_the_lookback_arrive_late_and_those_before_it_do_not(
    copying: Copying, origin: Origin, duckdb: Duckdb, type_: str, key: dict[str, Any]
) -> None:
    copying.collection = {"lookback": "PT10M"}
    newest, late, too_late = LATE.get(type_, LATE["TEXT"])
    new_rows(copying, origin, type_, [newest], [late, too_late], **key)
    assert duckdb.execute(IDS) == [(0,), (1,)]
    assert copying.run(cursor_field="seq", **key).finished.rows_written == 0


@OF_POSTGRES
@pytest.mark.parametrize(("lookback", "ids"), [("PT0S", [2]), ("PT10M", [1, 2])])
def test_a_transaction_that_commits_after_a_later_one_was_read_is_lost_without_a_lookback(
    copying: Copying, origin: Origin, duckdb: Duckdb, lookback: str, ids: list[int]
) -> None:
    origin.execute("CREATE TABLE made (id INTEGER PRIMARY KEY, at TIMESTAMPTZ NOT NULL DEFAULT now())")
    copying.collection = {"lookback": lookback}
    with psycopg.connect(origin.url) as slow:
        slow.execute("INSERT INTO made (id) VALUES (1)")
        origin.execute("INSERT INTO made (id) VALUES (2)")
        copying.run(cursor_field="at", key="id")
        assert duckdb.execute(IDS) == [(2,)]
    copying.run(cursor_field="at", key="id")
    assert duckdb.execute(IDS) == [(number,) for number in ids]


@EVERY
def test_a_lookback_is_refused_where_the_cursor_is_no_time(copying: Copying, origin: Origin) -> None:
    copying.collection = {"lookback": "PT10M"}
    failed = new_rows(copying, origin, "INTEGER", ["1"], ["2"]).failed
    assert "a 'lookback' needs a cursor_field of times or dates, but 'seq' has the type integer" in failed.error
    origin.execute("DROP TABLE made")
    failed = new_rows(copying, origin, "TEXT", ["'a'"], ["'b'"]).failed
    assert "a 'lookback' needs a cursor_field of times or dates, but 'seq' has the value 'a'" in failed.error
    assert not failed.retryable


@OF_POSTGRES
def test_a_test_of_the_source_refuses_a_lookback_that_cannot_be(origin: Origin, tmp_path: Path) -> None:
    origin.execute("CREATE TABLE made (id INTEGER PRIMARY KEY)")
    checking = Copying(origin.url, tmp_path, {}, mode="check")
    checking.collection = {"lookback": "PT10M", "cursor_field": "id"}
    assert "a 'lookback' needs a cursor_field of times or dates" in checking.run().failed.error


@OF_POSTGRES
def test_all_rows_are_read_where_the_lookback_reaches_before_the_first_year(
    copying: Copying, origin: Origin, duckdb: Duckdb
) -> None:
    copying.collection = {"lookback": "PT10M"}
    new_rows(copying, origin, "DATE", ["'0001-01-01'"], ["'0001-01-01'"])
    assert duckdb.execute(IDS) == [(0,), (1,)]


KINDS_OF_CURSORS = {
    "INTEGER": "n - 100",
    "DOUBLE PRECISION": "n + 0.1",
    "NUMERIC(12, 3)": "n + 0.125",
    "TIMESTAMP": "TIMESTAMP '2024-05-01' + n * INTERVAL '1 minute'",
    "TIMESTAMPTZ": "TIMESTAMPTZ '2024-05-01 00:00:00+00' + n * INTERVAL '1 minute'",
    "DATE": "DATE '2024-05-01' + n",
    "UUID": "('018f0000-0000-7000-8000-00000000000' || n)::uuid",
    "INTERVAL": "n * INTERVAL '30 days'",
    "TEXT": "'2024-05-01T00:0' || n || ':00Z'",
}


@dataclass
class Everywhere:
    """A collection on its way to each kind of destination that recognises rows without a key."""

    origin: Origin
    first: Postgres
    second: Duckdb
    third: Lake
    copying: Copying

    def add(self, type_: str, id_: str, first: int, last: int) -> None:
        cursor = KINDS_OF_CURSORS[type_]
        rows = f"SELECT {id_}, n, {cursor} FROM generate_series({first}, {last}) AS n"
        self.origin.execute(f"INSERT INTO made {rows}")

    def written(self, cursor_field: str = "seq") -> int:
        return self.copying.run(cursor_field=cursor_field).finished.rows_written

    def ids(self) -> list[list[int]]:
        found = [self.first.execute(IDS), self.second.execute(IDS), self.third.select("id", table="made")]
        return [[number for (number,) in rows] for rows in found]


@pytest.fixture
def everywhere(origin: Origin, postgres: Postgres, duckdb: Duckdb, tmp_path: Path) -> Everywhere:
    lake = Lake(tmp_path / "lake")
    destinations = {"first": postgres.options(), "second": duckdb.options(), "third": lake.options}
    copying = Copying(origin.url, tmp_path, destinations, chunk_rows=3)
    return Everywhere(origin, postgres, duckdb, lake, copying)


@OF_POSTGRES
@pytest.mark.parametrize("type_", KINDS_OF_CURSORS)
def test_rows_without_a_key_that_all_come_again_are_recognised_by_a_cursor_of_any_kind(
    everywhere: Everywhere, origin: Origin, type_: str
) -> None:
    origin.execute(f"CREATE TABLE made (id INTEGER, number INTEGER, seq {type_})")
    everywhere.add(type_, "n / 2", 1, 6)
    everywhere.add(type_, "n / 2", 2, 4)
    assert everywhere.written() == 27
    # With another cursor field everything is read again.
    assert everywhere.written("number") == 0
    everywhere.add(type_, "n + 100", 3, 6)
    everywhere.add(type_, "n / 2", 5, 7)
    assert everywhere.written() == 21
    assert everywhere.written() == 0
    expected = [number for (number,) in origin.execute("SELECT id FROM made ORDER BY id")]
    assert everywhere.ids() == [expected] * 3


@OF_POSTGRES
@pytest.mark.parametrize("type_", ["TIMESTAMP", "TIMESTAMPTZ", "DATE", "TEXT"])
def test_rows_without_a_key_within_the_lookback_are_in_each_destination_once(
    everywhere: Everywhere, origin: Origin, type_: str
) -> None:
    everywhere.copying.collection = {"lookback": "P3D"}
    origin.execute(f"CREATE TABLE made (id INTEGER, number INTEGER, seq {type_})")
    everywhere.add(type_, "n / 2", 1, 6)
    everywhere.add(type_, "n / 2", 2, 4)
    assert everywhere.written() == 27
    everywhere.add(type_, "n + 100", 3, 6)
    everywhere.add(type_, "n / 2", 5, 6)
    assert everywhere.written() == 18
    assert everywhere.written() == 0
    expected = [number for (number,) in origin.execute("SELECT id FROM made ORDER BY id")]
    assert everywhere.ids() == [expected] * 3
