"""Resets: a collection forgets how far its destinations are, and is loaded again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from app.domain.cause import NO_CAUSE, Cause
from app.domain.errors import UnsettledError
from app.store.partitions import with_partitions
from app.store.queries import load_statements

if TYPE_CHECKING:
    from app.store.database import Pool

_SQL: Final = load_statements("resets.sql")
_TRIES: Final = 10


async def reset_collection(pool: Pool, source: str, collection: str, *, cause: Cause = NO_CAUSE) -> int:
    """Forget a collection's bookmarks, so that its next task loads everything.

    Returns the new generation, which is greater than all earlier ones. No destination has seen it before, even one that
    has seen generations which this database lost in a restore.

    Raises:
        UnsettledError: others kept resetting it.
    """
    statement = partial(pool.fetchval, _SQL["reset_collection"], source, collection, cause.data)
    for _ in range(_TRIES):
        generation: int | None = await with_partitions(pool, statement)
        if generation is not None:
            return generation
    raise UnsettledError(f"{source}/{collection} keeps being reset; try again")
