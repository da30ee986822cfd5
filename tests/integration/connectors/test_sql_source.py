"""PostgreSQL, SQLite and DuckDB read through `sql` into PostgreSQL and DuckDB at once: only what is new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.connectors.origins import Copying, Origin

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.connectors.attempts import Duckdb, Postgres

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
