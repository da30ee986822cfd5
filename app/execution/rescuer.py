"""Taking over from workers that are gone; every worker looks, whoever comes first does it."""

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
    """Ends the leases that ran out and queues their attempts again: looks four times in a lease, or every 5 seconds."""

    def __init__(self, pool: Pool, notifier: Notifier, lease: timedelta) -> None:
        self._leases = Leases(pool)
        self._poll_seconds = min(_LONGEST_POLL_SECONDS, lease.total_seconds() / 4)
        self._notifier = notifier

    async def step(self) -> float:
        """One look; the seconds until the next."""
        rescued = await self._leases.rescue()
        for attempt in rescued:
            _logger.warning("attempt.rescued", **{key: str(value) for key, value in attempt.items()})
        if rescued:
            self._notifier.notify()
        return 0 if rescued else self._poll_seconds
