"""`syncline worker --once` runs one task, or what is due, and ends with an exit code that says how that went."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.cluster import TOKEN, Cluster
from tests.harness import a_task, opened_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from uuid import UUID

    from tests.harness import Store


def made(**parameters: float) -> dict[str, object]:
    return {
        "type": "synthetic",
        "destinations": ["nowhere"],
        "collections": [{"name": name, "parameters": parameters} for name in ("a", "b")],
    }


CONFIG = json.dumps(
    {
        "server": {"admin_token": TOKEN, "drain_seconds": 0, "sync_tasks": {"pool": {"size": 1}}},
        "sources": {
            "s": made(),
            "eu": made() | {"pool": "eu"},
            "broken": made(fail_rate=1),
            "slow": made(seconds=600),
            "often": made() | {"schedule": "@every 1s"},
        },
        "destinations": {"nowhere": {"type": "none"}},
    }
)


@pytest.fixture
def cluster(tmp_path: Path, database_url: str) -> Iterator[Cluster]:
    with Cluster(tmp_path, CONFIG, database_url) as cluster:
        yield cluster


async def queued(store: Store, collection: str, source: str, **given: object) -> UUID:
    task, _ = await store.queue.schedule(a_task(collection, source, **given))
    return task


async def test_it_runs_one_task_and_ends(cluster: Cluster, database_url: str) -> None:
    async with opened_store(database_url) as store:
        wanted, other = await queued(store, "a", "eu", pool="eu"), await queued(store, "b", "s")
        process = cluster.start("worker", "--once", "--task", str(wanted))
        assert process.wait() == 0
        assert "Attempts: 1 succeeded.\n" in process.text
        assert [await store.status(task) for task in (wanted, other)] == ["SUCCESS", "SCHEDULED"]
        [state] = await store.pool.fetch("SELECT state, slots FROM syncline.workers")
        assert tuple(state) == ("stopped", 1)

        again = cluster.start("worker", "--once", "--task", f"eu_a_{wanted}")
        assert again.wait() == 0
        assert f"Nothing to do: task {wanted} cannot be claimed: it has ended with SUCCESS.\n" in again.text


async def test_it_runs_what_is_due_beyond_its_slots_and_fires_schedules(cluster: Cluster, database_url: str) -> None:
    async with opened_store(database_url) as store:
        # Defines the schedules, the first fire times of which come later.
        assert cluster.start("worker", "--once").wait() == 0
        tasks = [await queued(store, name, "s") for name in ("a", "b")]
        elsewhere = await queued(store, "a", "eu", pool="eu")
        await store.move_clock("10 s")
        process = cluster.start("worker", "--once")
        assert process.wait() == 0
        assert [await store.status(task) for task in tasks] == ["SUCCESS", "SUCCESS"]
        assert await store.status(elsewhere) == "SCHEDULED"
        fired = await store.pool.fetch(
            "SELECT status FROM syncline.tasks WHERE source = 'often' AND trigger = 'schedule'"
        )
        assert {row["status"] for row in fired} == {"SUCCESS"}


async def test_a_failed_attempt_is_exit_code_1_and_its_next_one_is_left_for_later(
    cluster: Cluster, database_url: str
) -> None:
    async with opened_store(database_url) as store:
        task = await queued(store, "a", "broken")
        process = cluster.start("worker", "--once", "--task", str(task))
        assert process.wait() == 1
        assert "syncline: broken/a: attempt 1 failed: " in process.text
        assert "Attempts: 1 failed.\n" in process.text
        assert await store.types(task) == ["TaskScheduled", "TaskStarted", "AttemptFailed"]


async def test_sigterm_hands_the_task_back(cluster: Cluster, database_url: str) -> None:
    async with opened_store(database_url) as store:
        task = await queued(store, "a", "slow")
        process = cluster.start("worker", "--once", "--task", str(task))
        await store.running(task)
        assert process.stop() == 0
        assert "Attempts: 1 handed back.\n" in process.text
        assert (await store.types(task))[-1] == "AttemptHandedBack"
        assert await store.status(task) == "SCHEDULED"


async def test_an_unknown_task_and_wrong_options_are_errors(cluster: Cluster) -> None:
    unknown = "01890000-0000-7000-8000-000000000000"
    for code, line, options in (
        (1, f"there is no task {unknown}: its id is wrong, or retention has removed it", f"--once --task {unknown}"),
        (2, "'abc' is not the id of a task, nor the UUID at its end", "--once --task abc"),
        (2, "Error: --task needs --once.", f"--task {unknown}"),
        (2, "Error: --task takes its task from any pool: leave out --pool.", f"--once --task {unknown} --pool eu"),
    ):
        process = cluster.start("worker", *options.split())
        assert process.wait() == code, process.text
        assert line in process.text


async def test_without_slots_it_runs_nothing_and_ends(tmp_path: Path, database_url: str) -> None:
    config = json.loads(CONFIG)
    config["server"]["sync_tasks"]["pool"]["size"] = 0
    with Cluster(tmp_path, json.dumps(config), database_url) as cluster:
        async with opened_store(database_url) as store:
            task = await queued(store, "a", "s")
            process = cluster.start("worker", "--once")
            assert process.wait() == 0
            assert "Nothing to do: server.sync_tasks.pool.size is 0, so no task is run.\n" in process.text
            assert await store.status(task) == "SCHEDULED"


async def test_an_error_before_the_claim_gives_the_lease_back(cluster: Cluster, database_url: str) -> None:
    async with opened_store(database_url) as store:
        # As for a login that may not write it.
        await store.admin.execute("ALTER TABLE syncline.catalogues RENAME TO gone")
        task = await queued(store, "a", "s")
        process = cluster.start("worker", "--once", "--task", str(task))
        assert process.wait() == 1
        assert await store.pool.fetchval("SELECT state FROM syncline.workers") == "stopped"
        assert await store.types(task) == ["TaskScheduled"]
