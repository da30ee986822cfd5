"""Keeps the asynchronous projection near the events: exactly once, without a gap, from any number of replicas.

The checkpoint's row is the lock: whoever holds it reads whole transactions below the horizon, adds them up and moves
the checkpoint, all in one transaction.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from app.domain.errors import ConfigurationError
from app.loops import repeat
from app.projections.daily import DAILY, DailyStats
from app.projections.histories import History
from app.store import projections as store

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from app.store.database import Connection, Pool


_REST: Final = 19.0
"""So many times as long as the work took: tasks go before statistics."""


class ProjectionRunner:
    """The loop of `daily_collection_stats`; a twentieth of the time while tasks keep the process `busy`."""

    def __init__(self, pool: Pool, *, busy: Callable[[], bool] = lambda: False) -> None:
        self._pool = pool
        self._busy = busy
        self._checked = False

    async def run(self, stop: asyncio.Event, *, interval_seconds: float = 2.0) -> None:
        """Apply events until `stop` is set; without new ones look again after `interval_seconds`."""

        async def step() -> float:
            if not self._checked:
                await self.check()
            began = time.monotonic()
            if not await self.run_once():
                return interval_seconds
            return min(interval_seconds, _REST * (time.monotonic() - began)) if self._busy() else 0.0

        await repeat("projections", step, stop=stop)

    async def check(self) -> None:
        """See that this server may go on where the events ended.

        Raises:
            ConfigurationError: the events come from a server whose transaction ids were further on.
        """
        stored, own = await store.highest_xids(self._pool)
        if stored >= own:
            raise ConfigurationError(
                f"the database was restored into a younger server: its events reach transaction {stored}, the server "
                f"only {own}; stop it and run pg_resetwal --epoch={(stored >> 32) + 1}: see docs/operations.md"
            )
        self._checked = True

    async def run_once(self) -> int:
        """Apply the next whole transactions: how many events they held, 0 when there was nothing to do or to lock."""
        generation = await store.generation_behind(self._pool, DAILY)
        if generation is None:
            return 0
        async with store.transaction(self._pool) as connection:
            checkpoint = await store.take_checkpoint(connection, DAILY, generation)
            if checkpoint is None:
                return 0
            _, events = await apply_next(connection, generation, checkpoint)
            return events


async def apply_next(connection: Connection, generation: int, checkpoint: int) -> tuple[int, int]:
    """Add the next transactions to a generation whose checkpoint is locked: the new checkpoint, and their events."""
    found = await store.next_transactions(connection, checkpoint)
    if found is None:
        return checkpoint, 0
    upto, events = found
    stats = DailyStats()
    for stream in await store.streams_that_ended(connection, checkpoint, upto):
        stats.take(History.of(stream).task)
    if stats.totals:
        await store.add_daily_stats(connection, [*stats.stats_rows(generation)], [*stats.histogram_rows(generation)])
    await store.move_checkpoint(connection, DAILY, generation, upto)
    return upto, events
