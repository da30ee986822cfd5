"""Leases: which workers are alive, and taking attempts back from those that are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.domain.errors import LeaseLostError
from app.domain.pool import DEFAULT_POOL
from app.failpoints import fail_point
from app.store.partitions import with_partitions
from app.store.queries import load_statements
from app.store.queue import rescue_attempts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta
    from uuid import UUID

    from app.store.database import Pool

_SQL: Final = load_statements("leases.sql")


class Leases:
    """The leases of all workers. A worker's lease fences everything that it writes."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def register(
        self,
        *,
        host: str,
        pid: int,
        release: str,
        slots: int,
        length: timedelta,
        pools: Sequence[str] = (DEFAULT_POOL,),
    ) -> UUID:
        """Register a new worker. A process that lost its lease registers again, as another worker."""
        worker: UUID = await self._pool.fetchval(
            _SQL["register_worker"], host, pid, release, slots, length, list(pools)
        )
        return worker

    async def renew(self, worker: UUID, length: timedelta) -> None:
        """Extend the lease to `length` from now.

        Raises:
            LeaseLostError: the lease has expired.
        """
        if await self._pool.fetchval(_SQL["renew_lease"], worker, length) is None:
            raise LeaseLostError("this worker's lease has expired")

    async def drain(self, worker: UUID) -> None:
        """Make the database refuse further claims of this worker."""
        await self._pool.execute(_SQL["drain_worker"], worker)

    async def stop(self, worker: UUID) -> None:
        """Record the end of a worker that has handed everything back."""
        await self._pool.execute(_SQL["stop_worker"], worker)

    async def rescue(self) -> list[dict[str, Any]]:
        """Take the lease and the attempts away from workers that did not renew in time; schedule the tasks that follow.

        Returns the rescued attempts: source, collection, task, attempt, status.
        """
        if not await self._pool.fetchval(_SQL["has_gone_workers"]):
            return []
        return await with_partitions(self._pool, self._rescue)

    async def _rescue(self) -> list[dict[str, Any]]:
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_SQL["mark_lost_workers"])
            fail_point("workers.lost")
            return await rescue_attempts(connection)

    async def forget(self) -> None:
        """Delete the rows of workers that ended long ago."""
        await self._pool.execute(_SQL["forget_workers"])
