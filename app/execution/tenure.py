"""A worker's work under one lease, from the first claim to the drain or the loss of the lease."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Final

import structlog

from app.domain.errors import LeaseLostError
from app.execution.attempt import Attempt, StopReason
from app.execution.attempt_context import AttemptContext
from app.execution.endings import Endings
from app.execution.lease import LeaseKeeper, lease_clock
from app.execution.outages import KnownOutages
from app.execution.outcome import NEVER_STARTED, ending_of
from app.execution.progress import ProgressReports
from app.execution.start_facts import StartFacts
from app.execution.task_log import TaskLog
from app.execution.unknown import LeftToOthers
from app.failpoints import fail_point
from app.loops import first_of, repeat, running_alongside, set_after
from app.store.bookmarks import Bookmarks
from app.store.catalogues import Catalogues
from app.store.outages import Outages
from app.store.queue import TaskQueue
from app.store.renewals import RenewedConfigs
from app.store.streams import AttemptStreams

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
    from typing import Any
    from uuid import UUID

    from app.config.watch import CatalogueWatcher
    from app.domain.claim import Claim, Ending
    from app.execution.options import WorkerOptions
    from app.store.database import Pool
    from app.store.leases import Leases
    from app.store.notify import Notifier

_POLL_SECONDS: Final = 1.0
# Notifications tell of tasks that are new or due; this is for those that nobody was there to send, or to receive.
_CLAIM_SECONDS: Final = 2.0
_PAUSE_SECONDS: Final = 0.02
# A limit, so that the next tasks are claimed while the attempts of one claim start and end.
_MOST_CLAIMED: Final = 250

_logger = structlog.get_logger("syncline.worker")


class Tenure:
    """One lease. `work` returns when the worker has drained, or when the lease is lost and all attempts have ended."""

    def __init__(
        self,
        pool: Pool,
        leases: Leases,
        watcher: CatalogueWatcher,
        options: WorkerOptions,
        notifier: Notifier,
        *,
        worker: UUID,
        registered_at: float,
        ended: Callable[[Ending], None],
    ) -> None:
        """`ended` is called with the ending of each attempt."""
        self.worker = worker
        self._ended = ended
        self._options = options
        self._leases = leases
        self._queue = TaskQueue(pool, notifier=notifier)
        self._log = TaskLog(pool, worker, refused=self._stop_refused)
        streams = AttemptStreams(pool)
        self._progress = ProgressReports(streams, worker)
        self._context = AttemptContext(
            worker=worker,
            queue=self._queue,
            streams=streams,
            bookmarks=Bookmarks(pool),
            log=self._log,
            watcher=watcher,
            data_dir=options.data_dir,
            grace_seconds=options.grace_seconds,
            endings=Endings(self._queue, worker, due=notifier.notify),
            progress=self._progress,
            left_to_others=LeftToOthers(watcher),
            renewed=RenewedConfigs(pool),
            outages=KnownOutages(Outages(pool), watcher, due=notifier.notify),
        )
        self._start_facts = StartFacts(Catalogues(pool), watcher, release=options.release)
        self._keeper = LeaseKeeper(self._leases, worker, options.lease, registered_at=registered_at)
        self._attempts: dict[tuple[UUID, int], tuple[Attempt, asyncio.Task[bool]]] = {}
        self._lost = asyncio.Event()
        self._wake = asyncio.Event()
        self._look_for_cancels = asyncio.Event()
        self._held_checked_at = registered_at
        self._claims_checked_at = registered_at
        self._in_doubt = False
        self._has_claimed_all = False
        self.claimed_at = float("-inf")

    def wake(self) -> None:
        """Check the queue: there may be tasks to claim or to cancel."""
        self._wake.set()
        self._look_for_cancels.set()

    async def work(self, stop: asyncio.Event, hurry: asyncio.Event) -> None:
        """Claim until `stop`, then drain; `hurry` cuts the drain short."""
        async with self._under_lease():
            await self._claim_until(stop)
            if not self._lost.is_set():
                await self._drain(hurry)

    async def work_once(
        self, stop: asyncio.Event, hurry: asyncio.Event, claim: Callable[[Tenure], Awaitable[None]]
    ) -> None:
        """Run what `claim` claims with `claim_due` or `claim_by`, and return; drain from `stop` on.

        Raises:
            LeaseLostError: the lease was lost before all attempts had ended.
        """
        failed: Exception | None = None
        async with self._under_lease():
            try:
                await claim(self)
            except Exception as error:  # noqa: BLE001 -- raised below: what was claimed by then ends as usual
                failed = error
            await self._end_attempts(stop, hurry)
        if failed is not None:
            raise failed
        if self._lost.is_set():
            raise LeaseLostError("this worker has lost its lease: other workers go on with its tasks")

    async def claim_due(self, stop: asyncio.Event) -> None:
        """Claim until nothing is due any more, or `stop`."""
        while self._options.slots and not (stop.is_set() or self._lost.is_set()):
            self._wake.clear()
            seconds = await self._claim()
            if self._has_claimed_all:
                return
            await first_of(stop, self._lost, self._wake, timeout=seconds)

    async def claim_by(self, claim: Callable[..., Awaitable[Sequence[Claim]]]) -> None:
        """Start what `claim` claims for this worker; it gets what the events say."""
        await self._start_all(claim)

    @asynccontextmanager
    async def _under_lease(self) -> AsyncIterator[None]:
        """Keep the lease during the block and until all attempts have ended, then give it back."""
        vital = map(self._vital, (self._keeper.keep(), self._log.run(), self._watch_claims()))
        async with running_alongside(*vital, self._progress.run()):
            yield
            await self._wait_for_attempts()
            if not self._lost.is_set():
                # A claim whose response was lost; the rescuer would count it as a failure.
                self._in_doubt = True
                await self._hand_back_unknown()
                await self._leases.stop(self.worker)

    async def _vital(self, work: Coroutine[Any, Any, None]) -> None:
        """Run an essential loop, such as renewing the lease. When it ends, the lease is given up."""
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
        """Stop attempts that are to be canceled, and those that no longer belong to this worker in the database."""
        # Read before the query: tasks that are claimed meanwhile are not in its result.
        ours = {key: attempt for key, (attempt, _) in self._attempts.items() if not attempt.is_ending}
        # Notifications of cancellations may come many times a second, so only these are looked up in between.
        check_all = lease_clock() - self._claims_checked_at >= _POLL_SECONDS
        if ours:
            running = await self._queue.list_running_claims(self.worker, to_be_canceled=not check_all)
            for key in ours.keys() & running.keys():
                if running[key]:
                    ours[key].stop(StopReason.CANCELED)
            if check_all:
                self._claims_checked_at = lease_clock()
                self._stop_forgotten(ours[key] for key in ours.keys() - running.keys())
        # Notifications that arrive meanwhile share the next query.
        await asyncio.sleep(_PAUSE_SECONDS)
        return _POLL_SECONDS

    def _stop_forgotten(self, attempts: Iterable[Attempt]) -> None:
        for attempt in attempts:
            # Others have ended during the query.
            if not attempt.is_ending:
                _logger.warning("attempt.forgotten", task=attempt.claim.task_id, attempt=attempt.claim.attempt)
                attempt.stop(StopReason.LEASE_LOST)

    async def _claim_until(self, stop: asyncio.Event) -> None:
        over = asyncio.Event()
        # A claim is never aborted: the tasks that the database has assigned must be run or handed back.
        async with running_alongside(set_after(over, stop, self._lost)):
            await repeat("claim", self._claim, stop=over, wake=self._wake)

    async def _claim(self) -> float:
        """Claim tasks for the free slots. Returns the seconds until the next claim; 0 if there may be more tasks."""
        await self._hand_back_unknown()
        free = min(self._options.slots - len(self._attempts), _MOST_CLAIMED)
        if free <= 0:
            return _CLAIM_SECONDS
        await self._context.outages.look()
        left = self._context.left_to_others.current() | self._context.outages.left_out()
        claims = await self._start_all(
            partial(self._queue.claim, self.worker, free, left=left, pools=self._options.pools)
        )
        self._has_claimed_all = len(claims) < free
        if len(claims) == free:
            return 0
        # Of several pools, another worker may have locked more than it has claimed.
        return _POLL_SECONDS if claims and len(self._options.pools) != 1 else _CLAIM_SECONDS

    async def _start_all(self, claim: Callable[..., Awaitable[Sequence[Claim]]]) -> Sequence[Claim]:
        """Start what `claim` claims."""
        facts = await self._start_facts.current()
        try:
            claims = await claim(started_with=facts.of_event)
            fail_point("queue.claimed")
            await self._start_facts.register({claim.source for claim in claims})
        except BaseException:
            self._in_doubt = True
            raise
        if claims:
            self.claimed_at = time.monotonic()
        for each in claims:
            self._start(each)
        return claims

    async def _hand_back_unknown(self) -> None:
        """Hand back attempts that the database has assigned to this worker without its knowledge.

        The response to a claim may get lost after its commit, and a statement of a broken connection may even run
        later. So this checks after a failed claim, and four times per lease.
        """
        now = lease_clock()
        if not self._in_doubt and now - self._held_checked_at < self._options.lease.total_seconds() / 4:
            return
        self._held_checked_at = now
        # Read before the query: an attempt that ends meanwhile is in its result, but no longer among the attempts.
        known = set(self._attempts)
        held = await self._queue.list_held_attempts(self.worker)
        unknown = [attempt for attempt in held if attempt.claim.key not in known]
        for attempt in unknown:
            _logger.warning("attempt.handed_back", task=attempt.claim.task_id, attempt=attempt.claim.attempt)
        rng = Random()  # noqa: S311 - jitter
        endings = [
            ending_of(attempt.claim, NEVER_STARTED, line=attempt.last_line + 1, seconds=0, rng=rng)
            for attempt in unknown
        ]
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
        attempt, _ = self._attempts.pop(claim.key)
        if attempt.ending is not None:
            self._ended(attempt.ending)
        if not work.cancelled() and (error := work.exception()):
            _logger.error("attempt.broken", task=claim.task_id, attempt=claim.attempt, exc_info=error)
        # An attempt that was not ended in the database still belongs to this worker, and must be handed back.
        if work.cancelled() or work.exception() or not work.result():
            self._in_doubt = True
        self._wake.set()

    async def _end_attempts(self, stop: asyncio.Event, hurry: asyncio.Event) -> None:
        """Claim nothing more, and wait for the running attempts; drain from `stop` on."""
        with suppress(Exception):
            await self._leases.drain(self.worker)
        ended = asyncio.Event()

        async def watch() -> None:
            await self._wait_for_attempts()
            ended.set()

        async with running_alongside(watch()):
            await first_of(ended, stop, self._lost, timeout=None)
        if not (ended.is_set() or self._lost.is_set()):
            await self._drain(hurry)

    async def _drain(self, hurry: asyncio.Event) -> None:
        """Stop claiming, give running attempts time to end, and hand back those that still run then."""
        _logger.info("worker.drain_started", worker=str(self.worker), attempts=len(self._attempts))
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
