"""Resets: a collection forgets how far its destinations are, and is loaded again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.domain.cause import NO_CAUSE, Cause
from app.store.queries import load_statements
from app.store.settling import until_settled

if TYPE_CHECKING:
    from app.store.database import Pool

_SQL: Final = load_statements("resets.sql")


async def reset_collection(pool: Pool, source: str, collection: str, *, cause: Cause = NO_CAUSE) -> int:
    """Forget a collection's bookmarks, so that its next task loads everything.

    Returns the new generation, which is greater than all earlier ones. No destination has seen it before, even one that
    has seen generations which this database lost in a restore.

    Raises:
        UnsettledError: others kept resetting it.
    """

    async def step() -> int | None:
        generation: int | None = await pool.fetchval(_SQL["reset_collection"], source, collection, cause.data)
        return generation

    return await until_settled(pool, step, f"the generation of {source}/{collection}")
