"""Requests for syncs that others have made in the database, in transactions of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from app.domain.cause import Actor, Cause
from app.store.partitions import with_partitions
from app.store.queries import load_statements
from app.store.queue import schedule_or_follow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from app.domain.claim import NewTask
    from app.store.database import Connection, Pool

_SQL: Final = load_statements("sync_requests.sql")
_MOST_AT_ONCE: Final = 500


class RequestedSync(NamedTuple):
    """The requests for syncs of a collection; the first one was made by a login of the database, `age` ago."""

    source: str
    collection: str
    ids: Sequence[int]
    requested_by: str
    note: str | None
    age: timedelta

    @property
    def cause(self) -> Cause:
        return Cause(Actor("database", self.requested_by), self.note)


class SyncRequests:
    """The requests, for the workers that make tasks of them. Of several workers, one takes a request."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def list_collections(self) -> list[RequestedSync]:
        """List the collections with requests, those that have waited longest first."""
        return [RequestedSync(*row) for row in await self._pool.fetch(_SQL["requested_syncs"], _MOST_AT_ONCE)]

    async def make_task(self, requested: RequestedSync, new: NewTask) -> bool:
        """Make one task of the requests; false if another worker has taken them, or the row of the queue kept changing.

        The requests go in the transaction that schedules the task, or that makes it follow the active one.
        """

        async def step() -> bool:
            async with self._pool.acquire() as connection, connection.transaction():
                if not await _take(connection, requested):
                    return False
                if await schedule_or_follow(connection, new):
                    return True
                raise _UnsettledError

        try:
            return await with_partitions(self._pool, step)
        except _UnsettledError:
            return False

    async def refuse(self, requested: RequestedSync, reason: str) -> bool:
        """Delete requests of which no task can be made, and say so in an event; false if another worker has them."""

        async def step() -> bool:
            async with self._pool.acquire() as connection, connection.transaction():
                if not await _take(connection, requested):
                    return False
                values = (requested.source, requested.collection, reason, requested.cause.data)
                await connection.execute(_SQL["refuse_request"], *values)
                return True

        return await with_partitions(self._pool, step)


class _UnsettledError(Exception):
    """The row of the queue has changed meanwhile, so this transaction is rolled back."""


async def _take(connection: Connection, requested: RequestedSync) -> bool:
    taken: int = await connection.fetchval(_SQL["take_requests"], list(requested.ids))
    return taken > 0
