"""The newest tasks of many collections, whatever is asked for."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.cause import Actor, Cause
from app.domain.events import TASK_FAILED
from app.domain.task import Status
from app.store.reads import Reader
from app.store.recent_tasks import AFTER_ALL_TASKS, RecentTasks, TaskKey
from tests.harness import a_task, ending

if TYPE_CHECKING:
    from app.domain.claim import Claim
    from tests.harness import Store

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
SOURCES, COLLECTIONS = ("a", "b", "a_b"), ("c", "b_c")
CAUSE = Cause(Actor("command", "a test"), None)
EVERY = "SELECT * FROM syncline.all_tasks ORDER BY created_at DESC, task DESC"


async def some_history(store: Store, seed: int) -> None:
    """Tasks of all statuses; the last ones of some collections wait or run."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, and no secret
    worker = await store.worker()
    running: list[Claim] = []
    for _ in range(80):
        collection = chance.choice(COLLECTIONS)
        task, _is_new = await store.queue.schedule(a_task(collection, chance.choice(SOURCES), max_attempts=1))
        match chance.choice(["wait", "run", "succeed", "fail", "cancel"]):
            case "cancel":
                await store.queue.cancel(task, CAUSE)
            case "run":
                running += await store.queue.claim(worker, 10)
            case "succeed":
                await store.queue.end_attempts(worker, [ending(claim) for claim in running])
                running.clear()
            case "fail":
                failed = [ending(claim, TASK_FAILED, Status.FAILED, error="broken") for claim in running]
                await store.queue.end_attempts(worker, failed)
                running.clear()


def is_wanted(row: Any, wanted: RecentTasks) -> bool:
    return (
        row["created_at"] >= wanted.since
        and (row["created_at"], row["task"]) < wanted.before
        and wanted.source in {None, row["source"]}
        and wanted.collection in {None, row["collection"]}
        and (wanted.statuses is None or row["status"] in wanted.statuses)
    )


@pytest.mark.parametrize("seed", range(3))
async def test_every_filter_gives_the_newest_that_meet_it(store: Store, seed: int) -> None:
    await some_history(store, seed)
    every = await store.admin.fetch(EVERY)
    assert {row["status"] for row in every} >= {"SUCCESS", "FAILED"}
    middle = every[len(every) // 2]
    reader = Reader(store.pool)
    sources = [
        (None, None),
        (None, "c"),
        *((source, None) for source in SOURCES),
        *itertools.product(SOURCES, COLLECTIONS),
    ]
    statuses = [
        None,
        {Status.FAILED},
        {Status.FAILED, Status.CANCELED},
        {Status.SUCCESS},
        {Status.RUNNING},
        {Status.SCHEDULED, Status.SUCCESS},
    ]
    for (source, collection), status, since, before in itertools.product(
        sources,
        statuses,
        (LONG_AGO, middle["created_at"]),
        (AFTER_ALL_TASKS, TaskKey(middle["created_at"], middle["task"])),
    ):
        wanted = RecentTasks(since, before, source, collection, status)
        expected = [row["task"] for row in every if is_wanted(row, wanted)]
        for limit in (1, 3, 1000):
            found = [row["task"] for row in await reader.list_recent(wanted, limit)]
            assert found == expected[:limit], wanted


async def test_what_is_older_is_not_looked_at(store: Store) -> None:
    await store.schedule("c")
    later = RecentTasks(datetime.now(UTC) + timedelta(days=1))
    assert await Reader(store.pool).list_recent(later, 10) == []
