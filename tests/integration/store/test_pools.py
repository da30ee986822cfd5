"""Who claims the tasks of a pool, and that a task keeps its pool."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from app.domain.pool import EVERY_POOL
from app.domain.task import Status
from app.projections import rebuild, verify
from app.store.queue import schedule_tasks
from tests.harness import a_task, ending, opened_store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from tests.harness import Store


async def claimed_by(store: Store, worker: UUID, pools: Sequence[str], *, limit: int = 10) -> list[str]:
    return [claim.collection for claim in await store.queue.claim(worker, limit, pools=pools)]


async def pool_of(store: Store, task: UUID) -> str:
    pool: str = await store.pool.fetchval("SELECT pool FROM syncline.collections WHERE task = $1", task)
    return pool


async def test_a_worker_claims_the_tasks_of_its_pools(store: Store) -> None:
    worker = await store.worker()
    for collection, pool in (("a", "eu"), ("b", "us"), ("c", "eu"), ("d", "default"), ("e", "asia")):
        await store.schedule(collection, pool=pool)
    assert await claimed_by(store, worker, ["eu"]) == ["a", "c"]
    assert await claimed_by(store, worker, ["eu"]) == []
    assert await claimed_by(store, worker, ["none", "default", "us"]) == ["b", "d"]
    assert await claimed_by(store, worker, EVERY_POOL) == ["e"]
    assert await claimed_by(store, worker, EVERY_POOL) == []


async def test_of_several_pools_the_highest_priority_comes_first(store: Store) -> None:
    worker = await store.worker()
    for collection, pool, priority in (("a", "eu", 1), ("b", "us", 9), ("c", "eu", 5), ("d", "us", 7), ("e", "us", 3)):
        await store.schedule(collection, pool=pool, priority_class=priority)
    claims = [await claimed_by(store, worker, ["eu", "us"], limit=2) for _ in range(3)]
    assert claims == [["b", "d"], ["c", "e"], ["a"]]


async def test_workers_of_overlapping_pools_share_all_tasks(database_url: str) -> None:
    served = (("eu",), ("us",), ("eu", "us"), ("us", "default"), EVERY_POOL)
    async with opened_store(database_url) as store:
        pools = {f"c{number}": ("eu", "us", "default")[number % 3] for number in range(300)}
        await schedule_tasks(store.pool, [a_task(collection, pool=pool) for collection, pool in pools.items()])

        async def claim_all(names: tuple[str, ...]) -> list[str]:
            worker, claimed = await store.worker(pools=names), []
            while await store.pool.fetchval(
                "SELECT EXISTS (SELECT FROM syncline.collections WHERE status = 'SCHEDULED')"
            ):
                claimed += await claimed_by(store, worker, names, limit=7)
            return claimed

        shares = await asyncio.gather(*map(claim_all, served))
        for names, share in zip(served, shares, strict=True):
            assert {pools[collection] for collection in share} <= set(names or pools.values())
        assert sorted(collection for share in shares for collection in share) == sorted(pools)


@pytest.mark.parametrize("pools", [["us"], ["us", "asia"]])
async def test_a_claim_that_finds_only_tasks_of_other_pools_burns_no_transaction_id(
    store: Store, pools: list[str]
) -> None:
    worker = await store.worker()
    await store.schedule("first", pool="us")
    assert await claimed_by(store, worker, pools) == [
        "first"
    ]  # a connection's first claim is planned, which takes an id
    await store.schedule("c", pool="eu")
    before = await store.pool.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())")
    for _ in range(8):
        assert await claimed_by(store, worker, pools) == []
    assert await store.pool.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())") == before
    assert await claimed_by(store, worker, ["eu"]) == ["c"]


async def test_a_task_that_comes_back_into_the_queue_is_in_its_pool(store: Store) -> None:
    lost, worker = await store.worker(lease=timedelta(minutes=1)), await store.worker()
    task = await store.schedule(pool="eu", max_attempts=9)
    await store.queue.claim(lost, 1, pools=["eu"])
    await store.move_clock("2 minutes")
    await store.pool.expire_connections()
    assert [rescued["status"] for rescued in await store.leases.rescue()] == ["SCHEDULED"]
    for type_ in ("AttemptFailed", "AttemptHandedBack"):
        assert await pool_of(store, task) == "eu"
        [claim] = await store.queue.claim(worker, 1, pools=["eu"])
        assert await store.end(worker, claim, type_=type_, status=Status.SCHEDULED, error="once", line=1)
    assert await pool_of(store, task) == "eu"
    assert await store.queue.claim(worker, 1) == []
    assert (await store.folded(task)).pool == "eu"
    assert await verify(store.pool) == []


async def test_only_another_pool_than_the_default_is_in_the_event(store: Store) -> None:
    eu, default = await store.schedule("a", pool="eu"), await store.schedule("b")
    [scheduled], [usual] = await store.events(eu), await store.events(default)
    assert scheduled.data["pool"] == "eu"
    assert "pool" not in usual.data
    assert [await pool_of(store, task) for task in (eu, default)] == ["eu", "default"]


async def test_a_task_that_is_active_keeps_its_pool_when_another_one_is_asked_for(store: Store) -> None:
    task = await store.schedule(pool="eu")
    assert await store.queue.schedule(a_task(pool="us")) == (task, False)
    assert await pool_of(store, task) == "eu"
    worker = await store.worker()
    [claim] = await store.queue.claim(worker, 1, pools=["eu"])
    assert await store.queue.end_attempts(worker, [ending(claim)]) == []
    assert await pool_of(store, await store.schedule(pool="us")) == "us"


async def test_the_queue_is_rebuilt_with_the_pools(store: Store) -> None:
    tasks = [await store.schedule(collection, pool=pool) for collection, pool in (("a", "eu"), ("b", "default"))]
    await store.admin.execute("UPDATE syncline.collections SET pool = 'elsewhere'")
    drifts = await verify(store.pool)
    assert [(drift.column, drift.expected, drift.found) for drift in drifts] == [
        ("pool", "eu", "elsewhere"),
        ("pool", "default", "elsewhere"),
    ]
    await rebuild(store.pool, "collections")
    assert [await pool_of(store, task) for task in tasks] == ["eu", "default"]
    assert await verify(store.pool) == []


async def test_reports_show_the_pools_of_tasks_and_workers(store: Store) -> None:
    await store.schedule("a", pool="eu")
    await store.worker(pools=["eu", "us"])
    assert await store.admin.fetchval("SELECT pool FROM reporting.queue") == "eu"
    assert await store.admin.fetchval("SELECT pools FROM reporting.workers") == ["eu", "us"]
