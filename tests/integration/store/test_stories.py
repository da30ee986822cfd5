"""The story of a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.events import TASK_FAILED
from app.domain.task import Status
from app.store.stories import Stories, TaskKeyOf

if TYPE_CHECKING:
    from uuid import UUID

    from tests.harness import Store


async def ended(store: Store, worker: UUID, collection: str = "c", *, fails: bool = False) -> UUID:
    claim = await store.claimed(worker, collection, max_attempts=1)
    if fails:
        await store.end(worker, claim, type_=TASK_FAILED, status=Status.FAILED, error="broken")
    else:
        await store.end(worker, claim)
    return claim.task


async def key_of(store: Store, task: UUID) -> TaskKeyOf:
    row = await store.pool.fetchrow(
        "SELECT source, collection, created_at, task FROM syncline.all_tasks WHERE task = $1", task
    )
    assert row is not None
    return TaskKeyOf(*row)


async def test_a_story_has_every_event_but_reports_of_progress(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker, "c")
    await store.streams.report_progress(worker, [(claim, {"records_read": 1, "bytes_read": 2})])
    await store.streams.save_bookmark(worker, claim, commit=1, destination="d", rows=3, bookmark={"at": "secret"})
    await store.end(worker, claim)
    stories = Stories(store.pool)
    events = await stories.list_events(claim.task, 100, 100)
    assert [event["type"] for event in events] == ["TaskScheduled", "TaskStarted", "BookmarkSaved", "TaskSucceeded"]
    assert "secret" not in str([dict(event) for event in events])
    some = await stories.list_events(claim.task, 1, 1)
    assert [(event["type"], event["left_out"]) for event in some] == [("TaskScheduled", 0), ("TaskSucceeded", 2)]


async def test_neighbours_are_of_the_same_collection(store: Store) -> None:
    worker = await store.worker()
    first = await ended(store, worker)
    await ended(store, worker, "other")
    second = await ended(store, worker)
    active = await store.schedule("c")
    stories = Stories(store.pool)
    assert await stories.get_neighbours(await key_of(store, first)) == (None, second)
    assert await stories.get_neighbours(await key_of(store, second)) == (first, active)
    assert await stories.get_neighbours(await key_of(store, active)) == (second, None)


async def test_the_last_success_is_the_last_one_before(store: Store) -> None:
    worker = await store.worker()
    stories = Stories(store.pool)
    early = await ended(store, worker, fails=True)
    assert await stories.find_last_success(await key_of(store, early)) is None
    good = await ended(store, worker)
    bad = await ended(store, worker, fails=True)
    await ended(store, worker)
    found = await stories.find_last_success(await key_of(store, bad))
    assert found is not None
    assert found["task"] == good
    start = await stories.find_last_start(bad, "s")
    assert start is not None
    assert start["worker"] == worker
    assert await stories.find_last_start(await store.schedule("never started"), "s") is None
