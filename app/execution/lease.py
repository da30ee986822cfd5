"""The worker's side of its lease: renewed in time, or given up before another worker can take its attempts."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import structlog

from app.causes import describe_error
from app.domain.errors import LeaseLostError

if TYPE_CHECKING:
    from datetime import timedelta
    from uuid import UUID

    from app.store.leases import Leases

# Fractions of the lease. The worker gives up early, so that its attempts have ended before the lease expires.
_RENEW_AFTER: Final = 0.25
_GIVE_UP_AFTER: Final = 0.75
_RETRY_AFTER: Final = 0.05

_logger = structlog.get_logger("syncline.lease")


class LeaseKeeper:
    """Renews one lease."""

    def __init__(self, leases: Leases, worker: UUID, length: timedelta, *, registered_at: float) -> None:
        self._leases = leases
        self._worker = worker
        self._length = length
        self._renewed_at = registered_at

    async def keep(self) -> None:
        """Renew until canceled. Returns if the lease is lost.

        The deadline starts when a renewal is sent, by this machine's clock, so it is never later than the database's.
        """
        length = self._length.total_seconds()
        wait = length * _RENEW_AFTER
        while (left := self._seconds_left()) > 0:
            await asyncio.sleep(min(wait, left))
            wait = length * (_RENEW_AFTER if await self._renew() else _RETRY_AFTER)
        _logger.error("lease.lost", worker=str(self._worker))

    def _seconds_left(self) -> float:
        return self._renewed_at + self._length.total_seconds() * _GIVE_UP_AFTER - lease_clock()

    async def _renew(self) -> bool:
        sent = lease_clock()
        renewal = asyncio.create_task(self._leases.renew(self._worker, self._length))
        try:
            await asyncio.wait([renewal], timeout=max(self._seconds_left(), 0))
        finally:
            # Not awaited: the driver cancels the statement over the network, which may be down.
            renewal.cancel()
        if not renewal.done():
            _logger.warning("lease.not_renewed", worker=str(self._worker), error="PostgreSQL does not answer")
            return False
        try:
            renewal.result()
        except LeaseLostError:
            self._renewed_at = float("-inf")
            return False
        except Exception as error:  # noqa: BLE001 - whatever the reason, the deadline decides
            _logger.warning("lease.not_renewed", worker=str(self._worker), error=describe_error(error))
            return False
        self._renewed_at = sent
        return True


def lease_clock() -> float:
    """Monotonic seconds, which include the time that the machine was suspended if the system has such a clock."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.clock_gettime(clock) if clock is not None else time.monotonic()
