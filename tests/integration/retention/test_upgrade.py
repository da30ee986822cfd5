"""What an older release has left becomes partitions, is retired like the rest, and goes back without a loss."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from app.domain.task import Status
from app.store.leases import Leases
from tests.harness import opened_store
from tests.integration.retention.lives import KEEP, running_era
from tests.servers.postgres import step

if TYPE_CHECKING:
    import asyncpg

BEFORE = "0004"
OLD_LINES = """
INSERT INTO syncline.log_events SELECT syncline.uuid7(now() - interval '10 days' * n), 1, 1, now(), 'info', 'x'
FROM generate_series(0, 2) n
"""
ROWS = """
SELECT (SELECT count(*) FROM syncline.events), (SELECT count(*) FROM syncline.log_events),
       (SELECT count(*) FROM syncline.fire_times)
"""
FARTHEST_DAYS = 40
FIRE_TIMES = f"""
INSERT INTO syncline.fire_times (source, collection, fire_time, outcome, misfire, worker, decided_at)
SELECT 's', 'c', now() - n * interval '1 day', 'missed', 'skip', gen_random_uuid(), now()
FROM generate_series(-{FARTHEST_DAYS}, 400) n
"""


async def test_a_filled_store_becomes_partitions_and_plain_tables_again(empty_database_url: str) -> None:
    step(empty_database_url, "upgrade", "head")
    async with running_era(empty_database_url) as era:
        await era.service.history()
        told = await _stories(era.admin)
        assert "Running task..." in str(told)
    step(empty_database_url, "downgrade", BEFORE)
    async with opened_store(empty_database_url) as store:
        assert await _stories(store.admin) == told
        await store.admin.execute(OLD_LINES + ";" + FIRE_TIMES)
        before = await store.admin.fetchrow(ROWS)
        stories = await _stories(store.admin)
    for direction, revision in (("upgrade", "0005"), ("downgrade", BEFORE), ("upgrade", "head")):
        step(empty_database_url, direction, revision)
        async with opened_store(empty_database_url) as store:
            assert await store.admin.fetchrow(ROWS) == before
            assert await _stories(store.admin) == stories
            await store.admin.execute("SELECT syncline.ensure_log_partitions()")
    async with running_era(empty_database_url) as era:
        await era.is_sound()
        for row in await era.pool.fetch("SELECT task FROM syncline.collections"):
            await era.service.queue.cancel(row["task"])
        # Past the end of the week that the last fire time lies in, whatever day it is today.
        await era.go(timedelta(days=FARTHEST_DAYS + 7) + KEEP)
        await Leases(era.pool).rescue()
        await era.lived("orders")
        listed = await era.tasks()
        assert await era.retire(last_runs=2)
        assert await era.tasks() < listed
        assert await era.pool.fetchval("SELECT count(*) FROM syncline.fire_times") < 100
        await era.is_sound()


async def test_what_is_gone_is_remembered_on_the_way_back_and_forth(empty_database_url: str) -> None:
    step(empty_database_url, "upgrade", "head")
    async with running_era(empty_database_url) as era:
        for _ in range(3):
            await era.lived("orders", Status.FAILED)
        # Past the end of the week that the last fire time lies in, whatever day it is today.
        await era.go(timedelta(days=FARTHEST_DAYS + 7) + KEEP)
        await era.lived("orders", Status.FAILED)
        assert await era.retire()
    for direction, revision in (("downgrade", BEFORE), ("upgrade", "head")):
        step(empty_database_url, direction, revision)
    async with running_era(empty_database_url, prepared=False) as era:
        await era.is_sound()


async def _stories(admin: asyncpg.Connection[asyncpg.Record]) -> list[object]:
    return [*await admin.fetch("SELECT * FROM reporting.task_story ORDER BY task, position")]
