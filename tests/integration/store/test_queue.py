"""Scheduling, claiming, ending and canceling: who may do what, and what stays when it may not."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from app.domain.attempt_protocol import SavedBookmark
from app.domain.errors import DatabaseBusyError, SynclineError, UnsettledError
from app.domain.priority import PriorityClass
from app.domain.task import Status, fold
from app.store.queue import TaskQueue, ending_columns, schedule_tasks
from tests.harness import PATIENCE_SECONDS, a_task, canceled, ending, opened_store, until
from tests.integration.store.statements import BY_NOBODY, NOT_FOLLOWED, QUEUE, end_on, save_on

if TYPE_CHECKING:
    from uuid import UUID

    from app.domain.claim import NewTask
    from tests.harness import Store


async def test_of_200_at_once_one_schedules_and_all_learn_the_same_task(database_url: str) -> None:
    async with opened_store(database_url, size=20) as store:
        answers = await asyncio.gather(*(store.queue.schedule(a_task()) for _ in range(200)))
        assert sorted(new for _, new in answers) == [False] * 199 + [True]
        [task] = {task for task, _ in answers}
        assert await store.types(task) == ["TaskScheduled"]
        assert await store.pool.fetchval("SELECT count(*) FROM syncline.all_tasks") == 1


async def test_batches_take_their_collections_in_one_order_so_that_none_waits_for_another_for_ever(
    database_url: str,
) -> None:
    async with opened_store(database_url) as store:
        async with store.pool.acquire() as other, other.transaction():
            await schedule_tasks(other, [a_task("a")])
            batch = asyncio.create_task(schedule_tasks(store.pool, [a_task("b"), a_task("a")]))
            await until(partial(store.is_waiting, "WITH named"))
            assert [*await schedule_tasks(store.pool, [a_task("b")])] == [("s", "b")]
        assert await batch == {}


async def test_scheduling_while_tasks_come_and_go_never_fails_and_never_makes_two(database_url: str) -> None:
    async with opened_store(database_url, size=20) as store:
        worker = await store.worker()

        async def churn() -> None:
            for _ in range(40):
                for claim in await store.queue.claim(worker, 1):
                    await store.end(worker, claim)

        async def ask() -> None:
            for _ in range(15):
                await store.queue.schedule(a_task())

        await asyncio.gather(churn(), *(ask() for _ in range(10)))
        overlapping = await store.pool.fetchval(
            "SELECT count(*) FROM syncline.all_tasks a JOIN syncline.all_tasks b ON a.task < b.task"
            " AND coalesce(a.finished_at, 'infinity') > b.created_at + interval '1 s'"
        )
        assert overlapping == 0


async def test_the_end_of_a_task_that_is_being_canceled_is_waited_for_but_not_for_ever(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    queue, patient = TaskQueue(store.pool, ending_seconds=0.3), TaskQueue(store.pool, ending_seconds=PATIENCE_SECONDS)
    assert await patient.schedule(a_task()) == (claim.task, False)
    await store.queue.cancel(claim.task)
    assert await queue.schedule(a_task()) == (claim.task, False), "its worker may be gone"
    asked = [asyncio.create_task(patient.schedule(a_task(), again=again)) for again in (False, True)]
    assert await queue.schedule(a_task()) == (claim.task, False), "by now both have found it"
    assert await store.end(worker, claim, type_="TaskCanceled", status=Status.CANCELED)
    answers = await asyncio.gather(*asked)
    assert sorted(is_new for _, is_new in answers) == [False, True]
    [new] = {task for task, _ in answers}
    assert new != claim.task


class _EndsBetween(TaskQueue):
    """A queue whose active task ends after it stood in the way and before it is looked up."""

    def __init__(self, store: Store, worker: UUID) -> None:
        super().__init__(_PoolThatEnds(store, worker))  # type: ignore[arg-type]


class _PoolThatEnds:
    def __init__(self, store: Store, worker: UUID) -> None:
        self._store = store
        self._worker = worker

    async def fetch(self, statement: str, *values: object) -> object:
        if statement == QUEUE["active_tasks"]:
            for claim in await self._store.queue.claim(self._worker, 1):
                await self._store.end(self._worker, claim)
        return await self._store.pool.fetch(statement, *values)


async def test_a_task_that_ends_between_the_two_statements_makes_room_for_a_new_one(store: Store) -> None:
    worker, first = await store.worker(), await store.schedule()
    task, new = await _EndsBetween(store, worker).schedule(a_task())
    assert new
    assert task != first


async def test_calls_at_the_same_time_share_statements_and_one_asks_for_the_new_task(store: Store) -> None:
    counting = _CountingPool(store)
    queue = TaskQueue(counting)  # type: ignore[arg-type]
    answers = await asyncio.gather(*(queue.schedule(a_task(f"c{number % 20}")) for number in range(200)))
    assert counting.statements == 2, "the new ones, and the active ones for those that came second"
    assert [new for _, new in answers] == [True] * 20 + [False] * 180
    for number, (task, _) in enumerate(answers):
        assert task == answers[number % 20][0]
    assert await store.pool.fetchval("SELECT count(*) FROM syncline.all_tasks") == 20


async def test_what_the_database_refuses_does_not_hold_up_what_was_asked_for_with_it(store: Store) -> None:
    asked = [a_task("good"), a_task("bad", max_attempts=2**20), a_task("also good")]
    good, bad, also = await asyncio.gather(*map(store.queue.schedule, asked), return_exceptions=True)
    assert isinstance(bad, Exception)
    assert [type(good), type(also)] == [tuple, tuple]


async def test_a_collection_that_does_not_come_to_rest_fails_alone(store: Store) -> None:
    await store.schedule("restless")
    queue = TaskQueue(_PoolThatHides(store, "restless"))  # type: ignore[arg-type]
    asked = [a_task("good"), a_task("restless"), a_task("good")]
    good, restless, also = await asyncio.gather(*map(queue.schedule, asked), return_exceptions=True)
    assert isinstance(restless, SynclineError)
    assert str(restless) == "the queue of s/restless keeps changing; gave up, try again"
    assert isinstance(good, tuple)
    assert also == (good[0], False)


async def test_what_the_last_round_has_answered_is_answered(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.store.queue._TRIES", 1)
    task, new = await store.queue.schedule(a_task())
    assert new
    assert await store.queue.schedule(a_task()) == (task, False)


class _PoolThatHides:
    """A pool in whose active tasks one collection is never found."""

    def __init__(self, store: Store, collection: str) -> None:
        self._store = store
        self._collection = collection

    async def fetch(self, statement: str, *values: object) -> object:
        rows = await self._store.pool.fetch(statement, *values)
        return [row for row in rows if row["collection"] != self._collection]


async def test_who_waits_behind_a_statement_that_is_stuck_hears_in_time_and_has_asked_for_nothing(store: Store) -> None:
    queue = TaskQueue(store.pool, answer_seconds=0.5)
    async with store.pool.acquire() as other, other.transaction():
        await schedule_tasks(other, [a_task("stuck")])
        stuck = asyncio.create_task(queue.schedule(a_task("stuck")))
        await until(partial(store.is_waiting, "WITH named"))
        async with asyncio.timeout(PATIENCE_SECONDS):
            for asked in (queue.schedule(a_task("behind")), stuck):
                with pytest.raises(DatabaseBusyError, match="earlier requests are still waiting"):
                    await asked
    patient = TaskQueue(store.pool)
    assert (await patient.schedule(a_task("stuck")))[1] is False
    await queue.schedule(a_task("next"))
    assert (await patient.schedule(a_task("behind")))[1] is True


class _CountingPool:
    def __init__(self, store: Store) -> None:
        self._store = store
        self.statements = 0

    async def fetch(self, statement: str, *values: object) -> object:
        self.statements += 1
        return await self._store.pool.fetch(statement, *values)


async def test_collections_whose_joined_names_are_equal_do_not_share_a_place(store: Store) -> None:
    first = await store.schedule("c", source="a_b")
    second = await store.schedule("b_c", source="a")
    assert first != second


async def test_claims_go_by_class_then_by_age(store: Store) -> None:
    wanted: list[NewTask] = [
        a_task("low", priority_class=100),
        a_task("old schedule", priority_class=200),
        a_task("api", priority_class=300),
        a_task("young schedule", priority_class=200),
    ]
    for new in wanted:
        await store.queue.schedule(new)
    worker = await store.worker()
    claims = [await store.claim(worker) for _ in wanted]
    assert [claim.collection for claim in claims] == ["api", "old schedule", "young schedule", "low"]


async def test_many_claimers_share_the_queue_without_a_task_going_twice(database_url: str) -> None:
    async with opened_store(database_url, size=10) as store:
        await schedule_tasks(store.pool, [a_task(f"c{number}") for number in range(300)])
        workers = [await store.worker() for _ in range(6)]

        async def claim_all(worker: UUID) -> list[UUID]:
            claimed: list[UUID] = []
            while claims := await store.queue.claim(worker, 7):
                claimed += [claim.task for claim in claims]
            return claimed

        shares = await asyncio.gather(*map(claim_all, workers))
        claimed = [task for share in shares for task in share]
        assert len(claimed) == len(set(claimed)) == 300
        assert len([share for share in shares if share]) > 1


async def test_a_claim_passes_over_a_row_that_another_claim_holds(store: Store) -> None:
    first, second = await store.worker(), await store.worker()
    await store.schedule("c")
    await store.schedule("d")
    async with store.pool.acquire() as connection, connection.transaction():
        [held] = await connection.fetch(QUEUE["claim_tasks"], first, 1, [], [], [], ["default"], {})
        assert held["collection"] == "c"
        assert [claim.collection for claim in await store.queue.claim(second, 5)] == ["d"]


async def test_a_task_whose_time_has_not_come_is_not_claimed(store: Store) -> None:
    worker = await store.worker()
    await store.schedule()
    await store.pool.execute("UPDATE syncline.collections SET run_at = syncline.clock() + interval '1 hour'")
    assert await store.queue.claim(worker, 1) == []


async def test_an_attempt_of_the_past_is_refused(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    assert await store.end(worker, claim, type_="AttemptFailed", status=Status.SCHEDULED, error="once")
    again = await store.claim(worker)
    assert again.attempt == 2
    before = await store.everything()
    assert not await store.end(worker, claim)
    with pytest.raises(SynclineError, match="no longer belongs to this worker"):
        await store.streams.save_bookmark(worker, claim, commit=1, destination="d", rows=1, bookmark=1)
    assert await store.everything() == before


async def test_two_attempts_of_a_task_in_one_statement_are_told_apart(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    await store.end(worker, claim, type_="AttemptFailed", status=Status.SCHEDULED, error="once")
    again = await store.claim(worker)
    refused = await store.queue.end_attempts(worker, [ending(claim, line=5), ending(again, line=6)])
    assert [ending.claim.attempt for ending in refused] == [1]
    assert (await store.types(claim.task))[-1] == "TaskSucceeded"


async def test_a_claim_that_finds_nothing_burns_no_transaction_id(store: Store) -> None:
    worker, other = await store.worker(), await store.worker()
    await store.claimed(other)
    before = await store.pool.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())")
    assert await store.queue.claim(worker, 10) == []
    assert await store.pool.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())") == before


async def test_a_claim_that_leaves_all_that_is_due_to_others_burns_no_transaction_id(store: Store) -> None:
    worker = await store.worker()
    await store.claimed(worker)  # a connection's first claim is planned, which takes an id
    await store.schedule("c", "s2")
    left = {("s2", "c"): datetime(2100, 1, 1, tzinfo=UTC)}
    before = await store.pool.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())")
    assert await store.queue.claim(worker, 10, left=left) == []
    assert await store.pool.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())") == before
    assert len(await store.queue.claim(worker, 10, left={("s2", "c"): datetime(2020, 1, 1, tzinfo=UTC)})) == 1


async def test_lines_that_come_with_an_ending_are_refused_with_it(store: Store) -> None:
    worker = await store.worker()
    mine, lost = await store.claimed(worker, "mine"), await store.claimed(worker, "lost")
    await store.end(worker, lost, type_="AttemptFailed", status=Status.SCHEDULED, error="once", line=1)
    endings = [ending(claim, before=["one", "two"], line=3) for claim in (lost, mine)]
    assert [refused.claim for refused in await store.queue.end_attempts(worker, endings)] == [lost]
    assert await store.messages(mine.task) == ["Running task...", "one", "two", "FINISHED SUCCESSFULLY"]
    assert (await store.messages(lost.task))[1:] == ["attempt 1 failed: once"]


async def test_cancel_after_success_changes_nothing(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    await store.end(worker, claim)
    before = await store.everything()
    assert await store.queue.cancel(claim.task) is None
    assert await store.everything() == before


async def test_success_after_cancel_is_refused(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    assert await store.queue.cancel(claim.task) is Status.RUNNING
    assert not await store.queue.end_attempts(worker, [canceled(claim)])
    before = await store.everything()
    assert not await store.end(worker, claim)
    assert await store.everything() == before
    assert await store.status(claim.task) == "CANCELED"


# Made by hand, or left by a restore that went wrong.
STRAY_ROW = """
    INSERT INTO syncline.tasks
      (task, source, collection, source_type, trigger, fire_time, priority, max_attempts, status, attempt, failures,
       rows, error, created_at, started_at, finished_at, version)
    VALUES ($1, 'other', 'row', 'made', 'api', NULL, 0, 1, 'FAILED', 1, 1, 7, 'stray', now(), now(), now(), 9)
"""


@pytest.mark.parametrize("how", ["ended", "canceled"])
async def test_a_stray_row_of_an_active_task_holds_up_neither_its_end_nor_that_of_others(
    store: Store, how: str
) -> None:
    worker = await store.worker()
    task, other = await store.claimed(worker), await store.claimed(worker, "other")
    queued = await store.schedule("queued")
    for stray in (task.task, queued):
        await store.pool.execute(STRAY_ROW, stray)
    if how == "ended":
        assert not await store.queue.end_attempts(worker, [ending(task), ending(other)])
        assert [await store.status(each) for each in (task.task, other.task)] == ["SUCCESS", "SUCCESS"]
    else:
        assert await store.queue.cancel(queued) is Status.CANCELED
    ended = task.task if how == "ended" else queued
    row = await store.pool.fetchrow("SELECT source, rows, error FROM syncline.tasks WHERE task = $1", ended)
    assert row is not None
    assert dict(row) == {
        "source": "s",
        "rows": 0,
        "error": None,
    }


async def test_a_queued_task_is_canceled_at_once_with_a_last_line(store: Store) -> None:
    task = await store.schedule()
    assert await store.queue.cancel(task) is Status.CANCELED
    assert await store.types(task) == ["TaskScheduled", "TaskCanceled"]
    assert await store.messages(task) == ["CANCELED while it was queued"]
    assert await store.schedule() != task, "the collection is free"


async def test_a_running_task_is_asked_once(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    for _ in range(3):
        assert await store.queue.cancel(claim.task) is Status.RUNNING
    assert await store.types(claim.task) == ["TaskScheduled", "TaskStarted", "CancelRequested"]
    assert await store.queue.list_running_claims(worker) == {claim.key: True}


async def test_an_unknown_task_is_not_canceled_into_being(store: Store) -> None:
    before = await store.everything()
    assert await store.queue.cancel(uuid4()) is None
    assert await store.everything() == before


class _PoolThatCancelsNothing:
    """As if the task's row had moved each time before its cancellation came by."""

    def __init__(self, store: Store) -> None:
        self.fetchrow = store.pool.fetchrow
        self.asked = 0

    async def fetchval(self, statement: str, *_: object) -> None:
        assert statement == QUEUE["cancel_task"]
        self.asked += 1


async def test_a_cancel_whose_task_moves_each_time_is_tried_again_and_then_not_called_done(store: Store) -> None:
    task, pool = await store.schedule(), _PoolThatCancelsNothing(store)
    with pytest.raises(UnsettledError, match=f"task {task} was not canceled: its row kept changing"):
        await TaskQueue(pool).cancel(task)  # type: ignore[arg-type]
    assert pool.asked > 1


# A row of a dump in a server with lower transaction ids: no statement touches it before the server has caught up.
AHEAD = "UPDATE syncline.collections SET xid = (pg_current_xact_id()::text::numeric + 1000000)::text::xid8"


@pytest.mark.parametrize("is_running", [False, True], ids=["queued", "running"])
@pytest.mark.parametrize(
    ("change", "why"),
    [
        (AHEAD, "moved to a server with lower transaction IDs"),
        ("DELETE FROM syncline.collections", "the store has lost its row"),
    ],
    ids=["lower ids", "lost"],
)
async def test_a_cancel_that_does_not_get_through_says_so(
    store: Store, change: str, why: str, *, is_running: bool
) -> None:
    task = await store.schedule()
    if is_running:
        await store.claim(await store.worker())
    await store.admin.execute(change)
    before = await store.everything()
    with pytest.raises(UnsettledError, match=why):
        await store.queue.cancel(task)
    assert await store.everything() == before


@pytest.mark.parametrize(
    ("type_", "error"),
    [("AttemptFailed", "broken"), ("AttemptHandedBack", None)],
    ids=["failed", "handed back"],
)
async def test_a_task_that_is_to_be_canceled_does_not_go_back_into_the_queue(
    store: Store, type_: str, error: str | None
) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    await store.queue.cancel(claim.task)
    back = ending(claim, type_, Status.SCHEDULED, if_canceled=canceled(claim), error=error)
    assert await store.queue.end_attempts(worker, [back]) == []
    assert await store.status(claim.task) == "CANCELED"
    assert await store.types(claim.task) == ["TaskScheduled", "TaskStarted", "CancelRequested", "TaskCanceled"]


async def test_a_cancel_that_waits_for_an_attempt_to_be_handed_back_ends_the_task(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    back = ending(claim, "AttemptHandedBack", Status.SCHEDULED, line=1)
    async with store.pool.acquire() as connection, connection.transaction():
        await connection.fetch(QUEUE["end_attempts"], worker, *ending_columns([back]))
        cancel = asyncio.create_task(store.queue.cancel(claim.task))
        await until(lambda: store.is_waiting("cancel_requested"))
    assert await cancel is Status.CANCELED
    assert (await store.messages(claim.task))[-1] == "CANCELED while it was queued"


async def test_a_cancel_that_waits_for_a_claim_asks_the_attempt(store: Store) -> None:
    worker, task = await store.worker(), await store.schedule()
    async with store.pool.acquire() as connection, connection.transaction():
        await connection.fetch(QUEUE["claim_tasks"], worker, 1, [], [], [], ["default"], {})
        cancel = asyncio.create_task(store.queue.cancel(task))
        await until(lambda: store.is_waiting("cancel_requested"))
    assert await cancel is Status.RUNNING
    assert await store.types(task) == ["TaskScheduled", "TaskStarted", "CancelRequested"]


async def test_a_claim_passes_over_a_task_that_is_being_canceled(store: Store) -> None:
    worker, task = await store.worker(), await store.schedule()
    async with store.pool.acquire() as connection, connection.transaction():
        await connection.fetch(QUEUE["cancel_task"], task, NOT_FOLLOWED, BY_NOBODY)
        assert await store.queue.claim(worker, 1) == []
    assert await store.queue.claim(worker, 1) == []
    assert await store.types(task) == ["TaskScheduled", "TaskCanceled"]


async def test_a_cancel_that_waits_for_the_end_comes_too_late(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    async with store.pool.acquire() as connection, connection.transaction():
        assert await end_on(connection, worker, claim)
        cancel = asyncio.create_task(store.queue.cancel(claim.task))
        await until(lambda: store.is_waiting("cancel_requested"))
    assert await cancel is None
    assert await store.types(claim.task) == ["TaskScheduled", "TaskStarted", "TaskSucceeded"]


async def test_an_end_that_waits_for_a_cancel_stands_after_it(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    async with store.pool.acquire() as connection, connection.transaction():
        await connection.fetch(QUEUE["cancel_task"], claim.task, NOT_FOLLOWED, BY_NOBODY)
        end = asyncio.create_task(store.end(worker, claim))
        await until(lambda: store.is_waiting("outcome"))
    assert await end
    assert await store.types(claim.task) == ["TaskScheduled", "TaskStarted", "CancelRequested", "TaskSucceeded"]


async def test_a_commit_told_twice_is_remembered_once(store: Store) -> None:
    """As after a connection that broke before the acknowledgement came, also while the first statement still runs."""
    worker = await store.worker()
    claim = await store.claimed(worker)
    save = partial(store.streams.save_bookmark, worker, claim, destination="d", rows=10, bookmark={"at": 10})
    async with store.pool.acquire() as first:
        async with first.transaction():
            assert await save_on(first, worker, claim)
            again = asyncio.create_task(save(commit=1))
            await until(lambda: store.is_waiting("INTO syncline.bookmarks"))
        await again
    await save(commit=1)
    assert await store.types(claim.task) == ["TaskScheduled", "TaskStarted", "BookmarkSaved"]
    await save(commit=2)
    assert await store.pool.fetchval("SELECT rows FROM syncline.all_tasks") == 1 + 10


async def test_a_bookmark_is_saved_with_what_it_stands_for(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    save = partial(store.streams.save_bookmark, worker, claim, rows=1)
    standing = r'{"reads": "\u0000"}'
    await save(commit=1, destination="d", bookmark=1, standing=standing)
    await save(commit=2, destination="other", bookmark=2, standing="other")
    assert await store.streams.get_saved_bookmarks(claim) == {
        "d": SavedBookmark(1, standing),
        "other": SavedBookmark(2, "other"),
    }
    await save(commit=3, destination="d", bookmark=3)
    assert (await store.streams.get_saved_bookmarks(claim))["d"] == SavedBookmark(3)
    await save(commit=4, destination="d", bookmark=None, standing=standing)
    assert (await store.streams.get_saved_bookmarks(claim))["d"] == SavedBookmark(None, standing)


@pytest.mark.parametrize("offset", ["0 s", "0.25 s", "0.5 s", "0.75 s"])
async def test_the_stored_priority_is_the_contracts(store: Store, offset: str) -> None:
    """Class × 10^12 less the unix seconds, of which only whole ones count, in whichever part of a second it is."""
    await schedule_at(store, offset)
    row = await store.pool.fetchrow("SELECT priority, created_at FROM syncline.all_tasks")
    assert row is not None
    assert row["priority"] == PriorityClass.API * 10**12 - math.floor(row["created_at"].timestamp())


async def test_ids_of_a_collection_grow_when_the_clock_steps_back(store: Store) -> None:
    """Destinations fence with them."""
    first = await store.schedule()
    await store.queue.cancel(first)
    assert await schedule_at(store, "-1 hour") > first


async def schedule_at(store: Store, offset: str) -> UUID:
    async with store.pool.acquire() as connection, connection.transaction():
        await connection.execute(f"SET LOCAL syncline.clock_offset = '{offset}'")
        (task,) = (await schedule_tasks(connection, [a_task()])).values()
    return task


async def test_transaction_ids_never_turn_a_stream_round(store: Store) -> None:
    """A statement that took its transaction id first and then waited for the row must not append behind a later id."""
    worker = await store.worker()
    claim = await store.claimed(worker)
    async with store.pool.acquire() as early, store.pool.acquire() as late:
        waiting = early.transaction()
        await waiting.start()
        await early.fetchval("SELECT pg_current_xact_id()")
        async with late.transaction():
            await late.fetch(QUEUE["cancel_task"], claim.task, NOT_FOLLOWED, BY_NOBODY)
            ending_it = asyncio.create_task(end_on(early, worker, claim))
            await until(lambda: store.is_waiting("outcome AS MATERIALIZED"))
        assert not await ending_it, "the older transaction id appends nothing"
        await waiting.commit()
    await store.streams.save_bookmark(worker, claim, commit=1, destination="d", rows=1, bookmark={"at": 1})
    assert await store.end(worker, claim)
    rows = await store.pool.fetch("SELECT version FROM syncline.events WHERE task = $1 ORDER BY xid", claim.task)
    assert [row["version"] for row in rows] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("name", ["cancel_task", "claim_tasks", "end_attempts"])
async def test_every_statement_that_moves_a_row_keeps_to_the_order_of_transactions(store: Store, name: str) -> None:
    worker = await store.worker()
    task = await store.schedule()
    claim = None if name == "claim_tasks" else await store.claim(worker)
    async with store.pool.acquire() as early, early.transaction():
        await early.fetchval("SELECT pg_current_xact_id()")
        await store.pool.execute(
            "UPDATE syncline.collections SET xid = pg_current_xact_id(), version = version WHERE task = $1", task
        )
        match claim:
            case None:
                moved = await early.fetch(QUEUE[name], worker, 1, [], [], [], ["default"], {}) != []
            case _ if name == "cancel_task":
                moved = await early.fetch(QUEUE[name], task, NOT_FOLLOWED, BY_NOBODY) != []
            case _:
                moved = await end_on(early, worker, claim)
        assert not moved
    assert len(await store.types(task)) == (2 if claim else 1)


async def test_a_task_never_begins_in_an_older_transaction_than_the_one_before_it_ended(store: Store) -> None:
    worker = await store.worker()
    async with store.pool.acquire() as early, early.transaction():
        await early.fetchval("SELECT pg_current_xact_id()")
        assert await store.end(worker, await store.claimed(worker))
        assert await schedule_tasks(early, [a_task()]) == {}
    assert await schedule_tasks(store.pool, [a_task()]) != {}


async def test_a_storm_of_everything_leaves_streams_without_gaps_in_the_order_of_transactions(
    database_url: str,
) -> None:
    async with opened_store(database_url, size=12) as store:
        worker = await store.worker()

        async def live(name: str) -> None:
            for _ in range(6):
                task, _ = await store.queue.schedule(a_task(name))
                await asyncio.gather(work(), store.queue.cancel(task), work())

        async def work() -> None:
            for claim in await store.queue.claim(worker, 3):
                await asyncio.gather(
                    store.streams.save_bookmark(worker, claim, commit=1, destination="d", rows=1, bookmark=1),
                    store.queue.cancel(claim.task),
                    return_exceptions=True,
                )
                await store.end(worker, claim)

        await asyncio.gather(*(live(f"c{number}") for number in range(8)))
        turned = await store.pool.fetchval(
            "SELECT count(*) FROM syncline.events a JOIN syncline.events b USING (task)"
            " WHERE a.version < b.version AND a.xid > b.xid"
        )
        assert turned == 0
        for row in await store.pool.fetch("SELECT task, status, version FROM syncline.all_tasks"):
            folded = fold(await store.events(row["task"]))
            assert folded is not None
            assert (folded.status, folded.version) == (row["status"], row["version"])
