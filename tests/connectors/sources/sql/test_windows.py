"""Collections in windows of time on their way to warehouses: each row once, and no window in sync read again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.connectors.sources.sql.origins import Copying, Origin

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Duckdb, Postgres

KEYLESS: dict[str, Any] = {"cursor_field": "moved"}
KEYED: dict[str, Any] = {"cursor_field": "moved", "key": "id"}
COUNTS = "SELECT count(*), count(DISTINCT id) FROM loaded.made"
ROWS = "SELECT id, text FROM loaded.made ORDER BY id, text"
OLD = [(number, f"row {number}") for number in range(40)]
# The second time in the second destination, which is of another kind.
INSIDE = ["destination.committing", "destination.committing@2", "destination.bookmarked", "destination.bookmarked@2"]


def windows(now: str, *, refresh: float = 0) -> dict[str, Any]:
    return {"windows": {"length": "month", "start": "2024-01-01", "now": now, "refresh_seconds": refresh}}


@pytest.fixture
def copying(origin: Origin, postgres: Postgres, duckdb: Duckdb, tmp_path: Path) -> Copying:
    origin.execute("CREATE TABLE made (id INTEGER NOT NULL, moved TIMESTAMP NOT NULL, text TEXT)")
    rows = ", ".join(f"({n}, '2024-0{1 + n // 10}-{1 + n % 10:02} 06:00:00', 'row {n}')" for n in range(40))
    origin.execute(f"INSERT INTO made VALUES {rows}")
    destinations = {"first": postgres.options(), "second": duckdb.options()}
    copying = Copying(origin.url, tmp_path, destinations)
    copying.collection = windows("2024-04-05T00:00:00Z")
    return copying


@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
def test_only_windows_that_may_have_changed_are_read_again(
    copying: Copying, origin: Origin, postgres: Postgres, duckdb: Duckdb
) -> None:
    told = copying.run(**KEYED)
    assert told.finished.records_read == 40
    assert "Total intervals: [4]" in told.lines
    assert "Intervals to sync: [4]" in told.lines
    origin.execute("UPDATE made SET text = 'mended' WHERE id IN (5, 25, 35)")
    again = copying.run(**KEYED)
    assert (again.finished.records_read, [each.rows for each in again.committed]) == (10, [1, 1])
    copying.collection = windows("2024-04-05T00:00:00Z", refresh=40 * 86_400)
    assert copying.run(**KEYED).finished.records_read == 20
    for warehouse in (postgres, duckdb):
        assert warehouse.execute(COUNTS) == [(40, 40)]
        assert warehouse.execute("SELECT id FROM loaded.made WHERE text = 'mended' ORDER BY id") == [(25,), (35,)]


@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
@pytest.mark.parametrize("point", ["child.staged", "destination.committing", "child.committed"])
def test_a_kill_at_a_commit_neither_loses_nor_doubles_a_row(
    copying: Copying, postgres: Postgres, duckdb: Duckdb, point: str
) -> None:
    copying.die(point, **KEYED)
    assert copying.run(again=1, **KEYED).finished
    assert postgres.execute(COUNTS) == duckdb.execute(COUNTS) == [(40, 40)]


@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
def test_a_backfill_leaves_the_windows_of_the_bookmark_alone(copying: Copying, postgres: Postgres) -> None:
    bookmark = copying.run(**KEYED).committed[-1].bookmark
    told = copying.run(backfill=("2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"), **KEYED)
    assert told.finished.records_read == 10
    assert told.committed[-1].bookmark == bookmark
    assert postgres.execute(COUNTS) == [(40, 40)]


@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
def test_rows_that_are_in_no_window_and_windows_that_cannot_be_told_apart_are_refused(
    copying: Copying, origin: Origin
) -> None:
    hours = {"length": "hour", "start": "2024-01-01", "now": "2024-01-02T00:00:00Z"}
    copying.collection = {"windows": hours}
    assert "'interval' must not be shorter than a day" in copying.run(**KEYED).failed.error
    origin.execute("DROP TABLE made")
    origin.execute("CREATE TABLE made (id INTEGER, moved TIMESTAMP, text TEXT)")
    origin.execute("INSERT INTO made VALUES (1, NULL, 'never')")
    copying.collection = windows("2024-04-05T00:00:00Z")
    failed = copying.run(**KEYED).failed
    assert "has rows where cursor_field 'moved' is NULL" in failed.error


@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
@pytest.mark.parametrize("point", ["child.staged", *INSIDE, "child.committed"])
def test_without_a_key_a_window_that_is_read_again_replaces_its_old_rows(
    copying: Copying, origin: Origin, postgres: Postgres, duckdb: Duckdb, point: str
) -> None:
    assert copying.run(**KEYLESS).finished.rows_written == 80
    origin.execute("UPDATE made SET text = 'mended' WHERE id IN (25, 35)")
    origin.execute("DELETE FROM made WHERE id IN (24, 34)")
    origin.execute("INSERT INTO made SELECT * FROM made WHERE id = 36")
    new = [*OLD[:34], (35, "mended"), OLD[36], *OLD[36:]]
    copying.die(point, **KEYLESS)
    for warehouse in (postgres, duckdb):
        assert warehouse.execute(ROWS) in (OLD, new), "the old rows of a window go with the commit of its new ones"
    assert copying.run(again=1, **KEYLESS).finished
    assert postgres.execute(ROWS) == duckdb.execute(ROWS) == new


@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
@pytest.mark.parametrize("point", ["destination.committing", "destination.bookmarked@2", "child.committed"])
def test_without_a_key_a_backfill_replaces_whole_windows(
    copying: Copying, origin: Origin, postgres: Postgres, duckdb: Duckdb, point: str
) -> None:
    bookmark = copying.run(**KEYLESS).committed[-1].bookmark
    origin.execute("UPDATE made SET text = 'mended' WHERE id IN (5, 25)")
    origin.execute("DELETE FROM made WHERE id = 24")
    new = [*OLD[:24], (25, "mended"), *OLD[26:]]
    day = ("2024-03-02T00:00:00Z", "2024-03-03T00:00:00Z")
    copying.die(point, backfill=day, **KEYLESS)
    for warehouse in (postgres, duckdb):
        assert warehouse.execute(ROWS) in (OLD, new), "the old rows of a window go with the commit of its new ones"
    told = copying.run(again=1, backfill=day, **KEYLESS)
    assert (told.finished.records_read, told.committed[-1].bookmark) == (9, bookmark)
    assert postgres.execute(ROWS) == duckdb.execute(ROWS) == new


@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
def test_one_window_that_begins_later_each_day_is_not_there_twice(
    copying: Copying, postgres: Postgres, duckdb: Duckdb
) -> None:
    for start in ("2024-01-01", "2024-01-02"):
        copying.collection = {"windows": {"length": "all", "start": start, "now": "2024-05-01T00:00:00Z"}}
        assert copying.run(**KEYLESS).finished
    for warehouse in (postgres, duckdb):
        assert warehouse.execute(COUNTS) == [(39, 39)], "the first day is not part of it any more"


@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
def test_a_window_that_has_become_empty_loses_its_rows_if_that_is_allowed(
    copying: Copying, origin: Origin, duckdb: Duckdb
) -> None:
    copying.destinations = {"warehouse": duckdb.options()}
    assert copying.run(**KEYLESS).finished
    origin.execute("DELETE FROM made WHERE id >= 30")
    failed = copying.run(**KEYLESS).failed
    assert (
        "table 'made' has 10 rows in the windows of time that were read again, but the source sent none" in failed.error
    )
    assert duckdb.execute(COUNTS) == [(40, 40)]
    copying.collection["empty"] = "allow"
    assert copying.run(**KEYLESS).finished
    assert duckdb.execute(COUNTS) == [(30, 30)]


@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
def test_without_a_key_the_first_sync_comes_before_a_backfill(copying: Copying) -> None:
    failed = copying.run(backfill=("2024-03-02T00:00:00Z", "2024-03-03T00:00:00Z"), **KEYLESS).failed
    assert "destination 'first' has no bookmark for the collection yet" in failed.error


@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
def test_without_a_key_a_destination_that_cannot_replace_a_window_is_refused(copying: Copying, tmp_path: Path) -> None:
    copying.destinations = {"files": {"type": "parquet", "path": str(tmp_path / "files")}}
    failed = copying.run(**KEYLESS).failed
    assert "destination 'files': it cannot replace the rows of an interval" in failed.error
