"""Keeps asynchronous projections up to date: each event is applied exactly once, by any number of replicas.

The row of a checkpoint is the lock. Its holder reads whole transactions below the horizon, applies them and moves the
checkpoint, all in one transaction.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from app.loops import repeat
from app.projections.asynchronous import ASYNCHRONOUS
from app.store import projections as store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.projections.projection import AsyncProjection
    from app.store.database import Connection, Pool


_PAUSE_FACTOR: Final = 19.0
"""The pause as a multiple of the time that the work took; tasks have priority over projections."""


class ProjectionRunner:
    """Runs a loop for each projection, which takes a twentieth of the time while the process is `busy` with tasks."""

    def __init__(
        self,
        pool: Pool,
        *,
        busy: Callable[[], bool] = lambda: False,
        projections: Sequence[AsyncProjection] = ASYNCHRONOUS,
    ) -> None:
        self._pool = pool
        self._projections = projections
        self._busy = busy

    async def run(self, stop: asyncio.Event, *, interval_seconds: float = 2.0) -> None:
        """Apply events until `stop` is set; without new ones look again after `interval_seconds`."""
        # Separate loops, so that one that fails does not hold up the others.
        await asyncio.gather(*(self._follow(projection, stop, interval_seconds) for projection in self._projections))

    async def _follow(self, projection: AsyncProjection, stop: asyncio.Event, interval_seconds: float) -> None:
        async def step() -> float:
            began = time.monotonic()
            if not await self._apply_next(projection):
                return interval_seconds
            return min(interval_seconds, _PAUSE_FACTOR * (time.monotonic() - began)) if self._busy() else 0.0

        await repeat(projection.name, step, stop=stop)

    async def run_once(self) -> int:
        """Apply the next whole transactions. Returns their number of events, 0 also if another replica has the lock."""
        return sum([await self._apply_next(projection) for projection in self._projections])

    async def _apply_next(self, projection: AsyncProjection) -> int:
        generation = await store.find_generation_behind(self._pool, projection.name)
        if generation is None:
            return 0
        async with store.transaction(self._pool) as connection:
            checkpoint = await store.take_checkpoint(connection, projection.name, generation)
            if checkpoint is None:
                return 0
            _, events = await apply_next(connection, projection, generation, checkpoint)
            return events


async def apply_next(
    connection: Connection, projection: AsyncProjection, generation: int, checkpoint: int
) -> tuple[int, int]:
    """Apply the next transactions to a generation whose checkpoint is locked: (new checkpoint, number of events)."""
    found = await store.find_next_transactions(connection, checkpoint)
    if found is None:
        return checkpoint, 0
    upto, events = found
    await projection.apply(connection, generation, checkpoint, upto)
    await store.move_checkpoint(connection, projection.name, generation, upto)
    return upto, events
