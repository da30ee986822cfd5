"""Bookmarks as the store remembers them. The destination's own copy, which commits with the rows, is the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.store.queries import load_statements

if TYPE_CHECKING:
    from app.store.database import Pool

_SQL: Final = load_statements("bookmarks.sql")


async def reset_collection(pool: Pool, source: str, collection: str) -> int:
    """Forget a collection's bookmarks, so that its next task loads everything.

    Returns the new generation's number: greater than those before it, and one that no destination has seen, even if it
    has seen more than this store.
    """
    generation: int = await pool.fetchval(_SQL["reset_collection"], source, collection)
    return generation
