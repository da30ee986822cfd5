"""Rescues the attempts of workers that are gone. Every worker checks; the first one to notice does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from app.store.leases import Leases

if TYPE_CHECKING:
    from datetime import timedelta

    from app.store.database import Pool
    from app.store.notify import Notifier

_LONGEST_POLL_SECONDS: Final = 5.0

_logger = structlog.get_logger("syncline.rescuer")


class Rescuer:
    """Ends expired leases and queues their tasks again. Checks four times per lease, and at least every 5 seconds."""

    def __init__(self, pool: Pool, notifier: Notifier, lease: timedelta) -> None:
        self._leases = Leases(pool)
        self._poll_seconds = min(_LONGEST_POLL_SECONDS, lease.total_seconds() / 4)
        self._notifier = notifier

    async def step(self) -> float:
        """Check once. Returns the seconds until the next check."""
        rescued = await self._leases.rescue()
        for attempt in rescued:
            _logger.warning("attempt.rescued", **{key: str(value) for key, value in attempt.items()})
        if rescued:
            self._notifier.notify()
        return 0 if rescued else self._poll_seconds
