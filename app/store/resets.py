"""Resets: a collection forgets how far its destinations are, and is loaded again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.store.queries import load_statements

if TYPE_CHECKING:
    from app.store.database import Pool

_SQL: Final = load_statements("resets.sql")


async def reset_collection(pool: Pool, source: str, collection: str) -> int:
    """Forget a collection's bookmarks, so that its next task loads everything.

    Returns the new generation, which is greater than all earlier ones. No destination has seen it before, even one that
    has seen generations which this database lost in a restore.
    """
    generation: int = await pool.fetchval(_SQL["reset_collection"], source, collection)
    return generation
