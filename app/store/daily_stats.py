"""The daily statistics of collections in PostgreSQL.

Call these functions inside a transaction of `app.store.projections`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.store.folding import plan_folds
from app.store.projections import plan_sets
from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from uuid import UUID

    import asyncpg

    from app.store.database import Connection
    from app.store.projections import Row

_SQL: Final = load_statements("daily_stats.sql")
_BATCH_TASKS: Final = 50_000


async def add_daily_stats(connection: Connection, totals: Sequence[Row], histogram: Sequence[Row]) -> None:
    """Add rows to the totals of `daily_collection_stats` and the counts of `daily_collection_histogram`."""
    await connection.execute(_SQL["add_daily_stats"], totals)
    await connection.execute(_SQL["add_daily_histogram"], histogram)


async def end_of_collections(connection: Connection, after: tuple[str, str]) -> tuple[str, str] | None:
    """The last (source, collection) of the next batch of those with tasks that have ended; None if none are left."""
    row = await connection.fetchrow(_SQL["end_of_collections"], *after, _BATCH_TASKS)
    return (row["source"], row["collection"]) if row else None


async def count_days(
    connection: Connection,
    generation: int,
    after: tuple[str, str],
    upto: tuple[str, str],
    *,
    since: int,
    active: Sequence[UUID],
    bucket_width: float,
) -> None:
    """Count the ended tasks of the collections after one up to another, for a generation that has none of them yet.

    Tasks that ended in transaction `since` or later are left out, and `active` ones. `bucket_width` is the logarithm of
    the width of the histogram's buckets.
    """
    await plan_folds(connection)
    await connection.execute(_SQL["count_days"], generation, *after, *upto, since, bucket_width, active)


async def list_daily_stats(connection: Connection, generation: int) -> list[asyncpg.Record]:
    """A generation's rows of `daily_collection_stats`."""
    return await connection.fetch(_SQL["daily_stats_rows"], generation)


async def list_daily_histogram(connection: Connection, generation: int) -> list[asyncpg.Record]:
    """A generation's rows of `daily_collection_histogram`."""
    return await connection.fetch(_SQL["daily_histogram_rows"], generation)


async def keep_sealed_days(connection: Connection, generation: int, live: int, before: date) -> None:
    """Copy the days before `before` from the live generation: not all of their events are left to count."""
    for table in ("stats", "histogram"):
        await connection.execute(_SQL[f"drop_sealed_{table}"], generation, before)
        await connection.execute(_SQL[f"keep_sealed_{table}"], generation, live, before)


async def sweep_daily_stats(connection: Connection, generation: int) -> int:
    """Delete generations without a checkpoint; return the number of rows of totals that the given one has."""
    await plan_sets(connection)
    await connection.execute(_SQL["sweep_daily_stats"])
    await connection.execute(_SQL["sweep_daily_histogram"])
    count: int = await connection.fetchval(_SQL["count_daily_stats"], generation)
    return count
