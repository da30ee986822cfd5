"""The defects of Jitsu Classic, by number: each has a test here that would catch it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from app.domain.task import Status
from app.scheduling.scheduler import Scheduler
from app.store.notify import Notifier
from app.store.schedules import ScheduleDefinition, Schedules
from tests.harness import Store, canceled, opened_store, running_worker, synthetic, until, write_config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with opened_store(database_url) as store:
        yield store


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path / "config.yaml", {"s": synthetic(c={}, slow={"seconds": 30}, soon={"seconds": 1})})


async def test_1_a_source_removed_before_its_task_runs_does_not_block_its_collection(
    store: Store, database_url: str, config: Path
) -> None:
    task = await store.schedule(source="removed")
    async with running_worker(database_url, config):
        await store.logged(task, "was handed back")
    await store.move_clock("2 minutes")  # until then another worker might have it
    async with running_worker(database_url, config):
        assert await store.ended(task) == "FAILED"
    again = await store.schedule(source="removed")
    assert again != task


async def test_2_a_crash_right_after_the_claim_does_not_block_the_collection(
    store: Store, database_url: str, config: Path
) -> None:
    crashed = await store.worker(lease=timedelta(milliseconds=200))
    claim = await store.claimed(crashed)  # and not one heartbeat
    async with running_worker(database_url, config):
        assert await store.ended(claim.task) == "SUCCESS"


async def test_3_queued_tasks_survive_a_restart_however_long_they_wait(
    store: Store, database_url: str, config: Path
) -> None:
    task = await store.schedule()
    await store.pool.execute("UPDATE syncline.collections SET changed_at = changed_at - interval '30 days'")
    async with running_worker(database_url, config, slots=0) as running:
        await running.registered()
        assert await store.leases.rescue() == []
    assert await store.types(task) == ["TaskScheduled"]
    async with running_worker(database_url, config):
        assert await store.ended(task) == "SUCCESS"


async def test_4_terminal_is_final_and_unknown_tasks_stay_unknown(store: Store) -> None:
    worker = await store.worker()
    succeeded, stopped = await store.claimed(worker, "a"), await store.claimed(worker, "b")
    await store.end(worker, succeeded)
    await store.queue.cancel(stopped.task)
    await store.queue.end_attempts(worker, [canceled(stopped)])
    before = await store.everything()
    assert await store.queue.cancel(succeeded.task) is None
    assert not await store.end(worker, stopped)
    assert await store.queue.cancel(uuid4()) is None
    assert await store.everything() == before
    assert await store.status(succeeded.task) == Status.SUCCESS
    assert await store.status(stopped.task) == Status.CANCELED


async def test_5_every_node_looks_at_the_clock_and_a_tick_runs_once(database_url: str) -> None:
    """Eight nodes, tasks that are over at once: the tick is in the ledger, whoever comes late."""
    async with opened_store(database_url, size=8) as store:
        worker, schedules = await store.worker(), Schedules(store.pool)
        now = await store.pool.fetchval("SELECT syncline.clock()")
        begin = now - timedelta(seconds=30)
        definition = ScheduleDefinition("s", "c", "synthetic", 1, "@every 1s", "UTC", "all", None)
        await schedules.put([(definition, begin)])
        notifier = Notifier(store.pool)
        nodes = [Scheduler(store.pool, notifier, lambda: None) for _ in range(8)]

        async def all_decided() -> bool:
            await asyncio.gather(*(node.decide_due(UUID(int=number)) for number, node in enumerate(nodes)))
            for claim in await store.queue.claim(worker, 5):
                await store.end(worker, claim)
            return bool(await store.pool.fetchval("SELECT next_fire_at > $1 FROM syncline.schedules", now))

        await until(all_decided)
        await notifier.aclose()
        ledger = await store.pool.fetch(
            "SELECT fire_time, outcome, task FROM syncline.fire_times WHERE fire_time <= $1 ORDER BY 1", now
        )
        assert [row["fire_time"] for row in ledger] == [begin + timedelta(seconds=number) for number in range(31)]
        started = [(row["fire_time"], row["task"]) for row in ledger if row["outcome"] == "started"]
        assert len(started) >= 20
        tasks = await store.pool.fetch(
            "SELECT fire_time, task FROM syncline.all_tasks WHERE fire_time <= $1 ORDER BY 1", now
        )
        assert [tuple(row) for row in tasks] == started


async def test_6_names_that_join_to_the_same_text_do_not_share_a_lock(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    slow = {"seconds": 30}
    config = write_config(tmp_path / "config.yaml", {"a_b": synthetic(c=slow), "a": synthetic(b_c=slow)})
    first, second = await store.schedule("c", source="a_b"), await store.schedule("b_c", source="a")
    async with running_worker(database_url, config):
        await asyncio.gather(store.running(first), store.running(second))
        assert await store.queue.cancel(first) is Status.RUNNING
        assert await store.ended(first) == "CANCELED"
        assert await store.status(second) == "RUNNING"


async def test_7_a_stop_drains_and_what_was_missed_is_caught_up(store: Store, database_url: str, config: Path) -> None:
    soon, slow = await store.schedule("soon"), await store.schedule("slow")
    async with running_worker(database_url, config, drain_seconds=2) as running:
        await asyncio.gather(store.running(soon), store.running(slow))
        await running.stopped()
    assert await store.status(soon) == "SUCCESS"
    assert (await store.types(slow))[-1] == "AttemptHandedBack"

    now = await store.pool.fetchval("SELECT syncline.clock()")
    definition = ScheduleDefinition("s", "c", "synthetic", 1, "@every 1h", "UTC", "latest", None)
    await Schedules(store.pool).put([(definition, now - timedelta(hours=3))])
    notifier = Notifier(store.pool)
    assert await Scheduler(store.pool, notifier, lambda: None).decide_due(UUID(int=1)) == 4
    await notifier.aclose()
    outcomes = await store.pool.fetch("SELECT outcome FROM syncline.fire_times ORDER BY fire_time")
    assert [row["outcome"] for row in outcomes] == ["missed", "missed", "missed", "started"]
