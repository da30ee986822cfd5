"""Workers of different pools at work on one database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from structlog.testing import capture_logs

from tests.harness import running_worker, synthetic, until, write_config

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Store

SERVED = {"first": ("eu",), "second": ("us",), "both": ("eu", "us")}


async def test_a_task_is_run_only_by_workers_of_its_pool(store: Store, database_url: str, tmp_path: Path) -> None:
    config = write_config(tmp_path / "config.yaml", {"s": synthetic(**{f"c{number}": {} for number in range(20)})})
    async with (
        running_worker(database_url, config, slots=1, pools=SERVED["first"]) as first,
        running_worker(database_url, config, slots=1, pools=SERVED["second"]) as second,
        running_worker(database_url, config, slots=1, pools=SERVED["both"]) as both,
    ):
        serving = {
            await running.registered(): pools
            for running, pools in zip((first, second, both), SERVED.values(), strict=True)
        }
        unserved = await store.schedule("c19")
        tasks = {
            await store.schedule(f"c{number}", pool=("eu", "us")[number % 2]): ("eu", "us")[number % 2]
            for number in range(19)
        }
        assert {await store.ended(task) for task in tasks} == {"SUCCESS"}
        for task, pool in tasks.items():
            started = [event for event in await store.events(task) if event.type == "TaskStarted"]
            assert all(event.worker and pool in serving[event.worker] for event in started)
        assert await store.types(unserved) == ["TaskScheduled"]
    async with running_worker(database_url, config):
        assert await store.ended(unserved) == "SUCCESS"


async def test_a_worker_of_every_pool_runs_what_comes_later_too(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    config = write_config(tmp_path / "config.yaml", {"s": synthetic(a={}, b={}, c={})})
    async with running_worker(database_url, config, pools=()) as running:
        await running.registered()
        for collection, pool in (("a", "default"), ("b", "eu"), ("c", "of 1999")):
            assert await store.ended(await store.schedule(collection, pool=pool)) == "SUCCESS"


async def test_a_worker_says_which_pools_it_serves(store: Store, database_url: str, tmp_path: Path) -> None:
    config = write_config(tmp_path / "config.yaml", {"s": synthetic(c={})})
    with capture_logs() as logs:
        async with running_worker(database_url, config, pools=("eu", "us")) as running:
            worker = await running.registered()
    [started] = [entry for entry in logs if entry["event"] == "worker.started"]
    assert started["pools"] == "eu, us"
    assert await store.pool.fetchval("SELECT pools FROM syncline.workers WHERE worker = $1", worker) == ["eu", "us"]


async def test_a_lost_worker_s_task_is_taken_over_by_one_of_its_pool(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    config = write_config(tmp_path / "config.yaml", {"s": synthetic(c={})})
    lost = await store.worker(pools=["eu"])
    task = await store.schedule(pool="eu")
    await store.queue.claim(lost, 1, pools=["eu"])
    await store.admin.execute("UPDATE syncline.workers SET lease_until = syncline.clock() - interval '1 s'")

    async def is_back() -> bool:
        return await store.status(task) == "SCHEDULED"

    async with running_worker(database_url, config):
        await until(is_back)
    async with running_worker(database_url, config, pools=("eu",)):
        assert await store.ended(task) == "SUCCESS"
