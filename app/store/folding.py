"""Folds many streams in one statement (`folding.sql`), so that a rebuild reads a long history fast.

Call these functions inside a transaction of `app.store.projections`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from app.domain.events import UPCASTS
from app.store.queries import load_statements

if TYPE_CHECKING:
    import asyncpg

    from app.store.database import Connection

_SQL: Final = load_statements("folding.sql")
_BATCH_EVENTS: Final = 100_000

BEFORE_ALL: Final = UUID(int=0)
AFTER_ALL: Final = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class Scope:
    """What to rebuild.

    Args:
        tasks: the rows of `tasks`.
        collections: the projections with one row for each collection or destination.
        since: asynchronous projections get the tasks that ended before this transaction.
    """

    tasks: bool
    collections: bool
    since: int


async def end_of_batch(connection: Connection, after: UUID) -> UUID:
    """The last task of the next batch of whole streams; `AFTER_ALL` for the last batch."""
    task: UUID | None = await connection.fetchval(_SQL["end_of_batch"], after, _BATCH_EVENTS)
    return task or AFTER_ALL


async def plan_folds(connection: Connection) -> None:
    """Join and sort a batch in memory until the end of the transaction."""
    await connection.execute(_SQL["plan_folds"])


async def fold_streams(connection: Connection, after: UUID, upto: UUID, scope: Scope) -> list[asyncpg.Record]:
    """Fold the streams after one task up to another, and correct what depends on a single stream.

    Returns rows of kind, task, source, collection, name (a status or a destination) and xid: what needs another look,
    see `folding.sql`.
    """
    await plan_folds(connection)
    return await connection.fetch(
        _SQL["fold_streams"],
        after,
        upto,
        scope.tasks,
        scope.since,
        [type_ for type_, v in UPCASTS if v == 1],
        scope.collections,
    )
