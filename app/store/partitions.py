"""The partitions that new rows go into: made ahead, and made at once where one is missing after all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import asyncpg

from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.store.database import Pool

Answer = TypeVar("Answer")

_SQL: Final = load_statements("partitions.sql")


async def ensure_partitions(pool: Pool) -> None:
    """Make the partitions of the weeks to come, where they are missing."""
    await pool.execute(_SQL["ensure_partitions"])


async def with_partitions(pool: Pool, work: Callable[[], Awaitable[Answer]]) -> Answer:
    """Do `work`; where a partition was missing for its rows, make it and do the work again.

    `work` is a statement or a transaction of its own. Only the first event of a task and a new fire time can meet a
    hole: all else that is written of a task goes where its first event went.
    """
    try:
        return await work()
    except asyncpg.CheckViolationError as error:
        if error.constraint_name is not None:  # a check of ours; a missing partition has no name
            raise
    await ensure_partitions(pool)
    return await work()
