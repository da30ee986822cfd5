"""The story of a task, and what was different when its collection last worked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app.store.moments import LATEST
from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from app.store.database import Pool
    from app.store.moments import Moment

_SQL: Final = load_statements("stories.sql")
# Whoever failed more often than that in a row is compared with nothing.
_LOOKED_AT: Final = 1000


class Neighbours(NamedTuple):
    """The tasks of the same collection before and after a task."""

    before: UUID | None
    after: UUID | None


class TaskKeyOf(NamedTuple):
    """A task among those of its collection."""

    source: str
    collection: str
    created_at: datetime
    task: UUID


class Stories:
    """Reads what has happened to tasks."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def list_events(self, task: UUID, first: int, last: int, moment: Moment = LATEST) -> list[asyncpg.Record]:
        """List the first and the last events that a task had, without reports of progress and without bookmarks.

        `left_out` is how many lie between an event and the one before it.
        """
        return await self._pool.fetch(_SQL["story"], task, first, last, moment.upto_at, moment.upto_xid)

    async def get_neighbours(self, of: TaskKeyOf, moment: Moment = LATEST) -> Neighbours:
        """Get the tasks before and after one, of those that there were."""
        [row] = await self._pool.fetch(_SQL["neighbours"], *of, moment.moment)
        return Neighbours(*row)

    async def find_last_success(self, before: TaskKeyOf) -> dict[str, Any] | None:
        """The last task before one that succeeded; None if there is none among the last thousand."""
        row = await self._pool.fetchrow(_SQL["last_success"], *before, _LOOKED_AT)
        return None if row is None else dict(row)

    async def find_last_start(self, task: UUID, source: str) -> dict[str, Any] | None:
        """With what the last attempt of a task was started; None if it never was."""
        row = await self._pool.fetchrow(_SQL["last_start"], task, source)
        return None if row is None else dict(row)

    async def list_facts(
        self, source: str, collection: str, limit: int, moment: Moment = LATEST
    ) -> list[asyncpg.Record]:
        """List the newest facts that there were about a collection, and those about its source that concern it.

        The newest come first.
        """
        return await self._pool.fetch(_SQL["facts"], source, collection, limit, moment.upto_at, moment.upto_xid)

    async def list_schema_changes(
        self, source: str, collection: str, after: datetime, upto: datetime
    ) -> Sequence[dict[str, Any]]:
        """List how the columns of a collection's tables have changed in this time, oldest first."""
        rows = await self._pool.fetch(_SQL["schema_changes_between"], source, collection, after, upto)
        return [dict(row) for row in rows]
