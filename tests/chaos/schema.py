"""The schema as a later release might expand it, while this release goes on running."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import psycopg

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

_TABLES: Final = (
    "events",
    "log_events",
    "tasks",
    "collections",
    "bookmarks",
    "table_schemas",
    "renewed_configs",
    "schedules",
    "workers",
)
_EXPAND: Final = (
    *(f"ALTER TABLE syncline.{table} ADD COLUMN IF NOT EXISTS later text" for table in _TABLES),
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS later ON syncline.collections (created_at)",
    "UPDATE syncline.alembic_version SET version_num = 'later'",
)
_TRIES: Final = 200


@asynccontextmanager
async def newer_schema(url: str) -> AsyncIterator[None]:
    """Expanded within, as it was afterwards."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT version_num FROM syncline.alembic_version").fetchone()
    assert row is not None
    await asyncio.to_thread(_migrate, url, _EXPAND)
    try:
        yield
    finally:
        back = (
            f"UPDATE syncline.alembic_version SET version_num = '{row[0]}'",
            "DROP INDEX CONCURRENTLY IF EXISTS syncline.later",
            *(f"ALTER TABLE syncline.{table} DROP COLUMN IF EXISTS later" for table in _TABLES),
        )
        await asyncio.to_thread(_migrate, url, back)


def _migrate(url: str, statements: Sequence[str]) -> None:
    """Each by itself and never waiting long for its lock, as a migration does that disturbs nobody."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '200ms'")
        for statement in statements:
            for _ in range(_TRIES):
                with suppress(psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
                    connection.execute(statement.encode())
                    break
            else:
                raise TimeoutError(f"no lock for: {statement}")
