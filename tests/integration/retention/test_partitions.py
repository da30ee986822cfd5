"""Partitions are there before they are needed; one that is missing after all is made at once."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from app.scheduling.scheduler import Scheduler
from app.store.notify import Notifier
from app.store.partitions import ensure_partitions
from app.store.queries import load_statements
from app.store.schedules import ScheduleDefinition, Schedules
from tests.integration.store.test_plans import nodes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.integration.retention.lives import Era

TABLES = ("events", "log_events", "fire_times")
QUEUE, STREAMS, READS, LOG_SEARCH, PROJECTIONS, SCHEDULES = (
    load_statements(f"{name}.sql") for name in ("queue", "streams", "reads", "log_search", "projections", "schedules")
)


async def _bounds(era: Era, table: str) -> list[tuple[Any, Any]]:
    return [
        (row["low"], row["high"]) for row in await era.admin.fetch("SELECT * FROM syncline.partitions_of($1)", table)
    ]


async def _lose(era: Era, *, from_: int = 0) -> None:
    """Drop the partitions of all tables, but for the lowest ones."""
    for table in TABLES:
        for partition in (await era.partitions(table))[from_:]:
            await era.admin.execute(f"DROP TABLE syncline.{partition}")


@pytest.fixture
async def scheduler(era: Era) -> AsyncIterator[Scheduler]:
    notifier = Notifier(era.pool)
    yield Scheduler(era.pool, notifier, lambda: UUID(int=1))
    await notifier.aclose()


@pytest.mark.parametrize("table", TABLES)
async def test_there_is_no_hole_from_the_beginning_of_time_to_the_third_week_after_this_one(
    era: Era, table: str
) -> None:
    now = await era.pool.fetchval("SELECT syncline.clock()")
    bounds = await _bounds(era, table)
    assert bounds[0][0] is None
    assert [high for _, high in bounds[:-1]] == [low for low, _ in bounds[1:]]
    monday = (now - timedelta(days=now.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    assert bounds[-1] == (monday + timedelta(weeks=3), monday + timedelta(weeks=4))


async def test_events_and_log_lines_have_equal_bounds(era: Era) -> None:
    await era.go(timedelta(days=100))
    assert await _bounds(era, "events") == await _bounds(era, "log_events")


async def test_a_hole_is_filled(era: Era) -> None:
    before = {table: await _bounds(era, table) for table in TABLES}
    for table in TABLES:
        await era.admin.execute(f"DROP TABLE syncline.{(await era.partitions(table))[1]}")
    await ensure_partitions(era.pool)
    assert {table: await _bounds(era, table) for table in TABLES} == before


@pytest.mark.parametrize("lost", [0, 1])
async def test_a_missing_partition_fails_no_request_for_a_task(era: Era, lost: int) -> None:
    await _lose(era, from_=lost)
    await era.lived("orders", lines=3, save=True)
    await era.is_sound()


@pytest.mark.parametrize("lost", [0, 1])
async def test_a_missing_partition_fails_no_fire_time(era: Era, scheduler: Scheduler, lost: int) -> None:
    due = await _due(era)
    await _lose(era, from_=lost)
    assert await scheduler.decide_due(UUID(int=1)) == due
    assert await era.pool.fetchval("SELECT count(*) FROM syncline.collections WHERE status = 'SCHEDULED'") == due
    assert await scheduler.decide_due(UUID(int=1)) is None


@pytest.mark.parametrize("span", [timedelta(days=1000), timedelta(days=-1000)])
async def test_a_clock_that_jumps_finds_partitions(era: Era, scheduler: Scheduler, span: timedelta) -> None:
    """No housekeeping comes between."""
    await era.lived("orders")
    offset = await era.admin.fetchval("SELECT current_setting('syncline.clock_offset')::interval")
    seconds = (offset + span).total_seconds()
    await era.admin.execute(f"ALTER DATABASE {era.database} SET syncline.clock_offset = '{seconds} seconds'")
    await era.pool.expire_connections()
    await era.service.schedule("orders")
    due = await _due(era)
    assert await scheduler.decide_due(UUID(int=1)) == due
    assert len(await era.partitions("events")) <= 12
    await era.is_sound()


async def test_statements_about_one_task_look_into_one_partition_of_a_year(era: Era) -> None:
    task = await era.lived("orders", lines=3)
    for _ in range(26):
        await era.go(timedelta(days=14))
    assert len(await era.partitions("events")) > 50
    worker, array, tasks = f"'{UUID(int=1)}'", "'{x}'", f"ARRAY['{task}'::uuid]"
    page_of_log = [f"'{task}'", "1", "0", "'-infinity'", "'infinity'"]
    statements = {
        "log_page": (READS, [*page_of_log, "1000"]),
        "lines_before": (LOG_SEARCH, [*page_of_log, "1000", "32767", "9", "500", "NULL", "NULL", "1000000", "''"]),
        "bookmark_head": (STREAMS, [worker, "'s'", "'c'", f"'{task}'", "1", "1"]),
        "held_attempts": (QUEUE, [worker]),
        "cancel_task": (QUEUE, [f"'{task}'", "false", "'{}'"]),
        "rescue_attempts": (QUEUE, []),
        "streams_of": (PROJECTIONS, [tasks]),
        "undecided_fire_times": (SCHEDULES, [array, array, "ARRAY[now()]"]),
    }
    scanned = {name: await _scanned(era, file[name], values) for name, (file, values) in statements.items()}
    assert all(partitions <= 1 for partitions in scanned.values()), scanned


async def _scanned(era: Era, statement: str, values: list[str]) -> int:
    """How many partitions of a table a statement's generic plan looks into when it runs, at most."""
    given = f"({', '.join(values)})" if values else ""
    async with era.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(f"PREPARE explained AS {statement}")
        plan = await connection.fetchval(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE explained{given}")
        await transaction.rollback()
        await connection.execute("DEALLOCATE explained")
    looked_into: set[str] = {
        node["Relation Name"]
        for node in nodes(json.loads(plan)[0]["Plan"])
        if node.get("Relation Name") and node["Actual Loops"]
    }
    return max(sum(relation.startswith(f"{table}_") for relation in looked_into) for table in TABLES)


async def _due(era: Era) -> int:
    now = await era.pool.fetchval("SELECT syncline.clock()")
    definitions = [
        ScheduleDefinition("s", f"c{n}", "synthetic", 3, "@yearly", "UTC", "latest", None) for n in range(20)
    ]
    await Schedules(era.pool).put([(definition, now - timedelta(minutes=1)) for definition in definitions])
    return len(definitions)
