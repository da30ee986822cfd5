"""Collections of `sql` that find their tables by themselves: `all`, and patterns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.domain.attempt_protocol import Offered
from tests.connectors.attempts import Told
from tests.connectors.destinations.parquet.lake import Lake
from tests.connectors.sources.sql.origins import Copying, Origin

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Duckdb, Postgres, Warehouse

ORIGINS = pytest.mark.parametrize("origin", ["postgres", "sqlite", "duckdb"], indirect=True)
WITH_SCHEMAS = pytest.mark.parametrize("origin", ["postgres", "duckdb"], indirect=True)


@pytest.fixture
def copying(origin: Origin, postgres: Postgres, duckdb: Duckdb, tmp_path: Path) -> Copying:
    """A shop with three tables and a view: one with a key and a cursor, one with a key, one with neither."""
    for statement in (
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, text TEXT)",
        "CREATE TABLE users (name VARCHAR(20) PRIMARY KEY, age INTEGER)",
        "CREATE TABLE audit_log (line TEXT)",
        "CREATE VIEW adults AS SELECT name FROM users WHERE age >= 18",
        "INSERT INTO orders VALUES (1, 10, 'a'), (2, 20, 'b')",
        "INSERT INTO users VALUES ('ann', 40), ('bob', 7)",
        "INSERT INTO audit_log VALUES ('x'), ('x')",
    ):
        origin.execute(statement)
    trial = Copying(origin.url, tmp_path, {"first": postgres.options(), "second": duckdb.options()})
    trial.collection = {"name": "all", "type": "all", "table_name": "origin_all"}
    return trial


@pytest.fixture
def both(postgres: Postgres, duckdb: Duckdb) -> tuple[Warehouse, Warehouse]:
    return postgres, duckdb


def loaded(warehouse: Warehouse) -> set[str]:
    """The tables of the destination."""
    found = warehouse.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'loaded'")
    return {name for (name,) in found} - {"_syncline_bookmarks"}


def rows(warehouse: Warehouse, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
    return sorted(warehouse.execute(f"SELECT {columns} FROM loaded.{table}"))


def parts(told: Told) -> dict[str, Any]:
    """The bookmark of each table."""
    bookmark = told.committed[-1].bookmark
    assert isinstance(bookmark, dict)
    tables: dict[str, Any] = bookmark["tables"]
    return tables


@ORIGINS
def test_all_loads_every_table_into_a_table_of_its_own_with_the_key_of_the_database(
    copying: Copying, both: tuple[Warehouse, Warehouse]
) -> None:
    first = copying.run(cursor_field="seq")
    assert first.finished.rows_written == 2 * 6
    assert any("no column 'seq': 'audit_log', 'users'" in line for line in first.lines)
    for warehouse in both:
        assert loaded(warehouse) == {"origin_orders", "origin_users", "origin_audit_log"}
        assert rows(warehouse, "origin_orders", "id, seq, text") == [(1, 10, "a"), (2, 20, "b")]
        assert rows(warehouse, "origin_audit_log", "line") == [("x",), ("x",)]
    assert parts(first)["orders"] == {"cursor_field": "seq", "type": "integer", "value": "20"}


@ORIGINS
def test_a_second_load_continues_each_table_and_finds_new_gone_and_renamed_ones(
    copying: Copying, origin: Origin, both: tuple[Warehouse, Warehouse]
) -> None:
    copying.commit_records = 1
    copying.run(cursor_field="seq")
    for warehouse in both:
        assert rows(warehouse, "origin_users", "name") == [("ann",), ("bob",)], "later commits do not empty it"
    again = copying.run(cursor_field="seq", exclude=["users", "audit_log"])
    assert (again.finished.records_read, again.finished.rows_written) == (1, 0), "the row at the bookmark"
    origin.execute("UPDATE orders SET seq = 30, text = 'new' WHERE id = 1")
    origin.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, seq INTEGER)")
    origin.execute("INSERT INTO items VALUES (1, 1)")
    origin.execute("ALTER TABLE audit_log RENAME TO old_log")
    last = copying.run(cursor_field="seq")
    assert any("new: 'audit_log', 'items'" in line or "new: 'items', 'old_log'" in line for line in last.lines)
    for warehouse in both:
        assert rows(warehouse, "origin_orders", "id, text") == [(1, "new"), (2, "b")]
        assert rows(warehouse, "origin_items", "id") == [(1,)]
        assert rows(warehouse, "origin_old_log", "line") == rows(warehouse, "origin_audit_log", "line")
    origin.execute("DROP TABLE items")
    gone = copying.run(cursor_field="seq")
    assert any("no longer in the database, or no longer chosen: 'items'" in line for line in gone.lines)
    assert gone.finished
    assert parts(gone).keys() == {"orders", "users", "old_log"}
    assert rows(both[0], "origin_items", "id") == [(1,)]


@ORIGINS
def test_nothing_new_loads_nothing(copying: Copying, both: tuple[Warehouse, Warehouse]) -> None:
    copying.run(cursor_field="seq", include="orders")
    again = copying.run(cursor_field="seq", include="orders")
    assert (again.finished.records_read, again.finished.rows_written) == (1, 0)
    assert [rows(each, "origin_orders", "id") for each in both] == [[(1,), (2,)]] * 2


@WITH_SCHEMAS
def test_patterns_take_tables_of_several_schemas_that_have_one_name(
    copying: Copying, origin: Origin, both: tuple[Warehouse, Warehouse]
) -> None:
    for schema in ("sales", "archive"):
        origin.execute(f"CREATE SCHEMA {schema}")
        origin.execute(f"CREATE TABLE {schema}.orders (id INTEGER PRIMARY KEY, text TEXT)")
        origin.execute(f"CREATE TABLE {schema}.old_orders (id INTEGER PRIMARY KEY)")
        origin.execute(f"INSERT INTO {schema}.orders VALUES (1, '{schema}')")
    copying.collection |= {"name": "sold", "type": "sales.*", "table_name": "origin_sold"}
    assert copying.run(exclude="old_*").finished
    copying.collection |= {"name": "two", "type": "two", "table_name": "origin_two"}
    assert copying.run(include=["archive.*", "ord*"], exclude="archive.old_*").finished
    for warehouse in both:
        assert loaded(warehouse) == {"origin_sales_orders", "origin_archive_orders", "origin_orders"}
        for schema in ("sales", "archive"):
            assert rows(warehouse, f"origin_{schema}_orders", "id, text") == [(1, schema)]
        assert rows(warehouse, "origin_orders", "id") == [(1,), (2,)]


@WITH_SCHEMAS
def test_a_schema_of_the_source_is_the_only_one_that_is_searched_and_its_tables_have_short_names(
    copying: Copying, origin: Origin, postgres: Postgres
) -> None:
    origin.execute("CREATE SCHEMA sales")
    origin.execute("CREATE TABLE sales.items (id INTEGER PRIMARY KEY)")
    copying.source_config |= {"schema": "sales", "stream_table_name_prefix": "raw_"}
    assert copying.run().finished
    assert loaded(postgres) == {"raw_items"}
    assert copying.run(include=["items", "*.users"]).finished
    default = "public" if copying.source_config["url"].startswith("postgres") else "main"
    assert loaded(postgres) == {"raw_items", f"raw_{default}_users"}


@ORIGINS
def test_views_come_if_they_are_asked_for_or_named(copying: Copying, postgres: Postgres) -> None:
    refused = copying.run(include="ad*").failed.error
    assert "only views match: set 'views: true', or name them. There are 'adults', 'audit_log', 'orders'" in refused
    assert copying.run(include=["users", "adults"]).finished
    assert loaded(postgres) == {"origin_users", "origin_adults"}
    assert copying.run(views=True).finished
    assert loaded(postgres) == {"origin_users", "origin_adults", "origin_orders", "origin_audit_log"}


BROKEN = {
    # It fails after the first rows, and aborts the transaction.
    "postgres": "CREATE VIEW broken AS SELECT id, 1000 / (9000 - id) AS x FROM generate_series(1, 9999) AS id",
    "sqlite": "CREATE VIEW broken AS SELECT no_column FROM users",
    "duckdb": "CREATE VIEW broken AS SELECT id, error('bad') AS x FROM range(9999) AS r(id) WHERE id > 5000",
}


@ORIGINS
def test_a_table_that_cannot_be_read_fails_the_attempt_at_its_end_and_the_others_are_loaded(
    copying: Copying, origin: Origin, both: tuple[Warehouse, Warehouse], request: pytest.FixtureRequest
) -> None:
    kind = request.node.callspec.params["origin"]
    origin.execute(BROKEN[kind])
    copying.source_config |= {"chunk_rows": 500}
    copying.collection |= {"cursor_field": "seq"}
    for age in (41, 42):
        origin.execute(f"UPDATE users SET age = {age} WHERE name = 'ann'")
        failed = copying.run(views=True)
        assert "source 'origin', collection 'all': " in failed.failed.error
        assert "broken" in failed.failed.error
        assert any("the attempt will fail once the other tables are loaded" in line for line in failed.lines), failed
        for warehouse in both:
            assert rows(warehouse, "origin_users", "name, age") == [("ann", age), ("bob", 7)]
            assert rows(warehouse, "origin_orders", "id") == [(1,), (2,)]
            assert rows(warehouse, "origin_audit_log", "line") == [("x",), ("x",)]
            assert loaded(warehouse) - {"origin_broken"} == {
                *("origin_orders", "origin_users", "origin_audit_log", "origin_adults"),
            }
            assert "origin_broken" not in loaded(warehouse) or not rows(warehouse, "origin_broken")
    origin.execute("DROP VIEW broken")
    assert copying.run(again=1, views=True).finished.records_read == 1, "only what the failed attempt has not loaded"
    assert copying.run(views=True).finished


@ORIGINS
def test_a_killed_attempt_goes_on_with_the_tables_that_are_not_loaded_yet(
    copying: Copying, both: tuple[Warehouse, Warehouse]
) -> None:
    copying.commit_records = 1
    copying.collection |= {"cursor_field": "seq", "write_mode": "append"}
    for again, point in enumerate(("destination.committing@3", "destination.bookmarked@3", "child.committed@1")):
        copying.die(point, again=again)
    last = copying.run(again=3)
    assert last.finished
    for warehouse in both:
        assert rows(warehouse, "origin_orders", "id") == [(1,), (2,)]
        assert rows(warehouse, "origin_audit_log", "line") == [("x",), ("x",)], "one snapshot"
        assert rows(warehouse, "origin_users", "name") == [("ann",), ("bob",)]
    copying.run()
    for warehouse in both:
        assert len(rows(warehouse, "origin_audit_log", "line")) == 4, "two snapshots"
        assert rows(warehouse, "origin_orders", "id") == [(1,), (2,)]


@ORIGINS
def test_after_a_reset_all_tables_are_replaced_at_once(
    copying: Copying, origin: Origin, both: tuple[Warehouse, Warehouse]
) -> None:
    copying.commit_records = 1
    copying.collection |= {"cursor_field": "seq"}
    copying.run()
    origin.execute("DELETE FROM orders WHERE id = 1")
    copying.generation = 7
    copying.die("child.staged")
    for warehouse in both:
        assert rows(warehouse, "origin_orders", "id") == [(1,), (2,)]
    told = copying.run(again=1)
    assert len(told.committed) == 2, "one for each destination"
    for warehouse in both:
        assert rows(warehouse, "origin_orders", "id") == [(2,)]


@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
def test_a_table_that_a_destination_refuses_keeps_no_other_back(
    copying: Copying, origin: Origin, both: tuple[Warehouse, Warehouse], tmp_path: Path
) -> None:
    (tmp_path / "lake").mkdir()
    lake = Lake(tmp_path / "lake")
    copying.destinations |= {"lake": lake.options}
    origin.execute("CREATE TABLE zones (id INTEGER PRIMARY KEY, name TEXT)")
    copying.run()
    origin.execute("DELETE FROM audit_log")
    origin.execute("UPDATE users SET age = 'old' WHERE name = 'bob'")
    origin.execute("INSERT INTO zones VALUES (1, 'UTC')")
    failed = copying.run().failed
    assert "destination 'first': table 'origin_audit_log' has 2 rows, but the source sent none" in failed.error
    assert "table 'origin_users'" in failed.error
    assert failed.retryable, "the table may be full again"
    for warehouse in both:
        assert rows(warehouse, "origin_audit_log", "line") == [("x",), ("x",)]
        assert rows(warehouse, "origin_users", "name, age") == [("ann", 40), ("bob", 7)]
        assert rows(warehouse, "origin_zones", "name") == [("UTC",)]
    assert lake.select("name", table="origin_zones") == [("UTC",)]
    assert lake.select("line", table="origin_audit_log") == [("x",), ("x",)]
    origin.execute("UPDATE users SET age = 8 WHERE name = 'bob'")
    copying.collection |= {"empty": "allow"}
    assert copying.run(again=1).finished.records_read == 2, "the rows of the table that was refused"
    for warehouse in both:
        assert rows(warehouse, "origin_audit_log", "line") == []
        assert rows(warehouse, "origin_users", "name, age") == [("ann", 40), ("bob", 8)]


# Read in the order of its index, so that rows come before the one that cannot be read.
HALF_BROKEN = """
    CREATE TABLE made (seq INTEGER, text TEXT);
    CREATE INDEX made_seq ON made (seq);
    CREATE VIEW events AS SELECT seq, CASE WHEN seq = 40 THEN abs(-9223372036854775808) ELSE text END AS text FROM made
"""


def _unreadable_midway(copying: Copying, origin: Origin, both: tuple[Warehouse, Warehouse], *, lost: bool) -> Told:
    """A load whose table `events` cannot be read after some rows; it has loaded ten before."""
    copying.commit_records = 1
    copying.source_config |= {"chunk_rows": 10}
    copying.collection |= {"cursor_field": "seq"}
    for statement in HALF_BROKEN.split(";"):
        origin.execute(statement)
    numbers = "WITH RECURSIVE n (i) AS (SELECT {} UNION ALL SELECT i + 1 FROM n WHERE i < {})"
    for first, last in ((1, 10), (11, 60)):
        origin.execute(f"INSERT INTO made {numbers.format(first, last)} SELECT i, 'row ' || i FROM n")
        if last == 10:
            assert copying.run(include=["orders", "events"]).finished
    for warehouse in both if lost else ():
        warehouse.execute("UPDATE loaded._syncline_bookmarks SET bookmark = NULL")
    told = copying.run(include=["events", "orders"])
    assert "cannot read table 'main.events'" in told.failed.error
    return told


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
def test_a_table_that_cannot_be_read_to_its_end_goes_on_once_it_can(
    copying: Copying, origin: Origin, both: tuple[Warehouse, Warehouse], *, lost: bool
) -> None:
    """Without a bookmark its rows replace others, and do not move before all have come."""
    told = _unreadable_midway(copying, origin, both, lost=lost)
    assert bool(told.committed) is not lost
    for warehouse in both:
        assert (len(rows(warehouse, "origin_events")) > 10) is not lost
    origin.execute("DROP VIEW events")
    origin.execute("CREATE VIEW events AS SELECT * FROM made")
    assert copying.run(include=["events", "orders"]).finished
    for warehouse in both:
        assert rows(warehouse, "origin_events", "seq") == [(number,) for number in range(1, 61)]
        assert rows(warehouse, "origin_orders", "id") == [(1,), (2,)]


@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
def test_a_table_that_goes_before_its_end_was_read_is_named_and_is_loaded_whole_when_it_comes_back(
    copying: Copying, origin: Origin, both: tuple[Warehouse, Warehouse]
) -> None:
    told = _unreadable_midway(copying, origin, both, lost=False)
    assert 10 < int(parts(told)["events"]["value"]) < 40
    gone = copying.run(include=["orders"])
    assert any("no longer chosen: 'events'. Rows that were loaded from there stay" in line for line in gone.lines)
    assert parts(gone).keys() == {"orders"}
    origin.execute("ALTER TABLE made RENAME TO old")
    origin.execute("DROP VIEW events")
    origin.execute("CREATE VIEW events AS SELECT * FROM old")
    assert any("new: 'events'" in line for line in copying.run(include=["events", "orders"]).lines)
    for warehouse in both:
        assert rows(warehouse, "origin_events", "seq") == [(number,) for number in range(1, 61)]


@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
def test_a_table_without_a_key_that_gets_the_cursor_is_replaced_once_more(
    copying: Copying, origin: Origin, both: tuple[Warehouse, Warehouse]
) -> None:
    copying.collection |= {"cursor_field": "seq"}
    copying.commit_records = 1
    copying.run()
    origin.execute("ALTER TABLE audit_log ADD COLUMN seq INTEGER")
    origin.execute("UPDATE audit_log SET seq = 5")
    copying.die("child.committed")
    told = copying.run()
    assert told.finished
    assert parts(told)["audit_log"] == {"cursor_field": "seq", "type": "integer", "value": "5"}
    origin.execute("INSERT INTO audit_log VALUES ('y', 6)")
    assert copying.run().finished
    for warehouse in both:
        assert rows(warehouse, "origin_audit_log", "line, seq") == [("x", 5), ("x", 5), ("y", 6)]


@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
def test_rows_of_a_table_that_is_begun_again_stay(
    copying: Copying, origin: Origin, both: tuple[Warehouse, Warehouse]
) -> None:
    """As of a log that is put aside: while the new one has no rows, nothing says how far it was read."""
    origin.execute("CREATE TABLE events (seq INTEGER)")
    origin.execute("INSERT INTO events VALUES (1), (2)")
    copying.collection |= {"cursor_field": "seq"}
    copying.run()
    origin.execute("DROP TABLE events")
    copying.run()
    origin.execute("CREATE TABLE events (seq INTEGER)")
    for _ in range(2):
        assert copying.run().finished
    origin.execute("INSERT INTO events VALUES (3)")
    assert copying.run().finished
    for warehouse in both:
        assert rows(warehouse, "origin_events", "seq") == [(1,), (2,), (3,)]


@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
def test_a_mode_that_only_some_tables_allow_loads_those(copying: Copying, postgres: Postgres) -> None:
    copying.destinations = {"first": postgres.options()}
    copying.collection |= {"write_mode": "upsert"}
    failed = copying.run().failed.error
    assert "write_mode 'upsert' needs a key, and the source has none for table 'origin_audit_log'" in failed
    assert loaded(postgres) == {"origin_orders", "origin_users"}
    assert copying.run(exclude="audit_log").finished


@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
def test_a_column_that_no_table_has_is_refused(copying: Copying) -> None:
    refused = copying.run(cursor_field="seqq").failed.error
    assert "cursor_field names 'seqq', but no table has that. Did you mean 'seq'?" in refused
    refused = copying.run(key=["id", "day"]).failed.error
    assert "key names 'id', 'day', but no table has that: correct it, or remove it to use the key that" in refused


@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
def test_two_tables_that_would_be_one_are_refused_unless_one_gets_a_name_of_its_own(
    copying: Copying, origin: Origin, postgres: Postgres
) -> None:
    origin.execute('CREATE TABLE "audit-log" (id INTEGER)')
    assert "several streams would go to the table 'origin_audit_log'" in copying.run().failed.error
    copying.source_config |= {"stream_table_names": {"audit-log": "other"}}
    assert copying.run().finished
    assert loaded(postgres) == {"origin_orders", "origin_users", "origin_audit_log", "other"}


@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
def test_a_name_that_no_table_has_fails_the_attempt_and_the_others_are_loaded(
    copying: Copying, postgres: Postgres
) -> None:
    told = copying.run(include=["orders", "user", "nothing*"])
    assert "the database has no table 'user'. Did you mean 'users'? There are 'adults', " in told.failed.error
    assert not told.failed.retryable
    assert any("these patterns match no table: 'nothing*'" in line for line in told.lines)
    assert loaded(postgres) == {"origin_orders"}
    assert "no table in the database matches 'user'. Did you mean 'users'?" in copying.run(include="user").failed.error


@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
def test_intervals_need_a_collection_of_one_table(copying: Copying) -> None:
    refused = Told.by(copying.start(backfill=("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"), cursor_field="seq"))
    assert "a backfill needs a collection of one table" in refused.failed.error
    windows = {"length": "day", "start": "2024-01-01", "now": "2024-01-03T00:00:00Z", "refresh_seconds": 0}
    copying.collection |= {"windows": windows}
    assert "an 'interval' needs a collection of one table" in copying.run().failed.error


@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
def test_a_test_of_the_source_names_every_table_that_cannot_be_read(copying: Copying, origin: Origin) -> None:
    copying.mode = "check"
    assert copying.run(cursor_field="seq").finished
    for name in ("broken", "worse"):
        origin.execute(BROKEN["sqlite"].replace("broken", name))
    failed = copying.run(views=True).failed
    assert "cannot read table 'main.broken'" in failed.error
    assert "cannot read table 'main.worse'" in failed.error
    copying.mode = "sync"
    assert {*parts(copying.run())} == {"orders", "users", "audit_log"}, (
        "a view that nobody asked for keeps nothing back"
    )


@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
def test_a_view_that_can_no_longer_be_used_keeps_no_table_from_being_offered(copying: Copying, origin: Origin) -> None:
    origin.execute("CREATE VIEW broken AS SELECT no_column FROM users")
    copying.mode = "discover"
    offered = [message.name for message in copying.run().messages if isinstance(message, Offered)]
    assert offered == ["adults", "audit_log", "orders", "users"]


@pytest.mark.parametrize("origin", ["postgres"], indirect=True)
def test_partitions_and_tables_of_syncline_are_no_tables_of_their_own(
    copying: Copying, origin: Origin, postgres: Postgres
) -> None:
    origin.execute("CREATE TABLE days (day INTEGER) PARTITION BY RANGE (day)")
    origin.execute("CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM (0) TO (9)")
    origin.execute("INSERT INTO days VALUES (1), (2)")
    for _ in range(2):
        assert copying.run(include="days*").finished
        assert copying.run().finished
    assert loaded(postgres) == {"origin_days", "origin_orders", "origin_users", "origin_audit_log"}
    assert rows(postgres, "origin_days", "day") == [(1,), (2,)]


@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
def test_complete_tables_arrive_in_files_too_when_another_cannot_be_read(
    copying: Copying, origin: Origin, tmp_path: Path
) -> None:
    (tmp_path / "lake").mkdir()
    lake = Lake(tmp_path / "lake")
    copying.destinations = {"lake": lake.options}
    copying.commit_records = 1
    origin.execute("CREATE VIEW broken AS SELECT no_column FROM users")
    for age in (41, 42):
        origin.execute(f"UPDATE users SET age = {age} WHERE name = 'ann'")
        assert "broken" in copying.run(views=True).failed.error
        assert lake.select("name, age", table="origin_users") == [("ann", age), ("bob", 7)]
        assert lake.select("line", table="origin_audit_log") == [("x",), ("x",)]
    origin.execute("DROP VIEW broken")
    copying.die("child.staged@2", views=True)
    assert copying.run(again=1, views=True).finished
    assert lake.select("name, age", table="origin_users") == [("ann", 42), ("bob", 7)]
