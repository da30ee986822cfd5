"""What a worker does under one lease, from the first claim to the drain, or to the loss of the lease."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Final

import structlog

from app.execution.attempt import Attempt, AttemptContext, StopReason
from app.execution.endings import Endings
from app.execution.lease import LeaseKeeper, lease_clock
from app.execution.outcome import NEVER_BEGUN, ending_of
from app.execution.progress import ProgressReports
from app.execution.task_log import TaskLog
from app.execution.unknown import LeftToOthers
from app.failpoints import fail_point
from app.loops import first_of, repeat, running_alongside
from app.store.queue import TaskQueue

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable
    from typing import Any
    from uuid import UUID

    from app.config.watch import CatalogueWatcher
    from app.domain.claim import Claim
    from app.execution.options import WorkerOptions
    from app.store.database import Pool
    from app.store.leases import Leases

_POLL_SECONDS: Final = 1.0
_PAUSE_SECONDS: Final = 0.02
# While the attempts of one claim begin and end, the next ones are claimed.
_MOST_CLAIMED: Final = 250

_logger = structlog.get_logger("syncline.worker")


class Tenure:
    """One lease. `work` returns when the worker has drained, or when the lease is lost and every attempt is gone."""

    def __init__(
        self,
        pool: Pool,
        leases: Leases,
        watcher: CatalogueWatcher,
        options: WorkerOptions,
        *,
        worker: UUID,
        registered_at: float,
    ) -> None:
        self.worker = worker
        self._options = options
        self._leases = leases
        self._queue = TaskQueue(pool)
        self._log = TaskLog(pool, worker, refused=self._stop_refused)
        self._progress = ProgressReports(self._queue, worker)
        self._context = AttemptContext(
            worker=worker,
            queue=self._queue,
            log=self._log,
            watcher=watcher,
            data_dir=options.data_dir,
            grace_seconds=options.grace_seconds,
            endings=Endings(self._queue, worker),
            progress=self._progress,
            left_to_others=LeftToOthers(watcher),
        )
        self._keeper = LeaseKeeper(self._leases, worker, options.lease, registered_at=registered_at)
        self._attempts: dict[tuple[UUID, int], tuple[Attempt, asyncio.Task[bool]]] = {}
        self._lost = asyncio.Event()
        self._wake = asyncio.Event()
        self._look_for_cancels = asyncio.Event()
        self._looked_at = registered_at
        self._compared_at = registered_at
        self._in_doubt = False
        self.claimed_at = float("-inf")

    def wake(self) -> None:
        """The queue has changed: there may be tasks to claim, or to cancel."""
        self._wake.set()
        self._look_for_cancels.set()

    async def work(self, stop: asyncio.Event, hurry: asyncio.Event) -> None:
        """Claim until `stop`, then drain; `hurry` cuts the drain short."""
        vital = map(self._vital, (self._keeper.keep(), self._log.run(), self._watch_claims()))
        async with running_alongside(*vital, self._progress.run()):
            await self._claim_until(stop)
            if not self._lost.is_set():
                await self._drain(hurry)
            await self._wait_for_attempts()
            if not self._lost.is_set():
                # A last claim whose answer was lost: the rescuer would count it as failed.
                self._in_doubt = True
                await self._hand_back_unknown()
                await self._leases.stop(self.worker)

    async def _vital(self, work: Coroutine[Any, Any, None]) -> None:
        """What ends only with the lease: without its renewal, or with a log that nobody stores, there is no working."""
        try:
            await work
        except Exception:
            _logger.exception("worker.broken", worker=str(self.worker))
        self._lost.set()
        for attempt, _ in self._attempts.values():
            attempt.stop(StopReason.LEASE_LOST)

    async def _watch_claims(self) -> None:
        await repeat("claims", self._look_at_claims, stop=self._lost, wake=self._look_for_cancels)

    async def _look_at_claims(self) -> float:
        """Stop what somebody wants to end, and what the database does not know to be ours: it may be another's now."""
        # Read before the question: what is claimed meanwhile is not in the answer.
        ours = {key: attempt for key, (attempt, _) in self._attempts.items() if not attempt.is_ending}
        # Notifications come for what is to be canceled, many times a second.
        all_of_them = lease_clock() - self._compared_at >= _POLL_SECONDS
        if ours:
            running = await self._queue.running_claims(self.worker, to_be_canceled=not all_of_them)
            for key in ours.keys() & running.keys():
                if running[key]:
                    ours[key].stop(StopReason.CANCELED)
            if all_of_them:
                self._compared_at = lease_clock()
                self._stop_forgotten(ours[key] for key in ours.keys() - running.keys())
        # However many notifications come, they are answered by one look.
        await asyncio.sleep(_PAUSE_SECONDS)
        return _POLL_SECONDS

    def _stop_forgotten(self, attempts: Iterable[Attempt]) -> None:
        for attempt in attempts:
            # Others have ended while the question was under way.
            if not attempt.is_ending:
                _logger.warning("attempt.forgotten", task=attempt.claim.task_id, attempt=attempt.claim.attempt)
                attempt.stop(StopReason.LEASE_LOST)

    async def _claim_until(self, stop: asyncio.Event) -> None:
        over = asyncio.Event()

        async def watch() -> None:
            await first_of(stop, self._lost, timeout=None)
            over.set()

        # A claim under way is never broken off: what the database has given must be carried out or handed back.
        async with running_alongside(watch()):
            await repeat("claim", self._claim, stop=over, wake=self._wake)

    async def _claim(self) -> float:
        """Claim for the free slots: the seconds until the next claim, none where there may be more."""
        await self._hand_back_unknown()
        free = min(self._options.slots - len(self._attempts), _MOST_CLAIMED)
        if free <= 0:
            return _POLL_SECONDS
        try:
            claims = await self._queue.claim(self.worker, free, left=self._context.left_to_others.now())
            fail_point("queue.claimed")
        except BaseException:
            self._in_doubt = True
            raise
        if claims:
            self.claimed_at = time.monotonic()
        for claim in claims:
            self._start(claim)
        return 0 if len(claims) == free else _POLL_SECONDS

    async def _hand_back_unknown(self) -> None:
        """Give back what the database has given without our knowing.

        The answer to a claim may get lost after the claim was made, and a statement of a connection that broke may even
        be carried out later: looked for after a failed claim, and every now and then.
        """
        now = lease_clock()
        if not self._in_doubt and now - self._looked_at < self._options.lease.total_seconds() / 4:
            return
        self._looked_at = now
        # Read before the question: an attempt that ends meanwhile is in the answer, but no more among the attempts.
        known = set(self._attempts)
        unknown = [
            (claim, lines) for claim, lines in await self._queue.held_attempts(self.worker) if claim.key not in known
        ]
        for claim, _ in unknown:
            _logger.warning("attempt.unknown", task=claim.task_id, attempt=claim.attempt)
        rng = Random()  # noqa: S311 - jitter
        endings = [ending_of(claim, NEVER_BEGUN, line=lines + 1, seconds=0, rng=rng) for claim, lines in unknown]
        await asyncio.gather(*map(self._context.endings.put, endings))
        self._in_doubt = False

    def _start(self, claim: Claim) -> None:
        attempt = Attempt(self._context, claim)
        work = asyncio.create_task(attempt.carry_out(), name=f"attempt {claim.attempt} of {claim.task_id}")
        self._attempts[claim.key] = (attempt, work)
        work.add_done_callback(lambda ended: self._forget(claim, ended))
        if self._lost.is_set():
            attempt.stop(StopReason.LEASE_LOST)

    def _forget(self, claim: Claim, work: asyncio.Task[bool]) -> None:
        del self._attempts[claim.key]
        if not work.cancelled() and (error := work.exception()):
            _logger.error("attempt.broken", task=claim.task_id, attempt=claim.attempt, exc_info=error)
        # What has not ended is still held by this worker, which then hands it back.
        if work.cancelled() or work.exception() or not work.result():
            self._in_doubt = True
        self._wake.set()

    async def _drain(self, hurry: asyncio.Event) -> None:
        """No new claims; what runs gets its grace period; what still runs then is handed back, not failed."""
        _logger.info("worker.draining", worker=str(self.worker), attempts=len(self._attempts))
        ended = asyncio.Event()

        async def watch() -> None:
            with suppress(Exception):
                await self._leases.drain(self.worker)
            await self._wait_for_attempts()
            ended.set()

        async with running_alongside(watch()):
            await first_of(ended, hurry, self._lost, timeout=self._options.drain_seconds)
        for attempt, _ in self._attempts.values():
            attempt.stop(StopReason.DRAINED)

    async def _wait_for_attempts(self) -> None:
        while self._attempts:
            await asyncio.wait([work for _, work in self._attempts.values()])
            await asyncio.sleep(0)

    def _stop_refused(self, claim: Claim) -> None:
        if claim.key in self._attempts:
            self._attempts[claim.key][0].stop(StopReason.LEASE_LOST)
