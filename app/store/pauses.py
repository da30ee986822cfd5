"""Pauses: while a collection or its source is paused, its tasks wait and its fire times are skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.domain.cause import NO_CAUSE, Cause
from app.domain.errors import ConfigurationError
from app.store.queries import load_statements
from app.store.settling import until_settled

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

    from app.store.database import Pool

_SQL: Final = load_statements("pauses.sql")
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
            ConfigurationError: `until` is over, by the database's clock.
            UnsettledError: the pause kept changing.
        """
        values = (source, collection or WHOLE_SOURCE, until, cause.data)

        async def step() -> datetime | None:
            [(since, is_over)] = await self._pool.fetch(_SQL["pause"], *values)
            if is_over:
                raise ConfigurationError("a pause must end in the future; to end one, resume")
            found: datetime | None = since
            return found

        return await until_settled(self._pool, step, _name(source, collection))

    async def resume(self, source: str, collection: str | None, *, cause: Cause = NO_CAUSE) -> bool:
        """End the pause; returns whether there was one. That of the whole source is another one than its collections'.

        Raises:
            UnsettledError: the pause kept changing.
        """
        values = (source, collection or WHOLE_SOURCE, cause.data)

        async def step() -> bool | None:
            [(is_paused, is_over)] = await self._pool.fetch(_SQL["resume"], *values)
            return bool(is_over) if is_over or not is_paused else None

        return await until_settled(self._pool, step, _name(source, collection))

    async def list_active(self) -> list[asyncpg.Record]:
        """List the pauses that go on: `source`, `collection`, `since`, `until`, `who` and `note`."""
        return await self._pool.fetch(_SQL["active_pauses"])

    async def list_running(self, source: str, collection: str | None) -> list[asyncpg.Record]:
        """List the running tasks that a pause lets go on: `task`, `source` and `collection`."""
        return await self._pool.fetch(_SQL["running_tasks"], source, collection or WHOLE_SOURCE)


def _name(source: str, collection: str | None) -> str:
    return f"the pause of {'/'.join(filter(None, (source, collection)))}"
