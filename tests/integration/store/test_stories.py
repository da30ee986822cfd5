"""The story of a task, and what became of fire times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from app.domain.events import TASK_FAILED
from app.domain.task import Status
from app.store.stories import Stories, TaskKeyOf

if TYPE_CHECKING:
    from uuid import UUID

    from tests.harness import Store

START = datetime(2026, 11, 30, 12, tzinfo=UTC)
FIRE_TIME = """
INSERT INTO syncline.fire_times (source, collection, fire_time, outcome, misfire, reason, task, worker, decided_at)
VALUES ('s', $1, $2, $3, 'latest', $4, $5, $6, $2)
"""


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


async def test_the_outcome_that_matters_most_stands_for_a_span(store: Store) -> None:
    worker = await store.worker()
    good, bad = await ended(store, worker, "a"), await ended(store, worker, "b", fails=True)
    running = (await store.claimed(worker, "c")).task
    waiting = await store.schedule("d")
    minute = timedelta(minutes=1)
    ledger = [
        ("a", 0, "started", None, good),
        ("a", 1, "missed", "coalesced", None),
        ("a", 6, "skipped", "overlap", None),
        ("a", 7, "started", None, good),
        ("a", 11, "skipped", "paused", None),
        ("a", 16, "started", None, None),
        ("b", 0, "missed", "policy", None),
        ("b", 1, "started", None, bad),
        ("c", 0, "started", None, running),
        ("d", 0, "started", None, waiting),
        ("d", 99, "started", None, waiting),
    ]
    for collection, minutes, outcome, reason, task in ledger:
        at = START + minutes * minute
        await store.admin.execute(FIRE_TIME, collection, at, outcome, reason, task, worker)
    names = [("s", name) for name in ("a", "b", "c", "d", "none")]
    rows = await Stories(store.pool).list_outcomes(names, START, START + 30 * minute, 300)
    assert [(row["collection"], row["span"], row["state"], row["fire_times"]) for row in rows] == [
        ("a", 0, "missed", 2),
        ("a", 1, "skipped", 2),
        ("a", 2, "paused", 1),
        ("a", 3, "started", 1),
        ("b", 0, "failed", 2),
        ("c", 0, "running", 1),
        ("d", 0, "waiting", 1),
    ]
