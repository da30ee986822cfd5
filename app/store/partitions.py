"""Partitions for new rows: created ahead of time, and on demand if one is missing after all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import asyncpg

from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.store.database import Pool

Answer = TypeVar("Answer")

_SQL: Final = load_statements("partitions.sql")


async def ensure_partitions(pool: Pool | asyncpg.Connection[asyncpg.Record]) -> None:
    """Create the missing partitions of the coming weeks."""
    await pool.execute(_SQL["ensure_partitions"])


async def with_partitions(
    pool: Pool | asyncpg.Connection[asyncpg.Record], work: Callable[[], Awaitable[Answer]]
) -> Answer:
    """Do `work`; if a partition was missing for its rows, create it and do the work again.

    `work` is one statement or one transaction. Only the first event of a task and a new fire time need this: all other
    rows of a task go into the same partition as its first event.
    """
    try:
        return await work()
    except asyncpg.CheckViolationError as error:
        if error.constraint_name is not None:  # one of our own checks; a missing partition has no name
            raise
    await ensure_partitions(pool)
    return await work()
