"""PostgreSQL, SQLite and DuckDB read through `sql` into PostgreSQL and DuckDB at once: only what is new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.connectors.sources.sql.origins import Copying, Origin

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Duckdb, Postgres, Told

KEYED: dict[str, Any] = {"cursor_field": "seq", "key": "id"}
KEYLESS: dict[str, Any] = {"cursor_field": "seq"}
COUNTS = "SELECT count(*), count(DISTINCT id) FROM loaded.made"


@pytest.fixture
def copying(origin: Origin, postgres: Postgres, duckdb: Duckdb, tmp_path: Path) -> Copying:
    origin.execute("CREATE TABLE made (id INTEGER NOT NULL, seq INTEGER, text TEXT)")
    add(origin, range(20))
    return Copying(origin.url, tmp_path, {"first": postgres.options(), "second": duckdb.options()})


def add(origin: Origin, ids: range, *, seq: int | None = None) -> None:
    rows = ", ".join(f"({each}, {each if seq is None else seq}, 'row {each}')" for each in ids)
    origin.execute(f"INSERT INTO made VALUES {rows}")


@pytest.mark.parametrize(
    ("origin", "parameters"),
    [("postgres", KEYLESS), ("sqlite", KEYED), ("duckdb", KEYED)],
    indirect=["origin"],
)
def test_only_what_is_new_is_loaded_and_equal_cursors_that_come_late_are_not_lost(
    copying: Copying, origin: Origin, postgres: Postgres, duckdb: Duckdb, parameters: dict[str, Any]
) -> None:
    copying.source_config |= {"chunk_rows": 3}
    assert [each.rows for each in copying.run(**parameters).committed] == [20, 20]
    assert copying.run(**parameters).finished.rows_written == 0
    add(origin, range(20, 23), seq=19)
    add(origin, range(23, 25))
    last = copying.run(**parameters)
    assert last.finished.records_read == 6, "one row at the bookmark, three at the same value, two after it"
    assert [each.rows for each in last.committed] == [5, 5]
    assert last.committed[-1].bookmark == {"cursor_field": "seq", "type": "integer", "value": "24"}
    for warehouse in (postgres, duckdb):
        assert warehouse.execute(COUNTS) == [(25, 25)]
        assert warehouse.execute("SELECT seq, text FROM loaded.made WHERE id = 21") == [(19, "row 21")]


ORIGINS_OF_TEXTS = pytest.mark.parametrize("origin", ["sqlite"], indirect=True)


def new_rows(copying: Copying, origin: Origin, before: list[str], after: list[str]) -> Told:
    """What comes of rows with the cursors `after` when those of `before`, as SQLite writes them, have been loaded."""
    origin.execute("DROP TABLE made")
    origin.execute("CREATE TABLE made (id INTEGER PRIMARY KEY, seq)")
    for values in (before, after):
        for value in values:
            origin.execute(f"INSERT INTO made (seq) VALUES ({value})")
        last = copying.run(cursor_field="seq", key="id")
    return last


@ORIGINS_OF_TEXTS
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["'2024-05-01T09:00:00'"], ["'2024-05-01 10:00:00'"]),
        (["'2024-05-01T10:00:00Z'"], ["'2024-05-01T10:00:00.500Z'"]),
        (["'2024-10-27T02:30:00+02:00'"], ["'2024-10-27T02:10:00+01:00'"]),
        (["'999'"], ["'1000'"]),
        (["'2024-05-01 10:00:00'"], ["1714557600"]),
        (["'30.04.2024'"], ["'01.05.2024'"]),
        (["'2024-05-01'"], ["'01.05.2024'"]),
        (["'20241027T023000+0200'"], ["'20241027T021000+0100'"]),
        (["'Wed, 01 May 2024 10:00:00 GMT'"], ["'Fri, 03 May 2024 10:00:00 GMT'"]),
        (["'20240501T100000Z'"], ["'2024-06-01T10:00:00Z'"]),
        (["'2024-05-01T10:00:00Z'"], ["'2024-05-01T10:00:00+00:00'"]),
        (["'2024-05-01T10:00:00'"], ["'2024-05-01 10:00:00'"]),
        (["'2024-05-01T10:00:00Z'"], ["'2024-05-01T10:00:00.000Z'"]),
        (["'-5'"], ["'-3'"]),
        (["'12:30:00 PM'"], ["'01:30:00 PM'"]),
        (["'2024-9-1'"], ["'2024-10-1'"]),
        (["'2024/9/1'"], ["'2024/10/1'"]),
        (["'Sun Oct 27 02:10:00 2024'"], ["'Sun Oct 12 02:10:00 2025'"]),
        (["'9e5'"], ["'1e6'"]),
    ],
)
def test_a_row_of_sqlite_that_is_later_and_would_never_come_fails_the_attempt(
    copying: Copying, origin: Origin, before: list[str], after: list[str]
) -> None:
    failed = new_rows(copying, origin, before, after).failed
    assert not failed.retryable
    assert "cursor_field 'seq' of table 'made' has values in several formats" in failed.error
    assert f"{after[0]} sorts before {before[0]}" in failed.error


@ORIGINS_OF_TEXTS
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["'2023-01-01 10:00:00'", "'2024-05-01T09:00:00'"], ["'2024-05-01T10:00:00'"]),
        (["'2024-05-01T10:00:00.250Z'"], ["'2024-05-01T10:00:00.500Z'"]),
        (["'2024-05-01T10:00:00+02:00'", "'2024-05-01T11:00:00+02:00'"], ["'2024-05-01T12:00:00+02:00'"]),
        (["'998'", "'999'"], ["'999'"]),
        (["1", "2.5"], ["10"]),
        (["'a*[1]'", "'b'"], ["'c'"]),
        (["x'01'"], ["x'02'"]),
        (["'2024-05-01'"], ["'2024-05-02'"]),
        (["''", "'0000-00-00 00:00:00'", "'2024-05-01 10:00:00'"], ["'2024-05-02 10:00:00'"]),
        (["'2024/09/01'"], ["'2024/10/01'"]),
    ],
)
def test_rows_of_sqlite_in_one_order_are_read_as_ever(
    copying: Copying, origin: Origin, before: list[str], after: list[str]
) -> None:
    assert new_rows(copying, origin, before, after).finished.rows_written == 2 * len(after)
