"""Housekeeping makes partitions and retires what the catalogue says is too old now, not when the process began."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from structlog.testing import capture_logs

from app.config.sections import Retention, Server, StoreLogs, SyncTasks
from app.execution.housekeeping import Housekeeping
from tests.harness import opened, until

if TYPE_CHECKING:
    from tests.integration.retention.lives import Era

HOUR, MINUTE = 3600.0, 60.0


async def test_it_retires_what_the_catalogue_says_once_it_says_so(era: Era) -> None:
    server = [_keeping(days=0, last_runs=0)]
    housekeeping = Housekeeping(era.pool, lambda: server[0])
    old = [await era.lived("orders") for _ in range(4)]
    await era.go(timedelta(days=30))
    new = await era.lived("orders")
    await era.service.project()
    assert await housekeeping.step() == HOUR
    assert await era.tasks() == await era.logged() == {*old, new}
    server[0] = _keeping(days=0, last_runs=2)
    assert await housekeeping.step() == HOUR
    assert await era.tasks() == {*old, new}
    assert await era.logged() == {old[-1], new}
    server[0] = _keeping(days=14, last_runs=0)
    assert await housekeeping.step() == HOUR
    assert await era.tasks() == {new}


async def test_it_comes_back_soon_where_a_long_query_was_in_the_way(era: Era, database_url: str) -> None:
    await era.lived("orders")
    await era.go(timedelta(days=30))
    new = await era.lived("orders")
    await era.service.project()
    housekeeping = Housekeeping(era.pool, lambda: _keeping(days=14, last_runs=0))
    async with opened(database_url) as other, other.acquire() as connection, connection.transaction():
        await connection.fetch("SELECT FROM syncline.events")
        assert await housekeeping.step() == MINUTE
    assert await housekeeping.step() == HOUR
    assert await era.tasks() == {new}


async def test_it_says_why_a_week_is_sealed_later(era: Era) -> None:
    await era.lived("orders")
    await era.go(timedelta(days=15))
    await era.admin.execute("ALTER FUNCTION syncline.seal_week() SET lock_timeout = '50ms'")
    housekeeping = Housekeeping(era.pool, lambda: _keeping(days=0, last_runs=0))

    async def waited_for_a_lock() -> bool:
        with capture_logs() as logs:
            assert await housekeeping.step() == MINUTE
        [delayed] = [line for line in logs if line["event"] == "sealing.delayed"]
        return bool(delayed["error"] == "canceling statement due to lock timeout")

    async with era.admin.transaction():
        await era.admin.execute("LOCK TABLE syncline.sealed_streams IN SHARE MODE")
        await until(waited_for_a_lock)


async def test_statistics_go_after_their_own_time_and_only_where_the_tasks_have_gone(era: Era) -> None:
    server = [_keeping(days=0, last_runs=0, statistics_days=20)]
    housekeeping = Housekeeping(era.pool, lambda: server[0])
    await era.lived("orders")
    await era.go(timedelta(days=30))
    await era.lived("orders")
    await era.service.project()
    days = "SELECT count(DISTINCT day) FROM syncline.daily_collection_stats"
    await housekeeping.step()
    assert await era.pool.fetchval(days) == 2
    server[0] = _keeping(days=14, last_runs=0, statistics_days=20)
    await housekeeping.step()
    assert await era.pool.fetchval(days) == 1
    await era.is_sound()


def _keeping(*, days: int, last_runs: int, statistics_days: int = 0) -> Server:
    return Server(
        retention=Retention(days=days, statistics_days=statistics_days),
        sync_tasks=SyncTasks(store_logs=StoreLogs(last_runs=last_runs)),
    )
