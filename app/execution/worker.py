"""The worker: works under one lease after another until it is stopped."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from typing import TYPE_CHECKING

import structlog

from app.execution.lease import lease_clock
from app.execution.tenure import Tenure
from app.loops import repeat

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from app.config.watch import CatalogueWatcher
    from app.domain.claim import Ending
    from app.execution.options import WorkerOptions
    from app.store.database import Pool
    from app.store.leases import Leases
    from app.store.notify import Notifier

_logger = structlog.get_logger("syncline.worker")


class Worker:
    """Claims tasks and runs them."""

    def __init__(
        self, pool: Pool, leases: Leases, watcher: CatalogueWatcher, options: WorkerOptions, notifier: Notifier
    ) -> None:
        """`leases` has a connection of its own, which no other statement can block. `notifier` wakes the workers."""
        self._pool = pool
        self._leases = leases
        self._watcher = watcher
        self._options = options
        self._notifier = notifier
        self._tenure: Tenure | None = None
        self._ended: Callable[[Ending], None] = _ignore

    @property
    def id(self) -> UUID | None:
        """The id of this worker, None without a lease. It changes after a lost lease."""
        return self._tenure.worker if self._tenure else None

    def is_busy(self) -> bool:
        """Whether tasks were claimed within the last second."""
        return self._tenure is not None and time.monotonic() - self._tenure.claimed_at < 1

    def wake(self) -> None:
        """Check the queue now instead of at the next poll."""
        if self._tenure:
            self._tenure.wake()

    async def run(self, stop: asyncio.Event, hurry: asyncio.Event) -> None:
        """Work until `stop`, then drain; `hurry` cuts the drain short. Registers again after a lost lease."""

        async def tenure() -> float:
            self._tenure = await self._begin_unless(stop)
            if self._tenure is None:
                return 0
            try:
                await self._tenure.work(stop, hurry)
            finally:
                self._tenure = None
            return 0

        await repeat("worker", tenure, stop=stop)

    async def run_once(
        self,
        stop: asyncio.Event,
        hurry: asyncio.Event,
        *,
        claim: Callable[[Tenure], Awaitable[None]],
        ended: Callable[[Ending], None],
    ) -> None:
        """Work under one lease until what `claim` claims has ended, or `stop`, which begins a drain.

        `ended` is called with the ending of each attempt.

        Raises:
            LeaseLostError: the lease was lost before all attempts had ended.
        """
        self._ended = ended
        self._tenure = await self._begin_unless(stop)
        if self._tenure is None:
            return
        try:
            await self._tenure.work_once(stop, hurry, claim)
        finally:
            self._tenure = None

    async def _begin_unless(self, stop: asyncio.Event) -> Tenure | None:
        """Begin a tenure, or return None if `stop` is set before the database has answered."""
        beginning, stopping = asyncio.create_task(self._begin()), asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([beginning, stopping], return_when=asyncio.FIRST_COMPLETED)
            return beginning.result() if beginning.done() else None
        finally:
            # Not awaited: the driver cancels the statement over the network, which may be down.
            beginning.cancel()
            stopping.cancel()

    async def _begin(self) -> Tenure:
        # Read before the statement is sent, so that our lease ends before the one in the database.
        registered_at = lease_clock()
        worker = await self._leases.register(
            host=socket.gethostname(),
            pid=os.getpid(),
            release=self._options.release,
            slots=self._options.slots,
            length=self._options.lease,
            pools=self._options.pools,
        )
        pools = ", ".join(self._options.pools) or "every"
        _logger.info("worker.started", worker=str(worker), slots=self._options.slots, pools=pools)
        return Tenure(
            self._pool,
            self._leases,
            self._watcher,
            self._options,
            self._notifier,
            worker=worker,
            registered_at=registered_at,
            ended=self._ended,
        )


def _ignore(_ending: Ending) -> None:
    """A worker that goes on counts nothing: the database has it."""
