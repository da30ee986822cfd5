"""The asynchronous projection sees every event once, whoever commits when, however many replicas run it."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, cast

from app.projections import ProjectionRunner, verify
from app.projections.daily import DAILY, DailyProjection
from app.projections.runner import apply_next
from app.store import projections as store
from app.store.queue import TaskQueue
from app.store.streams import AttemptStreams
from tests.integration.projections.service import Service

if TYPE_CHECKING:
    import pytest

    from app.store.database import Pool

NEXT_XID = "SELECT pg_snapshot_xmax(pg_current_snapshot())"


async def test_a_late_commit_of_an_early_transaction_is_not_skipped(service: Service) -> None:
    runner = ProjectionRunner(service.pool)
    async with service.pool.acquire() as connection, connection.transaction():
        early = _within(service, connection)
        await early.live("early")
        await service.live("late")
        await _drain(runner)
        assert await _successes(service) == 0  # the late one has to wait for the early one
    await _drain(runner)
    assert await _successes(service) == 2


async def test_a_transaction_that_only_took_its_id_is_waited_for(service: Service) -> None:
    runner = ProjectionRunner(service.pool)
    async with service.pool.acquire() as connection, connection.transaction():
        await connection.fetchval("SELECT pg_current_xact_id()")
        await service.live("late")
        await _drain(runner)
        await _within(service, connection).live("early")
    await _drain(runner)
    assert await _successes(service) == 2


async def test_many_writers_and_many_runners_lose_nothing_and_count_nothing_twice(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    stop = asyncio.Event()
    runners = [asyncio.create_task(ProjectionRunner(service.pool).run(stop, interval_seconds=0.001)) for _ in range(3)]

    async def write(number: int) -> int:
        random = Random(number)  # noqa: S311 - it only has to vary
        lives = 0
        for turn in range(12):
            async with service.pool.acquire() as connection, connection.transaction():
                await connection.fetchval("SELECT pg_current_xact_id()")
                own = _within(service, connection)
                for life in range(random.randint(0, 3)):
                    await asyncio.sleep(random.random() / 500)
                    await own.schedule(f"{number}-{turn}-{life}")
                    for claim in await own.claim():
                        lives += await own.end(claim) == []
        return lives

    lives = sum(await asyncio.gather(*map(write, range(3))))
    for claim in await service.claim():
        await service.end(claim)
        lives += 1
    while await _successes(service) < lives:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    stop.set()
    await asyncio.gather(*runners)
    assert await _successes(service) == lives > 0
    assert await verify(service.pool) == []
    assert not caplog.records


async def test_what_is_rolled_back_is_applied_again_and_counted_once(service: Service) -> None:
    await service.live("orders")
    async with service.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        checkpoint = await store.take_checkpoint(connection, DAILY, 1)
        assert checkpoint is not None
        assert (await apply_next(connection, DailyProjection(), 1, checkpoint))[1] > 0
        await transaction.rollback()
    await _drain(ProjectionRunner(service.pool))
    assert await _successes(service) == 1


async def test_a_runner_leaves_a_checkpoint_alone_that_another_one_holds(service: Service) -> None:
    await service.live("orders")
    async with service.pool.acquire() as connection, connection.transaction():
        await store.take_checkpoint(connection, DAILY, 1)
        assert await ProjectionRunner(service.pool).run_once() == 0


async def test_a_poll_without_events_writes_nothing(service: Service) -> None:
    runner = ProjectionRunner(service.pool)
    await service.live("orders")
    await _drain(runner)
    before = await service.pool.fetchval(NEXT_XID)
    for _ in range(5):
        assert await runner.run_once() == 0
    assert await service.pool.fetchval(NEXT_XID) == before


async def test_days_are_those_of_utc_and_a_queued_tasks_end_has_no_duration(service: Service) -> None:
    task = await service.schedule("orders")
    await service.queue.cancel(task)
    await _drain(ProjectionRunner(service.pool))
    row = await service.pool.fetchrow(
        "SELECT day = (SELECT max(at AT TIME ZONE 'UTC')::date FROM syncline.events), canceled, success,"
        " duration_microseconds FROM syncline.daily_collection_stats"
    )
    assert row is not None
    assert tuple(row) == (True, 1, 0, 0)
    assert await service.pool.fetchval("SELECT count(*) FROM syncline.daily_collection_histogram") == 0


async def _drain(runner: ProjectionRunner) -> None:
    while await runner.run_once():
        pass


async def _successes(service: Service) -> int:
    count: int = await service.pool.fetchval("SELECT coalesce(sum(success), 0) FROM syncline.daily_collection_stats")
    return count


def _within(service: Service, connection: object) -> Service:
    """The same service with all its statements in one transaction."""
    pool = cast("Pool", connection)
    return Service(pool, TaskQueue(pool), AttemptStreams(pool), service.worker)
