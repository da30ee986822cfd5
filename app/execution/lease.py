"""A worker's lease, seen from the worker: renewed in time, or given up before anybody else can take it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import structlog

from app.domain.errors import LeaseLostError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta
    from uuid import UUID

    from app.store.leases import Leases

# Fractions of the lease. The worker gives up well before the lease ends: its attempts are gone when it is taken.
_RENEW_AFTER: Final = 0.25
_GIVE_UP_AFTER: Final = 0.75
_RETRY_AFTER: Final = 0.05

_logger = structlog.get_logger("syncline.lease")


class LeaseKeeper:
    """Renews one lease; `cancel_requested` is called with the tasks of this worker that somebody wants canceled."""

    def __init__(
        self,
        leases: Leases,
        worker: UUID,
        length: timedelta,
        *,
        registered_at: float,
        cancel_requested: Callable[[Sequence[UUID]], None],
    ) -> None:
        self._leases = leases
        self._worker = worker
        self._length = length
        self._cancel_requested = cancel_requested
        self._renewed_at = registered_at
        self.wake = asyncio.Event()

    async def keep(self) -> None:
        """Renew until canceled; returns when the lease is lost.

        The deadline counts from before the renewal was sent, on this machine's own clock: never later than the
        database's.
        """
        length = self._length.total_seconds()
        wait = length * _RENEW_AFTER
        while (left := self._renewed_at + length * _GIVE_UP_AFTER - lease_clock()) > 0:
            try:
                async with asyncio.timeout(min(wait, left)):
                    await self.wake.wait()
            except TimeoutError:
                pass
            self.wake.clear()
            wait = length * (_RENEW_AFTER if await self._renew() else _RETRY_AFTER)
        _logger.error("lease.lost", worker=str(self._worker), reason="the database could not be reached in time")

    async def _renew(self) -> bool:
        sent = lease_clock()
        left = self._renewed_at + self._length.total_seconds() * _GIVE_UP_AFTER - sent
        try:
            async with asyncio.timeout(max(left, 0)):
                canceled = await self._leases.renew(self._worker, self._length)
        except LeaseLostError:
            self._renewed_at = float("-inf")
            return False
        except Exception as error:  # noqa: BLE001 - whatever kept the renewal away, the deadline decides
            _logger.warning("lease.not_renewed", worker=str(self._worker), error=str(error) or type(error).__name__)
            return False
        self._renewed_at = sent
        if canceled:
            self._cancel_requested(canceled)
        return True


def lease_clock() -> float:
    """Seconds that also pass while the machine sleeps, where it has such a clock."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.clock_gettime(clock) if clock is not None else time.monotonic()
