"""Any projection can be rebuilt to what the events say, while tasks are asked for, claimed and ended."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from app.domain.cause import Actor, Cause
from app.domain.errors import ConfigurationError, LeaseLostError, SynclineError
from app.domain.task import Status
from app.projections import PROJECTIONS, ProjectionRunner, rebuild, verify
from app.projections.collections import Collections
from app.projections.daily import DAILY
from app.projections.histories import History
from app.store import projections as store
from app.store.bookmarks import Bookmarks
from app.store.daily_stats import add_daily_stats
from app.store.leases import Leases
from app.store.pauses import Pauses
from app.store.resets import reset_collection
from tests.harness import until
from tests.history.reading import read_history
from tests.history.rules import requested_tasks_follow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.integration.projections.service import Service

OUTCOMES = (Status.SUCCESS, Status.FAILED, Status.CANCELED)


@pytest.mark.parametrize("garble", ["TRUNCATE syncline.{0}", "DELETE FROM syncline.{0} WHERE collection < 'c5'"])
@pytest.mark.parametrize("name", ["tasks", "bookmarks", "table_schemas"])
async def test_lost_rows_come_back_under_load(service: Service, database_url: str, name: str, garble: str) -> None:
    async with _load(service):
        _execute(database_url, garble.format(name))
        await rebuild(service.pool, name)
    assert await verify(service.pool) == []


@pytest.mark.parametrize("name", PROJECTIONS)
async def test_odd_names_are_ordinary_text(service: Service, name: str) -> None:
    """Among them what JSON writes for NUL: here these are six characters."""
    for collection in (r"a\u0000b", r"a\\u0000b", "50 %s", 'quote " and \U0001f600'):
        await service.live(collection)
        await service.schedule(collection)
        await Pauses(service.pool).pause(collection, collection, cause=Cause(Actor("token", collection), collection))
        await reset_collection(service.pool, collection, collection)
        await Pauses(service.pool).resume(collection, collection)
    for claim in await service.claim():
        await service.revise(claim, claim.collection)
    await service.project()
    assert await rebuild(service.pool, name) > 0
    assert await verify(service.pool) == []


async def test_the_queue_comes_back_under_load(service: Service, database_url: str) -> None:
    """Tasks whose collection got another one meanwhile are canceled; the statuses are rebuilt as they know of both."""
    async with _load(service):
        _execute(database_url, "TRUNCATE syncline.collections")
        await rebuild(service.pool, "collections")
    assert await verify(service.pool) == []
    active = "SELECT count(*) FROM syncline.collections WHERE status IN ('SCHEDULED', 'RUNNING')"
    assert await service.pool.fetchval(active) == 0


async def test_a_task_that_lost_its_place_to_a_newer_one_is_canceled(service: Service, database_url: str) -> None:
    older = await service.schedule("orders")
    (claim,) = await service.claim()
    _execute(database_url, "TRUNCATE syncline.collections")
    newer = await service.schedule("orders")
    assert await rebuild(service.pool, "collections") == 1
    assert await verify(service.pool) == []
    with pytest.raises(LeaseLostError):
        await service.save(claim, 1, None)
    rows = await service.pool.fetch("SELECT task, status FROM syncline.all_tasks")
    assert {row["task"]: row["status"] for row in rows} == {older: "CANCELED", newer: "SCHEDULED"}
    assert "newer task" in await service.pool.fetchval(
        "SELECT string_agg(message, '') FROM syncline.log_lines WHERE task = $1", older
    )


async def test_a_lost_row_comes_back_with_the_request_for_another_task(service: Service, database_url: str) -> None:
    task = await service.schedule("orders")
    (claim,) = await service.claim()
    await service.schedule("orders", again=True)
    requested = await service.pool.fetchval("SELECT again FROM syncline.collections")
    _execute(database_url, "TRUNCATE syncline.collections")
    await rebuild(service.pool, "collections")
    assert await service.pool.fetchval("SELECT again FROM syncline.collections") == requested is not None
    assert await verify(service.pool) == []
    assert await service.end(claim) == []
    (following,) = await service.claim()
    assert following.task > task
    assert await verify(service.pool) == []


async def test_a_request_that_the_row_lacks_is_found_and_mended(service: Service, database_url: str) -> None:
    await service.schedule("orders")
    await service.claim()
    await service.schedule("orders", again=True)
    _execute(database_url, "UPDATE syncline.collections SET again = NULL")
    [drift] = await verify(service.pool)
    assert (drift.projection, drift.column, drift.found) == ("collections", "again", None)
    await rebuild(service.pool, "collections")
    assert await verify(service.pool) == []


async def test_the_newer_task_is_the_one_that_a_displaced_task_was_to_be_followed_by(
    service: Service, database_url: str
) -> None:
    older = await service.schedule("orders")
    await service.claim()
    await service.schedule("orders", again=True)
    _execute(database_url, "TRUNCATE syncline.collections")
    newer = await service.schedule("orders")
    await rebuild(service.pool, "collections")
    assert await verify(service.pool) == []
    rows = await service.pool.fetch("SELECT task, status FROM syncline.all_tasks")
    assert {row["task"]: row["status"] for row in rows} == {older: "CANCELED", newer: "SCHEDULED"}
    assert list(requested_tasks_follow(read_history(database_url))) == []


async def test_an_append_that_waited_for_the_rebuild_finds_the_rows_that_were_put_back(
    service: Service, database_url: str
) -> None:
    task = await service.schedule("orders")
    _execute(database_url, "DELETE FROM syncline.collections")
    async with store.transaction(service.pool) as connection:
        await store.stop_the_queue(connection)
        claim = asyncio.create_task(service.claim())
        while not await service.pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        collections = Collections()
        for stream in await store.list_streams(connection, [task]):
            collections.take(History.of(stream))
        await store.replace_all(connection, "collections", collections.rows())
    assert [claimed.task for claimed in await claim] == [task]
    assert await verify(service.pool) == []


async def test_bookmarks_that_are_set_wait_for_a_rebuild_of_bookmarks(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.live("orders")
    replace_bookmarks, waiting = store.replace_bookmarks, list[asyncio.Task[object]]()

    async def replaced(*given: Any) -> int:
        source = await service.pool.fetchval("SELECT source FROM syncline.collections")
        waiting.append(asyncio.create_task(Bookmarks(service.pool).set(source, "orders", {"elsewhere": "1"})))

        async def waits() -> bool:
            assert not waiting[0].done()
            return bool(await service.pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

        await until(waits)
        return await replace_bookmarks(*given)

    monkeypatch.setattr(store, "replace_bookmarks", replaced)
    await rebuild(service.pool, "bookmarks")
    await waiting[0]
    assert await verify(service.pool) == []


async def test_rows_of_tasks_without_events_disappear(service: Service, database_url: str) -> None:
    await service.live("orders")
    _execute(
        database_url,
        "INSERT INTO syncline.tasks SELECT n.* FROM syncline.tasks t,"
        " jsonb_populate_record(t, jsonb_build_object('task', syncline.uuid7(now()))) n",
    )
    assert await rebuild(service.pool, "tasks") == 1
    assert await verify(service.pool) == []


async def test_a_rebuild_of_right_rows_writes_none(service: Service) -> None:
    await service.history()
    before = await _versions(service)
    for name in ("tasks", "collections"):
        await rebuild(service.pool, name)
    assert await _versions(service) == before


async def test_statistics_are_rebuilt_beside_the_live_ones_and_change_places(service: Service) -> None:
    """A reader meets the whole old or the whole new ones, and no day ever goes back in time."""
    stop = asyncio.Event()
    runner = asyncio.create_task(ProjectionRunner(service.pool).run(stop, interval_seconds=0.001))
    seen = [0]

    async def read() -> None:
        while not stop.is_set():
            seen.append(await service.pool.fetchval(_LIVE_TASKS))

    reader = asyncio.create_task(read())
    async with _load(service):
        for _ in range(3):
            await rebuild(service.pool, DAILY)
    stop.set()
    await asyncio.gather(runner, reader)
    while await ProjectionRunner(service.pool).run_once():
        pass
    assert seen == sorted(seen)
    assert seen[-1] > 0
    assert await verify(service.pool) == []
    assert await service.pool.fetchval("SELECT count(DISTINCT generation) FROM syncline.daily_collection_stats") == 1


async def test_a_rebuild_that_begins_ends_one_that_was_under_way(service: Service) -> None:
    await service.history()
    results = await asyncio.gather(*(rebuild(service.pool, DAILY) for _ in range(3)), return_exceptions=True)
    assert any(isinstance(result, int) for result in results)
    assert all(isinstance(result, int | SynclineError) for result in results)
    assert await verify(service.pool) == []


async def test_what_a_rebuild_left_that_died_is_swept_away(service: Service) -> None:
    await service.history()
    async with store.transaction(service.pool) as connection:
        generation = await store.begin_generation(connection, DAILY)
        await add_daily_stats(connection, [_row(generation)], [])
    await service.project()
    assert await verify(service.pool) == []
    await rebuild(service.pool, DAILY)
    await service.project()
    assert await verify(service.pool) == []
    assert await service.pool.fetchval("SELECT count(*) FROM syncline.checkpoints") == 1
    assert await service.pool.fetchval("SELECT count(DISTINCT generation) FROM syncline.daily_collection_stats") == 1


async def test_an_unknown_name_is_answered_with_the_valid_ones(service: Service) -> None:
    with pytest.raises(
        ConfigurationError,
        match=rf"unknown projection 'task'; did you mean 'tasks'\? choose one of {', '.join(PROJECTIONS)}",
    ):
        await rebuild(service.pool, "task")


_LIVE_TASKS = """
SELECT coalesce(sum(success + failed + canceled), 0)::bigint FROM syncline.daily_collection_stats s
WHERE generation = (SELECT generation FROM syncline.checkpoints WHERE state = 'live')
"""


def _row(generation: int) -> dict[str, object]:
    counts = ("success", "failed", "canceled", "rows", "duration_microseconds", "queue_wait_microseconds")
    key = {"generation": generation, "day": "2020-01-01", "source": "s", "collection": "c"}
    return key | dict.fromkeys(counts, 1)


@asynccontextmanager
async def _load(service: Service) -> AsyncIterator[None]:
    """Three workers full of work before, while and after the block runs; in the end nothing is active."""
    stop, warm = asyncio.Event(), asyncio.Barrier(4)
    workers = [asyncio.create_task(_work(service, number, stop, warm)) for number in range(3)]
    await warm.wait()
    yield
    stop.set()
    await asyncio.gather(*workers)
    for row in await service.pool.fetch("SELECT task FROM syncline.collections"):
        await service.queue.cancel(row["task"])
    for worker in await service.pool.fetch("SELECT worker FROM syncline.workers"):
        await Leases(service.pool).stop(worker["worker"])
    await Leases(service.pool).rescue()


async def _work(service: Service, number: int, stop: asyncio.Event, warm: asyncio.Barrier) -> None:
    random = Random(number)  # noqa: S311 - it only has to vary
    worker = await Leases(service.pool).register(
        host="here", pid=number, release="0", slots=16, length=timedelta(hours=1)
    )
    own = replace(service, worker=worker)
    turn = 0
    while not stop.is_set() or turn < 15:
        for collection in random.sample(range(10), 3):
            await own.schedule(f"c{collection}")
        for claim in await own.claim(3):
            try:
                await own.save(claim, random.randint(0, 9), {"turn": turn})
            except LeaseLostError:
                continue
            if random.random() < 0.8:
                await own.end(claim, status=random.choice(OUTCOMES))
        turn += 1
        if turn == 10:
            await warm.wait()


async def _versions(service: Service) -> list[object]:
    return [
        await service.pool.fetch(f"SELECT xmin::text, ctid::text FROM syncline.{name} ORDER BY ctid")
        for name in ("tasks", "collections")
    ]


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())
