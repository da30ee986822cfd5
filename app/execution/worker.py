"""The worker: one lease after the other until it is told to stop."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from app.execution.lease import lease_clock
from app.execution.tenure import Tenure
from app.loops import repeat
from app.store.leases import Leases

if TYPE_CHECKING:
    import asyncio
    from datetime import timedelta
    from pathlib import Path
    from uuid import UUID

    from app.config.watch import CatalogueWatcher
    from app.store.database import Pool

# A cancel is over within 5 seconds: this much at most for a polite end, the rest for a certain one.
_LONGEST_GRACE_SECONDS: Final = 3.0

_logger = structlog.get_logger("syncline.worker")


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """`slots` attempts at once under a lease of `lease`; `drain_seconds` for running attempts after a stop."""

    slots: int
    lease: timedelta
    drain_seconds: float
    data_dir: Path
    release: str

    @property
    def grace_seconds(self) -> float:
        """Between asking an attempt to end and ending it; never so long that the lease could run out meanwhile."""
        return min(_LONGEST_GRACE_SECONDS, self.lease.total_seconds() / 10)


class Worker:
    """Claims tasks and carries them out."""

    def __init__(self, pool: Pool, watcher: CatalogueWatcher, options: WorkerOptions) -> None:
        self._pool = pool
        self._leases = Leases(pool)
        self._watcher = watcher
        self._options = options
        self._tenure: Tenure | None = None

    @property
    def id(self) -> UUID | None:
        """Under which id this process works now; a lost lease brings a new one."""
        return self._tenure.worker if self._tenure else None

    def notified(self) -> None:
        """The queue has changed: look now instead of at the next poll."""
        if self._tenure:
            self._tenure.notified()

    async def run(self, stop: asyncio.Event, hurry: asyncio.Event) -> None:
        """Work until `stop`, then drain; `hurry` cuts the drain short. After a lost lease it begins anew."""

        async def tenure() -> float:
            self._tenure = await self._begin()
            try:
                await self._tenure.work(stop, hurry)
            finally:
                self._tenure = None
            return 0

        await repeat("worker", tenure, stop=stop)

    async def _begin(self) -> Tenure:
        # Read before the statement is sent: the lease that the database counts begins later than ours.
        registered_at = lease_clock()
        worker = await self._leases.register(
            host=socket.gethostname(),
            pid=os.getpid(),
            release=self._options.release,
            slots=self._options.slots,
            length=self._options.lease,
        )
        _logger.info("worker.started", worker=str(worker), slots=self._options.slots)
        return Tenure(self._pool, self._watcher, self._options, worker, registered_at)
