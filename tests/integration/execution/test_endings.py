"""Endings of many attempts together: through an outage, with one that the database refuses, and after the lease."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from app.domain.events import ATTEMPT_FAILED
from app.domain.task import Status
from app.execution import endings
from app.execution.endings import Endings
from tests.harness import PATIENCE_SECONDS, ending, until
from tests.integration.store.statements import LEASES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from app.domain.claim import Ending
    from tests.harness import Store


@dataclass
class Queue:
    """The store's queue behind a network that fails as often as it is told, before or after the statement."""

    store: Store
    failures: list[str] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    gates: list[asyncio.Event] = field(default_factory=list)
    """What the next statements wait for, the last one first."""
    waits: asyncio.Event = field(default_factory=asyncio.Event)

    async def end_attempts(self, worker: UUID, together: Sequence[Ending]) -> list[Ending]:
        self.sent.append(len(together))
        failure = self.failures.pop() if self.failures else None
        if self.gates:
            self.waits.set()
            await self.gates.pop().wait()
        if failure == "before":
            raise OSError("the network is away")
        refused = await self.store.queue.end_attempts(worker, together)
        if failure == "after":
            raise OSError("the answer is lost")
        return refused


def nobody() -> None:
    """Nobody is told that a task is due."""


def never() -> bool:
    return False


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endings, "PAUSE_SECONDS", 0.01)


async def test_endings_put_together_share_a_statement_and_outlast_an_outage(store: Store) -> None:
    worker, queue = await store.worker(), Queue(store, failures=["before", "before"])
    claims = [await store.claimed(worker, f"c{number}") for number in range(5)]
    left = await Endings(queue, worker, due=nobody).end_all([ending(claim) for claim in claims], never)  # type: ignore[arg-type]
    assert left == []
    assert queue.sent == [5, 5, 5]
    assert [await store.status(claim.task) for claim in claims] == ["SUCCESS"] * 5


async def test_an_ending_whose_acknowledgement_is_lost_stands_once(store: Store) -> None:
    worker, queue = await store.worker(), Queue(store, failures=["after"])
    claim = await store.claimed(worker)
    sent = ending(claim, before=["one"], line=2)
    # Sent again it is refused: the attempt no longer belongs to this worker, because it has ended.
    assert await Endings(queue, worker, due=nobody).end_all([sent], never) == [sent]  # type: ignore[arg-type]
    assert await store.types(claim.task) == ["TaskScheduled", "TaskStarted", "TaskSucceeded"]
    assert await store.messages(claim.task) == ["Running task...", "one", "FINISHED SUCCESSFULLY"]


async def test_an_ending_that_the_database_refuses_does_not_hold_up_the_others(store: Store) -> None:
    worker, queue = await store.worker(), Queue(store)
    good, bad, also = [await store.claimed(worker, name) for name in ("good", "bad", "also")]
    broken = ending(bad, line=2**31)  # more than the column holds
    left = await Endings(queue, worker, due=nobody).end_all([ending(good), broken, ending(also)], never)  # type: ignore[arg-type]
    assert left == [broken]
    assert [await store.status(claim.task) for claim in (good, bad, also)] == ["SUCCESS", "RUNNING", "SUCCESS"]


async def test_nothing_is_ended_without_the_lease(store: Store) -> None:
    worker, queue = await store.worker(), Queue(store, failures=["before"] * 3)
    claim = await store.claimed(worker)
    await store.pool.execute(LEASES["stop_worker"], worker)
    sent = ending(claim)
    assert await Endings(queue, worker, due=nobody).end_all([sent], lambda: len(queue.sent) > 1) == [sent]  # type: ignore[arg-type]
    assert len(queue.sent) == 2
    assert await Endings(store.queue, worker, due=nobody).end_all([sent], never) == [sent]
    assert await store.status(claim.task) == "RUNNING"


async def test_endings_that_come_while_others_are_under_way_do_not_wait_for_them(store: Store) -> None:
    slow, worker = asyncio.Event(), await store.worker()
    queue = Queue(store, gates=[slow])
    first, second = await store.claimed(worker, "first"), await store.claimed(worker, "second")
    together = Endings(queue, worker, due=nobody)  # type: ignore[arg-type]
    held = asyncio.create_task(together.end_all([ending(first)], never))
    await queue.waits.wait()
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await together.end_all([ending(second)], never) == []
    assert [await store.status(claim.task) for claim in (first, second)] == ["RUNNING", "SUCCESS"]
    slow.set()
    assert await held == []
    assert await store.status(first.task) == "SUCCESS"


async def test_of_two_statements_under_way_each_learns_of_its_own_fate(store: Store) -> None:
    """One loses its answer, the other its lease; what was ended stands once, what was not is refused."""
    slow, worker = asyncio.Event(), await store.worker()
    queue = Queue(store, failures=["after", ""], gates=[slow])
    late, lost = await store.claimed(worker, "late"), await store.claimed(worker, "lost")
    together, too_late, answered = Endings(queue, worker, due=nobody), ending(late), ending(lost)  # type: ignore[arg-type]
    held = asyncio.create_task(together.end_all([too_late], never))
    await queue.waits.wait()
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await together.end_all([answered], never) == [answered]
    await store.pool.execute(LEASES["stop_worker"], worker)
    slow.set()
    assert await held == [too_late]
    assert await store.types(lost.task) == ["TaskScheduled", "TaskStarted", "TaskSucceeded"]
    assert await store.types(late.task) == ["TaskScheduled", "TaskStarted"]


async def test_the_workers_are_told_once_of_many_tasks_that_are_due_at_about_the_same_time(store: Store) -> None:
    worker, told = await store.worker(), list[float]()
    loop = asyncio.get_running_loop()
    together = Endings(store.queue, worker, due=lambda: told.append(loop.time()))
    claims = [await store.claimed(worker, f"c{number}") for number in range(20)]
    delays = [timedelta(milliseconds=20 * number) for number in range(1, 21)]
    endings = [
        ending(claim, ATTEMPT_FAILED, Status.SCHEDULED, delay=delay)
        for claim, delay in zip(claims, delays, strict=True)
    ]
    sent_at = loop.time()
    assert await together.end_all(endings, never) == []

    async def claimed() -> bool:
        return len(await store.queue.claim(worker, 20)) == 20 and told != []

    async def told_of_all() -> bool:
        return bool(told) and told[-1] >= sent_at + delays[-1].total_seconds()

    await until(told_of_all)
    assert len(told) <= 3
    await until(claimed)


async def test_the_workers_are_told_when_a_task_that_is_tried_again_is_due(store: Store) -> None:
    worker, due = await store.worker(), asyncio.Event()
    together = Endings(store.queue, worker, due=due.set)
    claim, again = [await store.claimed(worker, name) for name in ("c", "d")]
    assert await together.end_all([ending(claim)], never) == []
    later = ending(again, ATTEMPT_FAILED, Status.SCHEDULED, delay=timedelta(hours=1))
    assert await together.end_all([later], never) == []
    assert not due.is_set(), "what has ended is due no more, and the other is not yet"
    await store.pool.execute("UPDATE syncline.collections SET run_at = run_at - interval '1 hour'")
    again = await store.claim(worker)
    soon = ending(again, ATTEMPT_FAILED, Status.SCHEDULED, delay=timedelta(seconds=0.2))
    assert await together.end_all([soon], never) == []
    async with asyncio.timeout(PATIENCE_SECONDS):
        await due.wait()
    assert [one.task for one in await store.queue.claim(worker, 1)] == [again.task]
