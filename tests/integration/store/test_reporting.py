"""What a SQL user sees in the schema `reporting`, and cannot see or do elsewhere."""

from __future__ import annotations

import re
from math import floor
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.rows import dict_row

from app.projections.histogram import RELATIVE_ERROR
from app.store.resets import reset_collection
from tests.integration.projections.service import running_service
from tests.servers.postgres import ROOT, create_database, drop_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.integration.projections.service import Service

EXAMPLES = re.findall(r"^```sql\n(.*?)^```", (ROOT / "docs" / "reporting.md").read_text(), re.MULTILINE | re.DOTALL)

# Tasks of one collection that waited 1, 2, … seconds and took 3, 6, … seconds, all of them yesterday.
ENDED = """
WITH made AS (
  SELECT syncline.uuid7(at) AS task, at, at + n * interval '1 second' AS started,
         at + 4 * n * interval '1 second' AS ended
  FROM generate_series(1, $1) AS n, (SELECT (current_date - 1)::timestamp AT TIME ZONE 'UTC' AS at) AS c
)
INSERT INTO syncline.events (task, version, type, at, status, attempt, data)
SELECT task, 1, 'TaskScheduled', at, 'SCHEDULED', 0,
       '{"source": "shop", "collection": "orders", "source_type": "synthetic", "trigger": "api", "priority": 1,
         "max_attempts": 3}'::jsonb
FROM made
UNION ALL SELECT task, 2, 'TaskStarted', started, 'RUNNING', 1, '{}' FROM made
UNION ALL SELECT task, 3, 'TaskSucceeded', ended, 'SUCCESS', 1, '{}' FROM made
"""

# Enough rows everywhere that reading all of them would be the wrong plan.
SEED = """
INSERT INTO syncline.tasks (task, source, collection, source_type, trigger, priority, max_attempts, status, attempt,
                            failures, rows, created_at, finished_at, version)
SELECT syncline.uuid7(at), 's' || n % 50, 'c' || n % 7, 'synthetic', 'api', 1, 3, 'SUCCESS', 1, 0, 0, at, at, 3
FROM (SELECT n, now() - n * interval '1 minute' AS at FROM generate_series(1, 20000) AS n) AS made;
INSERT INTO syncline.events (task, version, type, at, status, attempt)
SELECT task, n, 'TaskStarted', created_at, 'RUNNING', 1 FROM syncline.all_tasks, generate_series(1, 3) AS n;
INSERT INTO syncline.catalogues
SELECT 'catalogue ' || n, 's' || s, 'synthetic', '1', 'digest', 'key', now()
FROM generate_series(1, 400) AS n, generate_series(1, 50) AS s;
INSERT INTO syncline.log_events (task, attempt, line, at, level, message)
SELECT task, 1, 1, created_at, 'info', 'x' FROM syncline.all_tasks;
INSERT INTO syncline.fire_times (source, collection, fire_time, outcome, misfire, worker, decided_at)
SELECT source, collection, created_at, 'started', 'latest', gen_random_uuid(), created_at FROM syncline.all_tasks;
INSERT INTO syncline.collections
SELECT n.*
FROM syncline.tasks t, generate_series(1, 20000) AS i,
     jsonb_populate_record(NULL::syncline.collections, to_jsonb(t) || jsonb_build_object(
       'source', 's' || i, 'collection', 'c', 'run_at', now(), 'cancel_requested', false, 'claim', 0,
       'changed_at', now(), 'xid', '1', 'consecutive_failures', 0, 'pool', 'default'
     )) AS n
WHERE t.task = (SELECT task FROM syncline.tasks ORDER BY task DESC LIMIT 1);
INSERT INTO syncline.daily_collection_stats
SELECT 1, current_date - d, 's' || s, 'c', 1, 0, 0, 0, 0, 0
FROM generate_series(1, 50) AS d, generate_series(1, 400) AS s;
INSERT INTO syncline.daily_collection_histogram
SELECT 1, day, source, collection, 'duration', 5, 1 FROM syncline.daily_collection_stats;
ANALYZE
"""

VIEWS = {
    "tasks",
    "task_events",
    "task_starts",
    "task_logs",
    "task_story",
    "collections",
    "queue",
    "fire_times",
    "daily_collection_stats",
    "workers",
    "columns",
    "schema_changes",
    "history",
}


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    async with running_service(database_url) as service:
        yield service


@pytest.fixture
def report(database_url: str) -> Iterator[psycopg.Connection[dict[str, object]]]:
    """A connection that is syncline_report."""
    with psycopg.connect(database_url, autocommit=True, row_factory=dict_row) as connection:
        connection.execute("SET SESSION AUTHORIZATION syncline_report")
        yield connection


async def test_every_example_of_the_documentation_runs(
    service: Service, report: psycopg.Connection[dict[str, object]]
) -> None:
    await service.history()
    await service.project()
    assert len(EXAMPLES) >= 10
    answers = [len(report.execute(example.encode()).fetchall()) for example in EXAMPLES]
    assert sum(count > 0 for count in answers) >= 5


def test_every_view_and_column_has_a_comment_and_stands_in_the_documentation(database_url: str) -> None:
    page = (ROOT / "docs" / "reporting.md").read_text()
    with psycopg.connect(database_url) as connection:
        columns = connection.execute(
            "SELECT c.relname, a.attname, obj_description(c.oid), col_description(c.oid, a.attnum)"
            " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0"
            " WHERE c.relnamespace = 'reporting'::regnamespace"
        ).fetchall()
    assert {view for view, *_ in columns} == VIEWS
    for view, column, about_view, about_column in columns:
        section = page.split(f"\n## `{view}`\n")[1].split("\n## ")[0]
        assert f"`{column}`" in section, f"{view}.{column}"
        assert about_view, view
        assert about_column, f"{view}.{column}"


async def test_a_tasks_story_is_told_in_order(service: Service, report: psycopg.Connection[dict[str, object]]) -> None:
    task = await service.live("orders")
    story = report.execute("SELECT * FROM reporting.task_story WHERE task = %s ORDER BY position", [task]).fetchall()
    assert [(row["kind"], row["message"]) for row in story] == [
        ("event", "TaskScheduled"),
        ("event", "TaskStarted"),
        ("log", f"[shop_orders_{task}] Running task..."),
        ("event", "BookmarkSaved"),
        ("log", f"[shop_orders_{task}] FINISHED SUCCESSFULLY"),
        ("event", "TaskSucceeded"),
    ]


async def test_tasks_tell_their_waits_and_durations(
    service: Service, report: psycopg.Connection[dict[str, object]]
) -> None:
    ended = await service.live("orders")
    waiting = await service.schedule("users")
    rows = {row["task"]: row for row in report.execute("SELECT * FROM reporting.tasks").fetchall()}
    assert rows[ended]["task_id"] == f"shop_orders_{ended}"
    assert rows[ended]["duration"] == rows[ended]["finished_at"] - rows[ended]["started_at"]  # type: ignore[operator]
    assert rows[ended]["queue_wait"] == rows[ended]["started_at"] - rows[ended]["created_at"]  # type: ignore[operator]
    assert rows[waiting]["duration"] is None
    assert rows[waiting]["queue_wait_seconds"] > 0  # type: ignore[operator]


async def test_a_collection_shows_its_active_task_and_only_bookmarks_that_stand(
    service: Service, report: psycopg.Connection[dict[str, object]]
) -> None:
    await service.live("orders")
    active = await service.schedule("orders")
    (row,) = report.execute("SELECT * FROM reporting.collections WHERE source = 'shop'").fetchall()
    assert (row["last_task"], row["active_task"], row["active_status"]) == (active, active, "SCHEDULED")
    assert row["destinations"] == ["warehouse"]
    await reset_collection(service.pool, "shop", "orders")
    (row,) = report.execute("SELECT * FROM reporting.collections").fetchall()
    assert (row["destinations"], row["bookmark_saved_at"]) == (None, None)


async def test_a_worker_whose_lease_ran_out_is_shown_as_lost(
    service: Service, database_url: str, report: psycopg.Connection[dict[str, object]]
) -> None:
    await service.schedule("orders")
    await service.claim()
    (row,) = report.execute("SELECT state, running FROM reporting.workers").fetchall()
    assert row == {"state": "active", "running": 1}
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE syncline.workers SET lease_until = now() - interval '1 second'")
    (row,) = report.execute("SELECT state FROM reporting.workers").fetchall()
    assert row == {"state": "lost"}


@pytest.mark.parametrize("tasks", [1, 2, 20, 101])
async def test_percentiles_are_within_the_error_and_totals_exact(
    service: Service, database_url: str, report: psycopg.Connection[dict[str, object]], tasks: int
) -> None:
    with psycopg.connect(database_url, autocommit=True, cursor_factory=psycopg.RawCursor) as connection:
        connection.execute(ENDED, [tasks])
    await service.project()
    (row,) = report.execute("SELECT * FROM reporting.daily_collection_stats").fetchall()
    assert (row["runs"], row["success"], row["failed"], row["canceled"]) == (tasks, tasks, 0, 0)
    assert row["duration_total_seconds"] == sum(3 * n for n in range(1, tasks + 1))
    assert row["queue_wait_total_seconds"] == sum(range(1, tasks + 1))
    for q in (50, 95):
        exact = 1 + floor(q / 100 * (tasks - 1))
        assert row[f"queue_wait_p{q}_seconds"] == pytest.approx(exact, rel=RELATIVE_ERROR)
        assert row[f"duration_p{q}_seconds"] == pytest.approx(3 * exact, rel=RELATIVE_ERROR)


@pytest.mark.parametrize(
    "query",
    [
        "tasks WHERE task = '01980000-0000-7000-8000-000000000000'",
        "tasks WHERE task = right('s1_c1_01980000-0000-7000-8000-000000000000', 36)::uuid",
        "tasks WHERE source = 's1' AND created_at > now() - interval '1 hour'",
        "tasks WHERE source = 's1' AND collection = 'c1'",
        "task_events WHERE task = '01980000-0000-7000-8000-000000000000'",
        "task_events WHERE source = 's1' AND collection = 'c1'",
        "task_starts WHERE task = '01980000-0000-7000-8000-000000000000'",
        "task_starts WHERE source = 's1' AND collection = 'c1'",
        "task_logs WHERE task = '01980000-0000-7000-8000-000000000000'",
        "task_story WHERE task = '01980000-0000-7000-8000-000000000000' ORDER BY position",
        "collections WHERE source = 's1'",
        "fire_times WHERE source = 's1' AND collection = 'c1' AND fire_time > now() - interval '1 hour'",
        "daily_collection_stats WHERE source = 's1' AND day > current_date - 3",
    ],
)
def test_filters_by_task_and_source_use_indexes(seeded_database_url: str, query: str) -> None:
    with psycopg.connect(seeded_database_url) as connection:
        lines = [line for (line,) in connection.execute(f"EXPLAIN SELECT * FROM reporting.{query}".encode())]
        empty = {name for (name,) in connection.execute(EMPTY)}
    tables = ("tasks", "events", "log_events", "collections", "fire_times", "daily_collection")
    scans = [line for line in lines if "Seq Scan" in line and any(f" on {table}" in line for table in tables)]
    scans = [line for line in scans if not empty.intersection(line.split())]
    assert scans == [], "\n".join(lines)


# A week to come has no pages: reading all of it costs nothing.
EMPTY = "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' AND pg_relation_size(oid) = 0"


@pytest.fixture(scope="module")
def seeded_database_url(postgres_server_url: str, migrated_template: str) -> Iterator[str]:
    url = create_database(postgres_server_url, template=migrated_template)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SEED)
    yield url
    drop_database(url, server_url=postgres_server_url)
