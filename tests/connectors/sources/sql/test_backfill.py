"""An interval loaded once more: each row once, and the bookmark where it was, whatever dies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.domain.attempt_protocol import Finished
from tests.connectors.attempts import Attempt, Told, backfill_of
from tests.connectors.sources.sql.origins import Copying, Origin

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Duckdb, Postgres, Warehouse

KEYED: dict[str, Any] = {"cursor_field": "moved", "key": "id"}
FEBRUARY = ("2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z")
COUNTS = "SELECT count(*), count(DISTINCT id) FROM loaded.made"
BOOKMARKS = "SELECT bookmark, generation FROM loaded._syncline_bookmarks"


@pytest.fixture
def copying(origin: Origin, postgres: Postgres, duckdb: Duckdb, tmp_path: Path) -> Copying:
    origin.execute("CREATE TABLE made (id INTEGER NOT NULL, moved TIMESTAMP NOT NULL, text TEXT)")
    rows = ", ".join(f"({n}, '2024-0{1 + n // 10}-{1 + n % 10:02} 06:00:00', 'row {n}')" for n in range(40))
    origin.execute(f"INSERT INTO made VALUES {rows}")
    return Copying(origin.url, tmp_path, {"first": postgres.options(), "second": duckdb.options()})


@pytest.mark.parametrize(
    ("origin", "warehouse"), [("postgres", "duckdb"), ("sqlite", "postgres"), ("duckdb", "postgres")], indirect=True
)
def test_what_changed_in_an_interval_is_loaded_and_nothing_else(
    copying: Copying, origin: Origin, warehouse: Warehouse
) -> None:
    copying.destinations = {"warehouse": warehouse.options()}
    assert copying.run(**KEYED).finished
    before = warehouse.execute(BOOKMARKS)
    # Nobody has moved the cursor, so no sync will ever see this.
    origin.execute("UPDATE made SET text = 'mended' WHERE id IN (5, 10, 19, 20)")
    told = copying.run(backfill=FEBRUARY, **KEYED)
    assert (told.finished.records_read, [each.rows for each in told.committed]) == (10, [2])
    assert "backfill of 2024-02-01T00:00:00Z/2024-03-01T00:00:00Z: the bookmark does not move" in told.lines
    assert warehouse.execute(COUNTS) == [(40, 40)]
    assert warehouse.execute("SELECT id FROM loaded.made WHERE text = 'mended' ORDER BY id") == [(10,), (19,)]
    assert warehouse.execute(BOOKMARKS) == before
    assert told.committed[0].bookmark["value"].startswith("2024-04-10")


@pytest.mark.parametrize("origin", ["postgres"], indirect=True)
@pytest.mark.parametrize("point", ["child.staged", "destination.committing", "child.committed"])
def test_a_kill_at_a_commit_of_a_backfill_neither_loses_nor_doubles_a_row(
    copying: Copying, origin: Origin, postgres: Postgres, duckdb: Duckdb, point: str
) -> None:
    assert copying.run(**KEYED).finished
    before = postgres.execute(BOOKMARKS) + duckdb.execute(BOOKMARKS)
    origin.execute("UPDATE made SET text = 'mended'")
    copying.die(point, backfill=FEBRUARY, **KEYED)
    assert postgres.execute(BOOKMARKS) + duckdb.execute(BOOKMARKS) == before
    assert copying.run(again=1, backfill=FEBRUARY, **KEYED).finished
    for warehouse in (postgres, duckdb):
        assert warehouse.execute(COUNTS) == [(40, 40)]
        assert warehouse.execute("SELECT min(id), max(id), count(*) FROM loaded.made WHERE text = 'mended'") == [
            (10, 19, 10)
        ]
    assert postgres.execute(BOOKMARKS) + duckdb.execute(BOOKMARKS) == before


@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
def test_a_backfill_may_be_the_first_to_load_and_the_sync_still_loads_everything(
    copying: Copying, postgres: Postgres, duckdb: Duckdb
) -> None:
    assert copying.run(backfill=FEBRUARY, **KEYED).finished.rows_written == 20
    assert postgres.execute(COUNTS) == duckdb.execute(COUNTS) == [(10, 10)]
    assert copying.run(**KEYED).finished.records_read == 40
    assert postgres.execute(COUNTS) == duckdb.execute(COUNTS) == [(40, 40)]


@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"cursor_field": "moved"}, "table 'made' has no key to recognise existing rows by"),
        ({"key": "id"}, "reading an interval needs a 'cursor_field', and the collection has none"),
        ({"cursor_field": "id", "key": "id"}, "needs a cursor_field of times or dates, but 'id' has the type integer"),
    ],
)
def test_what_an_interval_cannot_be_loaded_of_is_refused(
    copying: Copying, parameters: dict[str, Any], complaint: str
) -> None:
    failed = copying.run(backfill=FEBRUARY, **parameters).failed
    assert complaint in failed.error
    assert not failed.retryable


@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
def test_rows_that_would_be_added_once_more_are_refused(copying: Copying) -> None:
    copying.collection = {"write_mode": "append"}
    assert "a backfill needs 'upsert' or 'history'" in copying.run(backfill=FEBRUARY, **KEYED).failed.error


@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
def test_a_backfill_of_a_history_adds_a_version_of_what_has_changed(
    copying: Copying, origin: Origin, postgres: Postgres
) -> None:
    copying.collection = {"write_mode": "history"}
    copying.destinations = {"warehouse": postgres.options()}
    assert copying.run(**KEYED).finished
    origin.execute("UPDATE made SET text = 'mended' WHERE id IN (5, 15)")
    assert copying.run(backfill=FEBRUARY, **KEYED).finished
    versions = "SELECT id, text, _syncline_valid_to IS NULL FROM loaded.made WHERE id IN (5, 15) ORDER BY id, 3"
    assert postgres.execute(versions) == [(5, "row 5", True), (15, "row 15", False), (15, "mended", True)]
    assert postgres.execute("SELECT count(*) FROM loaded.made") == [(41,)]


@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
def test_times_that_are_numbers_are_refused_instead_of_overlooked(copying: Copying, origin: Origin) -> None:
    origin.execute("INSERT INTO made VALUES (99, 1706745600, 'an epoch')")
    failed = copying.run(backfill=FEBRUARY, **KEYED).failed
    assert "but 'moved' has the value 1706745600" in failed.error


@pytest.mark.parametrize("origin", ["postgres"], indirect=True)
def test_a_day_is_loaded_whole_where_only_days_can_be_told_apart(origin: Origin, copying: Copying) -> None:
    origin.execute("ALTER TABLE made ALTER COLUMN moved TYPE date")
    told = copying.run(backfill=("2024-02-01T12:00:00Z", "2024-02-03T12:00:00Z"), **KEYED)
    assert told.finished.records_read == 3


@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
def test_after_a_reset_a_backfill_waits_for_the_sync(copying: Copying) -> None:
    assert copying.run(**KEYED).finished
    copying.generation = 1
    failed = copying.run(backfill=FEBRUARY, **KEYED).failed
    assert "destination 'first': the collection was reset" in failed.error


FUNCTIONS = """
from datetime import timedelta
from syncline import Bookmark, Schema

@Schema(key="id", mode="incremental", intervals=True)
def days(context):
    if context.interval:
        assert context.bookmark is None
        day = context.interval.start
        while day < context.interval.end:
            yield {"id": day.date(), "from": "interval"}
            day += timedelta(days=1)
        yield Bookmark("ignored")
    else:
        yield {"id": context.start_date, "from": "sync"}
        yield Bookmark("kept")

@Schema(key="id", mode="incremental")
def deaf(context):
    yield {"id": 1}

@Schema(key="id", intervals=True)
def whole(context):
    yield {"id": 1}
"""


def of_function(directory: Path, warehouse: Warehouse, name: str, *, task: int, backfill: Any = None) -> Told:
    (directory / "functions.py").write_text(FUNCTIONS)
    return Told.by(
        Attempt(
            {
                "task": f"0192f7c2-0000-7000-8000-{task:012}",
                "task_id": "t",
                "attempt": 1,
                "source": "mine",
                "source_type": "python",
                "source_config": {"function": "functions", "path": str(directory)},
                "collection": {"name": name, "type": name, "table_name": "made", "start_date": "2020-01-01"},
                "destinations": {"warehouse": warehouse.options()},
                "generation": 0,
                "data_dir": str(directory / "state"),
            }
            | (backfill_of(*backfill) if backfill else {})
        )
    )


def test_a_function_that_says_so_is_asked_for_an_interval(duckdb: Duckdb, tmp_path: Path) -> None:
    assert of_function(tmp_path, duckdb, "days", task=1).finished
    told = of_function(tmp_path, duckdb, "days", task=2, backfill=FEBRUARY)
    assert told.finished == Finished(records_read=29, rows_written=29)
    assert [each.bookmark for each in told.committed] == ["kept"]
    assert duckdb.execute(COUNTS) == [(30, 30)]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("deaf", "the function does not declare that it uses context.interval; declare Schema(intervals=True)"),
        ("whole", "table 'made' is replaced as a whole each time"),
    ],
)
def test_a_function_that_cannot_is_refused(duckdb: Duckdb, tmp_path: Path, name: str, complaint: str) -> None:
    failed = of_function(tmp_path, duckdb, name, task=1, backfill=FEBRUARY).failed
    assert complaint in failed.error
    assert not failed.retryable
