"""What a worker does under one lease, from the first claim to the drain, or to the loss of the lease."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from app.execution.attempt import Attempt, AttemptContext, StopReason
from app.execution.endings import Endings
from app.execution.lease import LeaseKeeper
from app.execution.task_log import TaskLog
from app.loops import first_of, repeat
from app.store.leases import Leases
from app.store.queue import TaskQueue

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from typing import Any
    from uuid import UUID

    from app.config.watch import CatalogueWatcher
    from app.execution.worker import WorkerOptions
    from app.store.database import Pool
    from app.store.queue import Claim

_POLL_SECONDS: Final = 1.0

_logger = structlog.get_logger("syncline.worker")


class Tenure:
    """One lease. `work` returns when the worker has drained, or when the lease is lost and every attempt is gone."""

    def __init__(
        self, pool: Pool, watcher: CatalogueWatcher, options: WorkerOptions, worker: UUID, registered_at: float
    ) -> None:
        self.worker = worker
        self._options = options
        self._leases = Leases(pool)
        self._queue = TaskQueue(pool)
        self._log = TaskLog(pool, worker, refused=self._refused)
        self._context = AttemptContext(
            worker=worker,
            queue=self._queue,
            log=self._log,
            watcher=watcher,
            data_dir=options.data_dir,
            grace_seconds=options.grace_seconds,
            end=Endings(self._queue, worker).end,
        )
        self._keeper = LeaseKeeper(
            self._leases, worker, options.lease, registered_at=registered_at, cancel_requested=self._cancel
        )
        self._attempts: dict[UUID, tuple[Attempt, asyncio.Task[None]]] = {}
        self._lost = asyncio.Event()
        self._wake = asyncio.Event()

    def notified(self) -> None:
        """The queue has changed: there may be tasks to claim, or to cancel."""
        self._wake.set()
        if self._attempts:
            self._keeper.wake.set()

    async def work(self, stop: asyncio.Event, hurry: asyncio.Event) -> None:
        """Claim until `stop`, then drain; `hurry` cuts the drain short."""
        async with _Background(self._keep_lease(), self._log.run()):
            await self._claim_until(stop)
            if not self._lost.is_set():
                await self._drain(hurry)
            await self._all_ended()
            if not self._lost.is_set():
                await self._leases.stop(self.worker)

    async def _keep_lease(self) -> None:
        await self._keeper.keep()
        self._lost.set()
        for attempt, _ in self._attempts.values():
            attempt.stop(StopReason.LEASE_LOST)

    async def _claim_until(self, stop: asyncio.Event) -> None:
        over = asyncio.Event()

        async def watch() -> None:
            await first_of(stop, self._lost, timeout=None)
            over.set()

        # A claim under way is never broken off: what the database has given must be carried out or handed back.
        async with _Background(watch()):
            await repeat("claim", self._claim, stop=over, wake=self._wake)

    async def _claim(self) -> float:
        free = self._options.slots - len(self._attempts)
        claims = await self._queue.claim(self.worker, free) if free > 0 else []
        for claim in claims:
            self._start(claim)
        return 0 if claims else _POLL_SECONDS

    def _start(self, claim: Claim) -> None:
        attempt = Attempt(self._context, claim)
        work = asyncio.create_task(attempt.carry_out(), name=f"attempt {claim.attempt} of {claim.task_id}")
        self._attempts[claim.task] = (attempt, work)
        work.add_done_callback(lambda _: self._ended(claim))
        if self._lost.is_set():
            attempt.stop(StopReason.LEASE_LOST)

    def _ended(self, claim: Claim) -> None:
        del self._attempts[claim.task]
        self._wake.set()

    async def _drain(self, hurry: asyncio.Event) -> None:
        """No new claims; what runs gets its grace period; what still runs then is handed back, not failed."""
        _logger.info("worker.draining", worker=str(self.worker), attempts=len(self._attempts))
        with suppress(Exception):
            await self._leases.drain(self.worker)
        ended = asyncio.Event()

        async def watch() -> None:
            await self._all_ended()
            ended.set()

        async with _Background(watch()):
            await first_of(ended, hurry, self._lost, timeout=self._options.drain_seconds)
        for attempt, _ in self._attempts.values():
            attempt.stop(StopReason.DRAINED)

    async def _all_ended(self) -> None:
        while self._attempts:
            await asyncio.wait([work for _, work in self._attempts.values()])
            await asyncio.sleep(0)

    def _cancel(self, tasks: Sequence[UUID]) -> None:
        for task in tasks:
            if task in self._attempts:
                self._attempts[task][0].stop(StopReason.CANCELED)

    def _refused(self, claim: Claim) -> None:
        if claim.task in self._attempts:
            self._attempts[claim.task][0].stop(StopReason.LEASE_LOST)


class _Background:
    """Coroutines that go on beside a block and end with it."""

    def __init__(self, *coroutines: Coroutine[Any, Any, None]) -> None:
        self._coroutines = coroutines
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> None:
        self._tasks = [asyncio.create_task(coroutine) for coroutine in self._coroutines]

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
