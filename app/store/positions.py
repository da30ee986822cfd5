"""Events have positions, which order them: they go on from the newest one, whichever server the store is in.

A position is made of the server's transaction id. A dump that was restored into a server with lower ids has events that
seem to come from the future: their tasks could be neither claimed nor canceled, and statistics would pass them over.
`syncline migrate` raises what is added to the ids (migration 0015).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import asyncpg

from app.domain.errors import StoreMovedError
from app.store.queries import load_statements

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]

_SQL: Final = load_statements("positions.sql")
_SECONDS: Final = 15.0
# There is no schema yet, or an older one, which is found out elsewhere.
_NOT_MIGRATED: Final = (asyncpg.InvalidSchemaNameError, asyncpg.UndefinedFunctionError, asyncpg.UndefinedTableError)


async def check_positions(connection: Connection) -> None:
    """Check that the next event comes after the stored ones.

    Raises:
        StoreMovedError: it would not.
    """
    try:
        row = await connection.fetchrow(_SQL["positions"])
    except _NOT_MIGRATED:
        return
    if row is not None and (row["newest"] or 0) >= row["next"]:
        raise StoreMovedError(newest=row["newest"], following=row["next"])


async def require_own_positions(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Raises `StoreMovedError` as above; the pool then expires all connections, and may refuse to open new ones."""
    async with pool.acquire() as connection:
        await check_positions(connection)


async def watch_positions(pool: asyncpg.Pool[asyncpg.Record]) -> float:
    """Check them again, because a dump may be restored under open connections; returns the seconds to the next time."""
    await require_own_positions(pool)
    return _SECONDS
