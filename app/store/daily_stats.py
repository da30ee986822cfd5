"""The daily statistics of collections in PostgreSQL.

The functions here are for one connection inside a transaction that `app.store.projections` has opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.store.projections import plan_sets
from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    import asyncpg

    from app.store.database import Connection
    from app.store.projections import Row

_SQL: Final = load_statements("daily_stats.sql")


async def add_daily_stats(connection: Connection, totals: Sequence[Row], histogram: Sequence[Row]) -> None:
    """Add rows of `daily_collection_stats` and `daily_collection_histogram` to what is there."""
    await connection.execute(_SQL["add_daily_stats"], totals)
    await connection.execute(_SQL["add_daily_histogram"], histogram)


async def list_daily_stats(connection: Connection, generation: int) -> list[asyncpg.Record]:
    """A generation's rows of `daily_collection_stats`."""
    return await connection.fetch(_SQL["daily_stats_rows"], generation)


async def list_daily_histogram(connection: Connection, generation: int) -> list[asyncpg.Record]:
    """A generation's rows of `daily_collection_histogram`."""
    return await connection.fetch(_SQL["daily_histogram_rows"], generation)


async def keep_sealed_days(connection: Connection, generation: int, live: int, before: date) -> None:
    """Let a new generation have the live one's days before this one, in place of what it made of the events left."""
    for table in ("stats", "histogram"):
        await connection.execute(_SQL[f"drop_sealed_{table}"], generation, before)
        await connection.execute(_SQL[f"keep_sealed_{table}"], generation, live, before)


async def sweep_daily_stats(connection: Connection, generation: int) -> int:
    """Drop the rows of generations that have no checkpoint; returns how many days' totals the given one has."""
    await plan_sets(connection)
    await connection.execute(_SQL["sweep_daily_stats"])
    await connection.execute(_SQL["sweep_daily_histogram"])
    count: int = await connection.fetchval(_SQL["count_daily_stats"], generation)
    return count
