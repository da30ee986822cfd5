"""A worker that was started for one task claims exactly this one, or learns why it cannot."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from app.domain.claim import Claim
from app.domain.errors import UnknownTaskError, UnsettledError
from app.domain.events import ATTEMPT_FAILED
from app.domain.task import Status
from app.projections import verify
from app.store.pauses import Pauses
from app.store.task_claims import TaskClaims, Unclaimed
from tests.harness import ending

if TYPE_CHECKING:
    from tests.harness import Store

FACTS = {"release": "1", "catalogue": "2"}


async def claimed(store: Store, worker: UUID, task: UUID) -> Claim:
    claim = await TaskClaims(store.pool).claim(worker, task, started_with=FACTS)
    assert isinstance(claim, Claim)
    return claim


async def why_not(store: Store, task: UUID) -> str:
    claim = await TaskClaims(store.pool).claim(await store.worker(), task, started_with=FACTS)
    assert isinstance(claim, Unclaimed)
    return claim.reason


async def test_exactly_this_task_is_claimed_whatever_its_pool_and_priority(store: Store) -> None:
    await store.schedule("first", priority_class=900)
    task = await store.schedule("c", pool="eu", priority_class=100)
    worker = await store.worker()
    claim = await claimed(store, worker, task)
    assert (claim.task, claim.collection, claim.attempt) == (task, "c", 1)
    assert await store.queue.list_running_claims(worker) == {claim.key: False}
    [_, started] = await store.events(task)
    assert (started.type, started.worker, started.attempt) == ("TaskStarted", worker, 1)
    assert started.data == FACTS | {"claim": claim.number}
    assert await store.end(worker, claim)
    assert await store.status(task) == "SUCCESS"
    assert await verify(store.pool) == []


async def test_a_task_that_runs_or_has_ended_is_not_claimed(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    assert await why_not(store, claim.task) == "worker here (pid 1) runs it"
    assert await store.end(worker, claim)
    assert await why_not(store, claim.task) == "it has ended with SUCCESS"
    following = await store.schedule()
    assert await why_not(store, claim.task) == "it has ended with SUCCESS"
    assert (await claimed(store, worker, following)).task == following


async def test_a_task_that_is_paused_or_waits_for_its_next_attempt_is_not_claimed(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    failed = ending(claim, ATTEMPT_FAILED, Status.SCHEDULED, error="e", delay=timedelta(hours=1))
    assert await store.queue.end_attempts(worker, [failed]) == []
    run_at = await store.pool.fetchval("SELECT run_at FROM syncline.collections")
    assert await why_not(store, claim.task) == f"it waits until {run_at:%Y-%m-%dT%H:%M:%SZ}"
    await Pauses(store.pool).pause("s", None)
    assert await why_not(store, claim.task) == "it is paused"


async def test_a_task_that_nobody_has_asked_for_is_an_error(store: Store) -> None:
    unknown = UUID(int=7)
    with pytest.raises(
        UnknownTaskError, match=f"^there is no task {unknown}: its id is wrong, or retention has removed it$"
    ):
        await why_not(store, unknown)


async def test_a_worker_without_a_lease_claims_nothing(store: Store) -> None:
    task = await store.schedule()
    gone = await store.worker(lease=timedelta(0))
    with pytest.raises(UnsettledError, match=f"^task {task} was not claimed: .* this worker has lost its lease$"):
        await TaskClaims(store.pool).claim(gone, task, started_with=FACTS)
    assert await store.types(task) == ["TaskScheduled"]


async def test_of_two_workers_that_were_started_for_a_task_one_gets_it(store: Store) -> None:
    task = await store.schedule()
    workers = [await store.worker() for _ in range(4)]
    claims = await asyncio.gather(
        *(TaskClaims(store.pool).claim(worker, task, started_with=FACTS) for worker in workers)
    )
    [winner] = [claim for claim in claims if isinstance(claim, Claim)]
    assert {claim.reason for claim in claims if isinstance(claim, Unclaimed)} == {"worker here (pid 1) runs it"}
    assert await store.types(task) == ["TaskScheduled", "TaskStarted"]
    assert winner.attempt == 1
