"""Pauses: while a collection or its source is paused, its tasks wait and its fire times are skipped."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from app.domain.cause import NO_CAUSE, Cause
from app.domain.errors import UnsettledError
from app.store.partitions import with_partitions
from app.store.queries import load_statements

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

    from app.store.database import Pool

_SQL: Final = load_statements("pauses.sql")
_TRIES: Final = 10
WHOLE_SOURCE: Final = ""
"""Stands for all collections of a source."""


class Pauses:
    """The pauses of collections and of whole sources. In every method, `collection` None is the whole source."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def pause(
        self, source: str, collection: str | None, *, until: datetime | None = None, cause: Cause = NO_CAUSE
    ) -> datetime:
        """Pause it until a time, or until somebody resumes it. Replaces the end of a pause that goes on.

        Returns since when it is paused.

        Raises:
            UnsettledError: the pause kept changing.
        """
        for _ in range(_TRIES):
            values = (source, collection or WHOLE_SOURCE, until, cause.data)
            since: datetime | None = await with_partitions(
                self._pool, partial(self._pool.fetchval, _SQL["pause"], *values)
            )
            if since is not None:
                return since
        raise _unsettled(source, collection)

    async def resume(self, source: str, collection: str | None, *, cause: Cause = NO_CAUSE) -> bool:
        """End the pause; returns whether there was one. That of the whole source is another one than its collections'.

        Raises:
            UnsettledError: the pause kept changing.
        """
        for _ in range(_TRIES):
            values = (source, collection or WHOLE_SOURCE, cause.data)
            [(is_paused, is_over)] = await with_partitions(
                self._pool, partial(self._pool.fetch, _SQL["resume"], *values)
            )
            if is_over or not is_paused:
                return bool(is_over)
        raise _unsettled(source, collection)

    async def list_active(self) -> list[asyncpg.Record]:
        """List the pauses that go on: `source`, `collection`, `since`, `until`, `who` and `note`."""
        return await self._pool.fetch(_SQL["active_pauses"])

    async def list_running(self, source: str, collection: str | None) -> list[asyncpg.Record]:
        """List the running tasks that a pause lets go on: `task`, `source` and `collection`."""
        return await self._pool.fetch(_SQL["running_tasks"], source, collection or WHOLE_SOURCE)


def _unsettled(source: str, collection: str | None) -> UnsettledError:
    return UnsettledError(f"the pause of {'/'.join(filter(None, (source, collection)))} keeps changing; try again")
