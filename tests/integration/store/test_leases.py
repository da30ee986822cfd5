"""The lease is the fence: without it a worker changes nothing, and what it wrote before stands."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from app.domain.claim import Claim
from app.domain.errors import LeaseLostError
from app.domain.events import ATTEMPT_HANDED_BACK
from app.domain.task import Status
from app.store.log import append_lines
from tests.harness import FOREVER, PATIENCE_SECONDS, canceled, ending, until
from tests.integration.store.statements import LEASES, QUEUE, append_on, end_on, numbered, save_on

if TYPE_CHECKING:
    from uuid import UUID

    from tests.harness import Store

LOST = {
    "expired": "UPDATE syncline.workers SET lease_until = syncline.clock() - interval '1 ms' WHERE worker = $1",
    "lost": "UPDATE syncline.workers SET state = 'lost' WHERE worker = $1",
    "stopped": "UPDATE syncline.workers SET state = 'stopped' WHERE worker = $1",
    "unknown": "DELETE FROM syncline.workers WHERE worker = $1",
}


async def lose(store: Store, worker: UUID, how: str = "expired") -> None:
    await store.pool.execute(LOST[how], worker)


@pytest.mark.parametrize("how", LOST)
async def test_a_worker_without_its_lease_changes_nothing(store: Store, how: str) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    await store.schedule("waiting")
    await lose(store, worker, how)
    before = await store.everything()

    assert await store.queue.claim(worker, 5) == []
    assert not await store.end(worker, claim)
    with pytest.raises(LeaseLostError):
        await store.streams.save_bookmark(worker, claim, commit=1, destination="d", rows=1, bookmark={"at": 1})
    assert await append_lines(store.pool, worker, [(claim, numbered(1))], now=0) == {claim.key}
    with pytest.raises(LeaseLostError):
        await store.leases.renew(worker, FOREVER)
    assert await store.queue.list_held_attempts(worker) == []

    assert await store.everything() == before


async def test_a_draining_worker_claims_nothing_but_finishes_what_it_has(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    await store.schedule("waiting")
    await store.leases.drain(worker)
    assert await store.queue.claim(worker, 5) == []
    await store.streams.save_bookmark(worker, claim, commit=1, destination="d", rows=1, bookmark={"at": 1})
    assert await append_lines(store.pool, worker, [(claim, numbered(1))], now=0) == set()
    await store.leases.renew(worker, FOREVER)
    assert await store.end(worker, claim)


async def test_an_attempt_of_another_worker_is_out_of_reach(store: Store) -> None:
    owner, other = await store.worker(), await store.worker()
    claim = await store.claimed(owner)
    before = await store.everything()
    assert not await store.end(other, claim)
    assert await append_lines(store.pool, other, [(claim, numbered(1))], now=0) == {claim.key}
    with pytest.raises(LeaseLostError):
        await store.streams.save_bookmark(other, claim, commit=1, destination="d", rows=1, bookmark=1)
    assert await store.everything() == before


async def test_a_claim_that_the_database_has_forgotten_can_write_nothing(store: Store) -> None:
    """Its attempt was given out once more, with the same number, and even to the same worker."""
    worker = await store.worker()
    forgotten = await store.claimed(worker)
    await store.forget_claim(forgotten.task)
    again = await store.claim(worker)
    assert (again.task, again.attempt) == (forgotten.task, forgotten.attempt)
    assert again.number > forgotten.number
    before = await store.everything()

    assert not await store.end(worker, forgotten)
    assert await append_lines(store.pool, worker, [(forgotten, numbered(1))], now=0) == {forgotten.key}
    with pytest.raises(LeaseLostError):
        await store.streams.save_bookmark(worker, forgotten, commit=1, destination="d", rows=1, bookmark=1)
    assert await store.streams.report_progress(worker, [(forgotten, {"records_read": 1})]) == 0
    assert await store.queue.list_running_claims(worker) == {again.key: False}

    assert await store.everything() == before
    assert await append_lines(store.pool, worker, [(again, numbered(1))], now=0) == set()
    assert await store.end(worker, again)


async def test_the_number_of_a_claim_grows_even_where_the_clock_steps_back(store: Store) -> None:
    worker = await store.worker()
    claims = [await store.claimed(worker)]
    for _ in range(2):
        back = ending(claims[-1], ATTEMPT_HANDED_BACK, Status.SCHEDULED, delay=-FOREVER)
        assert await store.queue.end_attempts(worker, [back]) == []
        async with store.pool.acquire() as early, early.transaction():
            await early.execute("SET LOCAL syncline.clock_offset = '-30 minutes'")
            [row] = await early.fetch(QUEUE["claim_tasks"], worker, 1, [], [], [], ["default"], {})
        claims.append(Claim(*row))
    numbers = [claim.number for claim in claims]
    assert numbers == sorted(set(numbers))
    started = [event.data["claim"] for event in await store.events(claims[0].task) if event.type == "TaskStarted"]
    assert started == numbers


async def test_a_refused_ending_does_not_keep_the_others_back(store: Store) -> None:
    worker, other = await store.worker(), await store.worker()
    mine = await store.claimed(worker)
    theirs = await store.claimed(other, "d")
    refused = await store.queue.end_attempts(worker, [ending(mine), ending(theirs)])
    assert [ending.claim for ending in refused] == [theirs]
    assert await store.status(mine.task) == "SUCCESS"


async def test_a_renewed_lease_ends_its_length_from_now(store: Store) -> None:
    worker = await store.worker(lease=timedelta(seconds=5))
    await store.leases.renew(worker, timedelta(seconds=60))
    left = await store.pool.fetchval("SELECT lease_until - syncline.clock() FROM syncline.workers")
    assert timedelta(seconds=55) < left <= timedelta(seconds=60)


async def test_the_attempt_of_a_lost_worker_is_queued_again(store: Store) -> None:
    worker, other = await store.worker(), await store.worker()
    claim = await store.claimed(worker)
    await append_lines(store.pool, worker, [(claim, numbered(1, 2))], now=0)
    await lose(store, worker)
    [rescued] = await store.leases.rescue()
    assert (rescued["task"], rescued["attempt"], rescued["status"]) == (claim.task, 1, "SCHEDULED")
    assert await store.types(claim.task) == ["TaskScheduled", "TaskStarted", "AttemptRescued"]
    assert (await store.messages(claim.task))[-1].startswith("attempt 1 is taken over: worker here (pid 1) is gone")
    again = await store.claim(other)
    assert (again.task, again.attempt, again.failures) == (claim.task, 2, 1)
    assert await store.leases.rescue() == []


async def test_a_rescue_on_the_last_try_fails_the_task(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker, max_attempts=1)
    await lose(store, worker)
    [rescued] = await store.leases.rescue()
    assert rescued["status"] == "FAILED"
    assert (await store.messages(claim.task))[-1].startswith("FINISHED WITH ERROR: worker here")
    folded = await store.folded(claim.task)
    assert (folded.status, folded.failures) == (Status.FAILED, 1)
    assert await store.pool.fetchval("SELECT consecutive_failures FROM syncline.collections") == 1


async def test_a_rescue_of_a_task_that_was_to_be_canceled_cancels_it(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    await store.queue.cancel(claim.task)
    await lose(store, worker)
    [rescued] = await store.leases.rescue()
    assert rescued["status"] == "CANCELED"
    assert (await store.types(claim.task))[-1] == "TaskCanceled"
    assert (await store.messages(claim.task))[-1].startswith("CANCELED: worker here")


async def test_what_a_stopped_worker_left_behind_is_rescued(store: Store) -> None:
    worker = await store.worker()
    await store.claimed(worker)
    await store.leases.stop(worker)
    assert len(await store.leases.rescue()) == 1


async def test_what_a_forgotten_worker_left_behind_is_rescued(store: Store) -> None:
    worker = await store.worker()
    await store.claimed(worker)
    await lose(store, worker, "unknown")
    assert len(await store.leases.rescue()) == 1


async def test_a_living_worker_and_queued_tasks_are_left_alone_however_old(store: Store) -> None:
    """Jitsu Classic failed queued tasks as stalled after a restart."""
    worker = await store.worker()
    await store.claimed(worker)
    await store.schedule("queued")
    await store.pool.execute(
        "UPDATE syncline.collections"
        " SET changed_at = changed_at - interval '9 days', run_at = run_at - interval '9 days'"
    )
    before = await store.everything()
    assert await store.leases.rescue() == []
    assert await store.everything() == before


async def test_two_rescuers_at_once_rescue_each_attempt_once(store: Store) -> None:
    worker = await store.worker()
    claims = [await store.claimed(worker, f"c{number}") for number in range(20)]
    await lose(store, worker)
    rounds = await asyncio.gather(*(store.leases.rescue() for _ in range(6)))
    rescued = [row["task"] for rescued in rounds for row in rescued]
    rescued += [row["task"] for row in await store.leases.rescue()]
    assert sorted(rescued) == sorted(claim.task for claim in claims)


WRITES = {"a log line": append_on, "an ending": end_on, "a bookmark": save_on}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("loss", ["mark_lost_workers", "stop_worker"])
async def test_the_loss_of_a_lease_waits_for_a_write_under_way(store: Store, write: str, loss: str) -> None:
    """A write that has begun stands before the loss: nobody takes the attempt over in the middle of it."""
    worker = await store.worker()
    claim = await store.claimed(worker)
    async with store.pool.acquire() as writing:
        transaction = writing.transaction()
        await transaction.start()
        assert await WRITES[write](writing, worker, claim)
        await lose(store, worker)
        losing = asyncio.create_task(_lose(store, worker, loss))
        if loss == "stop_worker":
            await until(lambda: store.is_waiting("'stopped'"))
        else:
            await losing
        assert await store.leases.rescue() == []
        assert await store.pool.fetchval("SELECT state FROM syncline.workers") == "active"
        await transaction.commit()
    await losing
    await store.leases.rescue()
    types = await store.types(claim.task)
    assert types[-1] == ("TaskSucceeded" if write == "an ending" else "AttemptRescued")
    if write == "a log line":
        assert [row["line"] for row in await store.log(claim.task)] == [0, 1, 2], "the rescue's line stands after it"


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("loss", ["mark_lost_workers", "stop_worker"])
async def test_a_write_that_waits_for_the_loss_is_refused(store: Store, write: str, loss: str) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    async with store.pool.acquire() as losing, store.pool.acquire() as late:
        async with losing.transaction():
            if loss == "stop_worker":
                await losing.execute(LEASES[loss], worker)
            else:
                await losing.execute("SET LOCAL syncline.clock_offset = '2 hours'")
                await losing.execute(LEASES[loss])
            writing = asyncio.create_task(WRITES[write](late, worker, claim))
            await until(lambda: store.is_waiting("KEY SHARE"))
            await losing.execute(QUEUE["rescue_attempts"])
        assert not await writing
    assert (await store.types(claim.task))[-1] == "AttemptRescued"
    assert [row["line"] for row in await store.log(claim.task)] == [0, 1], "nothing but the rescue's own line"
    assert await store.pool.fetchval("SELECT count(*) FROM syncline.bookmarks") == 0


async def test_a_renewal_is_not_held_up_by_a_write_under_way(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    async with store.pool.acquire() as writing, writing.transaction():
        await append_on(writing, worker, claim)
        await asyncio.wait_for(store.leases.renew(worker, FOREVER), PATIENCE_SECONDS)


async def test_a_lease_renewed_in_time_is_not_taken(store: Store) -> None:
    """The rescuer that waited for the renewal looks at what it renewed."""
    worker = await store.worker()
    await store.claimed(worker)
    async with store.pool.acquire() as connection, connection.transaction():
        await connection.execute(LEASES["renew_lease"], worker, FOREVER)
        await store.pool.execute(LEASES["mark_lost_workers"])
    assert await store.pool.fetchval("SELECT state FROM syncline.workers") == "active"


async def test_log_lines_sent_twice_are_there_once(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    for lines in (numbered(1, 2), numbered(1, 2, 3), numbered(2)):
        assert await append_lines(store.pool, worker, [(claim, lines)], now=0, again=True) == set()
    assert [row["line"] for row in await store.log(claim.task)] == [0, 1, 2, 3]


async def test_a_handed_back_attempt_does_not_count_as_failed(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker, max_attempts=1)
    back = ending(claim, ATTEMPT_HANDED_BACK, Status.SCHEDULED, if_canceled=canceled(claim))
    assert await store.queue.end_attempts(worker, [back]) == []
    run_at = await store.pool.fetchval("SELECT run_at FROM syncline.collections")
    assert datetime.fromisoformat((await store.events(claim.task))[-1].data["run_at"]) == run_at
    again = await store.claim(worker)
    assert (again.attempt, again.failures) == (2, 0)


async def test_the_databases_clock_can_be_moved_for_a_test(store: Store) -> None:
    worker = await store.worker(lease=timedelta(minutes=1))
    claim = await store.claimed(worker)
    async with store.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL syncline.clock_offset = '61 seconds'")
        assert not await end_on(connection, worker, claim)
    async with store.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL syncline.clock_offset = '59 seconds'")
        assert await end_on(connection, worker, claim)


async def _lose(store: Store, worker: UUID, loss: str) -> None:
    if loss == "stop_worker":
        await store.leases.stop(worker)
    else:
        await store.pool.execute(LEASES[loss])
