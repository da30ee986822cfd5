"""The events that a person caused say who it was and why; all others say nothing of the kind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from app.domain.cause import Actor, Cause
from app.domain.task import Status
from app.projections import verify
from app.projections.rebuild import rebuild_all
from app.store.queue import schedule_tasks
from tests.harness import a_task

if TYPE_CHECKING:
    from uuid import UUID

    from tests.harness import Store

ALICE = Cause(Actor("token", "alice"), "prices were wrong\nin March")
BOB = Cause(Actor("proxy", "bob"))
SAID = {"who", "note"}


async def causes(store: Store, task: UUID) -> list[tuple[str, dict[str, Any]]]:
    """The types of a task's events, with what they say about their causes."""
    return [
        (event.type, {name: event.data[name] for name in SAID if name in event.data})
        for event in await store.events(task)
    ]


async def test_whoever_requests_a_task_is_in_its_first_event(store: Store) -> None:
    worker = await store.worker()
    task, _ = await store.queue.schedule(a_task(cause=ALICE))
    assert await store.end(worker, await store.claim(worker))
    expected = {"who": {"kind": "token", "name": "alice"}, "note": "prices were wrong\nin March"}
    assert await causes(store, task) == [("TaskScheduled", expected), ("TaskStarted", {}), ("TaskSucceeded", {})]
    assert await verify(store.pool) == []


async def test_what_nobody_requested_says_what_it_always_has(store: Store) -> None:
    tasks = await schedule_tasks(store.pool, [a_task("a", trigger="schedule")])
    [event] = await store.events(tasks["s", "a"])
    assert event.data.keys() == {"source", "collection", "source_type", "trigger", "priority", "max_attempts"}


async def test_a_batch_that_nobody_requested_has_no_causes_to_look_up() -> None:
    sent: list[Any] = []

    class Recording:
        async def fetch(self, _statement: str, *values: Any) -> list[Any]:
            sent.append(values[-1])
            return []

    for new in ([a_task("a"), a_task("b")], [a_task("a", cause=BOB), a_task("b")]):
        await schedule_tasks(Recording(), new)  # type: ignore[arg-type]
    assert sent == [None, {"s": {"a": BOB.data}}]


async def test_each_task_of_a_batch_has_its_own_cause(store: Store) -> None:
    new = [
        a_task("c", source="a", cause=ALICE),
        a_task("c", source="b", cause=BOB),
        a_task("d", source="b"),
        a_task("b", source="c", cause=Cause(note="'\"{}[]\\ $1 ключ")),
        a_task("a.b", source="{a,b}", cause=BOB),
    ]
    tasks = await schedule_tasks(store.pool, new)
    for each in new:
        assert await causes(store, tasks[each.key]) == [("TaskScheduled", each.cause.data)]


async def test_of_concurrent_requests_the_one_that_gets_the_task_is_its_cause(store: Store) -> None:
    people = [Cause(Actor("token", f"person {number}")) for number in range(20)]
    answers = await asyncio.gather(*(store.queue.schedule(a_task(cause=cause)) for cause in people))
    [(cause, task)] = [(cause, task) for cause, (task, is_new) in zip(people, answers, strict=True) if is_new]
    assert {answer[0] for answer in answers} == {task}
    assert await causes(store, task) == [("TaskScheduled", cause.data)]


async def test_a_request_that_changes_nothing_is_not_recorded(store: Store) -> None:
    task, _ = await store.queue.schedule(a_task(cause=ALICE))
    before = await store.everything()
    assert await store.queue.schedule(a_task(cause=BOB)) == (task, False)
    assert await store.queue.schedule(a_task(cause=BOB), again=True) == (task, False)
    assert await store.everything() == before


async def test_whoever_cancels_a_queued_task_is_in_its_last_event(store: Store) -> None:
    task, _ = await store.queue.schedule(a_task(cause=BOB))
    assert await store.queue.cancel(task, ALICE) is Status.CANCELED
    assert await causes(store, task) == [("TaskScheduled", BOB.data), ("TaskCanceled", ALICE.data)]
    assert await store.queue.cancel(task, BOB) is None
    assert await verify(store.pool) == []


async def test_whoever_cancels_a_running_task_first_is_in_the_request(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    for cause in (ALICE, BOB):
        assert await store.queue.cancel(claim.task, cause) is Status.RUNNING
    assert await store.queue.cancel(claim.task) is Status.RUNNING
    assert await store.end(worker, claim, type_="TaskCanceled", status=Status.CANCELED)
    assert (await causes(store, claim.task))[2:] == [("CancelRequested", ALICE.data), ("TaskCanceled", {})]
    assert await verify(store.pool) == []


async def test_a_cancellation_without_a_cause_says_nothing(store: Store) -> None:
    task = await store.schedule()
    await store.queue.cancel(task)
    assert (await store.events(task))[-1].data == {}


async def test_a_task_that_follows_says_who_requested_it(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    for cause in (ALICE, BOB):
        assert await store.queue.schedule(a_task(cause=cause), again=True) == (claim.task, False)
    assert (await causes(store, claim.task))[-1] == ("RunAgainRequested", ALICE.data)
    assert await verify(store.pool) == []
    assert await store.end(worker, claim)
    following = await store.claim(worker)
    assert await causes(store, following.task) == [("TaskScheduled", ALICE.data), ("TaskStarted", {})]
    assert await verify(store.pool) == []


async def test_a_task_that_follows_a_canceled_one_has_another_cause(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    await store.queue.schedule(a_task(cause=ALICE), again=True)
    assert await store.end(worker, claim, type_="AttemptFailed", status=Status.SCHEDULED, error="once", line=1)
    assert await store.queue.cancel(claim.task, BOB) is Status.CANCELED
    assert (await causes(store, claim.task))[-1] == ("TaskCanceled", BOB.data)
    following = await store.claim(worker)
    assert (await causes(store, following.task))[0] == ("TaskScheduled", ALICE.data)


async def test_a_rebuild_makes_the_same_rows(store: Store) -> None:
    worker = await store.worker()
    task, _ = await store.queue.schedule(a_task("a", cause=ALICE))
    await store.queue.cancel(task, BOB)
    claim = await store.claimed(worker, "b")
    await store.queue.schedule(a_task("b", cause=BOB), again=True)
    await store.queue.cancel(claim.task, ALICE)
    rows = "SELECT to_jsonb(c) FROM syncline.collections c ORDER BY 1"
    before = await store.pool.fetch(rows)
    await rebuild_all(store.pool)
    assert await store.pool.fetch(rows) == before
    assert await verify(store.pool) == []
