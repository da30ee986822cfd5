"""Cursors of PostgreSQL and DuckDB are compared as what they are, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.connectors.sources.sql.origins import Copying, Origin

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Duckdb, Told

IDS = "SELECT id FROM loaded.made ORDER BY id"
OF_TYPES = pytest.mark.parametrize("origin", ["postgres", "duckdb"], indirect=True)
OF_POSTGRES = pytest.mark.parametrize("origin", ["postgres"], indirect=True)


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
