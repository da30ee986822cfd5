"""A request during a run is followed by one more task, which begins in the transaction in which the run's task ends."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.priority import PriorityClass
from app.domain.task import Status
from app.projections import verify
from app.store import queue as queue_module
from app.store.queue import TaskQueue
from tests.harness import a_task, canceled, ending, opened_store, until
from tests.integration.store.statements import BY_NOBODY, NOT_FOLLOWED, QUEUE, end_on

if TYPE_CHECKING:
    from uuid import UUID

    from app.domain.claim import Claim
    from app.store.database import Connection
    from tests.harness import Store

ASKED = {"source_type": "synthetic", "trigger": "api", "priority_class": 300, "max_attempts": 2, "pool": "eu"}
AGES = timedelta(days=10_000)
ENDS = {
    "TaskSucceeded": Status.SUCCESS,
    "TaskFailed": Status.FAILED,
    "TaskCanceled": Status.CANCELED,
}


async def asked_again(store: Store, claim: Claim, **given: Any) -> None:
    """Ask for one more task while this one is active."""
    new = a_task(claim.collection, **given)
    assert await store.queue.schedule(new, again=True) == (claim.task, False)


async def next_of(store: Store, task: UUID) -> Any:
    """The row of the collection, whose task began together with the end of this one."""
    [row] = await store.pool.fetch(
        "SELECT c.* FROM syncline.collections c JOIN syncline.events began ON began.task = c.task AND began.version = 1"
        " JOIN syncline.events ended ON ended.xid = began.xid WHERE ended.task = $1 AND ended.version ="
        " (SELECT version FROM syncline.tasks WHERE task = $1)",
        task,
    )
    assert row["task"] > task
    assert row["again"] is None
    assert await verify(store.pool) == []
    return row


async def the_only_task(store: Store) -> UUID:
    [row] = await store.pool.fetch("SELECT task FROM syncline.events WHERE version = 1")
    task: UUID = row["task"]
    return task


@pytest.mark.parametrize("type_", ENDS)
async def test_a_request_during_a_run_is_followed_however_that_ends(store: Store, type_: str) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker, trigger="schedule", priority_class=200)
    await asked_again(store, claim, max_attempts=2, pool="eu")
    assert await store.types(claim.task) == ["TaskScheduled", "TaskStarted", "RunAgainRequested"]
    event = (await store.events(claim.task))[-1]
    assert (event.status, event.attempt, event.worker, event.data) == ("RUNNING", 1, None, ASKED)
    assert await store.pool.fetchval("SELECT again FROM syncline.collections") == ASKED
    assert await verify(store.pool) == []

    assert await store.end(worker, claim, type_=type_, status=ENDS[type_])
    row = await next_of(store, claim.task)
    assert (row["status"], row["trigger"], row["max_attempts"], row["pool"]) == ("SCHEDULED", "api", 2, "eu")
    assert row["priority"] == PriorityClass.API * 10**12 - int(row["created_at"].timestamp())
    assert row["run_at"] == row["created_at"]
    assert (await store.types(claim.task))[-1] == type_
    [then] = await store.queue.claim(worker, 5, pools=["eu"])
    assert then.task == row["task"]
    assert await store.end(worker, then)
    assert await store.status(then.task) == "SUCCESS"
    assert await store.pool.fetchval("SELECT count(*) FROM syncline.all_tasks") == 2


async def test_without_it_nothing_follows(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    assert await store.queue.schedule(a_task()) == (claim.task, False)
    assert await store.end(worker, claim)
    assert await store.types(await the_only_task(store)) == ["TaskScheduled", "TaskStarted", "TaskSucceeded"]


async def test_many_requests_during_a_run_are_followed_by_one_task(database_url: str) -> None:
    async with opened_store(database_url) as store:
        worker = await store.worker()
        claim = await store.claimed(worker)
        await asyncio.gather(*(asked_again(store, claim) for _ in range(20)))
        assert await store.types(claim.task) == ["TaskScheduled", "TaskStarted", "RunAgainRequested"]
        assert await store.end(worker, claim)
        following = await next_of(store, claim.task)
        assert await store.end(worker, await store.claim(worker))
        assert await store.types(following["task"]) == ["TaskScheduled", "TaskStarted", "TaskSucceeded"]
        assert await store.pool.fetchval("SELECT count(*) FROM syncline.all_tasks") == 2


async def test_a_request_that_waits_for_another_one_adds_nothing(store: Store) -> None:
    claim = await store.claimed(await store.worker())
    async with store.pool.acquire() as connection, connection.transaction():
        assert await request_on(connection)
        asking = asyncio.create_task(store.queue.schedule(a_task(max_attempts=9), again=True))
        await until(partial(store.is_waiting, "needs_request"))
    assert await asking == (claim.task, False)
    assert await store.types(claim.task) == ["TaskScheduled", "TaskStarted", "RunAgainRequested"]
    assert await store.pool.fetchval("SELECT again FROM syncline.collections") == ASKED


async def test_nothing_active_is_asked_for_as_always(store: Store) -> None:
    task, new = await store.queue.schedule(a_task(), again=True)
    assert new
    assert await store.types(task) == ["TaskScheduled"]


async def test_a_task_that_has_not_begun_is_enough(store: Store) -> None:
    task = await store.schedule()
    before = await store.everything()
    assert await store.queue.schedule(a_task(), again=True) == (task, False)
    assert await store.everything() == before


async def test_a_backfill_is_never_enough(store: Store) -> None:
    worker = await store.worker()
    backfill = await store.schedule(backfill="2024-01-01T00:00:00Z/2024-02-01T00:00:00Z", trigger="backfill")
    assert await store.queue.schedule(a_task(), again=True) == (backfill, False)
    assert await store.types(backfill) == ["TaskScheduled", "RunAgainRequested"]
    assert await verify(store.pool) == []
    assert await store.end(worker, await store.claim(worker))
    assert (await next_of(store, backfill))["backfill"] is None


async def test_what_has_begun_and_waits_for_its_next_attempt_is_not_enough(store: Store) -> None:
    """It goes on from its last bookmark, behind what it has read before the request."""
    worker = await store.worker()
    claim = await store.claimed(worker)
    assert await store.end(worker, claim, type_="AttemptFailed", status=Status.SCHEDULED, error="once")
    await asked_again(store, claim)
    assert (await store.types(claim.task))[-1] == "RunAgainRequested"
    assert await verify(store.pool) == []
    assert await store.end(worker, await store.claim(worker))
    await next_of(store, claim.task)


@pytest.mark.parametrize("back", ["AttemptFailed", "AttemptHandedBack", "AttemptRescued"])
async def test_further_attempts_keep_the_request(store: Store, back: str) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    await asked_again(store, claim)
    if back == "AttemptRescued":
        await lose(store, worker)
        [rescued] = await store.leases.rescue()
        assert rescued["status"] == "SCHEDULED"
        worker = await store.worker()
    else:
        assert await store.end(worker, claim, type_=back, status=Status.SCHEDULED, error="once", line=1)
    assert (await store.types(claim.task))[-1] == back
    assert await the_only_task(store) == claim.task
    assert await store.pool.fetchval("SELECT again IS NOT NULL FROM syncline.collections")
    again = await store.claim(worker)
    assert (again.task, again.attempt) == (claim.task, 2)
    await asked_again(store, again)
    assert await store.end(worker, again)
    await next_of(store, claim.task)


@pytest.mark.parametrize("is_to_be_canceled", [False, True])
async def test_a_rescue_that_ends_a_task_schedules_the_one_that_follows(
    store: Store, *, is_to_be_canceled: bool
) -> None:
    worker = await store.worker()
    claim, other = await store.claimed(worker, max_attempts=1), await store.claimed(worker, "d", max_attempts=1)
    await asked_again(store, claim)
    if is_to_be_canceled:
        await store.queue.cancel(claim.task)
    await lose(store, worker)
    rescued = {row["task"]: row for row in await store.leases.rescue()}
    assert rescued.keys() == {claim.task, other.task}
    assert set(rescued[claim.task]) == {"source", "collection", "task", "attempt", "status"}
    assert rescued[claim.task]["status"] == ("CANCELED" if is_to_be_canceled else "FAILED")
    await next_of(store, claim.task)
    assert await store.pool.fetchval("SELECT status FROM syncline.collections WHERE collection = 'd'") == "FAILED"


async def test_a_cancellation_is_of_that_task_alone(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    await asked_again(store, claim)
    assert await store.queue.cancel(claim.task) is Status.RUNNING
    back = ending(claim, "AttemptHandedBack", Status.SCHEDULED, if_canceled=canceled(claim))
    assert await store.queue.end_attempts(worker, [back]) == []
    assert await store.status(claim.task) == "CANCELED"
    following = await next_of(store, claim.task)
    assert not following["cancel_requested"]
    assert await store.queue.cancel(following["task"]) is Status.CANCELED
    assert await store.pool.fetchval("SELECT count(*) FROM syncline.all_tasks") == 2, "which ends it"


async def test_a_canceled_task_that_waits_for_its_next_attempt_is_followed(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    await asked_again(store, claim)
    assert await store.end(worker, claim, type_="AttemptFailed", status=Status.SCHEDULED, error="once", line=1)
    assert await store.queue.cancel(claim.task) is Status.CANCELED
    assert (await store.messages(claim.task))[-1] == "CANCELED while it was queued"
    await next_of(store, claim.task)


async def test_one_that_is_followed_and_one_that_is_lost_do_not_keep_the_others_back(store: Store) -> None:
    worker, other = await store.worker(), await store.worker()
    claims = [await store.claimed(worker, name) for name in ("followed", "followed too", "alone")]
    theirs = await store.claimed(other, "theirs")
    for claim in (*claims[:2], theirs):
        await asked_again(store, claim)
    before = await store.types(theirs.task)
    refused = await store.queue.end_attempts(worker, [ending(claim) for claim in (*claims, theirs)])
    assert [ending.claim for ending in refused] == [theirs]
    assert await store.types(theirs.task) == before
    for claim in claims[:2]:
        assert (await store.messages(claim.task))[-1] == "FINISHED SUCCESSFULLY"
    rows = await store.pool.fetch("SELECT collection, status FROM syncline.collections ORDER BY collection")
    assert {row["collection"]: row["status"] for row in rows} == {
        "alone": "SUCCESS",
        "followed": "SCHEDULED",
        "followed too": "SCHEDULED",
        "theirs": "RUNNING",
    }
    assert await verify(store.pool) == []


class _CountingPool:
    """Counts the statements that a queue sends."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.sent: list[str] = []

    async def fetch(self, statement: str, *values: object) -> object:
        self.sent.append(next(name for name, text in QUEUE.items() if text == statement))
        return await self._store.pool.fetch(statement, *values)


async def test_who_does_not_ask_for_it_pays_for_nothing(store: Store) -> None:
    counting = _CountingPool(store)
    queue = TaskQueue(counting)  # type: ignore[arg-type]
    worker = await store.worker()
    await queue.schedule(a_task())
    [claim] = await queue.claim(worker, 1)
    await queue.schedule(a_task())
    assert await queue.end_attempts(worker, [ending(claim)]) == []
    assert counting.sent == ["schedule_tasks", "claim_tasks", "schedule_tasks", "active_tasks", "end_attempts"]


async def test_a_request_that_waits_for_the_end_is_a_new_task(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    async with store.pool.acquire() as connection, connection.transaction():
        assert await end_on(connection, worker, claim)
        asking = asyncio.create_task(store.queue.schedule(a_task(), again=True))
        await until(partial(store.is_waiting, "needs_request"))
    task, new = await asking
    assert new
    assert task > claim.task
    assert await store.types(claim.task) == ["TaskScheduled", "TaskStarted", "TaskSucceeded"]
    assert await verify(store.pool) == []


async def test_an_end_that_waits_for_the_request_is_followed(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    async with store.pool.acquire() as connection, connection.transaction():
        assert await request_on(connection)
        end = asyncio.create_task(store.end(worker, claim))
        await until(partial(store.is_waiting, "outcome"))
    assert await end
    await next_of(store, claim.task)


async def test_a_cancellation_that_waits_for_the_request_is_followed(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    assert await store.end(worker, claim, type_="AttemptFailed", status=Status.SCHEDULED, error="once", line=1)
    async with store.pool.acquire() as connection, connection.transaction():
        assert await request_on(connection)
        cancel = asyncio.create_task(store.queue.cancel(claim.task))
        await until(partial(store.is_waiting, "cancel_requested"))
    assert await cancel is Status.CANCELED
    await next_of(store, claim.task)


async def test_a_request_that_waits_for_a_cancellation_is_a_new_task(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    assert await store.end(worker, claim, type_="AttemptFailed", status=Status.SCHEDULED, error="once", line=1)
    async with store.pool.acquire() as connection, connection.transaction():
        await connection.fetch(QUEUE["cancel_task"], claim.task, NOT_FOLLOWED, BY_NOBODY)
        asking = asyncio.create_task(store.queue.schedule(a_task(), again=True))
        await until(partial(store.is_waiting, "needs_request"))
    _, new = await asking
    assert new


async def test_a_rescue_leaves_a_task_to_the_request_that_has_locked_it(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker, max_attempts=1)
    await lose(store, worker)
    async with store.pool.acquire() as connection, connection.transaction():
        assert await request_on(connection)
        assert await store.leases.rescue() == []
    assert len(await store.leases.rescue()) == 1
    await next_of(store, claim.task)


async def test_who_asks_while_tasks_come_and_go_gets_one_that_begins_after_that(database_url: str) -> None:
    """The order of the database's times is that of the test's, which uses the same machine."""
    async with opened_store(database_url, size=20) as store:
        worker, over = await store.worker(), asyncio.Event()
        asked = []

        async def work() -> None:
            while not over.is_set():
                for claim in await store.queue.claim(worker, 1):
                    await asyncio.sleep(0)
                    await store.end(worker, claim)

        async def ask() -> None:
            for _ in range(25):
                asked.append(await store.pool.fetchval("SELECT syncline.clock()"))
                await store.queue.schedule(a_task(), again=True)

        working = [asyncio.create_task(work()) for _ in range(3)]
        await asyncio.gather(*(ask() for _ in range(6)))

        async def is_idle() -> bool:
            return bool(await store.pool.fetchval("SELECT status = 'SUCCESS' FROM syncline.collections"))

        await until(is_idle)
        over.set()
        await asyncio.gather(*working)
        assert await store.pool.fetchval("SELECT max(started_at) FROM syncline.tasks") > max(asked)
        overlapping = await store.pool.fetchval(
            "SELECT count(*) FROM syncline.tasks a JOIN syncline.tasks b ON a.task < b.task"
            " AND a.finished_at > b.started_at"
        )
        assert overlapping == 0
        assert await verify(store.pool) == []


async def test_a_task_ends_only_together_with_the_beginning_of_the_next(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker, max_attempts=1)
    await asked_again(store, claim)
    before = await store.everything()

    async def broken(*_: object, **__: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(queue_module, "schedule_tasks", broken)
        with pytest.raises(ConnectionError):
            await store.end(worker, claim)
        assert await store.everything() == before
        await lose(store, worker)
        with pytest.raises(ConnectionError):
            await store.leases.rescue()
        assert await store.everything() == before
    assert len(await store.leases.rescue()) == 1
    await next_of(store, claim.task)


@pytest.mark.parametrize("how", ["end", "cancel", "rescue"])
async def test_the_next_task_gets_the_partition_that_is_missing(store: Store, how: str) -> None:
    """Its week may lie long after that of the task before."""
    worker = await store.worker(lease=AGES)
    claim = await store.claimed(worker, max_attempts=2)
    await asked_again(store, claim)
    if how == "cancel":
        assert await store.end(worker, claim, type_="AttemptFailed", status=Status.SCHEDULED, error="once", line=1)
    await store.move_clock("200 days")
    await store.pool.expire_connections()
    match how:
        case "end":
            assert await store.end(worker, claim)
        case "cancel":
            assert await store.queue.cancel(claim.task) is Status.CANCELED
        case _:
            await store.pool.execute("UPDATE syncline.collections SET max_attempts = 1")
            await store.pool.execute("UPDATE syncline.workers SET lease_until = syncline.clock() - interval '1 s'")
            assert len(await store.leases.rescue()) == 1
    row = await store.pool.fetchrow("SELECT task, status, again FROM syncline.collections")
    assert row is not None
    assert (row["task"] > claim.task, row["status"], row["again"]) == (True, "SCHEDULED", None)


class _Notified:
    """Counts how often workers would be woken."""

    told = 0

    def notify(self) -> None:
        self.told += 1


@pytest.mark.parametrize("how", ["end", "cancel"])
async def test_workers_are_woken_for_the_next_task(store: Store, how: str) -> None:
    notified = _Notified()
    queue = TaskQueue(store.pool, notifier=notified)  # type: ignore[arg-type]
    worker = await store.worker()
    claim = await store.claimed(worker)
    await asked_again(store, claim)
    if how == "end":
        assert await queue.end_attempts(worker, [ending(claim)]) == []
    else:
        assert await store.end(worker, claim, type_="AttemptFailed", status=Status.SCHEDULED, error="once", line=1)
        assert await queue.cancel(claim.task) is Status.CANCELED
    assert notified.told == 1


async def test_a_request_keeps_to_the_order_of_transactions(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    async with store.pool.acquire() as early, early.transaction():
        await early.fetchval("SELECT pg_current_xact_id()")
        await store.streams.save_bookmark(worker, claim, commit=1, destination="d", rows=1, bookmark=1)
        assert not await request_on(early)
    assert await store.types(claim.task) == ["TaskScheduled", "TaskStarted", "BookmarkSaved"]


async def request_on(connection: Connection) -> bool:
    """Whether `request_again` was accepted."""
    return await connection.fetch(QUEUE["request_again"], "s", "c", ASKED) != []


async def lose(store: Store, worker: UUID) -> None:
    await store.pool.execute(
        "UPDATE syncline.workers SET lease_until = syncline.clock() - interval '1 ms' WHERE worker = $1", worker
    )
