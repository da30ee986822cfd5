"""Requests for syncs that others have made in the database, in transactions of their own."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from app.domain.cause import Actor, Cause
from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import timedelta

    from app.store.database import Connection, Pool

_SQL: Final = load_statements("sync_requests.sql")
_MOST_AT_ONCE: Final = 500


class SyncRequest(NamedTuple):
    """A request for a sync of a collection, by a login of the database."""

    id: int
    source: str
    collection: str
    requested_by: str
    note: str | None
    age: timedelta

    @property
    def cause(self) -> Cause:
        return Cause(Actor("database", self.requested_by), self.note)


class SyncRequests:
    """The requests, for the workers that make tasks of them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def are_there(self) -> bool:
        """Whether there are any; without a lock."""
        found: bool = await self._pool.fetchval(_SQL["has_requests"])
        return found

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[HeldRequests]:
        """Lock some of the oldest, without those that another worker has. What is done to them commits together."""
        async with self._pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(_SQL["hold_requests"], _MOST_AT_ONCE)
            yield HeldRequests(connection, [SyncRequest(*row) for row in rows])


class HeldRequests:
    """Requests that this worker has locked."""

    def __init__(self, connection: Connection, requests: Sequence[SyncRequest]) -> None:
        self._connection = connection
        self.requests = requests

    async def drop(self, requests: Sequence[SyncRequest]) -> None:
        """Delete requests that have become tasks."""
        await self._connection.execute(_SQL["drop_requests"], [request.id for request in requests])

    async def refuse(self, request: SyncRequest, reason: str) -> None:
        """Delete a request of which no task can be made, and say so in an event."""
        values = (request.source, request.collection, reason, request.cause.data)
        await self._connection.execute(_SQL["refuse_request"], *values)
        await self.drop([request])
