"""Events carry transaction ids, which order them and say what a statement may touch: they must be this server's own.

A dump that was restored into a server with lower ids has events that seem to come from the future. Their tasks could be
neither claimed nor canceled, and statistics would pass them over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import asyncpg

from app.domain.errors import StoreMovedError
from app.store.queries import load_statements

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]

_SQL: Final = load_statements("transaction_ids.sql")
_SECONDS: Final = 15.0


async def check_transaction_ids(connection: Connection) -> None:
    """Check that the server's transaction ids are higher than those of the stored events, if there is a schema yet.

    Raises:
        StoreMovedError: they are not.
    """
    try:
        row = await connection.fetchrow(_SQL["highest_xid"])
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return
    if row is not None and (row["stored"] or 0) >= row["own"]:
        raise StoreMovedError(stored=row["stored"], own=row["own"])


async def require_own_ids(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Raises `StoreMovedError` as above; the pool then expires all connections, and may refuse to open new ones."""
    async with pool.acquire() as connection:
        await check_transaction_ids(connection)


async def watch_transaction_ids(pool: asyncpg.Pool[asyncpg.Record]) -> float:
    """Check them again, because a dump may be restored under open connections; returns the seconds to the next time."""
    await require_own_ids(pool)
    return _SECONDS
